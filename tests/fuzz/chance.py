"""Mutations by chance, of the bytes and of the lines of a file, and what a reader that is not ours makes of them."""

import contextlib
import csv
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable

from tests.fuzz.originals import (
    COLUMNS,
    MARKER,
    Case,
    Expect,
    as_csv,
    as_json,
    as_orc,
    as_parquet,
    as_xml,
    key_of,
    lines,
)

_PIECES = (
    b"\x00", b'"', b'""', b",", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xe2\x80\x8b", b"\\", b"'",
    b"\t", b"=1+1",
    b"{", b"}", b"[", b"]", b":", b"<", b"&", b"NaN", b"1e999", b"\xf0\x9f\x92\xa9", b"\x1a", b";",
    b"\xc2\x85", b"\xe2\x80\xa8",
)  # fmt: skip
Mutation = Callable[[random.Random, list[bytes]], list[bytes]]


def _place(dice: random.Random, rows: list[bytes]) -> int:
    """A line that is not the first, so that the columns stay."""
    return dice.randrange(1, len(rows))


def bytes_put_in(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    line, where = rows[at], dice.randrange(len(rows[at]) + 1)
    return [
        *rows[:at],
        line[:where] + dice.choice(_PIECES) * dice.choice((1, 1, 1, 2, 50)) + line[where:],
        *rows[at + 1 :],
    ]


def bytes_left_out(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    line, where = rows[at], dice.randrange(len(rows[at]) + 1)
    return [*rows[:at], line[:where] + line[where + dice.randint(1, 12) :], *rows[at + 1 :]]


def bytes_changed(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    line = bytearray(rows[at])
    for _ in range(dice.randint(1, 3)):
        line[dice.randrange(len(line))] = dice.randrange(256)
    return [*rows[:at], bytes(line), *rows[at + 1 :]]


def lines_repeated(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at, to = _place(dice, rows), _place(dice, rows)
    return [*rows[:to], rows[at], *rows[to:]]


def lines_moved(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    rest = rows[1:]
    dice.shuffle(rest)
    return [rows[0], *rest]


def lines_left_out(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    return [*rows[:at], *rows[at + dice.randint(1, 5) :]]


def lines_interleaved(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    """The middle of one line is another, as where two writers share a file."""
    at, other = _place(dice, rows), _place(dice, rows)
    where = dice.randrange(len(rows[at]) + 1)
    return [*rows[:at], rows[at][:where] + rows[other] + rows[at][where:], *rows[at + 1 :]]


def lines_cut(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    where = dice.randrange(len(rows[at]) + 1)
    return [*rows[:at], rows[at][:where], rows[at][where:], *rows[at + 1 :]]


def truncated(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    return [*rows[:at], rows[at][: dice.randrange(len(rows[at]) + 1)]]


def ends_changed(dice: random.Random, rows: list[bytes]) -> list[bytes]:
    at = _place(dice, rows)
    return [*rows[:at], rows[at] + dice.choice((b"\r", b"\n\n", b" ", b"\n\r\n")), *rows[at + 1 :]]


MUTATIONS: tuple[Mutation, ...] = (
    bytes_put_in, bytes_left_out, bytes_changed, lines_repeated, lines_moved, lines_left_out, lines_interleaved,
    lines_cut, truncated, ends_changed,
)  # fmt: skip


def mutated(dice: random.Random) -> Case:
    """One mutation, or several, of a file in one of the formats."""
    format_ = dice.choice(("csv", "csv", "csv", "json", "json", "xml", "parquet", "orc"))
    if format_ in ("parquet", "orc"):
        return _binary(dice, format_)
    rows = {"csv": as_csv, "json": as_json, "xml": as_xml}[format_]().rstrip(b"\n").split(b"\n")
    chosen = [dice.choice(MUTATIONS) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
    for mutation in chosen:
        if len(rows) > 1:
            rows = mutation(dice, rows)
    data = b"\n".join(rows) + dice.choice((b"", b"\n", b"\n", b"\n"))
    expect = {"csv": of_csv, "json": of_json, "xml": lambda _: Expect("either")}[format_](data)
    options = {"rowTag": "row"} if format_ == "xml" else {}
    kind = " ".join(sorted({mutation.__name__.replace("_", " ") for mutation in chosen}))
    return Case(f"{format_}: {kind}", format_, {f"a.{format_}": data}, expect, options, repr(data[-200:]))


def _binary(dice: random.Random, format_: str) -> Case:
    data = bytearray(as_parquet() if format_ == "parquet" else as_orc())
    if dice.random() < 0.3:
        kind, data = "truncated", data[: dice.randrange(len(data))]
    else:
        kind = "bytes changed"
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    return Case(
        f"{format_}: {kind}",
        format_,
        {f"a.{format_}": bytes(data)},
        Expect("refused" if kind == "truncated" else "either"),
    )


# -- readers that are not ours

_BREAK = re.compile("\r\n|\n|\r")


def of_csv(data: bytes) -> Expect:
    """By Python's reader, strictly: the file as a whole where values hold line breaks, and line by line otherwise."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    header = ",".join(COLUMNS)
    parts = [part for part in _BREAK.split(text) if part and part != header]
    parsed = [_fields(part) for part in parts]
    broken = sum("\ufffd" in part for part in parts)
    open_ = any(fields is None and part.count('"') % 2 for fields, part in zip(parsed, parts, strict=True))
    if open_:
        # what one quote may do to the rows behind it, only a whole reading can say
        return Expect("either")
    whole = [
        dict(zip(COLUMNS, fields, strict=True))
        for fields in parsed
        if fields is not None and len(fields) == len(COLUMNS)
    ]
    outcome = "either" if broken else "rows"
    return _expected(outcome, len(parts), whole)


def _fields(part: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(part, newline=""), strict=True), None)
    except csv.Error:
        return None


def of_json(data: bytes) -> Expect:
    """A line at a time by Python's own parser."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    parts = [part for part in _BREAK.split(text) if part.strip(" ")]
    if text.lstrip().startswith("["):
        return Expect("either")
    whole = [found for part in parts if (found := _object(part)) is not None]
    outcome = "either" if "\ufffd" in text or not whole else "rows"
    return _expected(outcome, len(parts), whole)


def _object(part: str) -> dict[str, str] | None:
    def pairs(given: list[tuple[str, object]]) -> dict[str, object]:
        if len({key for key, _ in given}) < len(given):
            raise ValueError
        return dict(given)

    try:
        found = json.loads(part, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else None


def _expected(outcome: str, records: int, whole: list[dict[str, str]]) -> Expect:
    """Rows that are as they were, and whose key no other row has, must be in silver as they are."""
    times = Counter(
        row["order_id"].strip() + ":" + row["line_no"].strip() for row in whole if {"order_id", "line_no"} <= row.keys()
    )
    original = {key_of(row): row for row in lines()}
    seen = [row for row in whole if set(row) >= {"order_id", "line_no"}]
    others = Counter(key_of(row) for row in seen if row != original.get(key_of(row)))
    same = {key_of(row) for row in seen if row == original.get(key_of(row))}
    loose = {_plain(row) for row in seen if row != original.get(key_of(row))}
    intact = frozenset(key for key in same if not others[key] and key not in loose)
    keys = frozenset({*times, *map(key_of, seen), *loose})
    return Expect(outcome, records, intact, keys=keys)


def _plain(row: dict[str, str]) -> str:
    """The key as silver types it: a number of a line may be written in several ways."""
    number = row["line_no"].strip()
    with contextlib.suppress(ValueError, OverflowError):
        number = str(int(float(number)))
    return f"{row['order_id'].strip()}:{number}"


__all__ = ["MARKER", "mutated"]
