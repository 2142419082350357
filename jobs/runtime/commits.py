"""How a frame becomes a version of a table: Spark writes the files, `deltalake` commits them.

Delta's own writer plans, snapshots and checks each write with several Spark jobs; a night makes some forty writes, most
of them small. Here a write is one Spark job, and the commit a matter of milliseconds. See docs/adr/0005.
"""

import json
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions
from pyarrow import fs
from pyarrow import parquet as pq

from jobs.runtime.stores import delta_options, make_folder, store_of
from transforms.errors import LockedError
from transforms.schemas import Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, Observation

Mode = Literal["overwrite", "append"]
_NO_MARK = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
# Large, and read as a whole or by columns that are indexed.
_WITHOUT_RANGES = ("bronze/", "silver/", "tag/")
_STATISTICS = "parquet.column.statistics.enabled"
# In which of two folders a row of `write_apart` goes.
PART = "part"
# What those aside hold beside the table's columns.
REST = "_rest"
# Only these stand in the log: minima and maxima of texts could tell of a person.
_INDEXED = (date, datetime, int)
# A dictionary of texts up to so many bytes; past them the rest of a row group is written text by text.
_DICTIONARY = 64_000_000
# What Spark writes. To look values up in a large dictionary costs more than to write them as they stand, and takes more
# room than these do once compressed; see docs/performance.md. A file of which one row ends, or is forgotten, is written
# anew, so none holds very many.
MOST_ROWS = 500_000
_WRITING = {
    "maxRecordsPerFile": str(MOST_ROWS),
    "compression": "zstd",
    "parquet.compression.codec.zstd.level": "1",
    "parquet.dictionary.page.size": "65536",
}
# A commit that finds another in its place fails, where deltalake would put it behind that one.
ALONE = CommitProperties(max_commit_retries=0)
# deltalake drops entries older than 30 days at every hundredth commit, though a release may name such a version;
# what no release names is dropped by `portrait maintain`.
KEPT_LOG = {"delta.enableExpiredLogCleanup": "false"}


@dataclass(frozen=True)
class Counted:
    """What to count of a frame's rows while they are written: as they are written, or each would be copied once more.

    Told by `seen` then.
    """

    seen: "Observation"
    columns: "Sequence[SparkColumn]"

    def over(self, df: "DataFrame") -> "DataFrame":
        return df.observe(self.seen, *self.columns)


@dataclass(frozen=True)
class Written:
    """Data files that lie under a table's folder and that no version of it names yet."""

    schema: dict[str, Any]
    files: tuple[AddAction, ...]
    rows: int

    def and_also(self, other: "Written | None") -> "Written":
        """Both as one."""
        return replace(self, files=self.files + other.files, rows=self.rows + other.rows) if other else self


def write_files(
    df: "DataFrame", uri: str, table: Table, at: Mapping[str, date], counted: Counted | None = None
) -> Written:
    """Write a frame's files under a table's folder, in one Spark job. `at`: the values of the table's partitions.

    `counted`: over the columns that are not partitions. Readers do not see them before `commit`.
    """
    place = _new_place(table, at)
    data = df.drop(*table.partition)
    data = counted.over(data) if counted else data
    data.write.options(**_options(table)).parquet(f"{uri}/{place}")
    return _written(df.schema.json(), uri, place, table, at)


def write_tables(
    tables: Iterator[pa.Table], uri: str, table: Table, at: Mapping[str, date], schema: pa.Schema
) -> Written:
    """The same of Arrow tables of which one at a time is held, in one file of a row group each.

    `schema`: the table's. A text may come as dictionaries, and is then written as it comes.
    """
    place = _new_place(table, at)
    write_parquet(tables, f"{uri}/{place}", table.partition)
    return _written(DeltaSchema.from_arrow(schema).to_json(), uri, place, table, at)


def write_parquet(tables: Iterator[pa.Table], folder: str, without: Collection[str] = ()) -> None:
    """Write Arrow tables, one at least, as one Parquet file in a folder, a row group each."""
    make_folder(folder)
    store, path = store_of(f"{folder}/part-0.parquet")
    first = next(tables).drop_columns(list(without))
    # to find the least and the greatest text takes longer than to write them all, and no reader looks for one
    ranged = [field.name for field in first.schema if not pa.types.is_dictionary(field.type)]
    with (
        store.open_output_stream(path) as stream,
        # without Arrow's own schema texts in a dictionary are read as texts by everybody
        pq.ParquetWriter(
            stream, first.schema, store_schema=False, dictionary_pagesize_limit=_DICTIONARY, write_statistics=ranged
        ) as writer,
    ):
        for data in chain([first], tables):
            writer.write_table(data.select(first.column_names), row_group_size=max(data.num_rows, 1))


def write_apart(df: "DataFrame", uri: str, table: Table, counted: Counted) -> tuple[Written, str]:
    """As `write_files`, for a frame of which some rows (PART is not "table" but "aside") are not the table's yet.

    Those go to a folder of their own, with all their columns; gives its path, which the caller removes when done.
    The table has no partitions.
    """
    place = _new_place(table, {})
    counted.over(df).write.options(**_options(table)).partitionBy(PART).parquet(f"{uri}/{place}")
    own = _written(df.select(*table.names).schema.json(), uri, f"{place}/part=table", table, {})
    return own, f"{uri}/{place}/part=aside"


