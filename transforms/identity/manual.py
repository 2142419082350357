"""Decisions by hand on who is who: the files that conf/identity.yml names under `manual`, read and checked.

Their values are personal data: a message names the file and the line, never the value.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from transforms.definitions import Definition, nearest
from transforms.errors import DefinitionError
from transforms.identity.written import forms

RECORD = "record"
LONGEST = 1_000
COLUMNS = ("left_type", "left_value", "right_type", "right_value", "reason", "decided_by")
# A type and the forms in which the value may be held, most likely first.
Vertex = tuple[str, tuple[str, ...]]
_Name = tuple[str, str]


class Manual(Definition):
    """Where the decisions lie, relative to the project's root."""

    same: str | None = None
    different: str | None = None


@dataclass(frozen=True)
class Decision:
    """A line of a file: the type and value of two records (type `record`) or identifiers. place: file and line."""

    left: Vertex = field(repr=False)
    right: Vertex = field(repr=False)
    place: str


@dataclass(frozen=True)
class Decisions:
    """What is said to be one person, and what is said to be two."""

    same: tuple[Decision, ...] = ()
    different: tuple[Decision, ...] = ()


def parse_decisions(
    text: str, *, place: str, types: Iterable[str], countries: Iterable[str | None] = ()
) -> tuple[Decision, ...]:
    """The decisions of a CSV file with the columns of COLUMNS, in any order; others are not looked at.

    types: the identifier types that may be named, beside `record`. countries: where a phone number may be from.
    Raises DefinitionError, a line for each mistake.
    """
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        return tuple(_read(rows, place, {RECORD, *types}, tuple(dict.fromkeys(countries))))
    except csv.Error as error:
        raise DefinitionError(f"{place}:{rows.line_num}: not CSV: {error}") from None


def _read(rows: Any, place: str, known: set[str], countries: Sequence[str | None]) -> list[Decision]:
    header = [name.strip().lower() for name in next(rows, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DefinitionError(
            f"{place}:1: no column {', '.join(missing)}; the header must hold {','.join(COLUMNS)}"
        )  # fmt: skip
    problems: list[str] = []
    found: list[Decision] = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        at = f"{place}:{rows.line_num}"
        wrong = list(_wrong(row, header, known))
        problems.extend(f"{at}: {message}" for message in wrong)
        if not wrong:
            cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
            left, right = (
                _vertex(cells[f"{side}_type"], cells[f"{side}_value"], countries) for side in ("left", "right")
            )
            found.append(Decision(left, right, at))
    if problems:
        raise DefinitionError(*problems)
    return found


def _vertex(kind: str, value: str, countries: Sequence[str | None]) -> Vertex:
    return kind, (value,) if kind == RECORD else tuple(dict.fromkeys(forms(kind, value, countries)))


def _wrong(row: Sequence[str], header: Sequence[str], known: set[str]) -> Iterator[str]:
    if len(row) != len(header):
        yield f"{len(row)} values instead of {len(header)}; put quotes around a value that holds a comma"
        return
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    for side in ("left", "right"):
        kind = cells[f"{side}_type"]
        if kind not in known:
            told = f"'{kind}' is neither '{RECORD}' nor among the identifiers of conf/identity.yml"
            yield f"{side}_type: {told}{nearest(kind, known)}"
        if not cells[f"{side}_value"]:
            yield f"{side}_value: it is empty; name a record or an identifier"
        if len(cells[f"{side}_value"]) > LONGEST:
            yield f"{side}_value: longer than {LONGEST:,} characters, which no record or identifier is"


def check_decisions(decisions: Decisions) -> None:
    """Raise DefinitionError, a line each, for a pair that is said to be both: directly, or through others."""
    ways: dict[_Name, list[tuple[_Name, str]]] = {}
    for decision in decisions.same:
        left, right = _name(decision.left), _name(decision.right)
        ways.setdefault(left, []).append((right, decision.place))
        ways.setdefault(right, []).append((left, decision.place))
    problems = []
    for decision in decisions.different:
        left, right = _name(decision.left), _name(decision.right)
        if left == right:
            problems.append(f"{decision.place}: both sides are the same; nothing is different from itself")
        elif (chain := _chain(ways, left, right)) is not None:
            through = ", ".join(chain)
            problems.append(
                f"{decision.place}: says that two are different which {through} "
                f"{'says' if len(chain) == 1 else 'together say'} to be the same; remove one of them"
            )
    if problems:
        raise DefinitionError(*problems)


def _name(vertex: Vertex) -> _Name:
    kind, held = vertex
    return kind, held[0]


def _chain(ways: dict[_Name, list[tuple[_Name, str]]], start: _Name, end: _Name) -> list[str] | None:
    """The places of the fewest decisions that lead from one to the other; None where none do."""
    came: dict[_Name, tuple[_Name, str] | None] = {start: None}
    waiting = [start]
    for vertex in waiting:
        for other, place in ways.get(vertex, ()):
            if other not in came:
                came[other] = (vertex, place)
                waiting.append(other)
    if end not in came:
        return None
    chain, step = [], came[end]
    while step is not None:
        chain.append(step[1])
        step = came[step[0]]
    return chain[::-1]
