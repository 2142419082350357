"""What the user supplies beside the extracts, as the stages take it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from transforms.sources.standard import rates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from transforms.sources.standard.money import Rates


def currency_rates(spark: "SparkSession", known: Sequence[rates.Rate]) -> "Rates | None":
    """The rates that the user supplies, if any, as a frame that the driver holds."""
    from transforms.sources.standard.money import Rates

    if not known:
        return None
    columns = zip(*rates.spans(known), strict=True)
    spans = pa.table([pa.array(column) for column in columns], names=["currency", "since", "until", "rate"])
    exact = spans["rate"].cast(pa.decimal128(rates.DIGITS, rates.DECIMALS))
    return Rates(spark.createDataFrame(spans.set_column(3, "rate", exact)), max(rate.day for rate in known))
