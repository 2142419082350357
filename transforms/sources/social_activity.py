"""social_activity: an action on a social platform."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_ACTIONS = ("post", "like", "share", "comment", "follow")


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """Handles without case and at-sign, platforms in lower case. Grain: one action."""
    return rows.withColumns(
        {
            "handle": F.nullif(F.lower(F.regexp_replace("handle", r"^@|\s", "")), F.lit("")),
            "platform": F.lower("platform"),
            "action": F.lower("action"),
        }
    )


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {
        "unknown_action": ~F.col("action").isin(*_ACTIONS),
        "impossible_sentiment": ~F.col("sentiment").between(-1, 1),
    }
