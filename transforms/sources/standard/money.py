"""Money in the base currency, by the rates that the user supplies."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.schemas import MONEY
from transforms.sources.standard.rates import DECIMALS, DIGITS

RATE = f"decimal({DIGITS},{DECIMALS})"


@dataclass(frozen=True)
class Rates:
    """`spans`: currency, since, until, rate (`RATE`): the days, both included, that a rate holds, none twice.

    `last`: the last day of any of them; after it the last rates go on holding.
    """

    spans: DataFrame
    last: date


def with_base_amounts(rows: DataFrame, *, base_currency: str, day: SparkColumn, rates: Rates | None) -> DataFrame:
    """`rows` with `amount` and `discount` in the base currency. Grain: as it was, one order line.

    A line in another currency takes the last rate known on or before its business day; without one `amount` is NULL.
    An amount in the base currency that the source itself gives stays. `discount` comes in the line's own currency.
    """
    in_base = F.col("currency") == F.lit(base_currency)
    if rates is None:
        rated, rate = rows, F.lit(None).cast(RATE)
    else:
        # a row a day: joined by equality, without a shuffle of the lines
        daily = rates.spans.select(
            F.col("currency").alias("_of"),
            F.explode(F.sequence("since", "until")).alias("_on"),
            F.col("rate").alias("_rate"),
        )
        on = F.least(day, F.lit(rates.last))
        joined = (F.col("currency") == F.col("_of")) & (on == F.col("_on"))
        rated, rate = rows.join(F.broadcast(daily), joined, "left"), F.col("_rate")

    def converted(name: str) -> SparkColumn:
        return F.when(in_base, F.col(name)).otherwise((F.col(name) * rate).cast(MONEY))

    return rated.withColumns(
        {"amount": F.coalesce("amount", converted("amount_local")), "discount": converted("discount")}
    ).drop("_of", "_on", "_rate")
