"""The starter's project and a second day of it: nights of little data, wherever its lakehouse lies."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd

from jobs.project.starter.extracts import DAY, EXTRACTS
from jobs.project.starter.project import write_project
from jobs.runtime.console import Screen
from jobs.runtime.releases import find
from tests.end_to_end.project import ROOT, Project
from tests.end_to_end.servers import QUICK

FIRST = date.fromisoformat(DAY)
SECOND = date(2026, 2, 1)
_OF_THE_FILE = ["modified_at"]
# somebody moves, somebody new orders, and one orders again; one order is of no time
_SECOND_DAY = {
    "contacts": [
        "C002,Bruno Costa,bruno.costa@example.com,+49 30 23125002,Leipzig,04109,DE,1991-11-30,2024-06-11,"
        "2026-02-01 09:00:00",
        "C015,Olga Pohl,olga.pohl@example.com,,Leipzig,04107,DE,1990-01-09,2026-02-01,2026-02-01 10:00:00",
    ],
    "orders": [
        "A1015;1;01.02.2026 11:00;C015;olga.pohl@example.com;Teapot;Tableware;1;39,00;39,00",
        "A1016;1;01.02.2026 12:00;C001;alma.berg@example.com;Green tea;Tea;1;7,20;7,20",
        "A1017;1;at noon;C002;bruno.costa@example.com;Green tea;Tea;1;7,20;7,20",
    ],
}


@dataclass(frozen=True)
class Shop(Project):
    """The starter's project. `store`: the environment of the store that its lakehouse lies in; none: a disk."""

    store: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.store}

    def portrait(self, *arguments: str, module: tuple[str, ...] = ("jobs.cli",)) -> "subprocess.Popen[str]":
        """The command line, in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *module, *arguments, "--conf", str(self.conf)], text=True,
            env={**self.environment, **QUICK, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def told(self, *arguments: str, status: int = 0) -> str:
        """The same, to its end: what it prints."""
        child = self.portrait(*arguments)
        out, err = child.communicate(timeout=600)
        assert child.returncode == status, out + err
        return out + err


def new_shop(folder: Path, store: dict[str, str] | None = None) -> Shop:
    """A new project, with the extracts of both days."""
    write_project(folder, Screen(as_json=True))
    for source, rows in _SECOND_DAY.items():
        header = EXTRACTS[f"extracts/{source}/{DAY}/{source}.csv"].splitlines()[0]
        file = folder / "extracts" / source / f"{SECOND}" / f"{source}.csv"
        file.parent.mkdir()
        file.write_text("\n".join([header, *rows, ""]))
    return Shop(folder, store or {})


def assert_same_night(ours: Shop, theirs: Shop, number: int, *, theirs_number: int | None = None) -> None:
    """The releases of that number hold the same rows in the same tables."""
    our, their = find(ours.lakehouse, number), find(theirs.lakehouse, theirs_number or number)
    assert our is not None and their is not None
    assert sorted(our.versions) == sorted(their.versions) and "gold/customer_profile" in our.versions
    for name in our.versions:
        frames = (ours.table(name, our), theirs.table(name, their))
        pd.testing.assert_frame_equal(
            *(frame.drop(columns=_OF_THE_FILE, errors="ignore") for frame in frames), obj=name
        )
