"""The rules of a night, each attacked: run again, restored, refreshed, shuffled, moved, late, changed, out of time.

Killed runs are in test_killed.py, two at once there and in test_lease.py.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.changes.restore import restore_release
from jobs.demo.extracts import DEMO_NIGHTS, arrive
from jobs.runtime.lease import Lease
from jobs.runtime.night import Night
from jobs.runtime.session import jvm_pid
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import Project, assert_same
from transforms.errors import DefinitionError

FIRST, SECOND, THIRD = DEMO_NIGHTS
GOLD = (
    "gold/customer", "gold/customer_profile", "gold/audience_member", "gold/order", "gold/session", "gold/journey",
)  # fmt: skip
BRONZE = ("bronze",)


def lines_of(file: Path) -> list[str]:
    raw = file.read_bytes()
    return (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode().splitlines(keepends=True)


def write_lines(file: Path, lines: list[str]) -> None:
    raw = "".join(lines).encode()
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)


def landed(project: Project, night: Night) -> dict[str, pd.DataFrame]:
    """All of bronze, and the files taken, as a night leaves them."""
    names = [name for name in night.versions if name.startswith(("bronze/", "ops/"))]
    return {name: project.at(name, night.versions[name]) for name in names}


def assert_landed_alike(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame]) -> None:
    assert ours.keys() == theirs.keys()
    for name, table in ours.items():
        pd.testing.assert_frame_equal(table, theirs[name], obj=name)


def test_the_newest_night_again_gives_the_same_tables(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(3, tmp_path / "moved")
    with pytest.raises(DefinitionError, match="released already"):
        project.night(THIRD, spark)
    with pytest.raises(DefinitionError, match="nights go in order"):
        project.night(SECOND, spark, again=True)
    with pytest.raises(DefinitionError, match="only the newest night"):
        project.night(date(2018, 1, 5), spark, again=True)
    project.night(THIRD, spark, again=True)
    assert project.release.release == 4
    assert_same(project, nights.after[2])


def test_the_first_night_again_takes_every_file_once_more(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(1, tmp_path / "moved")
    night = project.night(FIRST, spark, again=True, stages=BRONZE)
    assert_landed_alike(landed(project, night), landed(nights.after[0], nights.runs[0]))


def test_a_full_refresh_gives_what_the_nights_gave(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(3, tmp_path / "moved")
    project.night(THIRD, spark, again=True, full_refresh=True)
    assert_same(project, nights.after[2])


def test_a_restored_release_leads_to_the_same_next_night(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(3, tmp_path / "moved")
    before = project.release
    restore_release(project.load(), nights.runs[1].run_id)
    assert project.release.date == SECOND
    assert_same(project, nights.after[1])
    project.night(THIRD, spark)
    assert_same(project, nights.after[2])
    restore_release(project.load(), before.run_id)
    assert (project.release.release, project.release.date) == (6, THIRD)
    assert_same(project, nights.after[2])


def test_order_of_rows_files_and_partitions_change_nothing(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    project = nights.copy(2, tmp_path / "moved")
    arrive(project.folder, THIRD)
    for file in project.files(f"*/{THIRD}/*"):
        if file.suffix in (".csv", ".gz"):
            _shuffle(file, header=".csv" in file.name)
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    assert partitions != "5"
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    try:
        project.night(THIRD, spark)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
    tables = [name for name in project.release.versions if not name.startswith("ops/")]
    assert_same(project, nights.after[2], tables=tables, but_for=["_file"])


def _shuffle(file: Path, *, header: bool) -> None:
    """The file's rows in another order, in three files."""
    lines = lines_of(file)
    first, rows = (lines[:1], lines[1:]) if header else ([], lines)
    rows = [row if row.endswith("\n") else f"{row}\n" for row in rows]
    random.Random(3).shuffle(rows)
    file.unlink()
    for part in range(3):
        write_lines(file.with_name(f"{part}_{file.name}"), [*first, *rows[part::3]])


