"""Numbers in groups of about equal size, so that a numeric tag can be compared like any other."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cut_points(values: ArrayLike, counts: ArrayLike | None = None, *, groups: int = 5) -> list[float]:
    """The values that part everyone's numbers into at most `groups` of as equal a size as ties allow, ascending.

    `values`: numbers, or with `counts` the distinct ones and how often each occurs; NaN counts for nothing. A cut is
    a value that occurs (Hyndman & Fan 1996, type 1) and belongs to the group below it; a value that many share, such
    as 0, is a group of its own. No cut lies at the largest value, above which there is nobody.
    """
    numbers = np.asarray(values, dtype=float)
    weight = np.ones(numbers.shape) if counts is None else np.asarray(counts, dtype=float)
    there = ~np.isnan(numbers) & (weight > 0)
    distinct, place = np.unique(numbers[there], return_inverse=True)
    if not distinct.size:
        return []
    up_to = np.cumsum(np.bincount(place, weight[there]))
    wanted = up_to[-1] * np.arange(1, groups) / groups
    cuts = np.unique(distinct[np.searchsorted(up_to, wanted)])
    return [float(cut) for cut in cuts if cut < distinct[-1]]


def bin_of(values: ArrayLike, cuts: Sequence[float]) -> NDArray[np.intp]:
    """The group of each value, from 0; `len(cuts)` is the one above all cuts, and -1 that of NaN."""
    numbers = np.asarray(values, dtype=float)
    return np.where(np.isnan(numbers), -1, np.searchsorted(np.asarray(cuts, dtype=float), numbers))


def bin_labels(cuts: Sequence[float]) -> list[str]:
    """The groups as people read them in any language: `≤ 0`, `> 0 … 5`, `> 5`."""
    if not cuts:
        return ["any"]
    shown = [f"{cut:,.6g}" for cut in cuts]
    between = [f"> {low} … {high}" for low, high in pairwise(shown)]
    return [f"≤ {shown[0]}", *between, f"> {shown[-1]}"]
