"""What is run once for all tests that only look: the demo's three nights over a few households, two of the starter."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.jars import S3, S3_FOLDER
from jobs.runtime.night import Night
from jobs.runtime.setup import get
from tests.end_to_end.project import Project, new_project
from tests.end_to_end.servers import s3_server
from tests.end_to_end.shops import FIRST, SECOND, Shop, new_shop


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


@pytest.fixture(scope="session")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The starter's project after two nights, on this machine's disk: to look at."""
    shop = new_shop(tmp_path_factory.mktemp("shop") / "here")
    for day in (FIRST, SECOND):
        shop.night(day, spark)
    return shop


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """The environment that names an S3 server, set here too; the JARs of S3 are there."""
    get(S3, S3_FOLDER)
    with s3_server() as told, pytest.MonkeyPatch.context() as patched:
        for name, value in told.items():
            patched.setenv(name, value)
        yield told
