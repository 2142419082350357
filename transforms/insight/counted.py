"""A column of the profile as groups of values, and how often each occurs in each segment."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.insight.bins import bin_labels, bin_of, cut_points

Codes = NDArray[np.intp]
Counts = NDArray[np.int64]

# Of a text the values that most customers have; of a number this many groups, unless it has few values anyway.
MOST_VALUES = 20
FEW_VALUES = 6
GROUPS = 5


@dataclass(frozen=True)
class Grouped:
    """`labels` of the groups; `rows` and `codes`: which customer is in which (in several, of a list of values).

    `known`: the customers with a value, be it in no group. `numbers`: of a number the values, NaN where there is none.
    """

    labels: list[str]
    rows: Codes
    codes: Codes
    known: NDArray[np.bool_]
    numbers: NDArray[np.float64] | None = None
    is_list: bool = False

    def counts(self, segment: Codes, segments: int) -> tuple[Counts, Counts]:
        """Groups × segments, and the known of each segment. `segment`: of each customer, -1 for none."""
        inside = segment[self.rows] >= 0
        flat = self.codes[inside] * segments + segment[self.rows][inside]
        table = np.bincount(flat, minlength=len(self.labels) * segments)[: len(self.labels) * segments]
        known = np.bincount(segment[self.known & (segment >= 0)], minlength=segments)
        return table.reshape(len(self.labels), segments), known


def grouped(column: pa.Array) -> Grouped | None:
    """A column's groups; None for what is not compared (dates and times) or tells nothing (one value, or none)."""
    known = np.asarray(column.is_valid())
    if pa.types.is_boolean(column.type):
        found = _named(column.cast(pa.string()), known)
    elif pa.types.is_string(column.type):
        found = _named(column, known)
    elif pa.types.is_list(column.type):
        found = _listed(column, known)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        found = _numbers(column, known)
    else:
        return None
    return found if len(found.labels) > 1 or (found.labels and found.is_list) else None


def _named(column: pa.Array, known: NDArray[np.bool_]) -> Grouped:
    kept, codes = _kept(column.filter(pa.array(known)))
    rows = np.flatnonzero(known)
    return Grouped(kept, rows[codes >= 0], codes[codes >= 0], known)


def _listed(column: pa.Array, known: NDArray[np.bool_]) -> Grouped:
    rows = np.asarray(pc.list_parent_indices(column))
    values = pc.list_flatten(column)
    there = np.asarray(values.is_valid())
    kept, codes = _kept(values.filter(pa.array(there)))
    pairs = np.unique(np.column_stack([rows[there], codes])[codes >= 0], axis=0)  # a value twice in a list counts once
    return Grouped(kept, pairs[:, 0], pairs[:, 1], known, is_list=True)


def _kept(values: pa.Array) -> tuple[list[str], Codes]:
    """The most frequent values, of equals the first by name, and each value's place among them; -1: not kept."""
    encoded = values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = np.asarray(encoded.indices, dtype=np.intp)
    often = np.bincount(codes, minlength=len(names))
    order = sorted(range(len(names)), key=lambda place: (-often[place], names[place]))[:MOST_VALUES]
    places = np.full(len(names), -1, dtype=np.intp)
    places[order] = np.arange(len(order))
    return [names[place] for place in order], places[codes] if len(names) else codes


def _numbers(column: pa.Array, known: NDArray[np.bool_]) -> Grouped:
    numbers = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False))
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    known = known & ~np.isnan(numbers)
    distinct = np.unique(numbers[known])
    rows = np.flatnonzero(known)
    if len(distinct) <= FEW_VALUES:
        labels = [f"{value:,.6g}" for value in distinct]
        return Grouped(labels, rows, np.searchsorted(distinct, numbers[rows]), known, numbers)
    cuts = cut_points(numbers, groups=GROUPS)
    return Grouped(bin_labels(cuts), rows, bin_of(numbers[rows], cuts), known, numbers)
