"""SQL over the data files of a state's tables, with the place of each row: DuckDB, without Spark.

DuckDB tells the places of rows in files of a disk. S3 it cannot read, and Arrow, which can, tells of no places: there a
question is asked twice, first by Arrow, of the columns that it is about, in which files the rows are; then of those
files, from copies on this machine.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, Schema
from pyarrow import dataset as ds
from pyarrow import parquet as pq

from jobs.runtime.duck import connect
from jobs.runtime.objects import copied
from jobs.runtime.stores import at_once, on_s3, store_of
from jobs.runtime.tables import Lakehouse

# Data file -> places of rows in it, from 0.
Places = dict[str, list[int]]
# So many files at once are copied from S3.
_COPIES = 32
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
        """What stands behind FROM; None where the table has no files. `_data_file`: where a row lies."""
        if on_s3(self.lakehouse.uri):
            return self._by_arrow(table)
        opened = self._open(table)
        files = sorted(self.lakehouse.located(table, opened)) if opened else []
        return _of_files(files) if files else None

    def placed(self, table: str, sql: Callable[[str], str], **known: str) -> pa.Table:
        """What a question gives of rows and their places: `sql` makes it of what stands behind FROM, which has
        `_data_file` and `file_row_number`, the place in it, and gives both. `known`: what it compares with.

        It asks of each row by itself, and the table has files.
        """
        scan = self.scan(table)
        assert scan is not None  # noqa: S101
        if not on_s3(self.lakehouse.uri):
            return self.db.sql(sql(scan), params=known or None).to_arrow_table()
        asked = self.db.sql(f"select distinct _data_file from ({sql(scan)}) order by all", params=known or None)
        files = [file for (file,) in asked.fetchall()]
        if not files:
            return self.db.sql(f"from ({sql(scan)}) limit 0", params=known or None).to_arrow_table()
        parts = [files[first : first + _COPIES] for first in range(0, len(files), _COPIES)]
        return pa.concat_tables([self._of_copies(table, part, sql, known) for part in parts])

    def _by_arrow(self, table: str) -> str | None:
        if table not in self._registered:
            opened = self._open(table)
            found = self.lakehouse.dataset(table, self.versions[table]) if opened and opened.file_uris() else None
            self._registered[table] = None
            if found is not None:
                self.db.register(table, _telling_files(found, self.lakehouse.path(table)))
                self._registered[table] = f'(select *, null::bigint as file_row_number from "{table}")'
        return self._registered[table]

    def _of_copies(
        self, table: str, files: Sequence[str], sql: Callable[[str], str], known: Mapping[str, str]
    ) -> pa.Table:
        with ExitStack() as opened:
            with ThreadPoolExecutor(at_once(self.lakehouse.uri)) as pool:
                copies = [opened.enter_context(copy) for copy in pool.map(copied, files)]
            here = {f"/proc/self/fd/{copy.fileno()}": file for copy, file in zip(copies, files, strict=True)}
            # these may all lack a column that others have
            every = f'union all by name select * exclude (_data_file) from "{table}" where false'
            found = self.db.sql(sql(f"(from {_of_files(here)} {every})"), params=dict(known) or None).to_arrow_table()
        at, names = found.schema.get_field_index("_data_file"), found["_data_file"].to_pylist()
        return found.set_column(at, "_data_file", pa.array([here[name] for name in names], pa.string()))

    def values(self, name: str, **columns: Iterable[str] | pa.Array) -> None:
        """A table of texts to compare with."""
        held = pa.table(
            {
                column: texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())
                for column, texts in columns.items()
            }
        )
        self.db.register(f"_{name}", held)
        self.db.execute(f"create or replace table {name} as select * from _{name}")

    def pairs(self, name: str, pairs: Iterable[tuple[str, str]]) -> None:
        """A table of pairs `kind`, `v` to compare with."""
        known = list(pairs)
        self.values(name, kind=[kind for kind, _ in known], v=[value for _, value in known])

    def places(self, table: str, condition: str) -> Places:
        """Where the rows that meet a condition lie."""
        found = defaultdict(list)
        if self.scan(table):
            told = self.placed(table, lambda scan: f"select _data_file, file_row_number from {scan} where {condition}")
            for file, row in sorted(zip(*(column.to_pylist() for column in told.columns), strict=True)):
                found[file].append(row)
        return dict(found)

    def whole_files(self, table: str, condition: str) -> dict[str, list[int] | None]:
        """As `places`, with None for a file of which all rows meet the condition."""
        scan = self.scan(table)
        if scan is None:
            return {}
        counted = f"select _data_file, count(*), count(*) filter ({condition}) from {scan} group by all"
        told = {file: (every, met) for file, every, met in self.db.execute(counted).fetchall() if met}
        parts = self.places(table, condition) if any(every > met for every, met in told.values()) else {}
        return {file: None if every == met else parts[file] for file, (every, met) in told.items()}

    def number(self, rows: Mapping[str, Collection[int] | None]) -> int:
        """How many rows these are."""
        whole = [file for file, places in rows.items() if places is None]
        counts = (int(pq.read_metadata(within, filesystem=store).num_rows) for store, within in map(store_of, whole))
        return sum(counts) + sum(len(places) for places in rows.values() if places is not None)


@contextmanager
def state_rows(lakehouse: Lakehouse, versions: Mapping[str, int]) -> Iterator[StateRows]:
    with connect() as db:
        yield StateRows(lakehouse, versions, db)


def _of_files(files: Iterable[str]) -> str:
    listed = ", ".join(f"'{_quoted(file)}'" for file in files)
    # an extract may have a column `filename`; no column that landed begins with `_`
    # the log's schema counts: a file may lack a column that came later, or hold one the table does not have
    options = "union_by_name=true, hive_partitioning=false, filename='_data_file', file_row_number=true"
    return f"read_parquet([{listed}], {options})"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _telling_files(found: ds.Dataset, root: str) -> ds.Dataset:
    """The same with `_data_file`; a table of an earlier layout, which is read whole, as it is."""
    if not isinstance(found, ds.FileSystemDataset):
        return found
    fragments = [
        found.format.make_fragment(
            part.path, part.filesystem, part.partition_expression & (ds.field("_data_file") == f"{root}/{part.path}")
        )
        for part in found.get_fragments()
    ]
    schema = found.schema.append(pa.field("_data_file", pa.string()))
    return ds.FileSystemDataset(fragments, schema, found.format, found.filesystem)
