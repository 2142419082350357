"""The first few of many numbers, row by row."""

import numpy as np
from numpy.typing import NDArray


def greatest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Rows × at most `count`: the places of each row's greatest values, the greatest first, of equals the first.

    -1 where only minus infinity is left. One maximum after the other: to sort a hundred values for the first three
    takes twenty times as long.
    """
    left, rows = values.copy(), np.arange(len(values))
    found = np.empty((len(values), min(count, values.shape[1])), dtype=np.intp)
    for place in range(found.shape[1]):
        best = left.argmax(axis=1)
        found[:, place] = np.where(np.isneginf(left[rows, best]), -1, best)
        left[rows, best] = -np.inf
    return found
