"""A database's rows as bronze holds them: every column a text, and of a big table only what is new.

Whatever has one obvious text is read as the driver writes it, so that no number is rounded and no local time shifted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.definitions import nearest
from transforms.errors import DataError
from transforms.sources.definition import Source
from transforms.sources.texts import as_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FETCH_SIZE = 5000
_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NESTED = (T.ArrayType, T.MapType, T.StructType)


@dataclass(frozen=True)
class Mark:
    """How far a source was read. `since`: the column, its type and what it was read from; `high`: its highest value."""

    since: str
    high: str | None


@dataclass(frozen=True)
class Answer:
    """What a database answered. `high`: an aggregate, the highest value of the `since` column, where there is one."""

    rows: "DataFrame"
    since: str | None = None
    high: SparkColumn | None = None


def ask(
    spark: "SparkSession", source: Source, *, password: str | None, mark: Mark | None,
    name: str, day: date, as_of: datetime,
) -> Answer:  # fmt: skip
    """The rows that a night for `day` takes. Nothing is read before the answer's rows are.

    With `since`: those of at least the mark's value (so that one of the same value that came later is not lost), and,
    of a time, not after `as_of`: they are another night's. Rows without a value always come. `name` becomes `_file`.
    Raises DataError where a column cannot be what the YAML says; what the driver raises goes through.
    """
    connection = _connection(source, password)
    read = source.read
    table = read.table or f"({read.query}\n) portrait_query"
    fields = _fields(spark, source, connection, table)
    quoted = _quotes(spark, source)
    condition, since, high = "", None, None
    if read.since:
        field = _field(source, "since", read.since, fields)
        since = _identity(source, field)
        known = mark.high if mark and mark.since == since else None
        condition = _condition(source, field, quoted(field.name), known, day=day, as_of=as_of)
        high = F.max(F.col(_escaped(field.name)).cast(field.dataType)).cast("string")
    wanted = f"(select * from {table}{condition}\n) portrait_rows"
    parts = _partitions(spark, source, {**connection, "dbtable": wanted}, fields, quoted)
    as_text = [field for field in fields if not _own_text(field) and field.name != parts.get("partitionColumn")]
    options = {
        **connection, **parts, "dbtable": wanted,
        "customSchema": ", ".join(f"{_escaped(field.name)} string" for field in as_text),
    }  # fmt: skip
    rows = spark.read.format("jdbc").options(**options).load()
    carried = {"_file": F.lit(name), "_corrupt": F.lit(None).cast("string")}
    return Answer(rows.select(*(_text(field) for field in fields)).withColumns(carried), since, high)


def _connection(source: Source, password: str | None) -> dict[str, str]:
    read = source.read
    own = {
        "fetchsize" if key.lower() == "fetchsize" else key: str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for key, value in read.options.items()
        if key not in ("partition_column", "partitions")
    }
    given = {"url": read.url, "user": read.user, "password": password}
    return {
        "fetchsize": str(FETCH_SIZE), **own, "preferTimestampNTZ": "true",
        **{key: value for key, value in given.items() if value is not None},
    }  # fmt: skip


def _fields(spark: "SparkSession", source: Source, connection: Mapping[str, str], table: str) -> list[T.StructField]:
    """The columns that the database names, with the types that Spark sees in them."""
    options = {**connection, "dbtable": f"(select * from {table}\n) portrait_rows"}
    fields = list(spark.read.format("jdbc").options(**options).load().schema.fields)
    hidden = [field.name for field in fields if field.name.startswith("_")]
    if hidden:
        raise DataError(
            f"source {source.source}: the column '{hidden[0]}' begins with '_', as only bronze's own do; "
            "give it another name by a select in read.query"
        )
    return fields


def _field(source: Source, key: str, name: str, fields: list[T.StructField]) -> T.StructField:
    """The column that the YAML names: as it is written, or else without regard to case."""
    exact = [field for field in fields if field.name == name]
    found = exact or [field for field in fields if field.name.lower() == name.lower()]
    if not found:
        known = [field.name for field in fields]
        raise DataError(
            f"source {source.source}: read.{key}: {source.read.table or 'the query'} has no column "
            f"'{name}'{nearest(name, known)}"
        )
    return found[0]


def _identity(source: Source, field: T.StructField) -> str:
    """What a mark is a value of. Where any of it changes, everything is read once more."""
    if not isinstance(field.dataType, (*_WHOLE, T.DecimalType, T.DateType, T.TimestampType, T.TimestampNTZType)) or (
        field.metadata.get("logical_time_type")
    ):
        raise DataError(
            f"source {source.source}: read.since: '{field.name}' is a {field.metadata.get('jdbcClientType', 'text')}; "
            "only a date, a time with its date, or a number can tell what is new"
        )
    asked = hashlib.sha256(f"{source.read.table}\0{source.read.query}".encode()).hexdigest()[:16]
    return f"{field.name} {field.dataType.simpleString()} {asked}"


def _condition(
    source: Source, field: T.StructField, column: str, known: str | None, *, day: date, as_of: datetime
) -> str:
    """The where clause: from the mark on, up to the night's end, and what has no value."""
    utc, local = as_of.replace(tzinfo=None), as_of.astimezone(ZoneInfo(source.timezone)).replace(tzinfo=None)
    postgres = (source.read.url or "").startswith("jdbc:postgresql:")
    kinds: dict[type[T.DataType], tuple[str, str | None]] = {
        T.DateType: ("date '{}'", str(day)),
        T.TimestampNTZType: ("timestamp '{}'", str(local)),
        T.TimestampType: ("timestamptz '{}+00'" if postgres else "timestamp '{}+00:00'", str(utc)),
    }
    kind, latest = kinds.get(type(field.dataType), ("{}", None))
    bounds = [f"{column} {sign} {kind.format(value)}" for sign, value in ((">=", known), ("<=", latest)) if value]
    return f" where ({' and '.join(bounds)}) or {column} is null" if bounds else ""


