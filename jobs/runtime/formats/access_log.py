"""The combined access log, and lines of text in general."""

from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.runtime.formats.landing import Landing, exactly, file_column, named
from jobs.runtime.formats.longest import check_lines
from jobs.runtime.formats.unpacked import check_packed, readable
from transforms.sources.definition import ACCESS_LOG, COMBINED_LINE, QUOTED_FIELD

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SEPARATOR = "\u0001"


def read_access_log(landing: Landing) -> "DataFrame":
    """Lines of the combined log format, and the quoted fields after it that the source names as `extra`."""
    check_packed(landing)
    extra = [str(name) for name in landing.options.get("extra", [])]
    names = [*ACCESS_LOG, *extra]
    # one pass of one pattern a line
    pattern = COMBINED_LINE + f" {QUOTED_FIELD}" * len(extra) + r"\s*$"
    groups = _SEPARATOR.join(f"${number}" for number in range(1, len(names) + 1))
    parts = F.split(F.regexp_replace("value", pattern, groups), _SEPARATOR)
    paths = readable(landing, decoded=True)
    check_lines(landing, paths)
    lines = text_lines(landing, paths).withColumn("_parts", parts)
    whole = F.size("_parts") == len(names)
    landed = landing.names(names)
    rows = lines.select(
        *(F.when(whole, _given(F.col("_parts")[place])).alias(landed[name]) for place, name in enumerate(names)),
        F.when(~whole, F.col("value")).alias("_corrupt"),
        "_file",
    )
    return named(rows, landed)


def _given(value: SparkColumn) -> SparkColumn:
    """The log's '-' and nothing at all both say that there is no value."""
    return F.when(~value.isin("-", ""), value)


def text_lines(landing: Landing, paths: dict[str, str]) -> "DataFrame":
    """The lines of text files that are not blank: `value`, `_file`. `paths`: path read -> the extract's file."""
    lines = landing.spark.read.text(exactly(paths))
    return lines.withColumn("_file", file_column(paths)).where(F.trim("value") != "")
