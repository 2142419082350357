"""The rules of a night, each attacked: run twice, killed, restored, refreshed, shuffled, two at once."""

import gzip
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS, arrive
from jobs.restore import restore_release
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import Project
from transforms.errors import DefinitionError

SAME = (
    "silver/transaction", "silver/contact", "silver/web_event", "silver/quarantine", "identity/record",
    "identity/customer_id", "identity/edge", "gold/customer", "gold/customer_profile", "gold/audience_member",
)  # fmt: skip


def assert_same(left: Project, right: Project, *, tables: tuple[str, ...] = SAME) -> None:
    for name in tables:
        ours, theirs = (project.table(name).replace(str(project.folder), "", regex=True) for project in (left, right))
        pd.testing.assert_frame_equal(ours, theirs, obj=name)


def test_the_newest_night_again_gives_the_same_tables(nights: Nights, spark: SparkSession) -> None:
    project = nights.at(3)
    with pytest.raises(DefinitionError, match="released already"):
        project.night(DEMO_NIGHTS[2], spark)
    with pytest.raises(DefinitionError, match="only the newest night"):
        project.night(date(2018, 1, 5), spark, again=True)
    project.night(DEMO_NIGHTS[2], spark, again=True)
    assert project.release.release == 4
    assert_same(project, nights.after[2])


def test_a_full_refresh_gives_what_the_nights_gave(nights: Nights, spark: SparkSession) -> None:
    project = nights.at(3)
    project.night(DEMO_NIGHTS[2], spark, again=True, full_refresh=True)
    assert_same(project, nights.after[2], tables=("gold/customer", "gold/customer_profile", "gold/audience_member"))


def test_a_restored_release_leads_to_the_same_next_night(nights: Nights, spark: SparkSession) -> None:
    project = nights.at(3)
    before = project.release
    restore_release(project.load(), nights.runs[1].run_id)
    assert project.release.date == DEMO_NIGHTS[1]
    assert_same(project, nights.after[1])
    project.night(DEMO_NIGHTS[2], spark)
    assert_same(project, nights.after[2])
    restore_release(project.load(), before.run_id)
    assert_same(project, nights.after[2])


def test_order_of_rows_and_partitions_change_nothing(nights: Nights, spark: SparkSession) -> None:
    project = nights.at(2)
    arrive(project.folder, DEMO_NIGHTS[2])
    for file in (project.folder / "extracts").glob("*/2017-12-30/*.csv*"):
        _shuffle(file)
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    try:
        project.night(DEMO_NIGHTS[2], spark)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
    assert_same(project, nights.after[2])


def _shuffle(file: Path) -> None:
    read = gzip.decompress if file.suffix == ".gz" else bytes
    write = gzip.compress if file.suffix == ".gz" else bytes
    header, *lines = read(file.read_bytes()).decode().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    file.write_bytes(write("".join([header, *lines]).encode()))


def test_rows_after_as_of_change_nothing(nights: Nights, spark: SparkSession) -> None:
    project = nights.at(2)
    arrive(project.folder, DEMO_NIGHTS[2])
    file = project.folder / "extracts" / "pos" / "2017-12-30" / "transactions.csv.gz"
    header, *lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    sold_at = header.split(",").index("sold_at")
    real = next(line.split(",") for line in lines if ",2017-12-30 " in line and line.count(",") == header.count(","))
    future = [*real]
    future[0], future[sold_at] = "99999999999", "2018-01-15 10:00:00"
    file.write_bytes(gzip.compress("\n".join([header, *lines, ",".join(future)]).encode() + b"\n"))
    project.night(DEMO_NIGHTS[2], spark)
    landed = project.table("silver/transaction")
    assert (landed["order_id"] == "99999999999").sum() == 1
    assert_same(project, nights.after[2], tables=("gold/customer", "gold/customer_profile", "gold/audience_member"))


@pytest.mark.parametrize("moment", ["bronze", "silver", "identity", "tags"])
def test_killed_anywhere_and_run_again(nights: Nights, spark: SparkSession, moment: str) -> None:
    """kill -9 of the whole run some time after a stage has begun to write; then the same command again."""
    project = nights.at(1)
    command = [sys.executable, "-m", "jobs.cli", "run", "--date", str(DEMO_NIGHTS[1]), "--conf", str(project.conf)]
    run = subprocess.Popen(
        command,
        env={**project.environment, "PYTHONPATH": str(Path.cwd())},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _wait_for_stage(project, moment, run)
    time.sleep(random.Random(moment).uniform(0, 2))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert project.release.release == 1
    project.night(DEMO_NIGHTS[1], spark)
    assert project.release.release == 2
    assert_same(project, nights.after[1])


_FIRST_WRITE = {
    "bronze": "bronze/pos",
    "silver": "silver/transaction",
    "identity": "identity/edge",
    "tags": "tag/transaction",
}


def _wait_for_stage(project: Project, stage: str, run: "subprocess.Popen[bytes]") -> None:
    """Until the stage has made its first commit."""
    log = project.folder / "lakehouse" / _FIRST_WRITE[stage] / "_delta_log"
    before = len(list(log.glob("*.json")))
    patience = time.monotonic() + 300
    while len(list(log.glob("*.json"))) == before:
        assert run.poll() is None, "the run ended before the stage began"
        assert time.monotonic() < patience
        time.sleep(0.05)
