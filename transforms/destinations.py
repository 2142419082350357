"""Where an export goes: files in a folder, a Delta table that is kept up to date, or a table in PostgreSQL."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from transforms.definitions import known_store
from transforms.sources.database import Connection

JDBC, DELTA = "jdbc", "delta"
COMPRESSIONS = {
    "csv": ("none", "gzip"),
    "json": ("none", "gzip"),
    "parquet": ("snappy", "gzip", "zstd", "none"),
    DELTA: ("snappy",),
    JDBC: ("",),
}
_POSTGRES = "jdbc:postgresql:"
# PostgreSQL cuts names to 63 bytes; the names of the tables beside it must stay their own.
_LONGEST_NAME = 50


class Destination(Connection):
    """Where a delivery goes. `path`: a folder, in which {date} is the release's business date.

    A `jdbc` destination is a `table` of the PostgreSQL at `url`; `files` are then its connections.
    """

    format: Literal["csv", "json", "parquet", "delta", "jdbc"]
    path: str = ""
    files: int = Field(1, ge=1, le=1000)
    compression: str = ""

    @field_validator("path")
    @classmethod
    def _of_a_known_store(cls, value: str) -> str:
        return known_store(value)

    @model_validator(mode="after")
    def _keys_of_the_format(self) -> "Destination":
        wanted, others = (("url", "table"), ("path",)) if self.format == JDBC else (("path",), ("url", "table"))
        for key in wanted:
            if not getattr(self, key):
                raise ValueError(f"{key}: this key is required for {self.format}")
        for key in (*others, *(() if self.format == JDBC else ("user", "password"))):
            if getattr(self, key):
                raise ValueError(f"{key}: {self.format} has none; remove it")
        if self.compression and self.compression not in COMPRESSIONS[self.format]:
            known = ", ".join(COMPRESSIONS[self.format]) or "no compression"
            raise ValueError(f"compression: {self.format} is written with {known}, not '{self.compression}'")
        return self

    @model_validator(mode="after")
    def _a_table_of_postgresql(self) -> "Destination":
        if self.url and not self.url.startswith(_POSTGRES):
            raise ValueError(f"url: deliveries go into PostgreSQL ({_POSTGRES}//host:5432/database); of another "
                             "database, let its loader take the files of a parquet or csv delivery")  # fmt: skip
        if self.table and len(self.parts[-1].strip('"').encode()) > _LONGEST_NAME:
            raise ValueError(f"table: a name of at most {_LONGEST_NAME} bytes, so that those beside it stay their own")
        return self

    @property
    def codec(self) -> str:
        return self.compression or COMPRESSIONS[self.format][0]

    @property
    def kept(self) -> bool:
        """Is it one table that each delivery brings up to date, rather than a folder of its own for each?"""
        return self.format == JDBC or (self.format == DELTA and "{date}" not in self.path)

    @property
    def place(self) -> str:
        """What tells it from other destinations; no secret."""
        if self.format == JDBC:
            return f"{re.split('[?;]', self.url or '')[0]}/{self.table}"
        return self.path.rstrip("/") or "/"

    @property
    def parts(self) -> list[str]:
        """The table's name in its parts: database, schema, table, as many as are given."""
        return re.findall(r'"(?:[^"]|"")+"|[^."]+', self.table or "")

    def beside(self, suffix: str) -> str:
        """The name of a table beside it: shop.customers -> shop.customers_<suffix>."""
        *schema, name = self.parts
        own = f'{name[:-1]}_{suffix}"' if name.endswith('"') else f"{name}_{suffix}"
        return ".".join([*schema, own])