def _partitions(
    spark: "SparkSession", source: Source, options: Mapping[str, str], fields: list[T.StructField], quoted: Any
) -> dict[str, str]:
    """Spark's options to read by several connections, each a range of `partition_column`; none for an empty table."""
    if "partition_column" not in source.read.options:
        return {}
    field = _field(source, "options.partition_column", str(source.read.options["partition_column"]), fields)
    whole = isinstance(field.dataType, _WHOLE) or (
        isinstance(field.dataType, T.DecimalType) and field.dataType.scale == 0
    )
    if not whole:
        raise DataError(
            f"source {source.source}: read.options.partition_column: '{field.name}' is not of whole numbers"
        )
    column = quoted(field.name)
    asked = f"(select min({column}) as low, max({column}) as high from {options['dbtable']}\n) portrait_range"
    low, high = spark.read.format("jdbc").options(**{**options, "dbtable": asked}).load().collect()[0]
    if low is None:
        return {}
    return {
        "partitionColumn": field.name, "lowerBound": str(int(low)), "upperBound": str(int(high) + 1),
        "numPartitions": str(source.read.options["partitions"]),
    }  # fmt: skip


def _own_text(field: T.StructField) -> bool:
    """Is Portrait's text of the value better than the driver's?"""
    return isinstance(field.dataType, (T.TimestampType, T.BinaryType, T.BooleanType, *_NESTED))


def _text(field: T.StructField) -> SparkColumn:
    value = F.col(_escaped(field.name))
    return (as_text(value, field.dataType) if _own_text(field) else value.cast("string")).alias(field.name)


def _escaped(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _quotes(spark: "SparkSession", source: Source) -> Any:
    """How this database quotes the name of a column."""
    return spark._jvm.org.apache.spark.sql.jdbc.JdbcDialects.get(source.read.url).quoteIdentifier  # type: ignore[union-attr]
