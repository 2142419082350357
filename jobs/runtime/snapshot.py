"""A table at one version, read by Spark from the list of its files.

Spark's own way to a Delta table at a version runs two jobs or more a table before the first row is read. Where the
list of files says the same, this reads it through `deltalake` in milliseconds and gives Spark the files.
"""

import json
from collections.abc import Collection, Mapping

from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.runtime.tables import Lakehouse, renamed_in
from transforms.columns import data_file
from transforms.errors import PortraitError
from transforms.schemas import FIXED_TABLES

# Past so many files Spark's own, distributed reading of the log is the better one.
MOST_FILES = 500


def read_version(
    spark: SparkSession, lakehouse: Lakehouse, table: str, version: int, *, only: Collection[str] | None = None
) -> DataFrame:
    """The table's rows at a version, or those in the data files named in `only`.

    Raises PortraitError where that version can no longer be read.
    """
    try:
        return _as_today(_read(spark, lakehouse, table, version, only), table)
    except (DeltaError, AnalysisException):
        gone = f"{lakehouse.path(table)}: its version {version} can no longer be read; was it vacuumed or removed?"
        raise PortraitError(gone) from None


def _as_today(rows: DataFrame, table: str) -> DataFrame:
    """A table of an earlier layout as today's: columns under their names now, those that came since NULL."""
    if table not in FIXED_TABLES:
        return rows
    rows = rows.withColumnsRenamed(renamed_in(table, rows.columns))
    new = {c.name: F.lit(None).cast(c.type) for c in FIXED_TABLES[table].columns if c.name not in rows.columns}
    return rows.withColumns(new) if new else rows


def _read(
    spark: SparkSession, lakehouse: Lakehouse, table: str, version: int, only: Collection[str] | None
) -> DataFrame:
    path, opened = lakehouse.path(table), lakehouse.open(table, version)
    if opened is None:
        raise TableNotFoundError
    files = [file for file in lakehouse.located(table, opened) if only is None or file.rsplit("/", 1)[-1] in only]
    if opened.protocol().min_reader_version > 1 or len(files) > MOST_FILES:
        # deletion vectors and column mapping are not in the list of files
        return _by_delta(spark, path, version, only)
    schema = T.StructType.fromJson(_plain(json.loads(opened.schema().to_json())))
    if not files:
        return spark.createDataFrame([], schema)
    # without partitions no folder's name means anything
    placed = {"basePath": path} if opened.metadata().partition_columns else {"recursiveFileLookup": "true"}
    return spark.read.schema(schema).options(**placed).parquet(*files).select(*schema.names)


def _by_delta(spark: SparkSession, path: str, version: int, only: Collection[str] | None) -> DataFrame:
    rows = spark.read.format("delta").option("versionAsOf", version).load(path)
    return rows if only is None else rows.where(data_file().isin(*only))


def _plain(schema: Mapping[str, object]) -> dict[str, object]:
    """Delta's schema as Spark's, whose fields are the same; a file may lack what the table says is never NULL."""
    fields = schema["fields"]
    assert isinstance(fields, list)  # noqa: S101
    return {**schema, "fields": [{**field, "nullable": True} for field in fields]}
