"""A person is forgotten between two nights, delivered anew in full the next night, and proven to be gone.

What is left is looked for by pandas and by the bytes of every file, which know nothing of how it was taken out.
"""

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.changes import forget as forgetting
from jobs.changes.forget import Forgotten, forget
from jobs.changes.maintain import Maintained, maintain
from jobs.changes.restore import restore_release
from jobs.demo.extracts import DEMO_NIGHTS, arrive
from jobs.gold import open_release
from jobs.lookups.access import held_on
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, dataset_of
from tests.end_to_end.conftest import Nights
from tests.end_to_end.contents import contents
from tests.end_to_end.project import Project
from transforms.errors import DefinitionError, PortraitError
from transforms.schemas import OPS_ERASURE

FIRST, SECOND, THIRD = DEMO_NIGHTS
SCREEN = Screen(as_json=True)


@dataclass
class Story:
    """The project at its end, and what happened on the way.

    secrets: the person's identifiers. withdrew: a customer who withdraws consent on the third day, and the address
    that campaigns used.
    before, erased, restored: releases, the last that of an earlier one restored. night: the third.
    """

    project: Project
    customer: str
    secrets: list[str]
    withdrew: tuple[str, str]
    before: Release
    told: Forgotten
    erased: Release
    asked: int
    held: dict[str, object]
    rows: pd.DataFrame
    night: Night
    restored: Release
    done: Maintained

    @property
    def lakehouse(self) -> Path:
        return self.project.folder / "lakehouse"


def contacts(project: Project) -> pd.DataFrame:
    """The CRM's people whom a campaign may reach tonight, with their customers."""
    owner = project.table("identity/record").set_index("record_id")["customer_id"]
    members = project.table("gold/audience_member")
    reached = set(members.loc[(members["arm"] == "target") & (members["audience"] == "reachable"), "customer_id"])
    rows = project.table("silver/contact")
    rows = rows[rows["record_id"].str.startswith("crm_contacts:") & rows["_valid_to"].isin(["None", "NaT"])]
    rows = rows.assign(customer=rows["record_id"].map(owner))
    return rows[rows["customer"].isin(reached) & (rows["email"] != "None")].drop_duplicates("customer")


def deliver_again(project: Project, email: str, **changed: str) -> None:
    """The third day's CRM extract has that person's row of an earlier one, with some fields changed."""
    file = project.files(f"crm/{THIRD}/*.csv")[0]
    for earlier in project.files("crm/*/*.csv"):
        rows = list(csv.DictReader(earlier.open(encoding="utf-8", newline="")))
        found = [row for row in rows if row["email"].strip().lower() == email]
        if found:
            header = next(csv.reader(file.open(encoding="utf-8", newline="")))
            with file.open("a", encoding="utf-8", newline="") as out:
                csv.DictWriter(out, header).writerow({**found[-1], **changed})
            return
    raise AssertionError(f"no extract has {email}")


