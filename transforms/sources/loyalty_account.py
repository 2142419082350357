"""loyalty_account: a member's standing in a loyalty scheme."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """Tiers in lower case. Grain: one account."""
    return rows.withColumn("tier", F.lower("tier"))


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"negative_points": F.col("points") < 0}
