"""The counts that an insight is made of, of one column of the profile: Arrow and NumPy, a value a customer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Numbers are counted between so many of the base's quantiles: ranks within a hundredth of everyone are ties.
FINE = 100
MOST_VALUES = 200
# Items of lists up to so many are compared with each other, of longer ones sorted.
SHORT = 16
# Of a larger base so many, drawn by a hash, tell where its hundredths lie.
DRAWN = 200_000

_GROUP, _BASE = 1, 2  # in `People.side`
_HALVES = (64, 32, 16, 8, 4, 2, 1)
_PAST = sum(_HALVES)
_PIECE = 1 << 15  # what a processor keeps at hand

Places = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class People:
    """Of each of the profile's customers the `side`: 1 the group, 2 the base, 3 both, 0 neither; and the places of
    those of the group, and of those of the base that tell its quantiles."""

    side: NDArray[np.uint8]
    group: Places
    drawn: Places

    @property
    def sizes(self) -> tuple[int, int]:
        """Customers of the group, of the base."""
        return len(self.group), int(np.count_nonzero(self.side & _BASE))


@dataclass(frozen=True)
class Numbers:
    """How a column's numbers lie: `counts` (group, base) of those up to each of `ends`, ascending, and above the one
    before; the medians of the group and of those drawn; how many (group, base) have none."""

    ends: list[float]
    counts: NDArray[np.int64]
    medians: tuple[float | None, float | None]
    missing: tuple[int, int]


def people(customers: pa.ChunkedArray, group: pa.Table, other: pa.Table | None) -> People:
    """Whose side each of the profile's `customers` is on; without `other` everyone is the base."""

    def among(side: pa.Table) -> NDArray[np.bool_]:
        return np.asarray(pc.is_in(customers, value_set=side["customer_id"].combine_chunks()).to_numpy())

    mine, base = among(group), np.ones(len(customers), dtype=bool) if other is None else among(other)
    one_of = max(int(base.sum()) // DRAWN, 1)
    drawn = base & (pd.util.hash_array(customers.to_numpy(), categorize=False) % one_of == 0) if one_of > 1 else base
    side = mine * np.uint8(_GROUP) + base * np.uint8(_BASE)
    return People(side, np.flatnonzero(mine), np.flatnonzero(drawn))


def is_number(kind: pa.DataType) -> bool:
    """Is a column compared by its distribution? Dates are: as days."""
    types = pa.types
    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind) or types.is_temporal(kind))


def kind_of(kind: pa.DataType) -> str:
    """The type as it is told: date, timestamp, array<string>, …"""
    if pa.types.is_nested(kind):
        return f"array<{kind_of(kind.value_type)}>"
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    said = {"date32[day]": "date", "int64": "bigint", "int32": "int", "bool": "boolean", "large_string": "string"}
    return "timestamp" if pa.types.is_timestamp(kind) else said.get(str(kind), str(kind))


def numbers(values: pa.ChunkedArray, people: People, *, timezone: str) -> Numbers:
    """The counts of a column that `is_number`. `timezone`: the business's, in which a time has its day."""
    found = _doubles(values, timezone)
    group, drawn = (_known(found[places]) for places in (people.group, people.drawn))
    quantiles = np.quantile(drawn, np.arange(1, FINE) / FINE, method="inverted_cdf") if len(drawn) else drawn
    ends = np.unique(np.append(quantiles, np.inf))
    counts = _on_sides(_places(ends, found), people.side, _PAST + 1)
    (no_n, no_m), medians = counts[_PAST].tolist(), (_median(group), _median(drawn))
    return Numbers(ends.tolist(), counts[: len(ends)], medians, (no_n, no_m))


def _on_sides(codes: NDArray[Any], side: NDArray[np.uint8], values: int) -> NDArray[np.int64]:
    """How many have each of the codes from 0 to below `values`. Shape: values × (group, base)."""
    _, mine, base, both = np.bincount(codes * np.uint16(4) + side, minlength=4 * values).reshape(values, 4).T
    return np.stack([mine + both, base + both], axis=1)


def _places(ends: Floats, values: Floats) -> NDArray[np.uint8]:
    """Among at most 100 ends, ascending, the first that is no less than each value; `_PAST` for NaN.

    What np.searchsorted does, halving for many values at once: without branches that a processor guesses wrong.
    """
    table = np.concatenate([ends, np.full(_PAST - len(ends) + 1, np.inf)])
    found = np.empty(len(values), dtype=np.uint8)
    for start in range(0, len(values), _PIECE):
        part = values[start : start + _PIECE]
        place = np.zeros(len(part), dtype=np.intp)
        for step in _HALVES:
            place += step * ~(part <= table[place + (step - 1)])  # which NaN is not
        found[start : start + _PIECE] = place
    return found


def _doubles(values: pa.ChunkedArray, timezone: str) -> Floats:
    """NaN where there is none; of a date or a time the days since 1970."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        moments = pd.DatetimeIndex(values.cast(pa.timestamp("us")).to_numpy()).tz_localize("UTC").tz_convert(timezone)
        days = moments.tz_localize(None).to_numpy().astype("datetime64[D]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(float))
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), dtype=float)


def _known(found: Floats) -> Floats:
    return found[~np.isnan(found)]


def _median(found: Floats) -> float | None:
    return float(np.median(found)) if len(found) else None


def by_value(values: pa.ChunkedArray, people: People) -> tuple[dict[str, tuple[int, int]], tuple[int, int]]:
    """The most frequent values -> (customers of the group, of the base), and those of either who have none.

    Of a list each item counts once a customer.
    """
    if pa.types.is_nested(values.type):
        lengths = pc.list_value_length(values).fill_null(0).to_numpy()
        rows = np.repeat(np.arange(len(values)), lengths)
        codes, texts = _coded(pc.list_flatten(values))
        rows, codes = _once(rows, codes, len(texts), longest=int(lengths.max(initial=0)))
        counts = _on_sides(codes, people.side[rows], len(texts))
        none = _on_sides(lengths == 0, people.side, 2)[1]
    else:
        codes, texts = _coded(values)
        found = _on_sides(codes + 1, people.side, len(texts) + 1)
        none, counts = found[0], found[1:]
    there = [(-int(n + m), text, (int(n), int(m))) for text, (n, m) in zip(texts, counts, strict=True) if n + m]
    return {text: pair for _, text, pair in sorted(there)[:MOST_VALUES]}, (int(none[0]), int(none[1]))


def _coded(values: pa.ChunkedArray) -> tuple[Places, list[str]]:
    """Each value's place among the distinct ones, as text; -1 where there is none."""
    coded = values if pa.types.is_dictionary(values.type) else values.cast(pa.string()).dictionary_encode()
    encoded: Any = coded.unify_dictionaries()
    codes = [np.asarray(chunk.indices.fill_null(-1)) for chunk in encoded.chunks]
    texts = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    return np.concatenate([np.empty(0, dtype=np.intp), *codes]).astype(np.intp), texts


def _once(rows: Places, codes: Places, values: int, *, longest: int) -> tuple[Places, Places]:
    """The same without what stands twice in one row's list. `rows`: ascending; none has more than `longest`."""
    if longest > SHORT:
        pair = np.sort(rows[codes >= 0] * max(values, 1) + codes[codes >= 0])
        return np.divmod(pair[np.diff(pair, prepend=-1) > 0], max(values, 1))
    kept = codes >= 0
    for back in range(1, min(longest, len(rows))):
        kept[back:] &= (rows[back:] != rows[:-back]) | (codes[back:] != codes[:-back])
    return rows[kept], codes[kept]
