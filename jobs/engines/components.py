"""Connected components within one machine's memory. The driver holds the edges as integers: 16 bytes each."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]


class Find(Protocol):
    """A way to the components of a graph: `components` on the driver, or jobs.engines.spread.on_spark."""

    def __call__(self, left: Ints, right: Ints, *, vertices: int) -> Ints: ...


def components(left: Ints, right: Ints, *, vertices: int) -> Ints:
    """The component of each vertex 0 … vertices - 1, in the undirected graph of the edges left-right.

    Components are numbered by their smallest vertex, so the order and the direction of the edges, double edges
    and loops change nothing. Raises ValueError for an edge to a vertex that is not there.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} left ends and {len(right)} right ends: each edge has both")
    if len(left) and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= vertices):
        raise ValueError(f"an edge leads to a vertex outside 0 … {vertices - 1}")
    if not vertices:
        return np.empty(0, dtype=np.int64)
    graph = coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(vertices, vertices))
    _, found = connected_components(graph.tocsr(), directed=False)
    return by_first(found.astype(np.int64))


def by_first(labels: Ints) -> Ints:
    """The same partition, its parts numbered in the order in which they first occur."""
    first = np.full(int(labels.max(initial=-1)) + 1, len(labels), dtype=np.int64)
    np.minimum.at(first, labels, np.arange(len(labels)))
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[labels]
