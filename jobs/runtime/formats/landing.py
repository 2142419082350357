"""What a reader of a format is given, and what it gives back: one frame of texts, under the names they land under."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.runtime.files import ExtractFile
from jobs.runtime.stores import on_s3
from transforms.errors import DataError
from transforms.sources.definition import Source
from transforms.sources.names import comment, landed_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Delta's log, Parquet's footers and the plans grow with every column; a file of more is not what it was meant to be.
MOST_COLUMNS = 2_000
_IN_PATTERNS = re.compile(r"[\\{}\[\]*?]")
# Paths that Spark tells as they are, and how many of them are compared with one after the other.
_PLAIN_PATH = re.compile(r"(?:s3a:/)?/[\w./=-]*", re.ASCII)
_FEW_PATHS = 16


@dataclass(frozen=True)
class Landing:
    """An extract to read. `known`: raw name -> the name that the source's table has it under already.

    `scratch`: a folder of this landing's own, for files that have to be written anew before Spark can read them.
    """

    spark: "SparkSession"
    source: Source
    files: list[ExtractFile]
    known: Mapping[str, str]
    scratch: str

    @property
    def options(self) -> dict[str, Any]:
        return self.source.read.options

    def names(self, raw: list[str]) -> dict[str, str]:
        """Raw name -> landed name. Raises DataError where there are too many columns."""
        if len(raw) > MOST_COLUMNS:
            raise self.refused(self.files[-1].path, f"has {len(raw)} columns, more than {MOST_COLUMNS}")
        return landed_names(raw, self.known)

    def refused(self, path: str, what: str, remedy: str = "deliver it again") -> DataError:
        """The error that refuses the extract: the file, what is wrong with it, what to do."""
        return DataError(f"source {self.source.source}: {path}: {what}; {remedy}")


def exactly(paths: Iterable[str]) -> list[str]:
    """Paths for Spark's readers, which would take `orders[12].csv` for a pattern that means other files."""
    return [_IN_PATTERNS.sub(r"\\\g<0>", path) for path in paths]


def named(rows: "DataFrame", names: Mapping[str, str]) -> "DataFrame":
    """`rows` (landed names, `_corrupt`, `_file`) with each raw name in its column's comment. `names`: raw -> landed."""
    raw = [
        F.col(f"`{landed}`").alias(landed, metadata={"comment": comment(name, landed)})
        for name, landed in names.items()
    ]
    # bytes that are no character would make the table unreadable to all but Spark
    return rows.select(*raw, F.make_valid_utf8("_corrupt").alias("_corrupt"), "_file")


def file_column(originals: Mapping[str, str]) -> SparkColumn:
    """The path of the extract's file that a row is read from. `originals`: path read -> path of the extract's file."""
    path = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    here = F.regexp_replace(path, "^file:/+", "/")
    moved = [F.lit(text) for read, original in originals.items() if read != original for text in (read, original)]
    told = F.coalesce(F.create_map(*moved)[here], here) if moved else here
    # to work a path out for each row costs a third of what parsing the row does
    plain = [name for name in originals if _PLAIN_PATH.fullmatch(name)]
    for name in plain if len(plain) <= _FEW_PATHS else ():
        is_this = F.col("_metadata.file_path").isin(name if on_s3(name) else f"file:{name}", f"file://{name}")
        told = F.when(is_this, originals[name]).otherwise(told)
    return told
