"""kill -9 of the whole run in every stage of one night, one after the other, and each time run again.

The night that was killed so often must leave what the undisturbed one has left.
"""

import gzip
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.demo.extracts import DEMO_NIGHTS, arrive
from jobs.engines.delivery import verify
from jobs.pipeline import STAGES
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import ROOT, Project, assert_same
from transforms.schemas import OPS_EXPORT, OPS_RUN, OPS_STAGE

NIGHT = DEMO_NIGHTS[1]
AT_ITS_END = 9.0
# Stage, and after what share of the time that it took undisturbed. Release and report are over in milliseconds: they
# are killed when all is written and nothing noted.
_RANDOM = random.Random(20)
KILLS = [
    *((stage, round(_RANDOM.uniform(0.1, 1.2), 2)) for stage in STAGES if stage not in ("release", "report")),
    *((stage, AT_ITS_END) for stage in ("silver", "release", "exports", "report")),
]  # fmt: skip
KILLS.sort(key=lambda kill: (STAGES.index(kill[0]), kill[1]))
IDS = [f"{stage} {'at its end' if share == AT_ITS_END else f'at {share:.0%}'}" for stage, share in KILLS]


@dataclass(frozen=True)
class Seen:
    """What a killed run left. `noted`: the stages of the night that are done by now; `releases`: their runs."""

    status: int
    noted: set[str]
    releases: list[str]


@dataclass
class Killed:
    """The project after its night was killed so often, and brought to an end."""

    project: Project
    seen: list[Seen] = field(default_factory=list)
    second: "subprocess.CompletedProcess[str] | None" = None
    first: str = ""
    last: "subprocess.CompletedProcess[str] | None" = None

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(str(self.project.folder / "lakehouse"))

    def command(self, *module: str) -> list[str]:
        return [sys.executable, "-m", *module, "run", "--date", str(NIGHT), "--conf", str(self.project.conf)]

    @property
    def environment(self) -> dict[str, str]:
        quick = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}  # each lives for seconds
        return {**self.project.environment, "PYTHONPATH": str(ROOT), **quick}

    def run(self) -> "subprocess.CompletedProcess[str]":
        """The real command line, to its end."""
        return subprocess.run(
            self.command("jobs.cli"), env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def start(self, stage: str, seconds: float) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command("tests.end_to_end.killed", stage, str(seconds)),
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def look(self, status: int) -> None:
        noted = {row["stage"] for row in self.lakehouse.rows(OPS_STAGE) if row["date"] == NIGHT}
        self.seen.append(Seen(status, noted, [release.run_id for release in all_releases(self.lakehouse)]))


def wait_for_run(lakehouse: Path, child: "subprocess.Popen[bytes]") -> str:
    """The run that holds the lakehouse, once it has a name."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        assert child.poll() is None, "it ended before it had the lakehouse"
        try:
            run_id = str(json.loads((lakehouse / "_lease.json").read_text())["run_id"])
        except FileNotFoundError:
            run_id = ""
        if run_id.startswith(f"{NIGHT:%Y%m%d}-"):
            return run_id
        time.sleep(0.02)
    raise AssertionError("nobody took the lakehouse")


@pytest.fixture(scope="module")
def killed(nights: Nights) -> Killed:
    shutil.rmtree(nights.place)  # where an export was delivered to is a part of what it is
    night = Killed(nights.copy(1, nights.place))
    arrive(night.project.folder, NIGHT)
    usual = {
        row["stage"]: row["seconds"]
        for row in Lakehouse(str(nights.project.folder / "lakehouse")).rows(OPS_STAGE)
        if row["date"] == NIGHT
    }
    for stage, share in KILLS:
        with night.start(stage, share * usual[stage]) as child:
            if not night.first:
                night.first = wait_for_run(night.project.folder / "lakehouse", child)
                child.send_signal(signal.SIGSTOP)  # till the second has tried
                night.second = night.run()
                child.send_signal(signal.SIGCONT)
            night.look(child.wait(timeout=300))
    night.last = night.run()
    return night


@pytest.mark.parametrize("number", range(len(KILLS)), ids=IDS)
def test_killed(killed: Killed, number: int) -> None:
    """It died in that stage, the ones before were not run again, and readers see a release only once it is whole."""
    stage, seen = KILLS[number][0], killed.seen[number]
    assert seen.status == -signal.SIGKILL
    assert seen.noted == set(STAGES[: STAGES.index(stage)])
    assert len(seen.releases) == (1 if STAGES.index(stage) < STAGES.index("release") else 2)


def test_the_last_run_ends_what_the_first_began(killed: Killed) -> None:
    assert killed.last is not None
    assert killed.last.returncode == 0, killed.last.stderr
    assert f"run {killed.first} goes on after exports" in killed.last.stderr
    runs = [row for row in killed.lakehouse.rows(OPS_RUN) if row["date"] == NIGHT]
    assert {row["run_id"] for row in runs} == {killed.first}
    stages = [row["stage"] for row in killed.lakehouse.rows(OPS_STAGE) if row["date"] == NIGHT]
    assert Counter(stages) == Counter(STAGES)


def test_a_second_run_at_once_is_kept_out_and_names_the_first(killed: Killed) -> None:
    assert killed.second is not None
    assert killed.second.returncode == 3
    assert f"run {killed.first} holds the lakehouse" in killed.second.stderr


def test_nothing_is_lost_or_doubled(killed: Killed, nights: Nights) -> None:
    assert_same(killed.project, nights.after[1])
    assert [release.run_id for release in all_releases(killed.lakehouse)] == [nights.runs[0].run_id, killed.first]


def delivered(path: str) -> list[str | pa.Table]:
    """What the files of a delivery hold, in their order."""
    files = sorted(Path(path).glob("export-*"))
    return [
        pq.read_table(file) if file.suffix == ".parquet" else gzip.decompress(file.read_bytes()).decode()
        for file in files
    ]


def test_exports_are_delivered_once_and_whole(killed: Killed, nights: Nights) -> None:
    ours, theirs = (
        {
            row["export"]: row
            for row in Lakehouse(str(project.folder / "lakehouse")).rows(OPS_EXPORT)
            if row["date"] == NIGHT
        }
        for project in (killed.project, nights.after[1])
    )
    rows = [row["export"] for row in killed.lakehouse.rows(OPS_EXPORT) if row["release"] == 2]
    assert sorted(rows) == sorted(theirs) == ["email_platform", "warehouse"]
    for name, row in ours.items():
        path = str(killed.project.folder / "exports" / name / str(NIGHT))
        assert (row["path"], row["release"]) == (path, 2)
        assert verify(path) == []
        for key in ("mode", "rows", "counts", "definition"):
            assert row[key] == theirs[name][key], (name, key)
        assert delivered(path) == delivered(str(nights.after[1].folder / "exports" / name / str(NIGHT)))
        assert [item.name for item in Path(path).parent.iterdir() if "staging" in item.name] == []


def test_the_report_tells_the_whole_night_once(killed: Killed, nights: Nights) -> None:
    ours, theirs = (
        (project.folder / "lakehouse" / "ops" / "reports" / f"{NIGHT}.html").read_text()
        for project in (killed.project, nights.after[1])
    )

    def told(report: str) -> str:
        """All but the run's name and what took how long."""
        return re.sub(r"<p>Run .*?</p>|<h2>How long it took.*", "", report.replace(str(killed.project.folder), ""))

    assert "What came in" in told(theirs)
    assert told(ours) == told(theirs)
