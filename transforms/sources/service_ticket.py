"""service_ticket: what a customer asked for or complained of, and how it was handled."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_WORDS = ("channel", "category", "priority", "status")


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """Channel, category, priority and status in lower case. Grain: one ticket."""
    return rows.withColumns({name: F.lower(name) for name in _WORDS})


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. Priorities and states are each source's own, so none is wrong by itself."""
    return {
        "closed_before_opened": F.col("closed_at") < F.col("opened_at"),
        "impossible_satisfaction": ~F.col("satisfaction").between(1, 5),
        "impossible_sentiment": ~F.col("sentiment").between(-1, 1),
    }
