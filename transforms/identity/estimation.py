"""The parameters of matching, estimated without labels (Fellegi & Sunter 1969; Winkler 1988).

Two records are of one of four classes: one person; one person who has moved, so that all of the address differs by
chance; two people of one household, who share what a household shares and are else unlike; or strangers. Within a
class the columns are independent. m: how often the records of one person stand at each level of a comparison,
u: how often those of strangers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_STEPS = 500
# What is believed of a level before anything is seen, in pairs of records.
_BEFOREHAND = 1.0
_LEAST_M = 1e-4
_MOST_PAIRS = 1000.0
_LEAST_WEIGHT = 1e-15


@dataclass(frozen=True)
class Patterns:
    """How often each pattern of levels was seen among some pairs. levels: pattern × comparison, -1 where missing."""

    levels: Ints
    count: Floats


@dataclass(frozen=True)
class Session:
    """Patterns of the pairs that agree on some columns; `fixed`: the comparisons of these, which it cannot tell of."""

    patterns: Patterns
    fixed: frozenset[int]


def chances(patterns: Patterns, sizes: Sequence[int]) -> list[Floats]:
    """u of each comparison's levels, from pairs drawn by chance."""
    counted = [_counted(patterns, at, patterns.count, size) for at, size in enumerate(sizes)]
    return [np.asarray((count + 0.1) / (count.sum() + 0.1 * len(count)), dtype=np.float64) for count in counted]


def likeness(sessions: Sequence[Session], u: Sequence[Floats], sizes: Sequence[int]) -> tuple[list[Floats], float]:
    """m of each comparison's levels by expectation maximisation in each session, and how many matches that shows.

    A session weighs as many pairs as it has matches, up to a thousand.
    """
    m = [_first_guess(size) for size in sizes]
    seen = [_BEFOREHAND * guess for guess in m]
    most = 0.0
    for session in sessions:
        matched = _maximised(session, u, m)
        most = max(most, float(matched.sum()))
        for at, size in enumerate(sizes):
            if at not in session.fixed:
                counts = _counted(session.patterns, at, matched, size)
                seen[at] = seen[at] + counts * min(1.0, _MOST_PAIRS / max(counts.sum(), _MOST_PAIRS / 1e6))
    found = [np.maximum(count / count.sum(), _LEAST_M) for count in seen]
    return [each / each.sum() for each in found], most


def without_matches(u: Sequence[Floats], m: Sequence[Floats], share: float, pairs: float) -> list[Floats]:
    """u less what matches among the `pairs` drawn by chance, a `share` of them, have added to it."""
    cleared = [
        np.maximum(by_chance - share * alike, np.maximum(0.1 / pairs, 0.02 * by_chance))
        for by_chance, alike in zip(u, m, strict=True)
    ]
    return [each / each.sum() for each in cleared]


def class_weights(factors: Floats, pairs: float, seen: float = 1.0) -> Floats:
    """How often a pair is of each class but strangers, among all `pairs`; `seen`: the share of pairs in `factors`.

    factors: person, household, address × pair, the base-2 logarithms of how much likelier one person's are to look
    so than strangers'. Pairs that no rule finds are strangers.
    """
    likely = _of_classes(factors)
    weights = np.array([0.5, 0.05, 0.5, 0.0]) * 2.0 / np.sqrt(2.0 * pairs)
    weights[3] = 1.0 - weights[:3].sum()
    for _ in range(_STEPS):
        share = likely * weights[:, None]
        share /= share.sum(axis=0)
        found = share.sum(axis=1)[:3] / seen / pairs
        new = np.append(np.maximum(found, _LEAST_WEIGHT), max(1.0 - found.sum(), 0.5))
        if np.max(np.abs(np.log(new / weights))) < 1e-6:
            break
        weights = new
    result: Floats = weights[:3]
    return result


def _of_classes(factors: Floats) -> Floats:
    person, household, address = np.exp2(np.clip(factors, -60.0, 60.0))
    return np.stack([person * household * address, person * household, household * address, np.ones_like(person)])


def _first_guess(size: int) -> Floats:
    halves = 0.5 ** np.arange(size, dtype=np.float64)[::-1]
    return np.asarray(0.9 * halves / halves.sum() + 0.1 / size)


def _counted(patterns: Patterns, at: int, weight: Floats, size: int) -> Floats:
    level = patterns.levels[:, at]
    return np.bincount(level[level >= 0], weights=weight[level >= 0], minlength=size).astype(np.float64)


def _maximised(session: Session, u: Sequence[Floats], m: Sequence[Floats]) -> Floats:
    """How many pairs of each pattern are matches, by expectation maximisation from `m`; `u` stays."""
    patterns, count = session.patterns, session.patterns.count
    free = [at for at in range(len(u)) if at not in session.fixed]
    guess, share = [each.copy() for each in m], 0.5
    chance = _logarithm(patterns, free, u)
    matched = share * count
    for _ in range(_STEPS):
        odds = np.clip(_logarithm(patterns, free, guess) - chance + np.log(share / (1.0 - share)), -700.0, 700.0)
        matched = count / (1.0 + np.exp(-odds))
        for at in free:
            counts = _counted(patterns, at, matched, len(u[at])) + 0.5 / len(u[at])
            guess[at] = counts / counts.sum()
        before, share = share, float(np.clip(matched.sum() / count.sum(), 1e-6, 1.0 - 1e-6))
        if abs(share - before) < 1e-7:
            break
    return matched


def _logarithm(patterns: Patterns, free: Sequence[int], shares: Sequence[Floats]) -> Floats:
    total = np.zeros(len(patterns.count))
    for at in free:
        level = patterns.levels[:, at]
        total += np.where(level >= 0, np.log(shares[at])[level], 0.0)
    return total
