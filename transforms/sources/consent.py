"""consent: a decision on what a person may be contacted for."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Purposes as `transforms.privacy.as_decided` spells them. Grain: one decision."""
    return rows.withColumn("purpose", F.lower("purpose"))


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. A decision of nobody can be honoured for nobody."""
    return {"no_identifier": F.col("_ids").isNull()}
