"""Which records more than one row is about. Up to a bound the driver sorts their keys, 8 bytes a row, in numpy: to
group as many distinct keys in Spark takes three times the processor time, and there is one for nearly every row."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources import versions

# Of more rows Spark groups the keys: so many are 0.8 GB, twice that while they are sorted.
MOST_SORTED = 100_000_000


def contested(rows: DataFrame, held: DataFrame | None = None, *, landed: int) -> DataFrame:
    """Keys (`_key`) of the records that more than one row of the extract has, or that silver holds too. Grain: a key.

    `held`: silver's versions, with `record_id`. `landed`: how many rows there are at most.
    """
    keys = versions.keys(rows)
    repeated = _by_sorting(keys) if landed <= MOST_SORTED else _by_grouping(keys)
    if held is None:
        return repeated
    return repeated.union(keys.join(versions.keys(held), "_key", "left_semi")).distinct()


def _by_sorting(keys: DataFrame) -> DataFrame:
    found = np.sort(keys.toArrow()["_key"].to_numpy())
    repeated = np.unique(found[1:][found[1:] == found[:-1]])
    return keys.sparkSession.createDataFrame(pa.table({"_key": repeated}))


def _by_grouping(keys: DataFrame) -> DataFrame:
    return keys.groupBy("_key").agg(F.count("*").alias("_rows")).where("_rows > 1").select("_key")
