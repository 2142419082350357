"""transaction: an order line."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """The amount in the base currency, and the status by its sign where the source says none.

    Grain: one order line. Money in the base currency is NULL where the line was charged in another one.
    """
    in_base = F.col("currency") == F.lit(base_currency)
    refund = (F.col("quantity") < 0) | (F.col("amount_local") < 0)
    return rows.withColumns(
        {
            "currency": F.upper("currency"),
            "amount": F.when(in_base, F.coalesce("amount", "amount_local")),
            "status": F.coalesce(F.lower("status"), F.when(refund, "refund").otherwise("purchase")),
        }
    )


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    status, amount = F.col("status"), F.col("amount_local")
    return {
        "unknown_status": ~status.isin("purchase", "refund", "cancelled"),
        "purchase_below_zero": (status == "purchase") & ((amount < 0) | (F.col("quantity") < 0)),
        "refund_above_zero": (status == "refund") & (amount > 0),
        "no_rate_for_currency": F.col("amount").isNull() & amount.isNotNull(),
    }
