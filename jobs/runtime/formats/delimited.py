"""CSV in its dialects: each file by its own header, each row with as many fields as the header or kept whole.

A line is a record, unless values hold line breaks (`multiline`). Each line is parsed with a field more at its end, a
sentinel: a row that lacks it, or has a field more or less, or a quote that does not close, is not what its header
says. So no such row can shift a value into another column, and none reaches beyond its line.
"""

import codecs
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.runtime.formats.dialect import Dialect, Header, headers
from jobs.runtime.formats.landing import Landing, exactly, file_column, named
from jobs.runtime.formats.longest import check_lines
from jobs.runtime.formats.multiline import read_multiline
from jobs.runtime.formats.unpacked import check_packed, is_utf8, written_anew

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.runtime.files import ExtractFile

# A row of more fields is not parsed; the parser holds room for as many.
MOST_FIELDS = 100_000
# The code units of these are not single bytes: their lines cannot be found before they are decoded.
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
_SENTINEL = "#"
_FEW_COLUMNS = 100
# Stands for "none", where a NUL would mean the NULs in the data: not a character of any text.
_NEVER = "\uffff"


def read_csv(landing: Landing) -> "DataFrame":
    """CSV by its header: files of other days may have other columns, and are then read on their own.

    Raises DataError where files of one day have different headers, or a header is not one.
    """
    check_packed(landing)
    dialect = Dialect.of(landing.source)
    groups = headers(landing, dialect)
    landed = landing.names(list(dict.fromkeys(name for header in groups for name in header.names)))
    multiline = landing.options.get("multiline")
    if multiline or (multiline is None and any(header.multiline for header in groups)):
        return named(read_multiline(landing, dialect, groups, landed), landed)
    frames = [_lines(landing, dialect, header, files, landed) for header, files in groups.items()]
    rows = functools.reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)
    return named(rows, landed)


def unclosed(dialect: Dialect) -> SparkColumn:
    """Is the row in `_corrupt`, as a quote in it does not close? Then values may hold line breaks."""
    quotes = F.length("_corrupt") - F.length(F.replace("_corrupt", F.lit(dialect.quote)))
    return F.when(F.col("_corrupt").isNotNull(), quotes % 2 == 1) if dialect.quote else F.lit(False)


def _lines(
    landing: Landing, dialect: Dialect, header: Header, files: list["ExtractFile"], landed: dict[str, str]
) -> "DataFrame":
    """Rows of files with one header, a line each."""
    paths = _readable(landing, files)
    check_lines(landing, paths)
    text = landing.spark.read.text(exactly(paths))
    value = F.col("value")
    if not is_utf8(landing.source) and not _is_wide(landing):
        charset = codecs.lookup(str(landing.options["encoding"])).name
        text = text.withColumn("value", F.decode(value.cast("binary"), _JAVA.get(charset, charset)))
    rows = text.withColumn("_file", file_column(paths)).where(value != "")
    if header.lines:
        rows = rows.where(~value.isin(*header.lines))
    if dialect.comment:
        rows = rows.where(~value.startswith(dialect.comment))
    separators = F.octet_length(value) - F.octet_length(F.replace(value, F.lit(dialect.sep)))
    fits = (F.octet_length(value) < MOST_FIELDS) | (separators < MOST_FIELDS * len(dialect.sep.encode()))
    names = [landed[name] for name in header.names]
    schema = ", ".join(f"`{name}` string" for name in [*names, "_sentinel", "_corrupt"])
    parsed = F.from_csv(F.concat(F.when(fits, value), F.lit(dialect.sep + _SENTINEL)), schema, _options(dialect))
    # nearly every line has no quote and all its fields: then its parts are its values, at a third of what parsing takes
    plain = F.coalesce(F.size("_parts") == len(names), F.lit(False))
    whole = plain | (F.col("_row._corrupt").isNull() & (F.col("_row._sentinel") == _SENTINEL))
    values = (
        F.when(plain, F.nullif(F.col("_parts")[place], F.lit(""))).otherwise(F.col(f"_row.`{name}`")).alias(name)
        for place, name in enumerate(names)
    )
    return (
        rows.withColumn("_parts", F.when(fits, _parts(value, dialect, len(names))))
        .withColumn("_row", F.when(~plain, parsed))
        .select(*values, F.when(F.coalesce(~whole, F.lit(True)), value).alias("_corrupt"), "_file")
    )


def _parts(line: SparkColumn, dialect: Dialect, columns: int) -> SparkColumn:
    """What stands between a line's separators, if no quote is in it; NULL, too, where generated code would get long."""
    quoted = line.contains(dialect.quote) if dialect.quote else F.lit(False)
    parts = F.when(~quoted, F.split(line, re.escape(dialect.sep), -1))
    return parts if columns <= _FEW_COLUMNS else F.lit(None).cast("array<string>")


def _options(dialect: Dialect) -> dict[str, str]:
    return {
        "sep": dialect.sep,
        "quote": dialect.quote or _NEVER,
        "escape": dialect.escape,
        # the parser would take a NUL at a line's start for a comment
        "comment": _NEVER,
        "maxColumns": str(MOST_FIELDS + 2),
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": "_corrupt",
    }


def _readable(landing: Landing, files: list["ExtractFile"]) -> dict[str, str]:
    """Path that Spark can read -> the extract's file."""
    wide = _is_wide(landing)
    paths = {}
    for file in files:
        anew = wide or Path(file.path).suffix == ".zst"
        place = landing.files.index(file)
        paths[written_anew(landing, file, place, decoded=wide) if anew else file.path] = file.path
    return paths


def _is_wide(landing: Landing) -> bool:
    return codecs.lookup(str(landing.options.get("encoding", "utf-8"))).name in _WIDE


# Python's names for character sets that Java knows by others
_JAVA = {"iso8859-1": "ISO-8859-1", "cp1252": "windows-1252", "mac-roman": "x-MacRoman"}
