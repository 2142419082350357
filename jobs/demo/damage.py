"""What goes wrong in real extracts: spoilt lines added beside the good ones, which stay as they are."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Spoil = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Damage:
    """A way to spoil a line, and how many such lines come on one good line."""

    kind: str
    share: float
    spoil: Spoil


def damaged(
    lines: list[bytes], damages: Sequence[Damage], rng: np.random.Generator
) -> tuple[list[bytes], Counter[str]]:
    """The lines with spoilt copies of some of them strewn in, and how many of each kind.

    In delimited files the copies lose their quotes: half a pair of quotes would swallow the next line too.
    """
    strewn: list[tuple[int, bytes]] = []
    counts: Counter[str] = Counter()
    for damage in damages:
        number = int(damage.share * len(lines) + rng.random())
        places = rng.integers(0, max(len(lines), 1), size=(number, 2)).tolist() if lines else []
        for model, position in places:
            strewn.append((position, damage.spoil(lines[model], rng)))
            counts[damage.kind] += 1
    return _merged(lines, strewn), counts


def _merged(lines: list[bytes], strewn: list[tuple[int, bytes]]) -> list[bytes]:
    whole: list[bytes] = []
    start = 0
    for position, line in sorted(strewn):
        whole += lines[start:position]
        whole.append(line)
        start = position
    return whole + lines[start:]


def twice(line: bytes, rng: np.random.Generator) -> bytes:
    """The same line once more."""
    return line


def too_short(separator: bytes) -> Spoil:
    """The line breaks off: some of its last fields are missing."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        fields = _fields(line, separator)
        return separator.join(fields[: int(rng.integers(2, len(fields) - 2))])

    return spoil


def too_long(separator: bytes) -> Spoil:
    """Fields too many, as when a text holds the separator."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        fields = _fields(line, separator)
        return separator.join([*fields[:3], b"", *fields[3:], b"??"])

    return spoil


def put(separator: bytes, field: int, values: Sequence[bytes]) -> Spoil:
    """One of the values stands where the field was."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        fields = _fields(line, separator)
        fields[field] = values[int(rng.integers(0, len(values)))]
        return separator.join(fields)

    return spoil


def _fields(line: bytes, separator: bytes) -> list[bytes]:
    return line.replace(b'"', b"").split(separator)


def cut(first: float, last: float) -> Spoil:
    """The line breaks off somewhere between two shares of its length."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        text = line.decode()
        return text[: int(len(text) * (first + (last - first) * rng.random()))].encode()

    return spoil


def without(key: str) -> Spoil:
    """A JSON line without one of its keys."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        record = json.loads(line)
        record.pop(key)
        return as_json(record)

    return spoil


def with_value(key: str, values: Sequence[object]) -> Spoil:
    """A JSON line with one of the values under a key."""

    def spoil(line: bytes, rng: np.random.Generator) -> bytes:
        return as_json({**json.loads(line), key: values[int(rng.integers(0, len(values)))]})

    return spoil


def as_json(record: dict[str, object]) -> bytes:
    """A record as one line of JSON, in UTF-8."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
