"""What a role sees of a table that is opened for reading: columns in clear, and columns that tell nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from transforms.privacy import Role
from transforms.roles import MASK
from transforms.schemas.shape import told_sensitivity


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
