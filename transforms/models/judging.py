"""How good a score is: ranking with its uncertainty, calibration, and how far its distribution has moved."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]
# of a normal distribution: 95 % lie within
_DEVIATIONS = 1.959964
_BINS = 10
_DECIMALS = 4


def area_under_curve(score: Numbers, label: Labels) -> dict[str, float]:
    """auc, low, high: the probability that a customer with the label has the higher score, with a 95 % interval.

    Equal scores count half. Variance after DeLong, DeLong & Clarke-Pearson (1988). Both labels must occur.
    """
    value, parts = _placements(score, label)
    return _with_interval(value, _variance(parts), "auc", 0.0)


def gain(score: Numbers, other: Numbers, label: Labels) -> dict[str, float]:
    """gain, low, high: how much higher the first score's AUC is than the other's on the same customers, 95 %."""
    value, parts = _placements(score, label)
    other_value, other_parts = _placements(other, label)
    apart = [mine - theirs for mine, theirs in zip(parts, other_parts, strict=True)]
    return _with_interval(value - other_value, _variance(apart), "gain", -1.0)


def _placements(score: Numbers, label: Labels) -> tuple[float, list[Numbers]]:
    """The AUC, and for each customer the share of the other label's customers that it is on the right side of."""
    positive, negative = score[label], score[~label]
    among_all = _ranks(np.concatenate([positive, negative]))
    of_positive = (among_all[: len(positive)] - _ranks(positive)) / len(negative)
    of_negative = 1 - (among_all[len(positive) :] - _ranks(negative)) / len(positive)
    return float(of_positive.mean()), [of_positive, of_negative]


def _ranks(values: Numbers) -> Numbers:
    """1, 2, …; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=float)


def _variance(parts: list[Numbers]) -> float:
    return sum(float(part.var(ddof=1)) / len(part) for part in parts if len(part) > 1)


def _with_interval(value: float, variance: float, name: str, least: float) -> dict[str, float]:
    away = _DEVIATIONS * variance**0.5
    ends = {"low": max(least, value - away), "high": min(1.0, value + away)}
    return {name: round(value, _DECIMALS), **{end: round(at, _DECIMALS) for end, at in ends.items()}}


def mean_gain(gained: Numbers, *, tried: int = 1) -> dict[str, float]:
    """gain, low, high: by how much one model is better than another on the same customers on average, 95 %.

    `gained`: each customer's difference. `tried`: of so many models this was the best on these customers, so that the
    interval is as much wider as that luck could be great (Bonferroni).
    """
    from scipy.stats import norm

    away = float(norm.ppf(1 - 0.025 / tried) * gained.std(ddof=1) / len(gained) ** 0.5)
    middle = float(gained.mean())
    ends = {"gain": middle, "low": middle - away, "high": middle + away}
    return {name: round(value, _DECIMALS) for name, value in ends.items()}


def calibration_error(score: Numbers, label: Labels) -> float:
    """The mean distance, over ten groups of equal size by score, of the mean score from the share with the label."""
    order = np.argsort(score, kind="stable")
    groups = [part for part in np.array_split(order, _BINS) if len(part)]
    away = [abs(float(score[part].mean()) - float(label[part].mean())) * len(part) for part in groups]
    return round(sum(away) / len(score), _DECIMALS)


def distribution(values: Numbers) -> dict[str, Any]:
    """edges (deciles, as far as they differ) and counts of the values above so many of them; `(none)` where missing."""
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf")) if len(known) else known
    return {"edges": edges.tolist(), "counts": counted(values, edges)}


def counted(values: Numbers, edges: Numbers) -> dict[str, int]:
    """How many values lie above so many of the edges, as `transforms.tags.distribution.binned_sql` counts them."""
    known = values[~np.isnan(values)]
    above = np.searchsorted(edges, known, side="left")
    found: Mapping[int, int] = dict(zip(*np.unique(above, return_counts=True), strict=True))
    missing = {"(none)": len(values) - len(known)} if len(known) < len(values) else {}
    return {**{str(place): int(count) for place, count in found.items()}, **missing}
