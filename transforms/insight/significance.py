"""Whether a difference is more than chance: tests of shares and of ranks, and how many of them to believe."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def share_test(count: ArrayLike, size: ArrayLike, base_count: ArrayLike, base_size: ArrayLike) -> Floats:
    """The two-sided p-value that a group's share differs from that of everyone else. Arguments as `compare_shares`.

    The chi-squared test with N - 1 in place of N, and Fisher's exact test where a cell is expected to hold less than
    one (Campbell 2007). 1 where there is nobody, or nothing, to compare with.
    """
    from scipy.stats import chi2, fisher_exact

    n, size_, all_n, all_size = np.broadcast_arrays(
        *(np.asarray(part, dtype=float) for part in (count, size, base_count, base_size))
    )
    others, lacking = all_size - size_, all_size - all_n
    cells = np.stack([size_ * all_n, size_ * lacking, others * all_n, others * lacking])
    product = size_ * others * all_n * lacking
    with np.errstate(divide="ignore", invalid="ignore"):
        least = cells.min(axis=0) / all_size
        # over the smaller parts first: four counts of a million each, multiplied, are past what a double holds exactly
        squared = (n - size_ * all_n / all_size) ** 2 * all_size**2 / product * (all_size - 1)
    p = np.where(product > 0, chi2.sf(np.nan_to_num(squared), 1), 1.0)
    for place in np.argwhere((product > 0) & (least < 1)):
        i = tuple(place)
        a, b = n[i], all_n[i] - n[i]
        p[i] = fisher_exact([[a, size_[i] - a], [b, others[i] - b]]).pvalue
    return np.asarray(p)


def rank_test(inside: ArrayLike, outside: ArrayLike) -> tuple[float, float]:
    """Whether a group's numbers tend to lie above everyone else's: (superiority, p-value).

    `inside`, `outside`: how many of the group, and of the others, have the first, second, … of the values in
    ascending order. Superiority is the chance that one of the group, drawn at random, has more than one of the others,
    ties counting half: 0.5 is no difference. Wilcoxon (1945), Mann & Whitney (1947), with the normal
    approximation, its correction for ties and for continuity. (NaN, 1) where one side is empty.
    """
    n, m = np.asarray(inside, dtype=float), np.asarray(outside, dtype=float)
    here, there = n.sum(), m.sum()
    if not here or not there:
        return math.nan, 1.0
    below = np.cumsum(m) - m
    u = float((n * (below + m / 2)).sum())
    total, ties = here + there, n + m
    spread = (total + 1) - (ties**3 - ties).sum() / (total * (total - 1)) if total > 1 else 0.0
    deviation = math.sqrt(max(here * there / 12 * spread, 0.0))
    if not deviation:
        return u / (here * there), 1.0
    z = max(abs(u - here * there / 2) - 0.5, 0.0) / deviation
    return u / (here * there), min(math.erfc(z / math.sqrt(2)), 1.0)


def false_discovery(p: ArrayLike) -> Floats:
    """Each p-value as the rate of false discoveries that believing it would bring (Benjamini & Hochberg 1995).

    Those at most 0.05 are, in the long run, wrong in at most one of twenty. NaN (not tested) stays and counts for none.
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p, dtype=float)
    tested = ~np.isnan(values)
    adjusted = np.full(values.shape, np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(values[tested], method="bh")
    return adjusted
