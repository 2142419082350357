"""loyalty_account: a member's standing in a loyalty scheme."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Tiers in lower case. Grain: one account."""
    return rows.withColumn("tier", F.lower("tier"))


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"negative_points": F.col("points") < 0}