def test_rows_after_as_of_change_nothing(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    """A receipt, a click, a post and a withdrawn consent of a day to come, of people who are known well."""
    project = nights.copy(2, tmp_path / "moved")
    arrive(project.folder, THIRD)
    add_row(project.files(f"pos/{THIRD}/*"), receipt_id="99999999999", sold_at="2018-01-15 10:00:00")
    add_row(
        project.files(f"crm/{THIRD}/*"), where="opt_in_marketing", opt_in_marketing="N", opt_in_at="2018-01-15 10:00:00"
    )
    add_line(project.files(f"web/{THIRD}/*"), lambda line: line.replace("30/Dec/2017", "15/Jan/2018"))
    add_line(
        project.files(f"social/{THIRD}/*"),
        lambda line: json.dumps({**json.loads(line), "id": "to come", "created_at": "2018-01-15T10:00:00-05:00"}),
    )
    project.night(THIRD, spark)
    for entity in ("transaction", "consent", "web_event", "social_activity"):
        there = project.table(f"silver/{entity}")
        assert (there["event_date"] == "2018-01-15").sum() == 1, entity
    assert_same(project, nights.after[2], tables=GOLD)


def add_row(files: list[Path], *, where: str | None = None, **changes: str) -> None:
    """Add the first row of a CSV, or the first that says Y in a column, with other values."""
    [file] = files
    lines = lines_of(file)
    rows = list(csv.DictReader(lines))
    row = next(row for row in rows if where is None or row[where] == "Y")
    text = io.StringIO()
    csv.DictWriter(text, list(row), lineterminator="\n").writerow({**row, **changes})
    write_lines(file, [*lines, text.getvalue()])


def add_line(files: list[Path], change: Callable[[str], str]) -> None:
    """Add the last line, changed."""
    [file] = files
    lines = lines_of(file)
    changed = change(lines[-1].rstrip("\n"))
    assert changed != lines[-1].rstrip("\n")
    write_lines(file, [*lines, f"{changed}\n"])


def test_moved_extracts_are_not_taken_again(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    """The folder moves between two nights; there are files within the lookback that were taken from the old place."""
    project = nights.copy(2, tmp_path / "moved")
    night = project.night(THIRD, spark, stages=BRONZE)
    assert night.figures_of("bronze")["landed"] == nights.runs[2].figures_of("bronze")["landed"]
    assert_landed_alike(landed(project, night), landed(nights.after[2], nights.runs[2]))
    files = project.at("ops/file", night.versions["ops/file"])
    assert not files.duplicated(["source", "path"]).any()
    assert not files["path"].str.startswith("/").any()


def test_a_file_that_changed_after_it_was_taken_is_told_and_not_taken_again(
    nights: Nights, tmp_path: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    project = nights.copy(2, tmp_path / "moved")
    [file] = project.files(f"pos/{SECOND}/*.csv.gz")
    write_lines(file, lines_of(file)[:-1])
    night = project.night(THIRD, spark, stages=BRONZE)
    assert f"pos: {file} changed after it was taken; it is not taken again" in capsys.readouterr().err
    assert_landed_alike(landed(project, night), landed(nights.after[2], nights.runs[2]))


def test_a_night_in_a_session_that_is_there_tells_the_lease_of_its_java(
    nights: Nights, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backfill's second night, killed: who comes next must wait for its Java too."""
    project, told = nights.copy(2, tmp_path / "moved"), []
    monkeypatch.setattr(Lease, "names_jvm", lambda lease, pid: told.append(pid))
    project.night(THIRD, spark, stages=BRONZE)
    assert told == [jvm_pid(spark)]


def test_a_late_file_is_taken_within_the_lookback(nights: Nights, tmp_path: Path, spark: SparkSession) -> None:
    """The tills' extracts look back 7 days: six days late is taken, eight is not."""
    project = nights.copy(2, tmp_path / "moved")
    [file] = project.files(f"pos/{THIRD}/*.csv.gz")
    header, *rows = lines_of(file)
    for day, receipt in (("2017-12-24", "77777777701"), ("2017-12-22", "77777777702")):
        cells = rows[0].split(",")
        write_lines(
            project.folder / "extracts" / "pos" / day / "late.csv.gz", [header, ",".join([receipt, *cells[1:]])]
        )
    night = project.night(THIRD, spark, stages=BRONZE)
    pos = project.at("bronze/pos", night.versions["bronze/pos"])
    usual = nights.runs[2].figures_of("bronze")["landed"]["pos"]
    assert night.figures_of("bronze")["landed"]["pos"] == usual + 1
    assert (pos["receipt_id"] == "77777777701").sum() == 1
    assert (pos["receipt_id"] == "77777777702").sum() == 0
