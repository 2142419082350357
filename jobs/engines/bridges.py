"""Ties that alone hold two parts of a customer together: the bridges of a graph."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bridges:
    """tie: the places of the bridges among the ties, ascending. below: the weight of the part at the end `far` of
    each; `far` is one of the tie's two vertices, and the other part is the rest of the component."""

    tie: Ints
    far: Ints
    below: Ints


def bridges(left: Ints, right: Ints, weight: Ints) -> Bridges:
    """The ties left-right without which a component falls apart. weight: what each vertex counts for.

    R. E. Tarjan, A note on finding the bridges of a graph (1974): with the vertices of any spanning forest numbered
    in preorder, the tie above v is a bridge where no other tie leads out of v's subtree. Linear in the ties.
    """
    vertices = len(weight)
    order, parent = _forest(left, right, vertices)
    up = parent[left] == right  # the tie may be the one above its left end
    child = np.where(up, left, np.where(parent[right] == left, right, -1))
    # of parallel ties the first is the forest's; the others lead out of the subtree
    tree = np.zeros(len(left), dtype=bool)
    inner, first = np.unique(child, return_index=True)
    tree[first[inner >= 0]] = True
    number, size = _preorder(order, parent)
    low, high = number.copy(), number.copy()
    for one, other in ((left[~tree], right[~tree]), (right[~tree], left[~tree])):
        np.minimum.at(low, one, number[other])
        np.maximum.at(high, one, number[other])
    low, high, below = _gathered(order, parent, low, high, weight)
    tie = np.flatnonzero(tree)
    far = child[tie]
    alone = (high[far] < number[far] + size[far]) & (low[far] >= number[far])
    return Bridges(tie[alone], far[alone], below[far[alone]])


def _forest(left: Ints, right: Ints, vertices: int) -> tuple[Ints, Ints]:
    """Vertices in the order of a search from all components' smallest ones at once, and each one's parent, else -1."""
    ones = np.ones(len(left), dtype=np.int32)
    graph = csr_array((ones, (left, right)), shape=(vertices + 1, vertices + 1))
    _, labels = connected_components(graph, directed=False)
    starts = np.unique(labels[:vertices], return_index=True)[1]
    ends = np.full(len(starts), vertices)
    rooted = graph + csr_array((np.ones(len(starts), dtype=np.int32), (ends, starts)), shape=graph.shape)
    order, parent = breadth_first_order(rooted, vertices, directed=False)
    parent = parent[:vertices].astype(np.int64)
    return order[1:].astype(np.int64), np.where(parent == vertices, -1, parent)


def _preorder(order: Ints, parent: Ints) -> tuple[Ints, Ints]:
    """The number of each vertex, children after their parent and subtrees whole; and how many its subtree holds."""
    above, size = parent.tolist(), [1] * len(parent)
    for vertex in reversed(order.tolist()):
        if above[vertex] >= 0:
            size[above[vertex]] += size[vertex]
    number, following, free = [0] * len(parent), [0] * len(parent), 0
    for vertex in order.tolist():
        if above[vertex] < 0:
            number[vertex], free = free, free + size[vertex]
        else:
            number[vertex] = following[above[vertex]]
            following[above[vertex]] += size[vertex]
        following[vertex] = number[vertex] + 1
    return np.asarray(number, dtype=np.int64), np.asarray(size, dtype=np.int64)


def _gathered(order: Ints, parent: Ints, low: Ints, high: Ints, weight: Ints) -> tuple[Ints, Ints, Ints]:
    """Of each subtree the least low, the greatest high and the sum of the weights."""
    above, lows, highs, sums = parent.tolist(), low.tolist(), high.tolist(), weight.tolist()
    for vertex in reversed(order.tolist()):
        up = above[vertex]
        if up >= 0:
            lows[up] = min(lows[up], lows[vertex])
            highs[up] = max(highs[up], highs[vertex])
            sums[up] += sums[vertex]
    return (np.asarray(lows, dtype=np.int64), np.asarray(highs, dtype=np.int64), np.asarray(sums, dtype=np.int64))
