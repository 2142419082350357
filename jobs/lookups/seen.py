"""What a role sees of a table that is opened for reading: columns in clear, and columns that tell nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from transforms.privacy import Role
from transforms.roles import MASK
from transforms.schemas.shape import told_sensitivity

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Seen:
    """The columns that a reader sees, in the table's order; `masked`: those that tell nothing."""

    columns: pa.Schema
    masked: frozenset[str]

    @property
    def names(self) -> list[str]:
        return list(self.columns.names)

    @cached_property
    def clear(self) -> pa.Schema:
        """The columns whose values are shown."""
        return pa.schema([field for field in self.columns if field.name not in self.masked])

    @cached_property
    def mask(self) -> pa.Table:
        """What stands in every row of the masked columns: one row."""
        fields = [field.remove_metadata() for field in self.columns if field.name in self.masked]
        values = [pa.array([MASK if _is_text(field.type) else None], field.type) for field in fields]
        return pa.table(values, pa.schema(fields))

    def masking(self, rows: pa.Table, names: Sequence[str]) -> pa.Table:
        """These columns, in this order: those in clear of `rows`, the masked ones as they are shown."""
        every = pa.array([0] * rows.num_rows, pa.int64())
        return pa.table({name: self.mask[name].take(every) if name in self.masked else rows[name] for name in names})

    def masking_polars(self, frame: "pl.LazyFrame") -> "pl.LazyFrame":
        """The same of a frame of the columns in clear, in the table's order."""
        import polars as pl

        hidden: pl.DataFrame = pl.from_arrow(self.mask)  # type: ignore[assignment]
        constants = {name: pl.lit(hidden[name][0], hidden[name].dtype) for name in self.masked}
        return frame.with_columns(**constants).select(self.names)

    def masking_spark(self, frame: "DataFrame") -> "DataFrame":
        """The same of a frame of all columns."""
        shown = frame.select(self.clear.names)
        hidden = frame.sparkSession.createDataFrame(self.mask) if self.masked else None
        return shown.crossJoin(hidden).select(self.names) if hidden else shown

    def register(self, connection: duckdb.DuckDBPyConnection, name: str, rows: ds.Dataset) -> None:
        """Make the table known to DuckDB. `rows`: its columns in clear: no query reaches what is masked."""
        if not self.masked:
            connection.register(name, rows)
            return
        connection.register(f"_{name}", rows)
        connection.register(f"_{name}_masked", self.mask)
        columns = ", ".join(f'{"m" if column in self.masked else "t"}."{column}"' for column in self.names)
        both = f'"_{name}" t cross join "_{name}_masked" m'
        connection.execute(f'create temp view "{name}" as select {columns} from {both}')


def seen(schema: pa.Schema, role: Role | None) -> Seen:
    """What a role (None: whoever reads everything) sees of a table with that schema, by what its comments tell."""
    if role is None:
        return Seen(schema, frozenset())
    shown = {field.name: role.shows(field.name, _sensitivity(field)) for field in schema}
    there = pa.schema([field for field in schema if shown[field.name] != "deny"])
    return Seen(there, frozenset(name for name, how in shown.items() if how == "mask"))


def _sensitivity(field: pa.Field) -> str:
    return told_sensitivity((field.metadata or {}).get(b"comment", b"").decode())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
