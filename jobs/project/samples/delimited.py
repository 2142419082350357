"""Separated values: which separator, quotes, header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from transforms.errors import DataError
from transforms.sources.infer.numbers import numbers
from transforms.sources.infer.sample import LINE, MOST_ROWS, Sample, said
from transforms.sources.infer.times import times

_SEPARATORS = (",", ";", "\t", "|", "\x01", "^", "~", ":")
_TRIED_LINES = 200
_LONGEST_FIELD = 1 << 20
_LONGEST_LINE = 1 << 20


def read_delimited(path: Path, text: str, options: dict[str, Any], doubts: dict[str, str], whole: bool) -> Sample:
    """The sample. `options` and `doubts` hold what is known of the encoding.

    Raises DataError where no row can be told.
    """
    text = _complete(path, text, whole)
    separator, quote = _dialect(text)
    if separator in (",", ":") and not options and (aligned := _aligned(text, separator, whole)):
        return aligned
    escape = (
        "\\" if re.search(rf"\\{quote}", text) and not re.search(rf"[^\\{separator}\n]{quote}{quote}", text) else quote
    )
    rows = _rows(path, text, separator, quote, escape)
    if not rows:
        raise DataError(f"{path}: holds no line with anything on it")
    has_header, doubt = _has_header(rows)
    width = len(rows[0])
    header = [name.strip() for name in rows[0]] if has_header else [f"column_{at + 1}" for at in range(width)]
    _check_header(path, header)
    body = rows[1:] if has_header else rows
    if not body:
        raise DataError(f"{path}: holds a header alone ({len(header)} columns); a sample needs rows")
    chosen: dict[str, Any] = {"header": True} if has_header else {"header": False, "columns": header}
    chosen |= {"sep": separator} if separator != "," else {}
    chosen |= {"quote": quote} if quote != '"' else {}
    chosen |= {"escape": escape} if escape != quote else {}
    chosen |= {"multiline": True} if any("\n" in cell for row in body for cell in row) else {}
    if doubt:
        doubts = {**doubts, "header": doubt}
    columns = {name: [row[place] if place < len(row) else None for row in body] for place, name in enumerate(header)}
    padded = frozenset(name for name, texts in columns.items() if any(text and text != text.strip() for text in texts))
    return Sample(
        "csv", {name: [said(text) for text in texts] for name, texts in columns.items()}, {**chosen, **options},
        doubts, whole and len(rows) <= MOST_ROWS, padded,
    )  # fmt: skip


def _aligned(text: str, separator: str, whole: bool) -> Sample | None:
    """Columns set apart by runs of blanks, as in a printed table; None where they are something else.

    No separator parts such lines, so each is read as one text (UTF-8), and expressions part it.
    """
    lines = [line.strip() for line in islice(io.StringIO(text), MOST_ROWS + 1) if line.strip()]
    head = lines[:_TRIED_LINES]
    if not head or (separator == "," and any("," in line for line in head)):
        return None
    cells, often = Counter(len(line.split()) for line in head).most_common(1)[0]
    if cells < 2 or min(often, sum("  " in line for line in head)) < 0.9 * len(head) or any("\t" in x for x in head):
        return None
    has_header, doubt = _has_header([line.split() for line in lines if len(line.split()) == cells])
    names = tuple(lines[0].split()) if has_header else tuple(f"column_{at + 1}" for at in range(cells))
    if has_header and (len(names) != cells or len(set(names)) < cells or len(lines) == 1):
        return None
    texts: list[str | None] = [*lines[1:]] if has_header else [*lines]
    return Sample(
        "text", {LINE: texts},
        doubts={"format": "its columns stand below each other" + (f"; {doubt}" if doubt else "")},
        whole=whole and len(lines) <= MOST_ROWS, parts=names,
        where=f"trim({LINE}) <> {_literal(lines[0])}" if has_header else "",
    )  # fmt: skip


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _complete(path: Path, text: str, whole: bool) -> str:
    """Without the line that the bound cut."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text.find("\n")
    if (first < 0 and len(text) > _LONGEST_LINE) or first > _LONGEST_LINE:
        raise DataError(
            f"{path}: its first line is longer than {_LONGEST_LINE:,} characters; that is no header or record"
        )
    return text if whole or first < 0 else text[: text.rfind("\n") + 1]


def _dialect(text: str) -> tuple[str, str]:
    """The separator and quote that part the first lines most evenly."""
    head = "\n".join(text.split("\n", _TRIED_LINES)[:_TRIED_LINES])
    best = max(
        ((_evenness(head, separator, quote), -place, separator, quote)
         for place, separator in enumerate(_SEPARATORS) for quote in ('"', "'")
         if separator in head and (quote == '"' or re.search(rf"(?:^|{re.escape(separator)})'", head, re.MULTILINE))),
        default=(0.0, 0, ",", '"'),
    )  # fmt: skip
    return best[2], best[3]


def _evenness(head: str, separator: str, quote: str) -> float:
    """The share of lines with the most usual number of cells, and a little for more cells."""
    reader = csv.reader(io.StringIO(head), delimiter=separator, quotechar=quote)
    try:
        rows = [row for row in reader if row]
    except csv.Error:
        return 0.0
    counts = Counter(len(row) for row in rows)
    if not counts:
        return 0.0
    cells, often = max(counts.items(), key=lambda item: (item[1], item[0]))
    if cells == 1:
        return 0.0
    stray = sum(1 for row in rows[:50] for cell in row if quote == '"' and len(cell) > 1 and cell[0] == cell[-1] == "'")
    return often / len(rows) + min(cells, 50) / 500 - stray / max(len(rows), 1) / 10


def _rows(path: Path, text: str, separator: str, quote: str, escape: str) -> list[list[str]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(
        io.StringIO(text), delimiter=separator, quotechar=quote, doublequote=escape == quote,
        escapechar=escape if escape != quote else None,
    )  # fmt: skip
    try:
        return [row for row in islice(reader, MOST_ROWS + 1) if len(row) > 1 or any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: cannot be parted into cells: {error}") from None


def _has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Is the first row names? Names are no numbers, dates or addresses, and none is given twice."""
    first, body = [cell.strip() for cell in rows[0]], rows[1 : 1 + 500]
    if any(_is_value(cell) for cell in first) or len({cell.lower() for cell in first}) < len(first):
        given = [cell for cell in first if cell]
        if any(_is_value(cell) for cell in given):
            return False, "the first line looks like data, so the columns are numbered: name them"
    below = [[row[place] for row in body if place < len(row) and row[place].strip()] for place in range(len(first))]
    if first and all(cell in set(texts) for cell, texts in zip(first, below, strict=True) if texts) and any(below):
        return False, "the first line's values come again below it, so it is taken for data: name the columns"
    typed = any(texts and sum(map(_is_value, texts)) > 0.9 * len(texts) for texts in below)
    return True, "" if typed or not body else "every column is text: is the first line really names?"


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    return bool(cell) and bool(numbers([cell]) or times([cell]) or re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", cell))


def _check_header(path: Path, header: Sequence[str]) -> None:
    unnamed = [place + 1 for place, name in enumerate(header) if not name]
    if unnamed:
        raise DataError(f"{path}: the header has no name for column {unnamed[0]}; each column needs its own")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the header has the name '{twice[0]}' twice; each column needs its own")
