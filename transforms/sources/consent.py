"""consent: a decision on what a person may be contacted for."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. A decision of nobody can be honoured for nobody."""
    return {"no_identifier": F.col("_ids").isNull()}
