"""What the driver worked out, handed to Spark."""

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession


def frame_of(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """A table that the driver holds as a DataFrame of as many partitions as there are cores."""
    # Spark takes what follows an empty batch for nothing, and makes a partition, so a file, of every 10,000 rows
    batches = [batch for batch in rows.to_batches(max_chunksize=1_000_000) if batch.num_rows]
    frame: DataFrame = spark.createDataFrame(pa.Table.from_batches(batches, rows.schema))
    return frame.coalesce(spark.sparkContext.defaultParallelism)
