"""Typed values as the texts that bronze holds: ISO times, plain decimals, base64, nested values as JSON."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

_TIME = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def as_text(value: SparkColumn, kind: T.DataType) -> SparkColumn:
    """`value`, of type `kind`, as a text of the same meaning.

    A timestamp is ISO 8601 in UTC with its `Z`; one without a zone has none. A decimal has all its digits and no
    exponent. Binary is base64. Arrays, maps and structs are JSON, with NULLs and with their times likewise.
    """
    match kind:
        case T.StringType():
            # a file may call bytes a text that are none
            return F.make_valid_utf8(value)
        case T.TimestampType():
            return F.date_format(value, f"{_TIME}XXX")
        case T.TimestampNTZType():
            return F.date_format(value, _TIME)
        case T.DecimalType():
            return plain_decimal(value)
        case T.BinaryType():
            return F.replace(F.base64(value), F.lit("\r\n"), F.lit(""))  # Spark breaks it into lines
        case T.ArrayType() | T.MapType() | T.StructType():
            return F.to_json(value, {"timestampFormat": f"{_TIME}XXX", "timestampNTZFormat": _TIME, **_KEEP_NULLS})
        case _:
            return value.cast("string")


_KEEP_NULLS = {"ignoreNullFields": "false"}


def plain_decimal(value: SparkColumn) -> SparkColumn:
    """A decimal without an exponent: Spark writes 0.00000012 as 1.2E-7."""
    text = value.cast("string")
    part = r"^(-?)(\d)\.?(\d*)E-(\d+)$"
    zeros = F.repeat(F.lit("0"), F.regexp_extract(text, part, 4).cast("int") - 1)
    sign, first, rest = (F.regexp_extract(text, part, group) for group in (1, 2, 3))
    return F.when(text.contains("E"), F.concat(sign, F.lit("0."), zeros, first, rest)).otherwise(text)


def without_zone(value: SparkColumn) -> SparkColumn:
    """A timestamp that Spark has in UTC as the time without a zone that its file holds."""
    return F.date_format(value, _TIME)


def from_nanoseconds(value: SparkColumn, *, zoned: bool) -> SparkColumn:
    """Nanoseconds since 1970 as an ISO time with nine decimals; with `Z` if `zoned`."""
    billion = F.lit(1_000_000_000)
    fraction = F.pmod(value, billion)
    return F.concat(
        F.date_format(F.timestamp_seconds(F.call_function("div", value - fraction, billion)), "yyyy-MM-dd'T'HH:mm:ss."),
        F.lpad(fraction.cast("string"), 9, "0"),
        F.lit("Z" if zoned else ""),
    )
