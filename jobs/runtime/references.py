"""What the user supplies beside the extracts, as the stages take it."""

from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.runtime.configuration import Configuration
from transforms.sources.standard import rates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from transforms.sources.standard.money import Rates


def currency_rates(spark: "SparkSession", conf: Configuration) -> "Rates | None":
    """The currency rates, if the user supplies any, as a frame that the driver holds."""
    from transforms.sources.standard.money import Rates

    if not conf.rates:
        return None
    names = ("currency", "since", "until", "rate")
    spans = pa.table(dict(zip(names, map(pa.array, zip(*rates.spans(conf.rates), strict=True)), strict=True)))
    held = spans.set_column(3, "rate", spans["rate"].cast(pa.decimal128(rates.DIGITS, rates.DECIMALS)))
    return Rates(spark.createDataFrame(held), max(rate.day for rate in conf.rates))
