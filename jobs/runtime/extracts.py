"""Extracts as bronze holds them: every column a text, the file beside it, and what could not be split kept whole."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.access_log import read_access_log
from jobs.runtime.formats.columnar import read_orc, read_parquet, read_with_package
from jobs.runtime.formats.delimited import read_csv
from jobs.runtime.formats.json_lines import read_json
from jobs.runtime.formats.landing import Landing
from jobs.runtime.formats.markup import read_xml
from transforms.schemas import BRONZE_COLUMNS, Column, Table
from transforms.sources.definition import Source
from transforms.sources.names import comment

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# A reader gives a frame of the raw columns under their landed names, then `_corrupt` and `_file`; see `landing.named`.
READERS: dict[str, Callable[[Landing], "DataFrame"]] = {
    "csv": read_csv,
    "json": read_json,
    "xml": read_xml,
    "access_log": read_access_log,
    "parquet": read_parquet,
    "orc": read_orc,
}


def bronze_table(source: Source, names: Mapping[str, str]) -> Table:
    """bronze/<source>: the raw columns, all texts, and bronze's own. `names`: landed name -> raw name."""
    raw = tuple(Column(landed, "string", comment(name, landed), "personal") for landed, name in names.items())
    return Table(f"bronze/{source.source}", (*raw, *BRONZE_COLUMNS), partition=("_batch_date",))


def read_extract(
    spark: "SparkSession",
    source: Source,
    files: list[ExtractFile],
    *,
    day: date,
    ingested_at: datetime,
    scratch: str,
    known: Mapping[str, str] | None = None,
) -> "DataFrame":
    """The files' records, unchanged. Grain: a record. Each column's comment tells its raw name (`names.raw_names`).

    `known`: raw name -> the name that the source's table has it under. `scratch`: a folder for what has to be written
    anew first; it must stay until the frame was written, and is the caller's to remove. Raises DataError naming the
    file that refuses the extract, such as one whose header differs from that of another of its day.
    """
    landing = Landing(spark, source, files, known or {}, scratch)
    read = READERS.get(source.read.format, read_with_package)
    return read(landing).withColumns({"_batch_date": F.lit(day), "_ingested_at": F.lit(ingested_at).cast("timestamp")})
