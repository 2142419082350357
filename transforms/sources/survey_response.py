"""survey_response: an answer to a survey, a score or words or both."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_NPS = "(?i)(?<![a-z])nps(?![a-z])"


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """Comments without blanks around them; none where nothing is left. Grain: one response."""
    return rows.withColumns({"comment": F.nullif(F.trim("comment"), F.lit(""))})


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. The scale of a survey is its own, but for that of the net promoter score."""
    score = F.col("score")
    whole = score.between(0, 10) & (score == F.floor(score))
    return {
        "impossible_score": (score < 0) | F.isnan(score),
        "impossible_nps": F.col("survey_id").rlike(_NPS) & ~whole,
        "neither_score_nor_comment": score.isNull() & F.col("comment").isNull(),
        "impossible_sentiment": ~F.col("sentiment").between(-1, 1),
    }
