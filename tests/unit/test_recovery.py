"""Where a night begins: on the release before it, or after what a run that died has left."""

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.changes.restore import restore_release
from jobs.runtime.recovery import OVER, Begin, begin
from jobs.runtime.releases import all_releases, expire, last_before, of_run, publish
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.schemas import GOLD_OVERRIDE, OPS_FILE, OPS_RUN, OPS_STAGE

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 3, day) for day in (2, 3, 4))
PLAIN = {"again": False, "full_refresh": False, "refit": False}


class House:
    """A lakehouse whose ops tables tell of nights that never ran."""

    def __init__(self, folder: Path, written: Path) -> None:
        self.lakehouse, self.written = Lakehouse(str(folder)), written

    def run(
        self, run_id: str, day: date, *stages: str, status: str = "running", base: int | None, conf: str = "a",
        again: bool = False,
    ) -> None:  # fmt: skip
        """A run that finished these stages, each of which wrote version 7 of a table of its name."""
        told = {
            "run_id": run_id, "date": day, "started_at": datetime.now(UTC), "base_release": base, "configuration": conf,
            "code_version": "1", "options": json.dumps({**PLAIN, "again": again}, sort_keys=True),
        }  # fmt: skip
        self.lakehouse.append(OPS_RUN, [{**told, "status": "running", "at": datetime.now(UTC)}])
        for stage in stages:
            row = {
                "run_id": run_id, "date": day, "stage": stage, "status": "done", "at": datetime.now(UTC),
                "seconds": 1.0, "rows": 1, "inputs": {}, "outputs": {stage: 7}, "figures": '{"landed": {"pos": 5}}',
            }  # fmt: skip
            self.lakehouse.append(OPS_STAGE, [row])
            shutil.copytree(self.written, self.lakehouse.path(stage), dirs_exist_ok=True)
        if status != "running":
            self.lakehouse.append(OPS_RUN, [{**told, "status": status, "at": datetime.now(UTC)}])

    def release(self, run_id: str, day: date, cause: Any = "night", **versions: int) -> int:
        return publish(
            self.lakehouse, run_id=run_id, day=day, cause=cause, versions={"bronze": 1} | versions, configuration="a"
        ).release

    def night(self, run_id: str, day: date, *, base: int | None, again: bool = False) -> int:
        """A night that went well."""
        self.run(run_id, day, "bronze", "silver", status=OVER, base=base, again=again)
        return self.release(run_id, day)

    def begin(self, day: date, *, conf: str = "a", again: bool = False, run_id: str | None = None) -> Begin:
        return begin(
            self.lakehouse, day, configuration=conf, code_version="1", options={**PLAIN, "again": again}, run_id=run_id
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table at version 7."""
    folder = tmp_path_factory.mktemp("written")
    for version in range(8):
        write_deltalake(str(folder), pa.table({"v": [version]}), mode="overwrite")
    return folder


@pytest.fixture
def house(tmp_path: Path, written: Path) -> House:
    return House(tmp_path, written)


def stages_of(start: Begin) -> list[str]:
    return [row["stage"] for row in start.finished]


def test_a_run_that_died_goes_on_after_its_last_finished_stage(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.run("two", TUESDAY, "bronze", "silver", base=1)
    start = house.begin(TUESDAY)
    assert (start.run_id, stages_of(start)) == ("two", ["bronze", "silver"])
    assert start.versions == {"bronze": 7, "silver": 7}


@pytest.mark.parametrize("gone", ["table", "file"])
def test_what_maintenance_has_rolled_back_and_purged_is_not_gone_on_with(house: House, gone: str) -> None:
    """A table that was new to the run is removed, of another the files; no release tells of it."""
    house.night("one", MONDAY, base=None)
    house.run("two", TUESDAY, "bronze", "silver", "identity", base=1)
    if gone == "table":
        shutil.rmtree(house.lakehouse.path("identity"))
    else:
        (file,) = DeltaTable(house.lakehouse.path("silver"), version=7).file_uris()
        DeltaTable(house.lakehouse.path("silver")).restore(6)
        Path(file).unlink()
    start = house.begin(TUESDAY)
    assert (stages_of(start), start.versions) == ([], {"bronze": 1})
    assert start.run_id != "two"


@pytest.mark.parametrize("change", [{"conf": "b"}, {"run_id": "another"}])
def test_another_configuration_or_run_begins_afresh(house: House, change: dict[str, str]) -> None:
    house.night("one", MONDAY, base=None)
    house.run("two", TUESDAY, "bronze", base=1)
    start = house.begin(TUESDAY, **change)
    assert (stages_of(start), start.versions) == ([], {"bronze": 1})
    assert start.run_id != "two"


def test_what_a_later_run_has_rolled_back_is_not_gone_on_with(house: House) -> None:
    """Two runs die over the first night: the tables that lie there are the later one's, of the same version numbers."""
    house.run("first", MONDAY, "bronze", "silver", status="failed", base=None, conf="a")
    house.run("second", MONDAY, "bronze", "silver", status="failed", base=None, conf="b")
    assert stages_of(house.begin(MONDAY, conf="a")) == []
    assert stages_of(house.begin(MONDAY, conf="b")) == ["bronze", "silver"]


def test_after_a_restore_a_run_that_died_before_it_is_not_gone_on_with(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.night("two", TUESDAY, base=1)
    house.run("three", TUESDAY, "bronze", base=1, again=True)
    house.release("restore-two", TUESDAY, cause="restore")
    assert stages_of(house.begin(TUESDAY, again=True)) == []


def test_the_newest_night_again_builds_on_what_it_was_built_on(house: House) -> None:
    """Restored to Monday and forth again: Tuesday's state is the newest, and Wednesday's release lies between."""
    house.night("one", MONDAY, base=None)
    house.night("two", TUESDAY, base=1)
    house.night("three", WEDNESDAY, base=2)
    house.release("restore-one", MONDAY, cause="restore")
    house.release("restore-three", WEDNESDAY, cause="restore")
    start = house.begin(WEDNESDAY, again=True)
    assert start.base is not None
    assert start.base.release == 2
    house.release("restore-restore-three", WEDNESDAY, cause="restore")
    start = house.begin(WEDNESDAY, again=True)
    assert start.base is not None
    assert start.base.release == 2


def test_a_replay_is_not_undone_by_its_night_alone(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.night("two", TUESDAY, base=1)
    house.run("replay-1", TUESDAY, "silver", status=OVER, base=2)
    house.release("replay-1", TUESDAY, cause="replay")
    afresh = {"configuration": "a", "code_version": "1", "options": {**PLAIN, "again": True, "full_refresh": True}}
    for restored in (False, True):
        if restored:
            house.release("restore-replay-1", TUESDAY, cause="restore")
        with pytest.raises(DefinitionError, match=r"--date 2026-03-03: released already"):
            house.begin(TUESDAY)
        with pytest.raises(DefinitionError, match="the night alone would undo that"):
            house.begin(TUESDAY, again=True)
        start = begin(house.lakehouse, TUESDAY, **afresh)
        assert start.base is not None
        assert start.base.release == 1  # what the night was built on
    house.release("restore-two", TUESDAY, cause="restore")
    start = house.begin(TUESDAY, again=True)
    assert start.base is not None
    assert start.base.release == 1


def test_the_night_again_keeps_what_was_set_by_hand_after_it(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.night("two", TUESDAY, base=1)
    for number, base in ((1, 2), (2, 3)):
        house.run(f"override-{number}", TUESDAY, "override", status=OVER, base=base)
        house.release(f"override-{number}", TUESDAY, cause="override", **{GOLD_OVERRIDE.name: number})
    start = house.begin(TUESDAY, again=True)
    assert start.base is not None
    assert start.base.release == 1
    assert (dict(start.base.versions), start.versions) == ({"bronze": 1}, {"bronze": 1, GOLD_OVERRIDE.name: 2})
    # it dies and goes on with the same
    house.run("two again", TUESDAY, "bronze", base=1, again=True)
    again = house.begin(TUESDAY, again=True)
    assert (again.run_id, again.versions) == ("two again", {"bronze": 7, GOLD_OVERRIDE.name: 2})
    # set upon a replay, it does not make the night again harmless
    house.run("replay-1", TUESDAY, "silver", status=OVER, base=4)
    house.release("replay-1", TUESDAY, cause="replay", **{GOLD_OVERRIDE.name: 2})
    house.run("override-3", TUESDAY, "override", status=OVER, base=5)
    house.release("override-3", TUESDAY, cause="override", **{GOLD_OVERRIDE.name: 3})
    with pytest.raises(DefinitionError, match="the night alone would undo that"):
        house.begin(TUESDAY, again=True)


def test_a_night_that_died_is_not_gone_on_with_after_a_replay(house: House) -> None:
    """The replay has rolled back what the night had left, and died itself."""
    house.night("one", MONDAY, base=None)
    house.run("two", TUESDAY, "bronze", "silver", base=1)
    house.run("replay-1", MONDAY, "silver", base=1)
    start = house.begin(TUESDAY)
    assert (stages_of(start), start.versions) == ([], {"bronze": 1})


def test_the_first_night_again_builds_on_nothing(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.night("one more", MONDAY, base=None, again=True)
    assert house.begin(MONDAY, again=True).base is None


def test_a_release_whose_run_died_goes_on_with_what_its_stages_counted(house: House) -> None:
    house.night("one", MONDAY, base=None)
    house.run("two", TUESDAY, "bronze", "silver", base=1)
    house.release("two", TUESDAY)
    start = house.begin(TUESDAY)
    assert start.release is not None
    assert (start.run_id, start.release.release, stages_of(start)) == ("two", 2, ["bronze", "silver"])
    assert start.finished[0]["figures"] == {"landed": {"pos": 5}}
    assert start.versions == {"bronze": 1}


def test_what_cannot_be_run_is_told(house: House) -> None:
    with pytest.raises(DefinitionError, match=r"--again: only the newest night can be run again \(there is none\)"):
        house.begin(MONDAY, again=True)
    house.night("one", TUESDAY, base=None)
    with pytest.raises(DefinitionError, match=r"--date 2026-03-03: released already \(release 1, run one\)"):
        house.begin(TUESDAY)
    with pytest.raises(DefinitionError, match="--date 2026-03-02: nights go in order"):
        house.begin(MONDAY)
    with pytest.raises(DefinitionError, match="--again: only the newest night"):
        house.begin(WEDNESDAY, again=True)


def test_a_restore_to_a_run_that_never_was_names_those_that_were(house: House) -> None:
    with pytest.raises(DefinitionError, match=r"--to never: no release of such a run; released runs: none yet$"):
        restore_release(SimpleNamespace(lakehouse=house.lakehouse.uri), "never")  # type: ignore[arg-type]
    assert not list(Path(house.lakehouse.uri).glob("*"))
    house.night("one", MONDAY, base=None)
    with pytest.raises(DefinitionError, match=r"--to never: no release of such a run; released runs: one$"):
        of_run(house.lakehouse, "never")


def test_a_table_that_was_half_removed_is_removed(tmp_path: Path) -> None:
    """Killed while it took back a table that no release names."""
    lakehouse = Lakehouse(str(tmp_path))
    for _ in range(2):
        lakehouse.append(OPS_FILE, [{"source": "pos", "path": "a", "size": 1}])
    (tmp_path / "ops" / "file" / "_delta_log" / f"{0:020}.json").unlink()
    assert lakehouse.roll_back({}) == {}
    assert not (tmp_path / "ops" / "file").exists()


def test_a_second_state_of_a_day_follows_nothing_where_the_night_before_has_expired(house: House) -> None:
    for run_id, day in (("one", MONDAY), ("two", TUESDAY), ("three", WEDNESDAY)):
        house.release(run_id, day)
    base = all_releases(house.lakehouse)[-1]
    before = last_before(house.lakehouse, base, WEDNESDAY)
    assert before is not None and before.run_id == "two"
    expire(house.lakehouse, [2])
    assert last_before(house.lakehouse, base, WEDNESDAY) is None
