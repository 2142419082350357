"""One tag of a group beside everyone, or beside another group: its values as cells, with what may be told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transforms.insight.bins import bin_labels, bin_of, cut_points
from transforms.insight.protection import suppressed
from transforms.insight.shares import compare_shares, ratio_interval
from transforms.insight.significance import false_discovery, rank_test, share_test

MISSING = "(missing)"
BELIEVED = 0.05
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Sides:
    """How many customers are compared. `within`: the group is part of the base, which is everyone; else two groups."""

    size: int
    base_size: int
    within: bool


@dataclass(frozen=True)
class Cell:
    """A value of a tag. Shares are of the side's customers, of whom some have several values of a list.

    index: share / base share × 100; low, high: its 95 % interval. p, and q: p as a rate of false discoveries.
    """

    value: str
    count: int
    base_count: int
    share: float
    base_share: float
    index: float | None
    low: float | None
    high: float | None
    p: float
    q: float = float("nan")

    @property
    def differs(self) -> bool:
        return self.q <= BELIEVED


@dataclass(frozen=True)
class Number:
    """How a numeric tag is distributed on the two sides: medians (of a large base, of some drawn), and superiority, the
    chance that one of the group has more than one of the others (0.5: no difference)."""

    median: float | None
    base_median: float | None
    superiority: float | None
    p: float
    q: float = float("nan")


@dataclass(frozen=True)
class TagInsight:
    """A column of the profile. `withheld`: values that are not told, for they are about too few customers."""

    column: str
    kind: str
    cells: list[Cell] = field(default_factory=list)
    number: Number | None = None
    withheld: int = 0


def of_values(
    column: str,
    kind: str,
    counts: Mapping[str, tuple[int, int]],
    sides: Sides,
    *,
    smallest: int,
    exclusive: bool = True,
) -> TagInsight:
    """A tag with values. `counts`: value -> customers of the group, of the base; those without one under MISSING.

    `exclusive`: each customer has one value, so that sums tell what is hidden; not so of a list.
    """
    values = [value for value, pair in counts.items() if any(pair)]
    pairs = np.array([counts[value] for value in values], dtype=np.int64).reshape(len(values), 2)
    others = pairs[:, 1] - pairs[:, 0] if sides.within else pairs[:, 1]
    table = np.stack([pairs[:, 0], others], axis=1)
    hidden: NDArray[np.bool_] = np.asarray(
        suppressed(table, smallest=smallest).any(axis=1)
        if exclusive
        else ((table > 0) & (table < smallest)).any(axis=1)
    )
    cells = _cells(values, pairs[:, 0], pairs[:, 1], sides)
    told = [cell for cell, kept in zip(cells, ~hidden, strict=True) if kept]
    return TagInsight(column, kind, told, withheld=int(hidden.sum()))


def of_numbers(
    column: str, kind: str, values: Sequence[float], counts: ArrayLike, missing: tuple[int, int],
    medians: tuple[float | None, float | None], sides: Sides, *, smallest: int,
) -> TagInsight:  # fmt: skip
    """A numeric tag. `values`: ascending; `counts`: of each, customers of the group and of the base.

    Shown in five groups of about equal size of the base, tested by ranks over all values given.
    """
    table = np.asarray(counts, dtype=np.int64).reshape(len(values), 2)
    cuts = cut_points(values, table[:, 1])
    place = bin_of(values, cuts)
    labels = _labels(kind, cuts)
    grouped = {
        label: (int(table[place == number, 0].sum()), int(table[place == number, 1].sum()))
        for number, label in enumerate(labels)
    }
    found = of_values(column, kind, {**grouped, MISSING: missing}, sides, smallest=smallest)
    inside, outside = table[:, 0], table[:, 1] - table[:, 0] if sides.within else table[:, 1]
    superiority, p = rank_test(inside, outside)
    few = min(inside.sum(), outside.sum()) < smallest
    told = None if few else Number(*medians, None if isnan(superiority) else superiority, p)
    return replace(found, number=told)


def corrected(found: Sequence[TagInsight]) -> list[TagInsight]:
    """The same with q: what each p means among all that were tested (Benjamini & Hochberg)."""
    tested = [part.p for tag in found for part in _parts(tag)]
    q = iter(false_discovery(tested).tolist() if tested else [])
    return [
        replace(
            tag,
            cells=[replace(cell, q=next(q)) for cell in tag.cells],
            number=replace(tag.number, q=next(q)) if tag.number else None,
        )
        for tag in found
    ]


def _parts(tag: TagInsight) -> list[Cell | Number]:
    return [*tag.cells, *([tag.number] if tag.number else [])]


def _cells(values: Sequence[str], counts: Any, base: Any, sides: Sides) -> list[Cell]:
    if not values:
        return []
    if sides.within:
        found = compare_shares(counts, sides.size, base, sides.base_size)
        share, base_share, index, low, high = found.share, found.base_share, found.index, found.low, found.high
        p = share_test(counts, sides.size, base, sides.base_size)
    else:
        share, base_share = counts / sides.size, base / sides.base_size
        with np.errstate(divide="ignore", invalid="ignore"):
            index = 100 * share / base_share
        low, high = (100 * limit for limit in ratio_interval(counts, sides.size, base, sides.base_size))
        p = share_test(counts, sides.size, counts + base, sides.size + sides.base_size)
    numbers = zip(values, counts, base, share, base_share, index, low, high, p, strict=True)
    return [
        Cell(value, int(n), int(all_n), float(s), float(b), _finite(i), _finite(lo), _finite(hi), float(p_))
        for value, n, all_n, s, b, i, lo, hi, p_ in numbers
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def is_date(kind: str) -> bool:
    return kind.startswith(("date", "timestamp"))


def day_of(number: float) -> date:
    """A date that was compared as days since 1970."""
    return _EPOCH + timedelta(days=int(number))


def _labels(kind: str, cuts: Sequence[float]) -> list[str]:
    if not is_date(kind) or not cuts:
        return bin_labels(cuts)
    days = [day_of(cut) for cut in cuts]
    return [f"≤ {days[0]}", *(f"> {low} … {high}" for low, high in pairwise(days)), f"> {days[-1]}"]
