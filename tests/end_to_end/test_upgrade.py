"""A store that the last version of Portrait wrote opens in this one; one that a newer version wrote does not.

`older_store.py` makes the store; what it leads to is held against a project that was always new.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.changes.forget import forget
from jobs.changes.restore import restore_release
from jobs.cli import app
from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.console import Screen
from jobs.runtime.releases import publish
from jobs.runtime.tables import Lakehouse, ddl_of
from tests.end_to_end.conftest import Nights
from tests.end_to_end.older_store import LAYOUT_1, made_older
from tests.end_to_end.project import ROOT, Project, assert_same
from transforms.errors import PortraitError
from transforms.schemas import FIXED_TABLES, GOLD_AUDIENCE, GOLD_MODEL, OPS_RELEASE, Column, Table
from transforms.schemas.layout import LAYOUT, MOVED

THIRD = DEMO_NIGHTS[2]
LAYOUT_OF_THEN = json.loads(LAYOUT_1.read_text())
READS = (
    ["status"],
    ["query", "select count(*) from customer_profile"],
    ["audience", "list"],
    ["tags", "list"],
    ["quarantine", "list"],
    ["identity", "audit"],
)


def asked(project: Project, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--conf", str(project.conf)], env=project.environment)
    return done.exit_code, done.output


@dataclass
class Upgraded:
    """An older store: what readers said of it, the error of a first night, what readers said then; and the end."""

    project: Project
    columns: dict[str, dict[str, str]]
    before: list[tuple[int, str]]
    died: str
    between: list[tuple[int, str]]
    after: list[tuple[int, str]]


@pytest.fixture(scope="module")
def upgraded(nights: Nights, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[Upgraded]:
    project = nights.copy(2, tmp_path_factory.mktemp("upgrade") / "moved")
    project.load()
    made_older(project)
    lakehouse = Lakehouse(str(project.folder / "lakehouse"))
    columns = {name: columns_of(lakehouse, name) for name in LAYOUT_OF_THEN if lakehouse.version(name) is not None}
    before = [asked(project, *words) for words in READS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lakehouse, "write", dying(Lakehouse.write))
        with pytest.raises(PortraitError) as error:
            project.night(THIRD, spark)
    between = [asked(project, *words) for words in READS]
    project.night(THIRD, spark)
    yield Upgraded(project, columns, before, str(error.value), between, [asked(project, *words) for words in READS])


def dying(write):  # type: ignore[no-untyped-def]
    """It dies when a table was just written in today's layout."""

    def call(lakehouse: Lakehouse, table: Table, *args: object, **kwargs: object) -> int:
        version = write(lakehouse, table, *args, **kwargs)
        if table.name in MOVED:
            raise OSError("the store is away")
        return int(version)

    return call


def columns_of(lakehouse: Lakehouse, table: str) -> dict[str, str]:
    fields = json.loads(DeltaTable(lakehouse.path(table)).schema().to_json())["fields"]
    return {field["name"]: ddl_of(field["type"]) for field in fields}


def test_the_fixture_is_what_was_written_then(upgraded: Upgraded) -> None:
    assert {"gold/tag_catalog", "gold/model", "ops/release", "silver/contact"} <= upgraded.columns.keys()
    assert upgraded.columns == {name: LAYOUT_OF_THEN[name] for name in upgraded.columns}
    changed = [name for name, columns in upgraded.columns.items() if columns != FIXED_TABLES[name].types]
    assert sorted(changed) == ["gold/audience", "gold/model", "gold/tag_catalog", "ops/export", "ops/release"]


def test_readers_read_it_before_and_after(upgraded: Upgraded, nights: Nights) -> None:
    assert [code for code, _ in (*upgraded.before, *upgraded.between, *upgraded.after)] == [0] * 18
    for told, project in ((upgraded.before, nights.after[1]), (upgraded.after, nights.after[2])):
        _, counted = told[1]
        assert counted.split()[-1] == str(len(project.table("gold/customer_profile")))
    # of the night that died readers see nothing
    assert upgraded.between[1:] == upgraded.before[1:]