def _options(table: Table) -> dict[str, str]:
    """What the writer of files is told. Of large tables ranges are taken where something is filtered by them."""
    unlisted = {f"parquet.enable.dictionary#{name}": "false" for name in table.scattered}
    none = {_STATISTICS: "false", "parquet.size.statistics.enabled": "false"}
    few = none | {f"{_STATISTICS}#{name}": "true" for name in table.names[: table.indexed]}
    return _NO_MARK | _WRITING | unlisted | (few if table.name.startswith(_WITHOUT_RANGES) else {})


def _new_place(table: Table, at: Mapping[str, date]) -> str:
    return "".join(f"{name}={at[name].isoformat()}/" for name in table.partition) + secrets.token_hex(8)


def _written(schema: str, uri: str, place: str, table: Table, at: Mapping[str, date]) -> Written:
    """The files that lie at a place under the table's folder, as a commit names them."""
    store, folder = store_of(f"{uri}/{place}")
    found = store.get_file_info(fs.FileSelector(folder, recursive=False, allow_not_found=True))
    parts = sorted((info for info in found if info.base_name.endswith(".parquet")), key=lambda info: info.base_name)
    values = {name: at[name].isoformat() for name in table.partition}
    footers = [(info, pq.read_metadata(info.path, filesystem=store)) for info in parts]
    files = tuple(
        AddAction(
            path=f"{place}/{info.base_name}",
            size=info.size,
            partition_values=values,
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=json.dumps(statistics(footer, table.names[: table.indexed])),
        )
        for info, footer in footers
        if footer.num_rows
    )
    return Written(_nullable(json.loads(schema)), files, sum(footer.num_rows for _, footer in footers))


def commit(
    uri: str, table: Table, written: Written, *, mode: Mode, removed: Collection[str] = (), upon: int | None = None
) -> int:
    """Make written files a version of the table, in one commit; gives the version.

    `removed`: data files that this version no longer holds (with mode append), by their name, or their path below the
    table's folder. `upon`: the version that it builds on. Raises LockedError where that is not the table's newest.
    """
    schema = DeltaSchema.from_json(json.dumps(written.schema))
    try:
        opened = DeltaTable(uri, storage_options=delta_options(uri))
    except TableNotFoundError:
        create_table_with_add_actions(
            uri, schema, list(written.files), partition_by=list(table.partition), configuration=configuration(table),
            storage_options=delta_options(uri),
        )  # fmt: skip
        return 0
    check_upon(uri, opened, upon)
    if mode == "append" and (added := _added(opened, schema)):
        opened.alter.add_columns(added)
        opened = DeltaTable(uri, storage_options=delta_options(uri))
    gone = [_removal(row) for row in _actions(opened) if _names(row["path"]) & set(removed)] if removed else []
    with alone(uri):
        opened.create_write_transaction(
            [*written.files, *gone], mode, schema, partition_by=list(table.partition), commit_properties=ALONE
        )
    return opened.version() + 1


def check_upon(uri: str, opened: DeltaTable, upon: int | None) -> None:
    """Raise LockedError where a table's newest version is not the one that a run builds on (None: on any)."""
    if upon is not None and opened.version() != upon:
        raise _taken_over(uri)


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Raise LockedError where another commit comes between a table's opening and the commit of this block."""
    try:
        yield
    except CommitFailedError:
        raise _taken_over(uri) from None


def _taken_over(uri: str) -> LockedError:
    return LockedError(
        f"{uri}: another run has written to it, so this one no longer holds the lakehouse; nothing was released, "
        "run it again"
    )


def configuration(table: Table) -> dict[str, str | None]:
    """What is set on a table when it is made."""
    return {"delta.dataSkippingNumIndexedCols": str(table.indexed), **KEPT_LOG}


def _nullable(schema: Any) -> Any:
    """A Spark schema as a table's: whatever the plan could prove of NULLs tonight, the table promises nothing."""
    if isinstance(schema, list):
        return [_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    freed = {key: value if key == "metadata" else _nullable(value) for key, value in schema.items()}
    return freed | {key: True for key in ("nullable", "containsNull", "valueContainsNull") if key in freed}


def _added(opened: DeltaTable, schema: DeltaSchema) -> list[Any]:
    known = {field.name for field in opened.schema().fields}
    return [field for field in schema.fields if field.name not in known]


def _actions(opened: DeltaTable) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.table(opened.get_add_actions()).to_pylist()
    return rows


def _removal(row: Mapping[str, Any]) -> RemoveAction:
    values: dict[str, str | None] = {name: str(value) for name, value in (row.get("partition") or {}).items()}
    return RemoveAction(row["path"], True, int(time.time() * 1000), row["size_bytes"], values)


def _names(path: str) -> set[str]:
    """What a file of the log may be called: its path, and its name alone."""
    return {unquote(path), path.rsplit("/", 1)[-1]}


def statistics(footer: pq.FileMetaData, indexed: Sequence[str]) -> dict[str, Any]:
    """What Delta's log says of a file: its rows, and the range of the columns that are filtered on."""
    told: dict[str, Any] = {"numRecords": footer.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    places = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
    for name in (name for name in indexed if name in places):
        groups = [footer.row_group(group).column(places[name]).statistics for group in range(footer.num_row_groups)]
        if not groups or not all(group is not None and group.has_null_count for group in groups):
            continue
        told["nullCount"][name] = sum(group.null_count for group in groups)
        ranges = [(group.min, group.max) for group in groups if group.has_min_max]
        if len(ranges) == len(groups) and all(isinstance(low, _INDEXED) for low, _ in ranges):
            told["minValues"][name] = _told(min(low for low, _ in ranges))
            told["maxValues"][name] = _told(max(high for _, high in ranges))
    return told


def _told(value: date | datetime | int) -> str | int:
    """A value as Delta's log writes it: times in UTC."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value
