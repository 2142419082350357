"""JSON: an object a line, or whole documents. A column for each key; nested values stay JSON text."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.access_log import text_lines
from jobs.runtime.formats.landing import Landing, named
from jobs.runtime.formats.longest import check_lines
from jobs.runtime.formats.unpacked import check_packed, decoded_texts, in_scratch, is_utf8, plain, written_anew
from transforms.sources.json_text import NEEDS_EXACT, document_records, object_fields

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A document is held in memory while it is taken apart.
MOST_DOCUMENT = 1 << 30
# Follows each record when it is parsed: what does not end with it held more, or less, than one object.
_END = ',{"":"end"}]'
_FIELDS = "map<string,string>"


def read_json(landing: Landing) -> "DataFrame":
    """A column for each key of the outermost objects, every value the text it was written as."""
    check_packed(landing)
    paths = {_lines_of(landing, file, place): file.path for place, file in enumerate(landing.files)}
    check_lines(landing, paths)
    lines = text_lines(landing, paths)
    keys, exact = _seen(lines)
    landed = landing.names(keys)
    frames = [_fields(lines if exact is None else lines.where(~exact), _by_spark())]
    if exact is not None:
        frames.append(_fields(lines.where(exact), _by_text()))
    rows = functools.reduce(lambda left, right: left.unionByName(right), frames)
    values = (F.col("_fields")[key].alias(name) for key, name in landed.items())
    corrupt = F.when(F.col("_fields").isNull(), F.col("value")).alias("_corrupt")
    return named(rows.select(*values, corrupt, "_file"), landed)


def _fields(lines: "DataFrame", fields: SparkColumn) -> "DataFrame":
    return lines.withColumn("_fields", fields)


def _by_spark() -> SparkColumn:
    """The object's fields; NULL where the line is not one object."""
    parsed = F.from_json(
        F.concat(F.lit("["), "value", F.lit(_END)), f"array<{_FIELDS}>", {"allowSingleQuotes": "false"}
    )
    return F.when(F.size(parsed) == 2, parsed[0])


def _by_text() -> SparkColumn:
    """The same for any line, a line at a time in Python: where the text of numbers must be kept."""
    return F.udf(object_fields, _FIELDS, useArrow=False)("value")


def _seen(lines: "DataFrame") -> tuple[list[str], SparkColumn | None]:
    """All keys, and which lines must be parsed by their exact text (None: none of them)."""
    exact = _needs_exact(F.json_object_keys("value"))
    # a line's text is looked at once, not once for each key in it
    by_line = lines.select("value", F.json_object_keys("value").alias("keys"))
    by_line = by_line.select("keys", _needs_exact(F.col("keys")).alias("exact"))
    found = by_line.select(F.explode_outer("keys").alias("key"), "exact").groupBy("key").agg(F.max("exact")).collect()
    names = {row["key"] for row in found} - {None}
    if not any(row[1] for row in found):
        return sorted(names), None
    by_text = _fields(lines.where(exact), _by_text())
    more = by_text.select(F.explode(F.map_keys("_fields")).alias("key")).distinct().collect()
    return sorted(names | {row["key"] for row in more}), exact


def _needs_exact(keys: SparkColumn) -> SparkColumn:
    """Does the line show a number as Spark would not, or have one of its keys twice?"""
    twice = F.coalesce(F.size(keys) != F.size(F.array_distinct(keys)), F.lit(False))
    return F.col("value").rlike(NEEDS_EXACT) | twice


def _lines_of(landing: Landing, file: ExtractFile, place: int) -> str:
    """The path of the file's records as JSON lines in UTF-8: its own, where that is what it holds."""
    if _is_document(landing, file):
        return in_scratch(landing, place, _records(landing, file))
    if Path(file.path).suffix == ".zst" or not is_utf8(landing.source):
        return written_anew(landing, file, place, decoded=not is_utf8(landing.source))
    return file.path


def _is_document(landing: Landing, file: ExtractFile) -> bool:
    """A whole document: the YAML says so, or the file begins with the `[` of an array."""
    if "records" in landing.options or "multiline" in landing.options:
        return bool(landing.options.get("multiline", True))
    with plain(landing, file) as pieces:
        start = next((text for text in decoded_texts(landing, pieces) if text.strip()), "")
    return start.lstrip().startswith("[")


def _records(landing: Landing, file: ExtractFile) -> Iterator[bytes]:
    """The document's records, a line each. Raises DataError where it is not JSON to its end, or is too large."""
    texts: list[str] = []
    size = 0
    with plain(landing, file) as pieces:
        for text in decoded_texts(landing, pieces):
            texts.append(text)
            size += len(text)
            if size > MOST_DOCUMENT:
                remedy = "deliver it as JSON lines, or in several files"
                raise landing.refused(file.path, f"one document of more than {MOST_DOCUMENT} characters", remedy)
    try:
        for record in document_records("".join(texts), landing.options.get("records")):
            yield record.replace("\n", " ").replace("\r", " ").encode("utf-8", "replace") + b"\n"
    except ValueError as error:
        raise landing.refused(file.path, f"is not one whole JSON document ({error})") from None