def test_the_next_night_is_that_of_a_store_that_was_always_new(upgraded: Upgraded, nights: Nights) -> None:
    assert "the store is away" in upgraded.died
    project, new = upgraded.project, nights.after[2]
    assert project.release.layout == LAYOUT
    both = [name for name in new.release.versions if name in LAYOUT_OF_THEN or name not in FIXED_TABLES]
    assert len(both) > 30
    # what was fitted then was not registered, as far as that table tells, and audiences did not tell what cuts them
    assert_same(project, new, tables=both, but_for=["mlflow_run", "mlflow_version", "cut_by"])
    told = Lakehouse(str(project.folder / "lakehouse")).rows(GOLD_AUDIENCE, project.release.versions["gold/audience"])
    assert {row["cut_by"] is None for row in told if row["date"] < THIRD} == {True}
    assert [row["cut_by"] for row in told if row["date"] == THIRD and row["cut_by"]]
    models = Lakehouse(str(project.folder / "lakehouse")).rows(GOLD_MODEL, project.release.versions[GOLD_MODEL.name])
    assert {row["mlflow_run"] for row in models if row["fitted_on"] < THIRD} == {None}


def test_one_goes_back_in_it_and_forgets(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(2, tmp_path / "moved")
    conf = project.load()
    made_older(project)
    forgotten = forget(conf, project.table("gold/customer_profile")["customer_id"][0], screen=Screen(), session=spark)
    assert forgotten.release.release == 3 and forgotten.rows["gold/customer_profile"] == 1
    restored = restore_release(conf, nights.runs[0].run_id, session=spark)
    assert (restored.release, restored.date, restored.layout) == (4, DEMO_NIGHTS[0], LAYOUT)
    assert "seconds" not in project.table("gold/tag_catalog")


REFUSED = (
    ["run", "--date", "2018-01-01"], ["backfill", "--from", "2018-01-01", "--to", "2018-01-01"], ["plan"], ["status"],
    ["show", "email:a@example.org"], ["explain", "email:a@example.org", "city"], ["query", "select 1"],
    ["report", "--catalog"], ["report", "--date", "2018-01-01"], ["tags", "list"],
    ["tags", "set", "email:a@example.org", "city", "Bonn", "--reason", "r", "--by", "b"],
    ["audience", "list"], ["funnel", "transaction", "web_event", "--within", "7d"], ["export"],
    ["quarantine", "list"], ["quarantine", "replay"], ["forget", "email:a@example.org"],
    ["access", "email:a@example.org", "--to", "held"], ["identity", "audit"], ["maintain"], ["restore", "--to", "r"],
    ["backup", "--to", "vault"],
)  # fmt: skip


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A lakehouse whose newest release a later version wrote."""
    project = Project(tmp_path_factory.mktemp("newer"))
    for name in ("conf", "tag_definitions"):
        shutil.copytree(ROOT / name, project.folder / name)
    lakehouse = Lakehouse(str(project.folder / "lakehouse"))
    publish(lakehouse, run_id="r", day=THIRD, cause="night", versions={}, configuration="c")
    later = Table(OPS_RELEASE.name, (*OPS_RELEASE.columns, Column("mood", "string", "", "none")))
    row = {
        "release": 2, "run_id": "s", "date": THIRD, "released_at": datetime.now(UTC), "cause": "night", "versions": {},
        "configuration": "c", "layout": LAYOUT + 1, "mood": "good",
    }  # fmt: skip
    lakehouse.append(later, [row])
    return project


@pytest.mark.parametrize("words", REFUSED, ids=[" ".join(words[:2]) for words in REFUSED])
def test_a_newer_store_is_refused(newer: Project, words: list[str]) -> None:
    versions = DeltaTable(str(newer.folder / "lakehouse" / "ops" / "release")).version()
    status, told = asked(newer, *words)
    assert status == 1, told
    assert f"was written by a newer Portrait (layout {LAYOUT + 1}, this one knows {LAYOUT}); upgrade Portrait" in told
    assert DeltaTable(str(newer.folder / "lakehouse" / "ops" / "release")).version() == versions
    assert not (newer.folder / "lakehouse" / "_lease.json").exists()
