"""social_activity: an action on a social platform."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.standard import values
from transforms.sources.standard.texts import with_text_features

_ACTIONS = ("post", "like", "share", "comment", "follow")


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Handles without case and at-sign, platforms in lower case, and what the text tells. Grain: one action."""
    return rows.withColumns(
        {
            "handle": F.nullif(F.lower(F.regexp_replace("handle", r"^@|\s", "")), F.lit("")),
            "platform": F.lower("platform"),
            "action": F.lower("action"),
            "language": values.language(F.col("language")),
        }
    ).transform(with_text_features, "text")


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {
        "unknown_action": ~F.col("action").isin(*_ACTIONS),
        "impossible_sentiment": ~F.col("sentiment").between(-1, 1),
    }
