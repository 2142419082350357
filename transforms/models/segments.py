"""Segments as people meet them: labels that stay across refits, and names that say what sets a segment apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.intp]

# Below half a standard deviation from everyone's mean a segment is like everyone.
APART = 0.5


def matched_labels(new: Labels, old: Labels, *, clusters: int, next_label: int) -> list[int]:
    """The label of each new cluster 0..clusters-1, given where the old model puts the same customers.

    `new`: each customer's new cluster; `old`: the label that the old model gives the same customer today.
    Labels are handed over one to one so that as many customers as possible keep theirs (an assignment problem;
    Kuhn 1955). A cluster takes a label only if they share at least half of their mean size (Dice 1945): else it is
    a genuinely new cluster, and gets a label never used before, from `next_label` up. Counting customers rather
    than measuring distances between centres needs no common space when the scaling has moved, and is what a user sees.
    """
    from scipy.optimize import linear_sum_assignment

    known = np.unique(old)
    shared = np.array([[np.sum((new == cluster) & (old == label)) for label in known] for cluster in range(clusters)])
    rows, columns = linear_sum_assignment(-shared)
    sizes = np.add.outer(shared.sum(axis=1), shared.sum(axis=0))
    kept = {
        int(row): int(known[column])
        for row, column in zip(rows, columns, strict=True)
        if 4 * shared[row, column] >= sizes[row, column] > 0
    }
    fresh = iter(range(next_label, next_label + clusters))
    return [kept[cluster] if cluster in kept else next(fresh) for cluster in range(clusters)]


def deviations(centres: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each centre lies from everyone's mean, in everyone's standard deviations, per coordinate."""
    spread = points.std(axis=0)
    away = (centres - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.asarray(np.where(spread > 0, away, 0.0))


def apart(deviation: Sequence[float], coordinates: Sequence[str]) -> list[dict[str, Any]]:
    """What sets a cluster apart, the strongest first: coordinate, `high` or `low`, standard deviations."""
    # rounded before it is sorted, so that a last bit never decides which word comes first
    rounded = [round(float(value), 3) for value in deviation]
    strongest = sorted(range(len(rounded)), key=lambda place: (-abs(rounded[place]), place))
    return [
        {"feature": coordinates[i], "level": "high" if rounded[i] > 0 else "low", "deviations": rounded[i]}
        for i in strongest
        if abs(rounded[i]) >= APART
    ]


def built_name(traits: Sequence[Mapping[str, Any]], *, label: int, taken: set[str]) -> str:
    """A short name from `apart`'s traits, unlike any `taken`: "high rfm_frequency, low sessions_90d".

    Two traits, one more where that name is taken, then with the label. Without traits: "average".
    """
    words = [_words(trait) for trait in traits]
    names = [", ".join(words[:count]) or "average" for count in (2, 3)]
    return next((name for name in names if name not in taken), f"{names[0]} ({label})")


def _words(trait: Mapping[str, Any]) -> str:
    feature, level = str(trait["feature"]), str(trait["level"])
    if feature.startswith("missing "):
        # "high missing x" would be no English
        return f"no {feature[8:]}" if level == "high" else f"known {feature[8:]}"
    return f"{level} {feature}"


def segment_names(built: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """label -> the name in use: the user's for the label or for the built name, else the built one."""
    wanted = {str(key): value for key, value in given.items()}
    return {label: wanted.get(label, wanted.get(name, name)) for label, name in built.items()}
