"""How far a distribution has moved."""

import math
from collections.abc import Iterable, Mapping, Sequence

# What the values are called that are too rare to be named.
OTHERS = "(others)"
# A value that one side has never seen counts as this share of it: the usual way to keep the index finite.
UNSEEN = 1e-4


def stability_index(before: Mapping[str, int], now: Mapping[str, int]) -> float:
    """The population stability index of two counts of values: the sum of (now - before) x ln(now / before) of shares.

    0 where they are distributed alike; above 0.1 something moved, above 0.25 much did (Siddiqi, Credit Risk
    Scorecards, 2006). Raises ValueError where a side has no rows.
    """
    rows_before, rows_now = sum(before.values()), sum(now.values())
    if not rows_before or not rows_now:
        raise ValueError("a distribution of no rows")
    index = 0.0
    for value in sorted({*before, *now}):
        was = max(before.get(value, 0) / rows_before, UNSEEN)
        is_ = max(now.get(value, 0) / rows_now, UNSEEN)
        index += (is_ - was) * math.log(is_ / was)
    return index


def alike(counts: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    """Counts of values as they can be compared: where some name only their most frequent values, those that all name.

    The others are one value, so that one which is just frequent enough to be named here and not there has not moved.
    """
    if not any(OTHERS in one for one in counts):
        return [dict(one) for one in counts]
    named = set.intersection(*(set(one) for one in counts)) - {OTHERS}
    return [
        {value: one[value] for value in sorted(named)}
        | {OTHERS: sum(count for value, count in one.items() if value not in named)}
        for one in counts
    ]


def pooled(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Several counts of values as one."""
    total: dict[str, int] = {}
    for one in counts:
        for value, count in one.items():
            total[value] = total.get(value, 0) + count
    return total
