"""The lakehouse's tables as Delta keeps them: versions, rollback, and the small ops tables, all without Spark."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import dataset as ds
from pyarrow import fs

from jobs.runtime.commits import ALONE, KEPT_LOG, Mode, alone, check_upon, configuration
from jobs.runtime.damage import REMEDY, damage
from jobs.runtime.stores import (
    at_once,
    delta_options,
    exists,
    files_below,
    folders_in,
    named,
    on_s3,
    refusal,
    remove_folder,
    store_of,
)
from transforms.errors import PortraitError
from transforms.schemas import FIXED_TABLES, Table
from transforms.schemas.layout import MOVED

# Arrow's own allocator gives memory back at once, and takes it anew, page by page, for the next column: a third of the
# time of reading, filtering and writing tables of millions of rows, and more memory at the peak
pa.set_memory_pool(pa.system_memory_pool())

LAYERS = ("bronze", "silver", "identity", "tag", "gold")
# State that nights build on and that a release therefore names, though it lies under ops.
STATE_IN_OPS = ("ops/file",)
LAID_OUT = "_restoring"  # where a restored lakehouse is made ready, below its folder
_ASIDE = "/part=aside"
_SCALARS = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def arrow_type(ddl: str) -> pa.DataType:
    """The Arrow type of a Spark DDL type. Raises ValueError for one that no table here has."""
    if ddl in _SCALARS:
        return _SCALARS[ddl]
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", ddl):
        return pa.decimal128(int(match[1]), int(match[2]))
    if match := re.fullmatch(r"array<(.+)>", ddl):
        return pa.list_(arrow_type(match[1]))
    if match := re.fullmatch(r"map<(\w+),(.+)>", ddl):
        return pa.map_(arrow_type(match[1]), arrow_type(match[2]))
    raise ValueError(f"no Arrow type for {ddl}")


def ddl_of(delta_type: Any) -> str:
    """The Spark DDL of a type as Delta's schema holds it (JSON)."""
    if isinstance(delta_type, str):
        return {"integer": "int", "long": "bigint"}.get(delta_type, delta_type)
    match delta_type["type"]:
        case "array":
            return f"array<{ddl_of(delta_type['elementType'])}>"
        case "map":
            return f"map<{ddl_of(delta_type['keyType'])},{ddl_of(delta_type['valueType'])}>"
        case _:
            return str(delta_type["type"])


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns as Arrow fields, with their comments."""
    return pa.schema([pa.field(c.name, arrow_type(c.type), metadata={"comment": c.told}) for c in table.columns])


def dataset_of(opened: DeltaTable, coded: Collection[str] = ()) -> ds.Dataset:
    """An opened table as an Arrow dataset; nothing is read yet.

    `coded`: columns that come as dictionaries where they are texts, as they lie in files with few distinct ones.

    It reads through Arrow's own file system: deltalake's is a Python object, which Arrow's threads may still hold
    when the interpreter ends, and then the process aborts (apache/arrow#34314).
    """
    store, path = store_of(opened.table_uri)
    texts = {field.name for field in opened.schema().fields if field.type.type == "string"}.intersection(coded)
    return opened.to_pyarrow_dataset(
        filesystem=fs.SubTreeFileSystem(path, store),
        parquet_read_options=ds.ParquetReadOptions(dictionary_columns=texts),
    )


def _as_today(found: ds.Dataset, table: Table) -> ds.Dataset:
    """A table of an earlier layout as today's: columns under their names now, those that came since NULL."""
    renamed = renamed_in(table.name, found.schema.names)
    if renamed:  # no scan renames, so such a table is read whole, until a night has written it anew
        read = found.to_table()
        found = ds.dataset(read.rename_columns([renamed.get(name, name) for name in read.column_names]))
    new = [field for field in arrow_schema(table) if field.name not in found.schema.names]
    return found.replace_schema(pa.schema([*found.schema, *new])) if new else found


def renamed_in(table: str, names: Collection[str]) -> dict[str, str]:
    """Of a table with these columns: name in an earlier layout -> name now."""
    return {old: new for old, new in MOVED.get(table, {}).items() if new and old in names and new not in names}


class Lakehouse:
    """The tables under one URI. Knows where they lie and at which version they are; nothing of a night."""

    def __init__(self, uri: str) -> None:
        self.uri = named(uri).rstrip("/")

    def path(self, table: str) -> str:
        return f"{self.uri}/{table}"

    def report(self, name: str) -> str:
        """A page, or a folder of pages, for the people who run the nights."""
        return f"{self.uri}/ops/reports/{name}"

    def open(self, table: str, version: int | None = None) -> DeltaTable | None:
        """The table at a version (its head by default), or None where there is none."""
        path = self.path(table)
        try:
            return DeltaTable(path, version=version, storage_options=delta_options(path))
        except TableNotFoundError:
            return None
        except OSError as error:
            if not on_s3(path):
                raise
            raise PortraitError(f"{path}: the store cannot be read: {refusal(error)}") from None

    def files(self, table: str, version: int | None = None) -> list[str]:
        """The data files that a version of the table names: paths below its folder, as they lie there."""
        opened, root = self.open(table, version), self.path(table)
        return [file.removeprefix(f"{root}/") for file in self.located(table, opened)] if opened else []

    def located(self, table: str, opened: DeltaTable) -> list[str]:
        """The data files of an opened table as they are found: its own `file_uris` are those of a web address."""
        root = self.path(table)
        return [f"{root}/{unquote(path)}" for path in pa.table(opened.get_add_actions())["path"].to_pylist()]

    def dataset(self, table: str, version: int | None = None, coded: Collection[str] = ()) -> ds.Dataset | None:
        """The table at a version as an Arrow dataset, with today's columns at least, or None where there is none.

        `coded`: see `dataset_of`.
        """
        opened = self.open(table, version)
        if opened is None:
            return None
        return _as_today(dataset_of(opened, coded), FIXED_TABLES.get(table, Table(table, ())))

    def version(self, table: str) -> int | None:
        """The version of the table's head; None where there is no table."""
        opened = self.open(table)
        return opened.version() if opened else None

    def size(self, table: str, version: int) -> int:
        """Bytes of the data files that a version of the table names."""
        opened = self.open(table, version)
        return sum(pa.table(opened.get_add_actions()).column("size_bytes").to_pylist()) if opened else 0

    def count(self, table: str, version: int) -> int:
        """Rows of the table at a version, as its log tells them."""
        opened = self.open(table, version)
        return sum(pa.table(opened.get_add_actions()).column("num_records").to_pylist()) if opened else 0

    def greatest(self, table: str, version: int, column: str) -> date | None:
        """The greatest value of an indexed date column at a version; None where the log does not tell it."""
        opened = self.open(table, version)
        actions = pa.table(opened.get_add_actions(flatten=True)).to_pylist() if opened else []
        tell = [row.get(f"max.{column}") for row in actions if row.get(f"null_count.{column}") != row["num_records"]]
        return None if None in tell else max(tell, default=date.min)

    def tables(self) -> Iterator[str]:
        """Every table that a release may name."""
        for layer in LAYERS:
            yield from filter(self._is_table, (f"{layer}/{name}" for name in folders_in(self.path(layer))))
        yield from filter(self._is_table, STATE_IN_OPS)

    def tables_of_ops(self) -> Iterator[str]:
        """Every table of `ops`."""
        yield from filter(self._is_table, (f"ops/{name}" for name in folders_in(self.path("ops"))))

    def _is_table(self, table: str) -> bool:
        return exists(f"{self.path(table)}/_delta_log")

    def roll_back(self, expected: Mapping[str, int], *, keep: Collection[str] = ()) -> dict[str, int]:
        """Bring every table to the content that `expected` names; one that it does not name is removed.

        `keep`: tables that some release names; they stay where they are even if this state has none of them.
        Gives the versions that hold this content now: rolling back is a commit of its own.
        Raises PortraitError, and leaves everything as it is, where something of that content is damaged.
        """
        self._check_whole(expected)
        self._forget_halves()
        for table in list(self.tables()):
            if table not in expected and table not in keep:
                self.take_back(table, None)
        return {table: self._in_todays_layout(table, version) for table, version in expected.items()}

    def _in_todays_layout(self, table: str, version: int) -> int:
        """The table at the content of that version, of an earlier layout perhaps; gives the version it is at now."""
        opened = self._restored(table, version)
        if not KEPT_LOG.items() <= opened.metadata().configuration.items():
            opened.alter.set_table_properties(KEPT_LOG)
        if not MOVED.get(table, {}).keys() & {field.name for field in opened.schema().fields}:
            return opened.version()
        found = self.dataset(table)
        assert found is not None  # noqa: S101  (it is opened)
        return self.write(FIXED_TABLES[table], found.to_table(), mode="overwrite")

    def _forget_halves(self) -> None:
        """Rows that a run that died had set aside, in clear, on their way; what a restore that died had laid out."""
        for left in ("_landing", LAID_OUT):
            remove_folder(f"{self.uri}/{left}")
        found = (file.partition(_ASIDE) for file in files_below(self.path("silver")))
        for folder in sorted({before + aside for before, aside, _ in found if aside}):
            remove_folder(f"{self.path('silver')}/{folder}")

    def holds(self, table: str, version: int) -> bool:
        """Is the table there at that version, whole?"""
        return damage(self.path(table), version) is None

    def check(self, versions: Mapping[str, int]) -> None:
        """Raise PortraitError, naming the first file and what to do, where something of these versions is damaged.

        On S3 nothing is looked at before it is read, for that takes as long; before something is changed it is.
        """
        if not on_s3(self.uri):
            self._check_whole(versions)

    def _check_whole(self, versions: Mapping[str, int]) -> None:
        with ThreadPoolExecutor(at_once(self.uri)) as pool:
            found = pool.map(lambda table: damage(self.path(table), versions[table]), versions)
            if wrong := next(filter(None, found), None):
                raise PortraitError(wrong)

    def take_back(self, table: str, version: int | None) -> int | None:
        """Bring one table to the content of an earlier version (None: remove it). Gives the version it is at now."""
        # what is removed is not opened first: a removal that died half-way has left what cannot be
        if version is None:
            remove_folder(self.path(table))
            return None
        return self._restored(table, version).version()

    def _restored(self, table: str, version: int) -> DeltaTable:
        opened = DeltaTable(self.path(table), storage_options=delta_options(self.uri))
        if opened.version() != version:
            opened.restore(version)
        return opened

    def append(
        self, table: Table, rows: Sequence[Mapping[str, Any]], *, anew: bool = False, upon: int | None = None
    ) -> int | None:
        """Append rows to a small table in one commit, without Spark. Gives the version, None for no rows.

        `anew`: in place of whatever it holds. `upon`: as for `write`.
        """
        if not rows:
            return None
        data = pa.Table.from_pylist(
            [{name: row.get(name) for name in table.names} for row in rows], arrow_schema(table)
        )
        return self.write(table, data, mode="overwrite" if anew else "append", upon=upon)

    def write(self, table: Table, data: pa.Table, *, mode: Mode, upon: int | None = None) -> int:
        """Write what the driver holds to a table in one commit, without Spark. Gives the version.

        `upon`: the version that it builds on, and no other. Raises LockedError where that is not the newest any more.
        """
        schema, opened = arrow_schema(table), self.open(table.name)
        if opened is not None:
            check_upon(self.path(table.name), opened, upon)
        if mode == "append" and opened is not None:
            # a table keeps the comments it was made with: another wording is no reason to refuse rows
            known = {field.name for field in opened.schema().fields}
            schema = pa.schema([field.remove_metadata() if field.name in known else field for field in schema])
        conformed = data.select(table.names).cast(schema)
        try:
            with alone(self.path(table.name)) if upon is not None else nullcontext():
                write_deltalake(
                    opened or self.path(table.name), conformed, mode=mode, configuration=configuration(table),
                    schema_mode="merge" if mode == "append" else "overwrite",
                    commit_properties=None if upon is None else ALONE, storage_options=delta_options(self.uri),
                )  # fmt: skip
        except OSError as error:
            raise PortraitError(f"{self.path(table.name)}: cannot be written: {' '.join(str(error).split())}") from None
        version = self.version(table.name)
        assert version is not None  # noqa: S101  (it was written just now)
        return version

    def rows(self, table: Table, version: int | None = None) -> list[dict[str, Any]]:
        """All rows of a small table, without Spark; none where there is no table. Maps come as dicts.

        Raises PortraitError where its log is damaged.
        """
        try:
            found = self.dataset(table.name, version)
        except DeltaError as error:
            why = str(error).partition("\n")[0]
            raise PortraitError(f"{self.path(table.name)}: cannot be read ({why}); {REMEDY}") from None
        if found is None:
            return []
        # a newer Portrait's columns are none of ours
        read = found.to_table([name for name in table.names if name in found.schema.names])
        maps = [column.name for column in table.columns if column.type.startswith("map<")]
        rows: list[dict[str, Any]] = read.to_pylist()
        for row in rows:
            row.update({name: dict(row[name]) for name in maps if row.get(name) is not None})
        return rows
