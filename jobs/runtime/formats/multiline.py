"""CSV whose values hold line breaks: read from its start to its end by Python's own reader, strictly.

Spark's reader would do it no faster (such a file cannot be split), and a quote that never closes would silently
swallow the rows behind it. The rows are written as Parquet into the landing's scratch.
"""

import csv
import functools
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet as pq

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.dialect import Dialect, Header, rows_of
from jobs.runtime.formats.landing import Landing, file_column
from jobs.runtime.formats.longest import LONGEST_RECORD
from jobs.runtime.formats.unpacked import decoded_texts, plain
from jobs.runtime.stores import store_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_BATCH = 20_000


def read_multiline(
    landing: Landing, dialect: Dialect, groups: dict[Header, list[ExtractFile]], landed: dict[str, str]
) -> "DataFrame":
    """Rows of CSV files, `_corrupt` for those of another number of fields than the header.

    Raises DataError naming file and line where a quote does not close, or something follows one that does.
    """
    csv.field_size_limit(LONGEST_RECORD)
    frames = []
    for header, files in groups.items():
        names = [landed[name] for name in header.names]
        paths = {_parquet(landing, dialect, header, names, file): file.path for file in files}
        frames.append(landing.spark.read.parquet(*paths).withColumn("_file", file_column(paths)))
    return functools.reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)


def _parquet(landing: Landing, dialect: Dialect, header: Header, names: list[str], file: ExtractFile) -> str:
    schema = pa.schema([pa.field(name, pa.string()) for name in [*names, "_corrupt"]])
    store, folder = store_of(landing.scratch)
    store.create_dir(folder, recursive=True)
    name = f"{landing.files.index(file)}.parquet"
    with pq.ParquetWriter(f"{folder}/{name}", schema, filesystem=store) as writer:
        rows = _rows(landing, dialect, file)
        if header.lines:
            first = next(rows)
            rows = (row for row in rows if row != first)  # a file may be put together from several
        for batch in iter(lambda: [row for _, row in zip(range(_BATCH), rows, strict=False)], []):
            writer.write_table(_table(batch, schema, dialect))
    return f"{landing.scratch}/{name}"


def _table(rows: list[list[str]], schema: pa.Schema, dialect: Dialect) -> pa.Table:
    width = len(schema) - 1
    whole = [row if len(row) == width else [""] * width for row in rows]
    columns = [[value or None for value in column] for column in zip(*whole, strict=True)]
    corrupt = [None if len(row) == width else _written(row, dialect) for row in rows]
    return pa.table([pa.array(column, pa.string()) for column in [*columns, corrupt]], schema=schema)


def _written(row: list[str], dialect: Dialect) -> str:
    """A row as text again."""
    text = io.StringIO()
    csv.writer(text, delimiter=dialect.sep, quotechar=dialect.quote or '"', lineterminator="").writerow(row)
    return text.getvalue()


def _rows(landing: Landing, dialect: Dialect, file: ExtractFile) -> Iterator[list[str]]:
    with plain(landing, file) as pieces:
        try:
            lines = _cut(decoded_texts(landing, pieces))
            yield from (row for row in rows_of(dialect, lines, to_end=True) if row)
        except csv.Error as error:
            remedy = (
                "deliver it again; or set read.options.multiline: false (such rows go to quarantine), "
                "or quote: '' where quotes are characters like others"
            )
            raise landing.refused(file.path, f"a quote does not close as it should ({error})", remedy) from None


def _cut(texts: Iterator[str]) -> Iterator[str]:
    """Texts cut into lines, each with its end. At line feeds alone: other breaks are characters of a value."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        if len(rest) > LONGEST_RECORD:
            raise csv.Error(f"a line longer than {LONGEST_RECORD:,} characters")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest
