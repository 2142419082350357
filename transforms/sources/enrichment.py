"""enrichment: facts about a person that a third party sells."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Only the facts that have a value, in the order of their names. Grain: one record of the provider.

    A fact that a source names twice counts once: the greater of its values.
    """
    told = F.filter(F.map_entries("attributes"), lambda fact: F.trim(fact["value"]) != "")
    # in the order of names, or the same facts in another order would be a changed record
    facts = F.array_sort(F.transform(told, lambda fact: F.struct(fact["key"], F.trim(fact["value"]).alias("value"))))
    return rows.withColumn("attributes", F.map_from_entries(facts))


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it. Facts about nobody can be used for nothing."""
    return {"no_identifier": F.col("_ids").isNull()}
