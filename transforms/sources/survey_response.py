"""survey_response: an answer to a survey, a score or words or both."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.standard import values
from transforms.sources.standard.texts import with_text_features

_NPS = "(?i)(?<![a-z])nps(?![a-z])"


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Comments without blanks around them; none where nothing is left; and what they tell. Grain: one response."""
    comment, language = F.nullif(F.trim("comment"), F.lit("")), values.language(F.col("language"))
    return rows.withColumns({"comment": comment, "language": language}).transform(with_text_features, "comment")


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
