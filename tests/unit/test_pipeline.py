"""How a run goes through its stages: what it runs again after it died, and what it leaves alone. No Spark."""

import ast
import json
import time
from pathlib import Path

import pytest

from jobs import bronze
from jobs.pipeline import NIGHT, STAGES
from jobs.runtime.releases import all_releases
from tests.end_to_end.project import ROOT
from tests.unit.house import House
from transforms.errors import DefinitionError, LockedError, PortraitError
from transforms.schemas import OPS_RUN, OPS_STAGE

WORK = [stage.name for stage in NIGHT if stage.name != "release"]


@pytest.mark.parametrize("stage", WORK[:-2])
def test_a_stage_that_failed_runs_again_upon_what_the_ones_before_left(house: House, stage: str) -> None:
    place = WORK.index(stage)
    assert house.dies_in(stage) == WORK[: place + 1]
    assert all_releases(house.lakehouse) == []
    assert house.night() == WORK[place:]
    # once each: what the failed attempt had written was taken back
    assert [house.turns(name) for name in WORK[:6]] == [[n + 1 + (n >= place)] for n in range(6)]


@pytest.mark.parametrize("stage", ["exports", "report"])
def test_after_the_release_only_what_is_not_done_runs(house: House, stage: str) -> None:
    assert house.dies_in(stage) == WORK[: WORK.index(stage) + 1]
    assert [release.release for release in all_releases(house.lakehouse)] == [1]
    assert house.night() == WORK[WORK.index(stage) :]
    assert [release.release for release in all_releases(house.lakehouse)] == [1]
    with pytest.raises(DefinitionError, match="released already"):
        house.night()


def test_a_stage_that_ran_again_by_itself_makes_those_after_it_run_again(house: House) -> None:
    assert house.night(until="identity") == ["bronze", "silver", "identity"]
    assert house.night(only="silver") == ["silver"]
    assert house.night() == [
        "identity", "tags", "profile", "journeys", "catalog", "segments", "recommendations", "audiences", "exports",
        "report",
    ]  # fmt: skip
    assert house.turns("silver") == [4]
    assert house.turns("identity") == [5]


def test_files_delivered_anew_make_bronze_run_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a check that stopped the night; not where a scheduler asks for a later stage alone."""
    assert house.dies_in("silver") == ["bronze", "silver"]
    monkeypatch.setattr(bronze, "has_new_files", lambda night, figures: True)
    assert house.night(only="silver") == ["silver"]
    assert house.dies_in("identity") == ["bronze", "silver", "identity"]
    monkeypatch.setattr(bronze, "has_new_files", lambda night, figures: False)
    assert house.night()[0] == "identity"
    assert house.turns("bronze") == [4]


def test_stages_as_tasks_of_a_scheduler(house: House) -> None:
    before = WORK[: WORK.index("exports")]
    assert [house.night(only=name) for name in before] == [[name] for name in before]
    assert house.night(first="release") == ["exports", "report"]
    assert [house.turns(name) for name in before] == [[n + 1] for n in range(len(before))]
    assert [row["status"] for row in house.lakehouse.rows(OPS_RUN)].count("released") == 1


def test_a_task_is_tried_again_under_the_run_of_its_scheduler(house: House) -> None:
    run = "scheduled__2026-03-02T01:30:00+00:00"
    for name in STAGES:
        if name in ("silver", "exports"):
            house.fails = name
            with pytest.raises(PortraitError, match=f"{name} failed"):
                house.night(only=name, run_id=run)
            house.fails = None
        assert house.night(only=name, run_id=run) == [name] * (name != "release")
    [release] = all_releases(house.lakehouse)
    assert release.run_id == run
    told = sorted(house.lakehouse.rows(OPS_STAGE), key=lambda row: row["at"])
    assert [row["stage"] for row in told if row["status"] == "done"] == list(STAGES)
    with pytest.raises(DefinitionError, match="released already"):
        house.night(only="bronze", run_id=run)
    with pytest.raises(DefinitionError, match=r"--run-id '\.\./x': letters, digits"):
        house.night(run_id="../x")


def test_each_stage_is_a_file_that_can_be_submitted() -> None:
    """It hands over to the command line before its imports: they would find jobs/profile.py for Python's own module."""
    for stage in STAGES:
        first = ast.parse((ROOT / "jobs" / f"{stage}.py").read_text()).body[1]
        assert ast.unparse(first).split() == [
            "if", "__name__", "==", "'__main__':", "from", "jobs.cli", "import", "stage_main", f"stage_main('{stage}')",
        ]  # fmt: skip


def test_a_full_disk_is_told_though_java_says_it_lines_below(house: House) -> None:
    def fills_up() -> None:
        raise RuntimeError(
            "An error occurred while calling o1.parquet.\n: org.apache.spark.SparkException: Job aborted\n"
            "Caused by: java.io.IOException: No space left on device: row of ann@x.org"
        )

    house.meanwhile["tags"] = fills_up
    with pytest.raises(PortraitError) as error:
        house.night()
    assert str(error.value).startswith(
        "RuntimeError: An error occurred while calling o1.parquet. (No space left on device); the stack is in "
    )
    assert "ann@x.org" not in str(error.value)


def test_a_run_that_lost_its_lease_writes_nothing_more(house: House) -> None:
    """It could not renew its lease for so long that another machine's run has taken the lakehouse."""
    file = Path(house.conf.lakehouse) / "_lease.json"
    other = {
        "run_id": "other", "host": "elsewhere", "pid": 1, "started": "1", "jvm": None, "since": "just now",
        "expires": time.time() + 60,
    }  # fmt: skip
    house.meanwhile["audiences"] = lambda: [file.write_text(json.dumps(other)), None][1]
    with pytest.raises(LockedError, match="has lost its lease, run other holds the lakehouse") as error:
        house.night()
    assert error.value.exit_status == 3
    assert house.ran[-1] == "audiences"
    assert all_releases(house.lakehouse) == []
    assert [row["status"] for row in house.lakehouse.rows(OPS_RUN)] == ["running"]
    assert json.loads(file.read_text()) == other
    with pytest.raises(LockedError, match="run other holds the lakehouse"):
        house.night()
    file.write_text(json.dumps({**other, "expires": time.time() - 1}))
    house.meanwhile.clear()
    # what the stage that was overtaken had done is not counted
    assert house.night() == ["audiences", "exports", "report"]
