"""The demo's three nights over a few households, run once for all tests that only look."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.night import Night
from tests.end_to_end.project import Project, new_project


@dataclass(frozen=True)
class Nights:
    """`after[k]`: a copy of the project as it was after k + 1 nights; `runs`: what the nights counted.

    `place`: where they ran.
    """

    place: Path
    after: list[Project]
    runs: list[Night]

    @property
    def project(self) -> Project:
        """The project after all nights, to look at."""
        return self.after[-1]

    def copy(self, nights: int, folder: Path) -> Project:
        """The project after so many nights, to do with what one likes."""
        return self.after[nights - 1].copy(folder)


@pytest.fixture(scope="session")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    return three_nights(new_project(folder / "demo"), folder, spark)


def three_nights(project: Project, folder: Path, spark: SparkSession) -> Nights:
    after, runs = [], []
    for number, day in enumerate(DEMO_NIGHTS, start=1):
        runs.append(project.night(day, spark))
        after.append(project.copy(folder / f"after_{number}"))
    return Nights(project.folder, after, runs)
