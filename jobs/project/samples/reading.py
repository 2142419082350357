"""A sample of a file of any supported format."""

import re
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.project.samples.delimited import read_delimited
from jobs.project.samples.nested import read_json, read_xml
from jobs.project.samples.opening import decoded, start_of
from transforms.errors import DataError
from transforms.sources.definition import ACCESS_LOG, COMBINED_LINE, COMMON_LINE, QUOTED_FIELD
from transforms.sources.infer import MOST_ROWS, Sample
from transforms.sources.infer.sample import as_text, said

_COMBINED = re.compile(rf"{COMBINED_LINE}((?: {QUOTED_FIELD})*)\s*$")
_MOST_LOG_LINES = 5_000


def read_sample(path: Path) -> Sample:
    """Some rows of a file, and how it is written.

    Raises DataError, in one line, where the file is of no supported format, damaged, or without rows or values.
    """
    sample = _read(path)
    if not any(text for texts in sample.columns.values() for text in texts):
        raise DataError(f"{path}: holds columns ({len(sample.columns)}) but no value; nothing can be told from it")
    return sample


def _read(path: Path) -> Sample:
    start = start_of(path)
    if start.data.startswith(b"PAR1"):
        return _columnar(path, "parquet")
    if start.data.startswith(b"ORC"):
        return _columnar(path, "orc")
    text, encoding, doubt = decoded(path, start)
    options = {"encoding": encoding} if encoding != "UTF-8" else {}
    doubts = {"encoding": doubt} if doubt else {}
    opening = text.lstrip()[:1]
    if not opening:
        raise DataError(f"{path}: holds nothing but blanks")
    if opening in "{[":
        return read_json(path, text, options, doubts, start.whole)
    if opening == "<":
        return read_xml(path, start.data, text, start.whole)
    log = _access_log(path, text, start.whole)
    return log or read_delimited(path, text, options, doubts, start.whole)


def _columnar(path: Path, form: str) -> Sample:
    try:
        rows, table = _parquet(path) if form == "parquet" else _orc(path)
        names = table.schema.names
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"{path}: has the column '{twice[0]}' twice; each column needs its own name")
        columns = {name: [_cell(_value(scalar), form) for scalar in table.column(name)] for name in names}
    except (OSError, pa.ArrowException, UnicodeDecodeError):
        told = f"begins as {form} but cannot be read; it is truncated or damaged"
        raise DataError(f"{path}: {told}: deliver it again") from None
    if not rows:
        raise DataError(f"{path}: holds columns ({len(names)}) but no row; nothing can be told from it")
    return Sample(form, columns, whole=rows <= table.num_rows)


def _parquet(path: Path) -> tuple[int, pa.Table]:
    """The number of rows, and the first of them."""
    file = pq.ParquetFile(path)
    first = list(islice(file.iter_batches(batch_size=MOST_ROWS), 1))
    return file.metadata.num_rows, pa.Table.from_batches(first, schema=file.schema_arrow)


def _orc(path: Path) -> tuple[int, pa.Table]:
    from pyarrow import orc

    file = orc.ORCFile(path)
    first = [file.read_stripe(0).slice(0, MOST_ROWS)] if file.nrows else []
    return file.nrows, pa.Table.from_batches(first, schema=file.schema)


def _value(scalar: pa.Scalar) -> Any:
    """A value; None for a day that Python's calendar does not have, as a placeholder may be (the year 10000)."""
    try:
        return scalar.as_py()
    except OverflowError:
        return None


def _cell(value: Any, form: str) -> str | None:
    """A typed value as text. A time of ORC, or with a zone, is a moment in UTC; another is as a clock showed it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(timespec="microseconds") + ("Z" if value.tzinfo or form == "orc" else "")
    if isinstance(value, dict | list | tuple):
        return as_text(value)
    if isinstance(value, bytes):
        return said(value.decode("utf-8", errors="replace"))
    return said(value)


def _access_log(path: Path, text: str, whole: bool) -> Sample | None:
    """Lines of the combined log format with further quoted fields; None where the lines are something else."""
    split = text.split("\n", _MOST_LOG_LINES)
    lines = [line for line in split[:_MOST_LOG_LINES] if line.strip()]
    matches = [match for line in lines if (match := _COMBINED.match(line))]
    if len(matches) < 0.8 * len(lines):
        if sum(1 for line in lines if re.match(rf"{COMMON_LINE}\s*$", line)) > 0.8 * len(lines):
            raise DataError(
                f"{path}: is an access log of the common format, without referrer and agent; "
                "have the server write the combined format"
            )
        return None
    extra = [re.findall(QUOTED_FIELD, match[12]) for match in matches]
    most = max(len(fields) for fields in extra)
    names = [*ACCESS_LOG, *_extra_names(extra, most)]
    rows = [[*match.groups()[:11], *fields, *[None] * (most - len(fields))]
            for match, fields in zip(matches, extra, strict=True)]  # fmt: skip
    columns = {
        name: [None if row[place] == "-" else said(row[place]) for row in rows] for place, name in enumerate(names)
    }
    options = {"extra": names[len(ACCESS_LOG) :]} if most else {}
    doubts = {"extra": "what are the fields after the agent?"} if most else {}
    return Sample("access_log", columns, options, doubts, whole and not "".join(split[_MOST_LOG_LINES:]).strip())


def _extra_names(extra: list[list[str]], most: int) -> list[str]:
    """Names for the fields after the agent: a single one that holds tokens is most likely the visitor's cookie."""
    tokens = most == 1 and all(re.fullmatch(r"-|[\w.=%-]{8,}", field) for fields in extra for field in fields)
    return ["cookie"] if tokens else [f"extra_{place + 1}" for place in range(most)]
