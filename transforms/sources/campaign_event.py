"""campaign_event: what became of a message."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context

_EVENTS = ("sent", "open", "click", "bounce", "unsubscribe", "convert")


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Event names in lower case. Grain: one event."""
    return rows.withColumn("event", F.lower("event"))


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"unknown_event": ~F.col("event").isin(*_EVENTS)}
