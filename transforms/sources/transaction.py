"""transaction: an order line."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms import columns
from transforms.sources.context import Context
from transforms.sources.standard.money import with_base_amounts


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Amounts in the base currency, and the status by the sign of what was charged where the source says none.

    Grain: one order line. Money in the base currency is NULL where no rate of the line's currency is known.
    """
    refund = (F.col("quantity") < 0) | (F.col("amount_local") < 0)
    day = columns.business_day(F.col("ordered_at"), context.timezone)
    return rows.withColumns(
        {
            "currency": F.upper(F.trim("currency")),
            "status": F.coalesce(F.lower("status"), F.when(refund, "refund").otherwise("purchase")),
        }
    ).transform(with_base_amounts, base_currency=context.base_currency, day=day, rates=context.rates)


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    status, amount = F.col("status"), F.col("amount_local")
    return {
        "unknown_status": ~status.isin("purchase", "refund", "cancelled"),
        "purchase_below_zero": (status == "purchase") & ((amount < 0) | (F.col("quantity") < 0)),
        "refund_above_zero": (status == "refund") & (amount > 0),
        "no_rate_for_currency": F.col("amount").isNull() & amount.isNotNull(),
    }
