"""SQL over the data files of a state's tables, with the place of each row: DuckDB, without Spark."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, Schema
from pyarrow import parquet as pq

from jobs.runtime.stores import on_s3
from jobs.runtime.tables import Lakehouse

# Data file -> places of rows in it, from 0.
Places = dict[str, list[int]]
PLACE = "file_row_number"  # as DuckDB calls it: a table with a column of that name it does not read so


class StateRows:
    """The tables of a state (table -> version) in a DuckDB connection of its own."""

    def __init__(self, lakehouse: Lakehouse, versions: Mapping[str, int], db: duckdb.DuckDBPyConnection) -> None:
        self.lakehouse = lakehouse
        self.versions = versions
        self.db = db
        self._opened: dict[str, DeltaTable] = {}
        self._registered: dict[str, str | None] = {}

    def _open(self, table: str) -> DeltaTable | None:
        """The table, opened once; None where the state has none."""
        if table not in self._opened and table in self.versions:
            opened = self.lakehouse.open(table, self.versions[table])
            self._opened |= {table: opened} if opened else {}
        return self._opened.get(table)

    def schema(self, table: str) -> Schema | None:
        """The table's columns as Delta keeps them; None where the state has no such table."""
        opened = self._open(table)
        return opened.schema() if opened else None

    def columns(self, table: str) -> list[str]:
        """The names of the table's columns; none where the state has no such table."""
        schema = self.schema(table)
        return [field.name for field in schema.fields] if schema else []

    def scan(self, table: str) -> str | None:
        """What stands behind FROM; None where the table has no files. `_data_file`, `file_row_number`: the place, but
        for tables on S3: those are Arrow's to read, which tells of none."""
        if on_s3(self.lakehouse.uri):
            return self._by_arrow(table)
        opened = self._open(table)
        files = sorted(opened.file_uris()) if opened else []
        if not files:
            return None
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        # an extract may have a column `filename`; no column that landed begins with `_`
        # the log's schema counts: a file may lack a column that came later, or hold one the table does not have
        options = "union_by_name=true, hive_partitioning=false, filename='_data_file', file_row_number=true"
        return f"read_parquet([{listed}], {options})"

    def _by_arrow(self, table: str) -> str | None:
        if table not in self._registered:
            found = self.lakehouse.dataset(table, self.versions[table]) if table in self.versions else None
            self._registered[table] = f'"{table}"' if found is not None and found.count_rows() else None
            if self._registered[table]:
                self.db.register(table, found)
        return self._registered[table]

    def values(self, name: str, **columns: Iterable[str]) -> None:
        """A table of texts to compare with."""
        held = pa.table({column: pa.array(list(texts), pa.string()) for column, texts in columns.items()})
        self.db.register(f"_{name}", held)
        self.db.execute(f"create or replace table {name} as select * from _{name}")

    def places(self, table: str, condition: str) -> Places:
        """Where the rows that meet a condition lie."""
        scan, found = self.scan(table), defaultdict(list)
        if scan:
            sql = f"select _data_file, file_row_number from {scan} where coalesce({condition}, false) order by all"
            for file, row in self.db.execute(sql).fetchall():
                found[file].append(row)
        return dict(found)

    def whole_files(self, table: str, condition: str) -> dict[str, list[int] | None]:
        """As `places`, with None for a file of which all rows meet the condition."""
        scan = self.scan(table)
        if scan is None:
            return {}
        counted = (
            f"select _data_file, count(*), count(*) filter (coalesce({condition}, false)) from {scan} group by all"
        )
        told = {file: (every, met) for file, every, met in self.db.execute(counted).fetchall() if met}
        parts = self.places(table, condition) if any(every > met for every, met in told.values()) else {}
        return {file: None if every == met else parts[file] for file, (every, met) in told.items()}

    def number(self, rows: Mapping[str, Collection[int] | None]) -> int:
        """How many rows these are."""
        whole = [file for file, places in rows.items() if places is None]
        counts = (int(pq.read_metadata(file).num_rows) for file in whole)
        return sum(counts) + sum(len(places) for places in rows.values() if places is not None)


@contextmanager
def state_rows(lakehouse: Lakehouse, versions: Mapping[str, int]) -> Iterator[StateRows]:
    with duckdb.connect() as db:
        yield StateRows(lakehouse, versions, db)
