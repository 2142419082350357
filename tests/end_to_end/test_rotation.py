"""Keys are rotated between two nights: nobody gets another id, nothing is doubled, and who was erased stays erased."""

import csv
import json
import shutil

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS, arrive
from jobs.engines import erasures
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import KEYS, Project
from transforms.erasure import entries_of

THIRD = DEMO_NIGHTS[2]
GHOST = "ghost.of.the.past@example.org"


def rotate(project: Project) -> None:
    """Another key for customers, and a new one before the old for those who were erased."""
    privacy = project.folder / "conf" / "privacy.yml"
    text = privacy.read_text().replace("customer: ${PORTRAIT_CUSTOMER_KEY}", "customer: ${NEW_KEY}")
    both = "erasure: ['${NEW_KEY}', '${PORTRAIT_ERASURE_KEY}']"
    privacy.write_text(text.replace("erasure: ${PORTRAIT_ERASURE_KEY}", both))


@pytest.fixture(autouse=True)
def new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_KEY", "n" * 40)


def forgotten(project: Project) -> None:
    """Somebody was erased under the old key, and their shop delivers them once more."""
    old = KEYS["PORTRAIT_ERASURE_KEY"]
    lakehouse = Lakehouse(str(project.folder / "lakehouse"))
    gone = erasures.ask(lakehouse, entries_of([("email", GHOST)], [], [], old), {}, [old])
    erasures.note_gone(lakehouse, gone, 1, {})
    [file] = project.files(f"crm/{THIRD}/*.csv")
    header = next(csv.reader(file.open(encoding="utf-8", newline="")))
    ghost = dict.fromkeys(header, "") | {"email": GHOST, header[0]: "GHOST-1"}
    with file.open("a", encoding="utf-8", newline="") as out:
        csv.DictWriter(out, header).writerow(ghost)


def owners(project: Project) -> pd.Series:
    """Record -> customer."""
    return project.table("identity/record").set_index("record_id")["customer_id"].sort_index()


def test_a_new_key_moves_nobody(nights: Nights, spark: SparkSession) -> None:
    """The third night under new keys, the old customer key gone, beside the same night under the old ones."""
    shutil.rmtree(nights.place)  # where an export was delivered to is a part of what it is
    project, other = nights.copy(2, nights.place), nights.after[2]
    known = set(owners(project))
    rotate(project)
    arrive(project.folder, THIRD)
    forgotten(project)
    night = project.night(THIRD, spark)
    pairs = pd.DataFrame({"old": owners(other), "new": owners(project)}).drop_duplicates()
    assert pairs["old"].is_unique and pairs["new"].is_unique
    kept = pairs["old"].isin(known)
    assert (pairs["old"] == pairs["new"])[kept].all() and kept.sum() > 100
    assert (pairs["old"] != pairs["new"])[~kept].all() and (~kept).any()
    new = dict(zip(pairs["old"], pairs["new"], strict=True))
    for table in ("gold/customer_profile", "gold/order", "gold/customer"):
        theirs = other.table(table)
        theirs["customer_id"] = theirs["customer_id"].replace(new)
        order = list(theirs.columns)
        pd.testing.assert_frame_equal(
            project.table(table).sort_values(order, ignore_index=True), theirs.sort_values(order, ignore_index=True)
        )
    members = [one.table("gold/audience_member") for one in (project, other)]
    arms = [table[table["customer_id"].isin(known)].reset_index(drop=True) for table in members]
    assert len(arms[0]) > 10 and set(arms[0]["arm"]) == {"target", "holdout"}
    pd.testing.assert_frame_equal(*arms)
    manifest, usual = (
        json.loads((one.folder / "exports" / "warehouse" / str(THIRD) / "manifest.json").read_text())
        for one in (project, other)
    )
    assert manifest["reset"] is None and manifest["mode"] == "changes"
    assert (manifest["counts"], manifest["total"]) == (usual["counts"], usual["total"])
    assert night.figures_of("silver")["fates"]["crm_contacts"]["erased"] == 1
    assert not project.table("silver/contact")["email"].eq(GHOST).any()
