"""Tables of an earlier layout are read as today's, and written so by the next run, until which one can go back."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.runtime import tables
from jobs.runtime.snapshot import read_version
from jobs.runtime.tables import Lakehouse
from transforms.schemas import Column, Table
from transforms.schemas.layout import MOVED

NAME = "gold/thing"
TODAY = Table(NAME, (Column("town", "string", ""), Column("size", "bigint", ""), Column("since", "date", "")))
OLD = [{"city": "Bonn", "size": 1, "cost": 0.5}, {"city": None, "size": 2, "cost": None}]
NEW = [{"town": "Bonn", "size": 1, "since": None}, {"town": None, "size": 2, "since": None}]


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """A table of which a column is renamed, one given up and one new by now."""
    monkeypatch.setitem(MOVED, NAME, {"city": "town", "cost": None})
    monkeypatch.setitem(tables.FIXED_TABLES, NAME, TODAY)
    made = Lakehouse(str(tmp_path))
    write_deltalake(made.path(NAME), pa.Table.from_pylist(OLD))
    return made


def test_readers_see_today_s_columns(lakehouse: Lakehouse, spark: SparkSession) -> None:
    assert lakehouse.rows(TODAY) == NEW
    found = lakehouse.dataset(NAME)
    assert found is not None
    assert found.to_table(["since", "town"], filter=pa.dataset.field("size") == 1).to_pylist() == [
        {"since": None, "town": "Bonn"}
    ]
    seen = read_version(spark, lakehouse, NAME, 0).select("town", "size", "since").orderBy("size")
    assert [row.asDict() for row in seen.collect()] == NEW
    assert lakehouse.version(NAME) == 0


def test_the_next_run_writes_it_so_and_a_run_that_died_on_the_way_changes_nothing(lakehouse: Lakehouse) -> None:
    [at] = lakehouse.roll_back({NAME: 0}).values()
    assert DeltaTable(lakehouse.path(NAME)).to_pyarrow_table().to_pylist() == NEW
    assert lakehouse.version(NAME) == at
    # it died before anything was released: the next one begins with the same version once more
    [again] = lakehouse.roll_back({NAME: 0}).values()
    assert again > at
    assert DeltaTable(lakehouse.path(NAME), version=0).to_pyarrow_table().to_pylist() == OLD
    # and what is in today's layout stays as it is
    assert lakehouse.roll_back({NAME: again}) == {NAME: again}
    lakehouse.append(TODAY, [{"town": "Köln", "size": 3}])
    assert len(lakehouse.rows(TODAY)) == 3


def test_no_entry_of_a_log_goes_before_maintenance_says_so(lakehouse: Lakehouse) -> None:
    [at] = lakehouse.roll_back({NAME: 0}).values()
    for made in (DeltaTable(lakehouse.path(NAME)), _new_table(lakehouse)):
        assert made.metadata().configuration["delta.enableExpiredLogCleanup"] == "false"
    assert lakehouse.version(NAME) == at


def _new_table(lakehouse: Lakehouse) -> DeltaTable:
    lakehouse.append(Table("gold/other", TODAY.columns), NEW)
    return DeltaTable(lakehouse.path("gold/other"))
