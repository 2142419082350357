"""Extracts as bronze holds them: every column a text, the file beside it, and what could not be split kept whole."""

import functools
from datetime import date, datetime
from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.runtime.files import ExtractFile, headers
from transforms.schemas import BRONZE_COLUMNS, Column, Table
from transforms.sources.definition import ACCESS_LOG, Source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# One pass of one pattern a line; the groups are those of ACCESS_LOG, and then the extra quoted fields.
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_ACCESS_LINE = rf'^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+)(?: ([^"\s]+))?" (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}'
_SEPARATOR = "\u0001"


def bronze_table(source: Source, names: list[str]) -> Table:
    """bronze/<source>: the raw columns, all texts, and bronze's own."""
    raw = tuple(Column(name, "string", "", "personal") for name in names)
    return Table(f"bronze/{source.source}", (*raw, *BRONZE_COLUMNS), partition=("_batch_date",))


def read_extract(
    spark: "SparkSession", source: Source, files: list[ExtractFile], *, day: date, ingested_at: datetime
) -> "DataFrame":
    """The files' records, unchanged. Grain: a record. Raises DataError where headers of one day differ."""
    read = {"csv": _csv, "json": _json, "access_log": _access_log}[source.read.format]
    return read(spark, source, files).withColumns(
        {"_batch_date": F.lit(day), "_ingested_at": F.lit(ingested_at).cast("timestamp")}
    )


def _paths(files: list[ExtractFile]) -> list[str]:
    return [file.path for file in files]


def _csv(spark: "SparkSession", source: Source, files: list[ExtractFile]) -> "DataFrame":
    """CSV by its header: files of other days may have other columns, and are then read on their own."""
    options = {key: str(value) for key, value in source.read.options.items() if key != "header"}
    frames = []
    for names, group in headers(source, files).items():
        schema = ", ".join(f"`{name.replace('`', '``')}` string" for name in (*names, "_corrupt"))
        reader = spark.read.schema(schema).options(
            **{"escape": '"', **options}, header=True, mode="PERMISSIVE", columnNameOfCorruptRecord="_corrupt"
        )
        frames.append(reader.csv(_paths(group)).withColumn("_file", _file_column()))
    return functools.reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)


def _json(spark: "SparkSession", source: Source, files: list[ExtractFile]) -> "DataFrame":
    """JSON lines: a column for each key of the outermost objects; nested values stay JSON text."""
    lines = _lines(spark, files)
    keys = lines.select(F.explode(F.json_object_keys("value")).alias("key")).distinct().orderBy("key")
    names = [row["key"] for row in keys.collect()]
    fields = F.from_json("value", "map<string,string>")
    return lines.withColumn("_fields", fields).select(
        *(F.col("_fields")[name].alias(name) for name in names),
        F.when(F.col("_fields").isNull(), F.col("value")).alias("_corrupt"),
        "_file",
    )


def _access_log(spark: "SparkSession", source: Source, files: list[ExtractFile]) -> "DataFrame":
    """Lines of the combined log format, and the quoted fields after it that the source names as `extra`."""
    extra = [str(name) for name in source.read.options.get("extra", [])]
    names = [*ACCESS_LOG, *extra]
    pattern = _ACCESS_LINE + rf" {_QUOTED}" * len(extra) + r"\s*$"
    groups = _SEPARATOR.join(f"${number}" for number in range(1, len(names) + 1))
    parts = F.split(F.regexp_replace("value", pattern, groups), _SEPARATOR)
    lines = _lines(spark, files).withColumn("_parts", parts)
    whole = F.size("_parts") == len(names)
    return lines.select(
        *(F.when(whole, _given(F.col("_parts")[place])).alias(name) for place, name in enumerate(names)),
        F.when(~whole, F.col("value")).alias("_corrupt"),
        "_file",
    )


def _given(value: SparkColumn) -> SparkColumn:
    """The log's '-' and nothing at all both say that there is no value."""
    return F.when(~value.isin("-", ""), value)


def _lines(spark: "SparkSession", files: list[ExtractFile]) -> "DataFrame":
    return spark.read.text(_paths(files)).withColumn("_file", _file_column()).where(F.trim("value") != "")


def _file_column() -> SparkColumn:
    path = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    return F.regexp_replace(path, "^file:/+", "/")
