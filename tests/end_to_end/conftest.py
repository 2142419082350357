"""The demo's three nights over a few households, run once for all tests that only look."""

import shutil
from dataclasses import dataclass

import pytest
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.night import Night
from tests.end_to_end.project import Project, new_project


@dataclass(frozen=True)
class Nights:
    """`after[k]`: a copy of the project as it was after k + 1 nights; `runs`: what the nights counted."""

    ran_in: Project
    after: list[Project]
    runs: list[Night]

    @property
    def project(self) -> Project:
        """The project after all nights, to look at."""
        return self.after[-1]

    def at(self, nights: int) -> Project:
        """The project where its nights ran, as it was after so many: files keep the paths they were taken by."""
        shutil.rmtree(self.ran_in.folder)
        return self.after[nights - 1].copy(self.ran_in.folder)


@pytest.fixture(scope="session")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    project = new_project(folder / "demo")
    after, runs = [], []
    for number, day in enumerate(DEMO_NIGHTS, start=1):
        runs.append(project.night(day, spark))
        after.append(project.copy(folder / f"after_{number}"))
    return Nights(project, after, runs)
