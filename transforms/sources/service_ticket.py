"""service_ticket: what a customer asked for or complained of, and how it was handled."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.standard import values
from transforms.sources.standard.texts import with_text_features

_WORDS = ("channel", "category", "priority", "status")


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Channel, category, priority and status in lower case, and what the text tells. Grain: one ticket."""
    words = {name: F.lower(name) for name in _WORDS}
    return rows.withColumns({**words, "language": values.language(F.col("language"))}).transform(
        with_text_features, "text"
    )


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. Priorities and states are each source's own, so none is wrong by itself."""
    return {
        "closed_before_opened": F.col("closed_at") < F.col("opened_at"),
        "impossible_satisfaction": ~F.col("satisfaction").between(1, 5),
        "impossible_sentiment": ~F.col("sentiment").between(-1, 1),
    }
