"""A file of known truth: which record is about which person."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from transforms.definitions import nearest
from transforms.errors import DefinitionError

COLUMNS = ("source", "key", "person")


def read_truth(path: Path) -> pd.DataFrame:
    """`source key person`, texts without blanks around them. Grain: record. Other columns are not looked at.

    Raises DefinitionError, a line, where the file cannot be read, lacks a column or a value, or names a record twice.
    """
    place = f"--truth {path}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(csv.reader(file, strict=True), place))
    except OSError as error:
        raise DefinitionError(f"{place}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{place}: not UTF-8 (at byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise DefinitionError(f"{place}: not a CSV file: {error}") from None
    if not rows:
        raise DefinitionError(f"{place}: it names no record; write a line of {','.join(COLUMNS)} for each")
    truth = pd.DataFrame([row for _, row in rows], columns=list(COLUMNS), dtype=str)
    _check_once(truth, [line for line, _ in rows], place)
    return truth


def _check_once(truth: pd.DataFrame, lines: Sequence[int], place: str) -> None:
    first: dict[tuple[str, str], int] = {}
    for line, record in zip(lines, zip(truth["source"], truth["key"], strict=True), strict=True):
        if record in first:
            raise DefinitionError(
                f"{place}: lines {first[record]} and {line} name the same record; keep one line of each, "
                "for a record is about one person"
            )
        first[record] = line


def _rows(lines: "csv.Reader", place: str) -> Iterator[tuple[int, list[str]]]:  # type: ignore[name-defined]
    """The number of each line that names a record, with its source, key and person."""
    header = [name.strip() for name in next(lines, [])]
    if not any(header):
        raise DefinitionError(f"{place}: it is empty; its first line is to be {','.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        hint = nearest(missing[0], header) or f"; its first line is to be {','.join(COLUMNS)}, parted by commas"
        raise DefinitionError(f"{place}: no column '{missing[0]}'{hint}")
    places = [header.index(name) for name in COLUMNS]
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise DefinitionError(f"{place}: line {lines.line_num} has {len(line)} cells, the header {len(header)}")
        row = [line[at].strip() for at in places]
        if "" in row:
            raise DefinitionError(f"{place}: line {lines.line_num} has no {COLUMNS[row.index('')]}")
        yield lines.line_num, row
