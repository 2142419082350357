"""product and campaign: what others' records refer to. Nothing is put into another form."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F


def product_flaws() -> dict[str, SparkColumn]:
    """Rule -> a product violates it."""
    return {"negative_list_price": F.col("list_price") < 0}


def campaign_flaws() -> dict[str, SparkColumn]:
    """Rule -> a campaign violates it."""
    return {"negative_cost": F.col("cost") < 0, "ends_before_it_starts": F.col("ends_on") < F.col("starts_on")}
