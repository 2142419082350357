"""What must not be told because it is about too few people."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]


def suppressed(counts: ArrayLike, *, smallest: int) -> Mask:
    """Which cells of a table of counts are not to be shown. `counts`: values × groups, whose sums are known.

    A cell with 1 to `smallest` - 1 customers is hidden (0 tells of nobody). Whoever knows a row's or a column's sum
    could work out one that is hidden alone, or several that hold fewer than `smallest` in all: so the next smallest
    of that row or column is hidden too, until none is left alone (complementary suppression; Willenborg & de Waal
    2001), rather in a line that has hidden cells already. Where nothing else is left, an empty cell is hidden.
    """
    table = np.asarray(counts)
    hidden: Mask = (table > 0) & (table < smallest)
    while True:
        more = _least_exposed(table, hidden, smallest) or _transposed(_least_exposed(table.T, hidden.T, smallest))
        if more is None:
            return hidden
        hidden[more] = True


def _least_exposed(table: NDArray[np.generic], hidden: Mask, smallest: int) -> tuple[int, int] | None:
    """The next cell to hide in the first row whose hidden cells could be worked out."""
    covered = hidden.sum(axis=1)
    alone = (covered == 1) | ((covered > 0) & (np.where(hidden, table, 0).sum(axis=1) < smallest))
    exposed = np.flatnonzero(alone & (covered < table.shape[1]))
    if not exposed.size:
        return None
    row, crossing = int(exposed[0]), hidden.any(axis=0)
    # one that closes a rectangle of hidden cells calls for no more; one that holds nobody covers nothing
    order = np.lexsort((table[row], ~crossing, table[row] == 0, hidden[row]))
    return row, int(order[0])


def _transposed(place: tuple[int, int] | None) -> tuple[int, int] | None:
    return place and (place[1], place[0])
