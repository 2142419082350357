"""Which records more than one row is about. The driver sorts their keys, 8 bytes a row, in numpy: to group as many
distinct keys in Spark takes three times the processor time, and there is one for nearly every row."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from transforms.sources import versions


def contested(rows: DataFrame, held: DataFrame | None = None) -> DataFrame:
    """Keys (`_key`) of the records that more than one row of the extract has, or that silver holds too. Grain: a key.

    `held`: silver's versions, with `record_id`.
    """
    keys = versions.keys(rows)
    repeated = rows.sparkSession.createDataFrame(pa.table({"_key": _repeated(keys)}))
    if held is None:
        return repeated
    return repeated.union(keys.join(versions.keys(held), "_key", "left_semi")).distinct()


def _repeated(keys: DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found = np.sort(keys.toArrow()["_key"].to_numpy())
    return np.unique(found[1:][found[1:] == found[:-1]])
