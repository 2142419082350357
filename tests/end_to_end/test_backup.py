"""The recovery drill: a lost lakehouse comes back from its backup, and the next night is what it would have been."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.changes.backup import backup, verify_backup
from jobs.changes.restore import restore_backup
from jobs.demo.extracts import DEMO_NIGHTS
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import assert_same

FIRST, SECOND, THIRD = DEMO_NIGHTS


def test_a_lost_lakehouse_comes_back_and_the_next_night_is_the_same(
    nights: Nights, tmp_path: Path, spark: SparkSession
) -> None:
    project, place = nights.copy(1, tmp_path / "moved"), str(tmp_path / "backup")
    first = backup(project.load(), place)
    shutil.rmtree(project.folder)
    project = nights.copy(2, tmp_path / "moved")
    second = backup(project.load(), place)
    assert 0 < second.size < first.size
    assert verify_backup(place).releases == [1, 2]
    shutil.rmtree(project.folder / "lakehouse")
    restore_backup(project.load(), place)
    assert (project.release.release, project.release.date) == (1003, SECOND)
    assert_same(project, nights.after[1])
    project.night(THIRD, spark)
    assert project.release.release == 1004
    assert_same(project, nights.after[2])
