"""interaction: anything else done with a person: a visit, a call, an event, an interview."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Channels and kinds in lower case. Grain: one interaction."""
    return rows.withColumns({name: F.nullif(F.lower(F.trim(name)), F.lit("")) for name in ("channel", "kind")})


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"neither_channel_nor_kind": F.col("channel").isNull() & F.col("kind").isNull()}
