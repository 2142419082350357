"""How good a parting of customers into segments is: how much of a value it explains, how many of it there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

# More than people hold apart, plan for and speak of.
MOST_SEGMENTS = 12
LEAST_COVERAGE = 0.8
LEAST_SILHOUETTE = 0.1
LEAST_ARI = 0.6
LEAST_EXPLAINED = 0.01
MOST_MOVED = 0.1


def explained_variance(values: Floats, codes: Codes) -> float:
    """Omega squared (Hays 1963): the share of the variance of `values` that the groups `codes` explain, 0 to 1.

    Unlike eta squared it is 0, not more, on average where the groups explain nothing, however many they are.
    NaN where there are fewer than two groups, or no more values than groups, or all values are equal.
    """
    _, groups = np.unique(codes, return_inverse=True)
    sizes = np.bincount(groups)
    total = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
    free = len(values) - len(sizes)
    if len(sizes) < 2 or free < 1 or not total:
        return float("nan")
    means = np.bincount(groups, values) / sizes
    within = float(np.square(values - means[groups]).sum())
    noise = within / free
    return max((total - within - (len(sizes) - 1) * noise) / (total + noise), 0.0)


@dataclass(frozen=True)
class Judged:
    """A segmentation's figures for the five principles; None: it cannot be told (yet), or does not apply."""

    sizes: Mapping[str, int]
    coverage: float
    min_size: int
    explained: float | None = None
    silhouette: float | None = None
    moved_without_facts: float | None = None
    resample_ari: float | None = None

    @property
    def smallest(self) -> int:
        return min(self.sizes.values(), default=0)

    def warnings(self) -> list[str]:
        """What falls short of the principles, a line each, in their order."""
        return [line for line in _lines(self) if line]


def _lines(found: Judged) -> Sequence[str]:
    few = [name for name, size in sorted(found.sizes.items()) if size < found.min_size]
    return (
        _below("relevant", "explains {:.1%} of what customers spent afterwards", found.explained, LEAST_EXPLAINED),
        _below("measurable", "{:.0%} of known customers have a segment", found.coverage, LEAST_COVERAGE),
        f"actionable: fewer than {found.min_size} customers in {', '.join(few)}" if few else "",
        "distinct: has one segment alone" if len(found.sizes) == 1 else "",
        _below("distinct", "silhouette {:.2f}: the segments overlap", found.silhouette, LEAST_SILHOUETTE),
        moved_too_much(found.moved_without_facts),
        _below("stable", "fits on two halves agree by {:.2f} (ARI)", found.resample_ari, LEAST_ARI),
        f"too many: {len(found.sizes)} segments are more than the {MOST_SEGMENTS} that people hold apart"
        if len(found.sizes) > MOST_SEGMENTS
        else "",
    )


def moved_too_much(share: float | None) -> str:
    """The warning of so great a share of customers who moved though nothing new came of them; empty: there is none."""
    return f"stable: {share:.0%} moved without new facts" if (share or 0) > MOST_MOVED else ""


def _below(principle: str, told: str, value: float | None, least: float) -> str:
    return f"{principle}: {told.format(value)}" if value is not None and value < least else ""
