"""Parquet and ORC: typed columns as texts that mean the same. And formats that Spark knows by a package of its own."""

import functools
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyarrow import ArrowException, orc
from pyarrow import parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.runtime.console import scrubbed
from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.landing import Landing, exactly, file_column, named
from jobs.runtime.stores import store_of
from transforms.errors import DataError, DefinitionError
from transforms.sources.texts import as_text, from_nanoseconds, without_zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Columns whose text is told otherwise than by their type in Spark.
Rules = dict[str, Callable[[SparkColumn], SparkColumn]]


def read_parquet(landing: Landing) -> "DataFrame":
    """Parquet files; those of other days may have other columns. Raises DataError where those of one day differ."""
    groups = _by_schema(landing, pq.read_schema)
    return _union(landing, [_read(landing, "parquet", files, schema) for schema, files in groups])


def read_orc(landing: Landing) -> "DataFrame":
    """ORC files, as Parquet."""
    groups = _by_schema(landing, lambda stream: orc.ORCFile(stream).schema)
    return _union(landing, [_read(landing, "orc", files, schema) for schema, files in groups])


def read_with_package(landing: Landing) -> "DataFrame":
    """A format by Spark's own name. Raises DefinitionError where Spark does not have it."""
    name = landing.source.read.format
    try:
        rows = _exact_session(landing.spark).read.format(name).options(**_spark_options(landing)).load(_paths(landing))
    except (PySparkException, Py4JJavaError) as error:
        if "find" in str(error) and "data source" in str(error).lower():
            raise DefinitionError(
                f"{landing.source.place}: read.format: Spark has no '{name}' here; name its package under "
                "spark.jars.packages in conf/pipeline.yml, or deliver another format"
            ) from None
        raise _unreadable(landing, landing.files, error) from None
    return _union(landing, [(rows, {})])


def _by_schema(
    landing: Landing, schema_of: Callable[[pa.NativeFile], pa.Schema]
) -> list[tuple[pa.Schema, list[ExtractFile]]]:
    groups: list[tuple[pa.Schema, list[ExtractFile]]] = []
    by_day: dict[date, tuple[pa.Schema, str]] = {}
    for file in landing.files:
        try:
            store, path = store_of(file.path)
            with store.open_input_file(path) as stream:
                schema = schema_of(stream).remove_metadata()
            _check(landing, file, schema)
        except (OSError, ArrowException, UnicodeDecodeError):
            told = f"is not a whole {landing.source.read.format} file"
            raise landing.refused(file.path, told) from None
        other, path = by_day.setdefault(file.file_date, (schema, file.path))
        if not other.equals(schema):
            raise landing.refused(
                file.path,
                f"its columns differ from those of {path}",
                "files of one extract must have the same columns of the same types in the same order",
            )
        group = next((files for known, files in groups if known.equals(schema)), None)
        if group is None:
            groups.append((schema, [file]))
        else:
            group.append(file)
    return groups


def _check(landing: Landing, file: ExtractFile, schema: pa.Schema) -> None:
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise landing.refused(file.path, f"has the column '{twice[0]}' twice", "each column needs a name of its own")
    quoted = [name for name in schema.names if "`" in name]
    if quoted and landing.source.read.format == "orc":
        raise landing.refused(file.path, f"the column '{quoted[0]}' has a quote in its name, which Spark does not read")
    times = [field.name for field in schema if pa.types.is_time(field.type)]
    if times:
        told = f"the column '{times[0]}' is a time of day without a day, which Spark does not read"
        raise landing.refused(file.path, told, "deliver it as a text")


def _read(landing: Landing, name: str, files: list[ExtractFile], schema: pa.Schema) -> tuple["DataFrame", Rules]:
    times = [field for field in schema if pa.types.is_timestamp(field.type)]
    rules: Rules = {}
    if name == "parquet":
        rules = {f.name: partial(from_nanoseconds, zoned=bool(f.type.tz)) for f in times if f.type.unit == "ns"}
    if name == "orc":
        # Spark takes a time without a zone for one in the session's
        rules = {f.name: without_zone for f in times if not f.type.tz}
    try:
        rows = _exact_session(landing.spark).read.format(name).load(exactly(file.path for file in files))
    except (PySparkException, Py4JJavaError) as error:
        raise _unreadable(landing, files, error) from None
    return rows, rules


def _exact_session(spark: "SparkSession") -> "SparkSession":
    """Names of columns as they are written, and times in nanoseconds, in a session that shares all but settings."""
    session = spark.newSession()
    session.conf.set("spark.sql.caseSensitive", "true")
    session.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    return session


def _union(landing: Landing, parts: list[tuple["DataFrame", Rules]]) -> "DataFrame":
    landed = landing.names(list(dict.fromkeys(name for rows, _ in parts for name in rows.columns)))
    frames = [
        rows.select(
            *(_text(field, rules.get(field.name)).alias(landed[field.name]) for field in rows.schema.fields),
            F.lit(None).cast("string").alias("_corrupt"),
            file_column({}).alias("_file"),
        )
        for rows, rules in parts
    ]
    return named(functools.reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), frames), landed)


def _text(field: T.StructField, rule: Callable[[SparkColumn], SparkColumn] | None) -> SparkColumn:
    value = F.col(f"`{field.name.replace('`', '``')}`")
    return rule(value) if rule else as_text(value, field.dataType)


def _paths(landing: Landing) -> list[str]:
    return [file.path for file in landing.files]


def _spark_options(landing: Landing) -> dict[str, str]:
    texts = {True: "true", False: "false"}
    return {key: texts.get(value, str(value)) for key, value in landing.options.items() if key != "session_gap"}


def _unreadable(landing: Landing, files: list[ExtractFile], error: Exception) -> DataError:
    told = scrubbed(str(getattr(error, "java_exception", error)).splitlines()[0][:200])
    return landing.refused(files[-1].path, f"Spark cannot read it as {landing.source.read.format} ({told})")
