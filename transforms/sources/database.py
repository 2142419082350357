"""`read.format: jdbc`: what a source's YAML says of the database that it is read from."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import field_validator

from transforms.definitions import Definition

if TYPE_CHECKING:
    from transforms.sources.definition import Source

JDBC = "jdbc"
# A password stays the name of an environment variable: its value is in no definition, hash or message.
PASSWORD = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = r"(?:[^\W\d][\w$#]*|\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\])"
_TABLE = re.compile(rf"{_NAME}(?:\.{_NAME}){{0,2}}")
_SECRET = re.compile(r"passw|passphrase|secret|token", re.IGNORECASE)
_CREDENTIALS = re.compile(r"passw|secret|token|/[^/@?]*:[^/@?]*@", re.IGNORECASE)
# What Portrait sets by itself, by the name that Spark gives it.
_OWN_OPTIONS = {
    name.lower(): instead
    for name, instead in {
        "url": "read.url", "dbtable": "read.table", "query": "read.query", "user": "read.user",
        "partitionColumn": "partition_column", "numPartitions": "partitions", "lowerBound": "partition_column",
        "upperBound": "partition_column", "customSchema": "columns", "preferTimestampNTZ": "columns",
    }.items()
}  # fmt: skip


class Connection(Definition):
    """How a database is reached, and which table is meant.

    `password` is the name of the environment variable that holds it, as `${NAME}`.
    """

    url: str | None = None
    table: str | None = None
    user: str | None = None
    password: str | None = None

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if not value.startswith("jdbc:"):
            raise ValueError("must begin with jdbc:, such as jdbc:postgresql://db.example.com:5432/shop")
        if _CREDENTIALS.search(value):
            raise ValueError("holds a password; give it by the key password: ${NAME}, an environment variable")
        return value

    @field_validator("table")
    @classmethod
    def _one_name(cls, value: str) -> str:
        if not _TABLE.fullmatch(value):
            raise ValueError("must be the name of a table, such as shop.orders (quoted where SQL asks for it); "
                             "where a select is meant, its key is query")  # fmt: skip
        return value

    @field_validator("password", mode="before")
    @classmethod
    def _a_variable(cls, value: object) -> object:
        if not isinstance(value, str) or not PASSWORD.fullmatch(value):
            raise ValueError("a password does not belong into a file; write ${NAME} and set the environment variable "
                             "NAME, or put it into .env")  # fmt: skip
        return value

    @property
    def password_variable(self) -> str | None:
        """The environment variable that holds the password."""
        return PASSWORD.fullmatch(self.password)[1] if self.password else None  # type: ignore[index]


class Database(Connection):
    """The keys of `read` that only a database has."""

    query: str | None = None
    since: str | None = None

    @field_validator("query")
    @classmethod
    def _a_select(cls, value: str) -> str:
        if not re.match(r"\s*(?:--.*\n\s*)*(?:select|with)\b", value, re.IGNORECASE):
            raise ValueError("must be a select; the name of a table goes into read.table")
        return value.strip().removesuffix(";")


def read_problems(source: "Source") -> Iterator[str]:
    """A line for each key of `read` that is missing for the source's format, or means nothing there."""
    read, place = source.read, f"{source.place}: read"
    if read.format != JDBC:
        if not read.path:
            yield f"{place}.path: this key is required"
        for key in Database.model_fields:
            if getattr(read, key) is not None:
                yield f"{place}.{key}: only a database has one (read.format: jdbc)"
        return
    if read.path:
        yield f"{place}.path: a database has no files; remove path"
    if not read.url:
        yield f"{place}.url: this key is required, such as jdbc:postgresql://db.example.com:5432/shop"
    if (read.table is None) == (read.query is None):
        yield f"{place}: give either table or query" + (", not both" if read.table else "")
    if read.lookback:
        yield f"{place}.lookback: a database has no late files; remove lookback"
    if read.since and source.extract == "snapshot":
        yield f"{place}.since: a snapshot is everything, every night; remove since, or set extract: changes"
    yield from _option_problems(source)


def _option_problems(source: "Source") -> Iterator[str]:
    options, place = source.read.options, f"{source.place}: read.options"
    for name in options:
        if _SECRET.search(name):
            yield f"{place}.{name}: a secret does not belong into a file; give it as read.password: ${{NAME}}"
        elif name.lower() in _OWN_OPTIONS:
            yield f"{place}.{name}: set by {_OWN_OPTIONS[name.lower()]}; remove it"
    if ("partitions" in options) != ("partition_column" in options):
        yield f"{place}: partitions and partition_column go together; give both or neither"
    elif "partitions" in options and not re.fullmatch(r"[1-9]\d?", str(options["partitions"])):
        yield f"{place}.partitions: must be a number from 1 to 99, of connections to the database at once"
