"""Lists from outside: CSV files of identifiers with a value each, read, checked and given to their customers.

Their identifiers are personal data: a message names the file and the line, never the identifier.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.identity.written import forms
from transforms.tags.tag import Tag

COLUMNS = ("id_type", "id_value", "value")
IMPORTED = ("number", "integer", "text", "enum", "boolean", "date")
_SHOWN = 5

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Line:
    """A line of a list: an identifier, in the forms in which it may be held, and the value as it is written."""

    id_type: str
    id_values: tuple[str, ...] = field(repr=False)
    value: str
    place: str


def lists_of(tags: Mapping[str, Tag]) -> list[Tag]:
    """The tags whose values are to be read from a list."""
    return [tag for tag in tags.values() if tag.kind == "import" and tag.status in ("draft", "online")]


def parse_import(
    texts: Mapping[str, str], tag: Tag, *, types: Iterable[str], countries: Iterable[str | None] = ()
) -> tuple[Line, ...]:
    """The lines of a tag's files (place -> text of a CSV with the columns of COLUMNS, in any order), file by file.

    types: the identifier types that there are. countries: where a phone number may be from. Of two lines about one
    identifier with different values neither can be right. Raises DefinitionError, a line for each mistake of the first
    few.
    """
    problems: list[str] = []
    known, places = frozenset(types), tuple(dict.fromkeys(countries))
    seen: dict[tuple[str, str], Line] = {}
    lines: list[Line] = []
    for place, text in sorted(texts.items()):
        for found in _lines(text, place, tag, known, places):
            if isinstance(found, str):
                problems.append(found)
                continue
            other = seen.setdefault((found.id_type, found.id_values[0]), found)
            if other.value != found.value:
                problems.append(f"{found.place}: its identifier has another value at {other.place}; keep one of them")
            lines.append(found)
    if problems:
        more = [f"{tag.place}: import: {len(problems) - _SHOWN} more lines are wrong"] if len(problems) > _SHOWN else []
        raise DefinitionError(*problems[:_SHOWN], *more)
    return tuple(lines)


def _lines(
    text: str, place: str, tag: Tag, types: frozenset[str], countries: tuple[str | None, ...]
) -> Iterator[Line | str]:
    """Each line of a file, or what is wrong with it."""
    rows = csv.reader(io.StringIO(text))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            yield f"{place}:1: no column {', '.join(missing)}; the header must hold {','.join(COLUMNS)}"
            return
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _line(row, header, f"{place}:{rows.line_num}", tag, types, countries)
    except csv.Error as error:
        yield f"{place}:{rows.line_num}: not CSV: {error}"


def _line(
    row: list[str], header: list[str], at: str, tag: Tag, types: frozenset[str], countries: tuple[str | None, ...]
) -> Line | str:
    if len(row) != len(header):
        return f"{at}: {len(row)} values instead of {len(header)}; put quotes around a value that holds a comma"
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    kind, identifier, value = (cells[name] for name in COLUMNS)
    if kind not in types:
        return f"{at}: id_type: '{kind}' is not among the identifiers of conf/identity.yml{nearest(kind, types)}"
    if not identifier:
        return f"{at}: id_value: it is empty; name the identifier"
    if not _is_a(value, tag):
        wanted = f"one of {', '.join(tag.values)}" if tag.type == "enum" else f"of type {tag.type}"
        return f"{at}: value: {f'is not {wanted}' if value else 'it is empty; write one, or remove the line'}"
    return Line(kind, tuple(dict.fromkeys(forms(kind, identifier, countries))), value, at)


def _is_a(value: str, tag: Tag) -> bool:
    # Python reads １２ and 1_2 as numbers, Spark does not
    plain = value.isascii() and "_" not in value
    try:
        match tag.type:
            case "number":
                return plain and math.isfinite(float(value))
            case "integer":
                return plain and abs(int(value)) < 2**63
            case "boolean":
                return value in ("true", "false")
            case "date":
                return date.fromisoformat(value).isoformat() == value
            case "enum":
                return value in tag.values
            case _:
                return bool(value)
    except ValueError:
        return False


def as_table(lines: Iterable[Line]) -> "pa.Table":
    """The lines as id_type, id_value (one row a form), value, and line: their rank, the first is 0."""
    import pyarrow as pa

    rows = [(line.id_type, form, line.value, at) for at, line in enumerate(lines) for form in line.id_values]
    names = {"id_type": pa.string(), "id_value": pa.string(), "value": pa.string(), "line": pa.int64()}
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(names.items(), columns, strict=True)})


def imported(lines: "DataFrame", *, ledger: "DataFrame") -> "DataFrame":
    """The value of each customer whom `lines` (as `as_table` gives them) name, and `rows`: 1. Grain: customer.

    `ledger`: who owns which identifier tonight (id_type, id_value, customer_id). Of several lines about one customer
    the last one counts. A line that may be about several (a phone without its country that is one's here and another's
    there) is nobody's.
    """
    from pyspark.sql import functions as F

    found = lines.join(ledger.select(*COLUMNS[:2], "customer_id"), [*COLUMNS[:2]], "inner")
    customer, other = F.min("customer_id").alias("customer_id"), F.max("customer_id").alias("other")
    of_one = found.groupBy("line").agg(F.max("value").alias("value"), customer, other).where("customer_id = other")
    return of_one.groupBy("customer_id").agg(F.lit(1).alias("rows"), F.max_by("value", "line").alias("value"))