@pytest.fixture(scope="module")
def story(nights: Nights, spark: SparkSession) -> Iterator[Story]:
    shutil.rmtree(nights.place)  # where an export was delivered to is a part of what it is
    project = nights.copy(2, nights.place)
    conf, before = project.load(), project.release
    people = contacts(project)
    owner = project.table("identity/customer_id")
    known = people["customer"].map(owner.groupby("customer_id")["id_value"].nunique())
    person, other = (people.loc[at] for at in known.sort_values(ascending=False, kind="stable").index[:2])
    mine = owner.loc[(owner["customer_id"] == person["customer"]), ["id_type", "id_value"]]
    given = project.table("identity/edge")
    nodes = set(project.table("identity/record").query("customer_id == @person.customer")["record_id"])
    others = set(given.loc[~given["left_value"].isin(nodes), "right_value"])
    address = project.table("gold/customer").set_index("customer_id")["email"][other["customer"]]
    secrets = sorted(set(mine["id_value"]) - others)
    assert person["email"] in secrets and len(secrets) >= 3
    held = held_on(conf, person["customer"])
    rows = project.table("silver/transaction")
    with pytest.MonkeyPatch.context() as patch:  # it dies when the tables are written, and nothing is released
        patch.setattr(forgetting, "_publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            forget(conf, f"email:{person['email'].upper()}", screen=SCREEN, session=spark)
    assert project.release.release == before.release
    told = forget(conf, person["customer"], screen=SCREEN, session=spark)
    erased = project.release
    asked = sum(row["status"] == "asked" for row in Lakehouse(conf.lakehouse).rows(OPS_ERASURE))
    restore_release(conf, nights.runs[0].run_id, screen=SCREEN, session=spark)
    restored = project.release
    restore_release(conf, erased.run_id, screen=SCREEN, session=spark)
    arrive(project.folder, THIRD)
    deliver_again(project, person["email"])
    deliver_again(
        project, other["email"], opt_in_marketing="N", opt_in_at=f"{THIRD} 23:00:00", updated_at=f"{THIRD} 23:00:00"
    )
    night = project.night(THIRD, spark)
    done = maintain(conf, screen=SCREEN, prove_now=True, session=spark)
    yield Story(
        project, person["customer"], secrets, (other["customer"], address), before, told, erased, asked, held, rows,
        night, restored, done,
    )  # fmt: skip


def holds(project: Project, release: Release, secrets: list[str]) -> dict[str, int]:
    """Table of a release -> how many of the secrets it holds."""
    found = {}
    for name, version in release.versions.items():
        table = dataset_of(DeltaTable(str(project.folder / "lakehouse" / name), version=version)).to_table()
        text = table.to_pandas().to_csv()
        found[name] = sum(secret in text for secret in secrets)
    return {name: count for name, count in found.items() if count}


def test_what_died_half_way_is_taken_up_and_asked_for_once(story: Story) -> None:
    assert story.asked == 1
    assert (story.erased.cause, story.erased.release) == ("erasure", story.before.release + 1)
    assert story.told.rows["silver/contact"] >= 1


def test_tables_without_the_person_have_no_commit(story: Story) -> None:
    changed = {name for name, version in story.erased.versions.items() if version != story.before.versions[name]}
    assert {"bronze/crm_contacts", "silver/contact", "identity/record", "gold/customer_profile"} <= changed
    assert not {"silver/product", "bronze/products", "gold/tag_catalog", "gold/model", "ops/file"} & changed


def test_everybody_else_stays_as_they_were(story: Story) -> None:
    held = story.held["tables"]
    assert isinstance(held, dict)
    mine = {row["record_id"] for row in held.get("silver/transaction", [])}
    after = story.project.table("silver/transaction")
    kept = story.rows[~story.rows["record_id"].isin(mine)]
    assert set(kept["record_id"]) <= set(after["record_id"])
    assert not mine & set(after["record_id"])


def test_the_next_full_dump_does_not_bring_the_person_back(story: Story) -> None:
    fates, landed = story.night.figures_of("silver")["fates"], story.night.figures_of("bronze")["landed"]
    assert fates["crm_contacts"]["erased"] >= 1
    assert {source: sum(told.values()) for source, told in fates.items()} == landed
    assert holds(story.project, story.project.release, story.secrets) == {}


def test_an_earlier_release_is_restored_without_the_person(story: Story) -> None:
    assert (story.restored.cause, story.restored.date) == ("erasure", FIRST)


def test_receivers_are_told(story: Story) -> None:
    folder = story.project.folder / "exports" / "warehouse" / str(THIRD)
    manifest = json.loads((folder / "manifest.json").read_text())
    files = [folder / file["name"] for file in manifest["files"]]
    rows = pd.concat([pd.read_parquet(file) for file in files if file.suffix == ".parquet"])
    assert manifest["mode"] == "changes"
    assert rows.set_index("customer_id").loc[story.customer, "change"] == "removed"


def test_withdrawn_consent_reaches_audience_and_export_the_same_night(story: Story) -> None:
    customer, address = story.withdrew
    hashed = hashlib.sha256(address.encode()).hexdigest()
    delivered = {
        day: gzip.decompress(file.read_bytes()).decode()
        for day in (SECOND, THIRD)
        for file in (story.project.folder / "exports" / "email_platform" / str(day)).glob("*.csv.gz")
    }
    assert hashed in delivered[SECOND]
    assert hashed not in delivered[THIRD]
    members = story.project.table("gold/audience_member")
    tonight = members[(members["date"] == str(THIRD)) & (members["audience"] == "reachable")]
    assert customer not in set(tonight["customer_id"])


def test_no_byte_of_the_person_is_left(story: Story) -> None:
    (proven,) = story.done.proven
    assert proven == story.told.erasure.erasure
    for file, text in contents(story.lakehouse, story.project.folder / "logs"):
        assert [secret for secret in story.secrets if secret in text] == [], file
    rows = Lakehouse(str(story.lakehouse)).rows(OPS_ERASURE)
    assert [row["status"] for row in sorted(rows, key=lambda row: row["at"])] == ["asked", "gone", "proven"]
    assert all(row["sealed"] is None for row in rows)


def test_expired_releases_say_so_to_readers(story: Story) -> None:
    lakehouse = str(story.lakehouse)
    assert story.before.release in story.done.releases
    with pytest.raises(PortraitError, match=f"release {story.before.release} of {SECOND} has expired"):
        open_release(lakehouse, story.before.release)
    with pytest.raises(DefinitionError, match="has expired"):
        restore_release(story.project.load(), story.before.run_id)
    newest = open_release(lakehouse)
    assert len(newest.pandas("customer_profile")) > 0


def test_asking_for_the_erased_is_answered_clearly(story: Story) -> None:
    conf = story.project.load()
    email = next(secret for secret in story.secrets if "@" in secret)
    for ask in (f"email:{email}", story.customer):
        with pytest.raises(DefinitionError, match=r"a person who was erased on .*, proven on"):
            forget(conf, ask, screen=SCREEN)
        with pytest.raises(DefinitionError, match="nothing is held but keyed hashes"):
            held_on(conf, ask)
    with pytest.raises(DefinitionError, match="no customer has this email"):
        forget(conf, "email:nobody@nowhere.example", screen=SCREEN)


def test_access_told_of_every_source(story: Story) -> None:
    told = story.held
    sources = {row["source"] for row in told["sources"]}  # type: ignore[attr-defined]
    assert "crm_contacts" in sources
    assert {row["value"] for row in told["identifiers"]} >= set(story.secrets)  # type: ignore[attr-defined]
    assert told["tags"] and all(tag["purposes"] for tag in told["tags"])  # type: ignore[attr-defined]
