"""RFM: recency, frequency and monetary value of each customer, scored against kept cut points."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

# further out a number of 38 digits has no place for four behind the point
_FAR = 1e34
METRICS = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary"}


def cut_points_frame(base: DataFrame, *, scores: int) -> DataFrame:
    """The values that part the buyers into `scores` groups of as equal a size as ties allow.

    Purpose: what a fit of RFM keeps. Grain: metric (recency, frequency, monetary).
    Columns: metric, customers, cuts (array of scores - 1 exact decimals, ascending, in the metric's own unit).
    `base`: customer_id, recency_days, frequency, monetary (decimal); buyers are those with frequency > 0.

    Cut j is the smallest value v for which at least j / scores of the buyers have a value <= v: the inverse of the
    empirical distribution (Hyndman & Fan 1996, type 1), so it is always a value that occurs. It comes from a
    running count over distinct values: exact, and the same for any partitioning.
    """
    exact = T.DecimalType(38, _scale(base))
    by_metric = F.create_map(*(part for m, c in METRICS.items() for part in (F.lit(m), F.col(c).cast(exact))))
    ascending = Window.partitionBy("metric").orderBy("value").rowsBetween(Window.unboundedPreceding, Window.currentRow)

    def cut(j: int) -> SparkColumn:
        return F.min(F.when(F.col("up_to") * scores >= F.col("customers") * j, F.col("value")))

    return (
        base.where(F.col("frequency") > 0)
        .select(F.explode(by_metric).alias("metric", "value"))
        .where(F.col("value").isNotNull())
        .groupBy("metric", "value")
        .agg(F.count("*").alias("n"))
        .select(
            "metric",
            "value",
            F.sum("n").over(ascending).alias("up_to"),
            F.sum("n").over(Window.partitionBy("metric")).alias("customers"),
        )
        .groupBy("metric")
        .agg(F.max("customers").alias("customers"), F.array(*(cut(j) for j in range(1, scores))).alias("cuts"))
    )


def scores_of(
    parameters: Mapping[str, Any], *, recency: SparkColumn, frequency: SparkColumn, monetary: SparkColumn
) -> dict[str, SparkColumn]:
    """The scores r, f and m of numbers: whole numbers from 1 to `scores`, the highest the best.

    NULL for who bought nothing, and where the metric itself is NULL, infinite or no number. A score counts the cut
    points that the value lies above: upwards for frequency and monetary; downwards from the top for recency, where
    fewer days are better. So equal values share a score, and a customer's score moves only with the customer's own
    figures until the next fit.
    """
    values = {"recency": recency, "frequency": frequency, "monetary": monetary}
    bought = frequency > 0

    def above(metric: str) -> SparkColumn:
        value = values[metric].cast("double")
        finite = F.when(F.abs(value) < _FAR, value)
        return sum((_lies_above(finite, Decimal(cut)) for cut in parameters[metric]), F.lit(0))

    return {
        "r": F.when(bought, F.lit(int(parameters["scores"])) - above("recency")),
        "f": F.when(bought, F.lit(1) + above("frequency")),
        "m": F.when(bought, F.lit(1) + above("monetary")),
    }


def _lies_above(value: SparkColumn, cut: Decimal) -> SparkColumn:
    """1 where a double lies above the cut once it is rounded, half away from 0, to the digits that cuts have.

    Said of the double itself, which is many times quicker than to make a decimal of it for every cut.
    """
    limit = F.lit(float(cut + Decimal(5).scaleb(int(cut.as_tuple().exponent) - 1)))
    return ((value >= limit) if cut >= 0 else (value > limit)).cast("int")


def _scale(base: DataFrame) -> int:
    """Decimal places of the money in `base`."""
    money = base.schema["monetary"].dataType
    if not isinstance(money, T.DecimalType):
        raise TypeError(f"monetary must be a decimal, not {money.simpleString()}: cut points are exact")
    return money.scale
