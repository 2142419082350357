"""Column -> Column rules that more than one place uses, and `conform`, which ends a transform on its contract."""

from datetime import date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.schemas import Column, Table


def conform(df: DataFrame, table: Table) -> DataFrame:
    """`df` with exactly the table's columns, in its order, of its types, with its comments.

    A column that `df` lacks is NULL. A value that does not fit its type is NULL.
    """
    return df.select(
        *(typed_as(df, column).alias(column.name, metadata={"comment": column.told}) for column in table.columns)
    )


def typed_as(df: DataFrame, column: Column) -> SparkColumn:
    """A column of `df` as a table has it; NULL where `df` lacks it, or a value does not fit the type."""
    value = F.col(f"`{column.name}`") if column.name in df.columns else F.lit(None)
    return _typed(value, column.type)


def _typed(value: SparkColumn, ddl: str) -> SparkColumn:
    # try_cast between nested types is refused by the analyser where it could never fail
    return value.cast(ddl) if "<" in ddl else value.try_cast(ddl)


def data_file(path: str = "_metadata.file_path") -> SparkColumn:
    """The name of the data file that a table's row is read from."""
    return F.substring_index(path, "/", -1)


def business_day(moment: SparkColumn, timezone: str) -> SparkColumn:
    """The calendar day, in the business's time zone, that a UTC timestamp falls in."""
    return F.to_date(F.from_utc_timestamp(moment, timezone))


def visible(*, day: date, as_of: datetime) -> SparkColumn:
    """What a run for `day` may see of silver: landed by then, not yet replaced, not in the future.

    `as_of` is the end of the business day, in UTC.
    """
    return (F.col("_batch_date") <= F.lit(day)) & _holds(day, as_of)


def _holds(day: date, as_of: datetime) -> SparkColumn:
    current = F.col("_valid_to").isNull() | (F.col("_valid_to") > F.lit(day))
    happened = F.col("event_at").isNull() | (F.col("event_at") <= F.lit(as_of))
    return current & happened


def with_first(versions: DataFrame, *, replaced: bool) -> DataFrame:
    """Adds `_first`: the day on which the first version of a record landed; NULL where there is but one.

    replaced: some record may have several.
    """
    if not replaced:
        return versions.withColumn("_first", F.lit(None).cast("date"))
    ended = versions.where(F.col("_valid_to").isNotNull())
    return versions.join(ended.groupBy("record_id").agg(F.min("_batch_date").alias("_first")), "record_id", "left")


def known_at(*, day: date, as_of: datetime) -> SparkColumn:
    """What a cut-off takes of `with_first` versions: each record's of that day, or the first, if none had landed."""
    landed = F.col("_batch_date") <= F.lit(day)
    is_first = F.col("_first").isNull() | (F.col("_first") == F.col("_batch_date"))
    return (landed | is_first) & _holds(day, as_of)
