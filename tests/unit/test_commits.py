"""Writes as Spark's files and deltalake's commits: what a version holds, and that every reader sees the same."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from pyarrow import parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engines.state_rows import state_rows
from jobs.runtime.commits import Mode, commit, write_files
from jobs.runtime.snapshot import read_version
from jobs.runtime.tables import Lakehouse, dataset_of
from transforms.columns import conform
from transforms.schemas import IDS, Column, Table

VISITS = Table(
    "silver/visit",
    (
        Column("day", "date", "the day"),
        Column("at", "timestamp", "UTC"),
        Column("name", "string", "who", "personal"),
        Column("paid", "decimal(18,4)", "EUR"),
        Column("ids", IDS, "identifiers"),
    ),
    indexed=3,
)
LANDED = Table(
    "bronze/visit", (Column("name", "string", ""), Column("_batch_date", "date", "")), partition=("_batch_date",)
)


@pytest.fixture
def house(tmp_path: Path) -> Lakehouse:
    """In a folder of a name that people give."""
    return Lakehouse(str(tmp_path / "Mein Büro, 北京 #1"))


def visits(spark: SparkSession, *names: str) -> DataFrame:
    rows = [
        (date(2026, 1, day), datetime(2026, 1, day, 9, 30, 0, 123456), name, f"{day}.5")
        for day, name in enumerate(names, start=1)
    ]
    raw = spark.createDataFrame(rows, "day date, at timestamp, name string, paid string")
    return conform(raw.selectExpr("*", "map('card', array(name)) as ids"), VISITS)


def save(house: Lakehouse, df: DataFrame, mode: Mode = "append", removed: tuple[str, ...] = ()) -> int:
    uri = house.path(VISITS.name)
    return commit(uri, VISITS, write_files(df, uri, VISITS, {}), mode=mode, removed=removed)


def names(house: Lakehouse, version: int | None = None) -> list[str]:
    found = house.dataset(VISITS.name, version)
    assert found is not None
    return sorted(found.to_table().column("name").to_pylist())


def test_each_write_is_one_version_and_older_ones_stay(spark: SparkSession, house: Lakehouse) -> None:
    assert save(house, visits(spark, "ann", "bob"), "overwrite") == 0
    assert save(house, visits(spark, "cid")) == 1
    assert save(house, visits(spark, "dan"), "overwrite") == 2
    assert [names(house, version) for version in (0, 1, 2)] == [["ann", "bob"], ["ann", "bob", "cid"], ["dan"]]


def test_spark_delta_arrow_and_duckdb_read_the_same(spark: SparkSession, house: Lakehouse) -> None:
    save(house, visits(spark, "ann", "bob", "cid"), "overwrite")
    uri = house.path(VISITS.name)
    expected = [("ann", datetime(2026, 1, 1, 9, 30, 0, 123456)), ("bob", datetime(2026, 1, 2, 9, 30, 0, 123456)),
                ("cid", datetime(2026, 1, 3, 9, 30, 0, 123456))]  # fmt: skip
    by_delta = spark.read.format("delta").load(uri).where("day >= date'2026-01-01'").orderBy("name")
    assert [(row["name"], row["at"]) for row in by_delta.collect()] == expected
    by_files = read_version(spark, house, VISITS.name, 0).orderBy("name")
    assert [(row["name"], row["at"]) for row in by_files.collect()] == expected
    arrow = dataset_of(DeltaTable(uri)).to_table().sort_by("name").to_pylist()
    assert [(row["name"], row["at"].astimezone(UTC).replace(tzinfo=None)) for row in arrow] == expected
    files = house.located(VISITS.name, DeltaTable(uri))
    total = duckdb.sql(f"select sum(paid), count(*) from read_parquet({files})").fetchall()
    assert [tuple(map(float, row)) for row in total] == [(1.5 + 2.5 + 3.5, 3)]


def test_a_row_is_found_where_it_lies(spark: SparkSession, house: Lakehouse) -> None:
    save(house, visits(spark, "ann", "bea"))
    with state_rows(house, {VISITS.name: 0}) as rows:
        [(file, places)] = rows.places(VISITS.name, "name = 'bea'").items()
    assert pq.read_table(file).slice(*places, 1)["name"].to_pylist() == ["bea"]


def test_no_file_holds_very_many_rows(spark: SparkSession, house: Lakehouse) -> None:
    """So that to end one of its rows is not to write millions anew."""
    day = F.lit(date(2026, 3, 1)).alias("_batch_date")
    rows = spark.range(0, 1_100_000, 1, 1).select(F.col("id").cast("string").alias("name"), day)
    uri = house.path(LANDED.name)
    commit(uri, LANDED, write_files(rows, uri, LANDED, {"_batch_date": date(2026, 3, 1)}), mode="append")
    found = [pq.read_metadata(file).num_rows for file in house.located(LANDED.name, DeltaTable(uri))]
    assert sorted(found) == [100_000, 500_000, 500_000]


def test_files_that_are_replaced_leave_in_the_commit_that_replaces_them(spark: SparkSession, house: Lakehouse) -> None:
    save(house, visits(spark, "ann").coalesce(1), "overwrite")
    old = tuple(file.rsplit("/", 1)[-1] for file in DeltaTable(house.path(VISITS.name)).file_uris())
    save(house, visits(spark, "bob"))
    version = save(house, visits(spark, "ann, moved", "cid"), removed=old)
    assert version == 2
    assert names(house) == ["ann, moved", "bob", "cid"]
    assert names(house, 1) == ["ann", "bob"]


def test_a_column_that_appears_is_null_in_what_lay_there(spark: SparkSession, house: Lakehouse) -> None:
    save(house, visits(spark, "ann"), "overwrite")
    save(house, visits(spark, "bob").selectExpr("*", "'x' as place"))
    found = house.dataset(VISITS.name)
    assert found is not None
    rows = found.to_table(columns=["name", "place"]).sort_by("name").to_pylist()
    assert rows == [{"name": "ann", "place": None}, {"name": "bob", "place": "x"}]


def test_the_log_tells_rows_and_ranges_but_no_text(spark: SparkSession, house: Lakehouse) -> None:
    save(house, visits(spark, "ann", "bob").coalesce(1), "overwrite")
    log = Path(house.path(VISITS.name), "_delta_log", f"{0:020}.json").read_text()
    stats = [json.loads(json.loads(line)["add"]["stats"]) for line in log.splitlines() if '"add"' in line]
    assert stats == [
        {
            "numRecords": 2,
            "minValues": {"day": "2026-01-01", "at": "2026-01-01T09:30:00.123456Z"},
            "maxValues": {"day": "2026-01-02", "at": "2026-01-02T09:30:00.123456Z"},
            "nullCount": {"day": 0, "at": 0, "name": 0},
        }
    ]
    assert "ann" not in log


def test_a_partition_is_read_by_its_day(spark: SparkSession, house: Lakehouse) -> None:
    uri = house.path(LANDED.name)
    for day in (date(2026, 1, 1), date(2026, 1, 2)):
        rows = conform(spark.createDataFrame([(f"of {day}",)], "name string"), LANDED)
        commit(uri, LANDED, write_files(rows, uri, LANDED, {"_batch_date": day}), mode="append")
    for read in (read_version(spark, house, LANDED.name, 1), spark.read.format("delta").load(uri)):
        assert [row["name"] for row in read.where("_batch_date = date'2026-01-02'").collect()] == ["of 2026-01-02"]


def test_another_wording_of_a_comment_refuses_no_rows(house: Lakehouse) -> None:
    before = Table("ops/x", (Column("a", "string", "as it was told"),))
    after = Table("ops/x", (Column("a", "string", "told otherwise"), Column("b", "bigint", "new")))
    house.append(before, [{"a": "1"}])
    house.append(after, [{"a": "2", "b": 3}])
    assert sorted(house.rows(after), key=lambda row: row["a"]) == [{"a": "1", "b": None}, {"a": "2", "b": 3}]
