"""What a customer may want next, from what everybody bought: implicit alternating least squares in NumPy.

Spark's own ALS gives other last bits, and so other ranks, for other partitions: it sums in the order in which blocks
arrive. Here everything is summed in the order of the rows, so the same purchases give the same factors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from transforms.models.ranks import greatest

Matrix = NDArray[np.float64]
Ints = NDArray[np.intp]

RANK = 32
SWEEPS = 8
# Hu, Koren & Volinsky's α: how much surer one more purchase makes; and the weight of the penalty on long factors.
SURER = 2.0
PENALTY = 20.0
# Rounded, so that the factors that JSON holds are the very ones that were judged.
DECIMALS = 6


def item_factors(bought: csr_matrix, *, rank: int = RANK, sweeps: int = SWEEPS) -> Matrix:
    """The items' factors (items × rank) by alternating least squares for implicit feedback.

    `bought`: customers × items, how much each bought of each. Hu, Koren & Volinsky (2008): who bought something wants
    it (1), the surer the more (1 + α log(1 + amount)); who did not wants it not (0), with sureness 1.
    """
    surer = sureness(bought)
    turned = csr_matrix(surer.T)
    turned.sort_indices()
    # any start will do that is different for each item and coordinate; this one needs no chance
    items = 0.1 * np.sin(np.outer(np.arange(1, bought.shape[1] + 1), np.sqrt(np.arange(2, rank + 2))))
    for _ in range(sweeps):
        items = solved(turned, solved(surer, items))
    return np.asarray(np.round(items, DECIMALS))


def sureness(bought: csr_matrix) -> csr_matrix:
    """What is added to the sureness 1 of everything, where something was bought."""
    found = csr_matrix(bought, dtype=float, copy=True)
    found.sort_indices()
    found.data = SURER * np.log1p(np.maximum(found.data, 0))
    return found


def solved(surer: csr_matrix, others: Matrix) -> Matrix:
    """The factors of the rows of `surer` that fit best, given those of its columns. Rows without entries get 0."""
    rank = others.shape[1]
    everything = others.T @ others + PENALTY * np.eye(rank)
    factors = np.zeros((surer.shape[0], rank))
    for row in range(surer.shape[0]):
        part = slice(surer.indptr[row], surer.indptr[row + 1])
        near, weight = others[surer.indices[part]], surer.data[part]
        if len(weight):
            factors[row] = np.linalg.solve(everything + (near.T * weight) @ near, near.T @ (1 + weight))
    return factors


@dataclass(frozen=True)
class Ranked:
    """The best items of each customer, the best first: places of items and scores; -1 where there are no more."""

    items: Ints
    scores: Matrix


def best(scores: Matrix, barred: csr_matrix, *, top: int) -> Ranked:
    """The `top` items with the greatest scores (customers × items), without those `barred`; of equals the first item.

    Scores are compared at six decimals: two that differ by the order of a sum alone are equal.
    """
    found = np.round(scores, DECIMALS)
    rows = np.repeat(np.arange(barred.shape[0]), np.diff(barred.indptr))
    found[rows, barred.indices] = -np.inf
    items = greatest(found, top)
    return Ranked(items, np.where(items < 0, -np.inf, np.take_along_axis(found, items, axis=1)))


def because(bought: csr_matrix, items: Matrix, chosen: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each chosen item of each customer the thing they bought that speaks most for it; -1 where nothing does.

    A score is a sum over what was bought (Hu, Koren & Volinsky 2008, section 5): the greatest part of it is told.
    """
    surer = sureness(bought)
    everything = items.T @ items + PENALTY * np.eye(items.shape[1])
    told = []
    for row, wanted in enumerate(chosen):
        part = slice(surer.indptr[row], surer.indptr[row + 1])
        owned, weight = surer.indices[part], surer.data[part]
        if not len(owned):
            told.append([-1] * len(wanted))
            continue
        near = items[owned]
        likeness = near @ np.linalg.solve(everything + (near.T * weight) @ near, items[list(wanted)].T)
        parts = np.round(likeness * (1 + weight)[:, None], DECIMALS)
        greatest = zip(parts.argmax(0), parts.max(0), strict=True)
        told.append([int(owned[place]) if high > 0 else -1 for place, high in greatest])
    return told


def recalled(ranked: Ranked, wanted: csr_matrix) -> Matrix:
    """Of each customer the share of what they went on to want that is among those ranked, in the customers' order.

    Who wanted nothing that could be recommended does not count, and has no entry.
    """
    hits = []
    for row in range(wanted.shape[0]):
        real = wanted.indices[wanted.indptr[row] : wanted.indptr[row + 1]]
        if len(real):
            hits.append(np.isin(ranked.items[row], real).sum() / len(real))
    return np.array(hits, dtype=float)
