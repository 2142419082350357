"""The cheapest ties that part groups of vertices from each other: minimum isolating cuts by maximum flows.

Two groups are parted at exactly the least weight (Ford & Fulkerson 1956); k groups at no more than 2 - 2/k times the
least, which is NP-hard to find (Dahlhaus et al. 1994: a minimum cut around each group, all but the dearest).
The cuts around all groups take ⌈log2 k⌉ flows over everything and one more over disjoint regions (Li & Panigrahi
2020), so a component with thousands of groups stays tractable; and since components do not touch, all of them
share each flow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from jobs.engines.components import components

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# scipy's flows are counted in 32 bits, and what is more wraps round without a word
_MOST = 2**31 - 2


@dataclass(frozen=True)
class _Net:
    """An undirected graph in which each group is one vertex: the groups come first."""

    left: Ints
    right: Ints
    capacity: Ints
    groups: int
    vertices: int


def isolating(left: Ints, right: Ints, capacity: Ints, *, part: Ints, group: Ints) -> Flags:
    """Which of the ties left-right to cut, so that no two groups of a part are tied to each other any more.

    part: the component of each vertex, from 0 on. group: its group, numbered from 0 on through all parts, -1: none.
    capacity: what a tie costs, at least 1; those of a part sum to less than 2^31.
    """
    net = _net(left, right, capacity, group)
    part_of = np.zeros(net.groups, dtype=np.int64)
    part_of[group[group >= 0]] = part[group >= 0]
    apart = np.zeros(len(left), dtype=bool)
    for ones in _halvings(part_of):
        inside = _source_side(net, ones, ~ones)
        apart |= inside[net.left] != inside[net.right]
    around = _around(net, apart)
    label = np.where(_all_but_dearest(net, around, part_of)[around], around, -1)
    cut: Flags = label[net.left] != label[net.right]
    return cut


def scaled(weight: npt.NDArray[np.float64], age: Ints, part: Ints) -> Ints:
    """Weights as whole numbers that sum to less than 2^31 in each part, and keep their order.

    Exact for weights 1/n up to n = 10 where a part has fewer than 100,000 ties. Where there is room (up to some
    hundred ties), a tie costs a trifle more the older it is, so that of equally cheap cuts the older ties are kept.
    age: the rank of each tie's first day, 0 for the newest.
    """
    number = np.bincount(part)[part].astype(np.float64)
    steps = np.minimum(10_080.0, _MOST / (number * max(weight.max(initial=1.0), 1.0)) / 2)
    whole = np.maximum(np.rint(weight * steps), 1).astype(np.int64)
    ages = np.zeros(int(part.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(ages, part, age)
    total = np.bincount(part, weights=whole)[part]
    room = np.floor((_MOST - total) / (total + 1) / number).astype(np.int64)
    trifle = np.where(ages[part] > 0, age * np.minimum(room, ages[part]) // np.maximum(ages[part], 1), 0)
    trifle = np.where(room > 0, trifle, 0)
    unit = np.where(room > 0, number.astype(np.int64) * np.minimum(room, ages[part]) + 1, 1)
    costs: Ints = whole * unit + trifle
    return costs


def _net(left: Ints, right: Ints, capacity: Ints, group: Ints) -> _Net:
    groups = int(group.max(initial=-1)) + 1
    free = group < 0
    place = group.copy()
    place[free] = groups + np.arange(int(free.sum()))
    return _Net(place[left], place[right], capacity, groups, groups + int(free.sum()))


def _halvings(part_of: Ints) -> list[Flags]:
    """Groups with a 1 in each binary digit of their number within their part: any two of them differ in one."""
    order = np.argsort(part_of, kind="stable")
    starts = np.searchsorted(part_of[order], part_of[order])
    rank = np.empty(len(part_of), dtype=np.int64)
    rank[order] = np.arange(len(part_of)) - starts
    return [(rank >> digit) % 2 == 1 for digit in range(int(rank.max(initial=0)).bit_length())]


def _source_side(net: _Net, sources: Flags, sinks: Flags, outward: Ints | None = None) -> Flags:
    """The vertices on the sources' side of the minimum cut that keeps least there: it is unique.

    outward: what leads from each vertex to the sink beside the ties.
    """
    source, sink = net.vertices, net.vertices + 1
    inner = net.left != net.right
    ends = net.left[inner], net.right[inner]
    total = np.bincount(np.concatenate(ends), np.tile(net.capacity[inner], 2), minlength=net.vertices).astype(np.int64)
    total += 1 if outward is None else 1 + outward
    from_source, to_sink = np.flatnonzero(sources), np.flatnonzero(sinks)
    rows = [*ends, np.full(len(from_source), source), to_sink]
    columns = [ends[1], ends[0], from_source, np.full(len(to_sink), sink)]
    costs = [net.capacity[inner], net.capacity[inner], total[from_source], total[to_sink]]
    if outward is not None:
        leaves = np.flatnonzero(outward)
        rows, columns = [*rows, leaves], [*columns, np.full(len(leaves), sink)]
        costs.append(outward[leaves])
    shape = (net.vertices + 2, net.vertices + 2)
    costs_, places_ = np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))
    graph = csr_array((costs_.astype(np.int32), places_), shape=shape, dtype=np.int32)
    graph.sum_duplicates()
    left_over = graph - maximum_flow(graph, source, sink).flow
    left_over.eliminate_zeros()
    reached = np.zeros(net.vertices + 2, dtype=bool)
    reached[breadth_first_order(left_over, source, return_predecessors=False)] = True
    side: Flags = reached[: net.vertices]
    return side


def _around(net: _Net, apart: Flags) -> Ints:
    """The group whose minimum isolating cut encloses each vertex, -1 where none does. The cuts do not overlap."""
    held = ~apart
    region = components(net.left[held], net.right[held], vertices=net.vertices)
    # groups are the first vertices and each has a region of its own, so a region's number tells its group
    of_group = region < net.groups
    own = held & of_group[net.left]
    outward = np.zeros(net.vertices, dtype=np.int64)
    for end in (net.left, net.right):
        leaving = apart & of_group[end]
        outward += np.bincount(end[leaving], net.capacity[leaving], minlength=net.vertices).astype(np.int64)
    inside = _Net(net.left[own], net.right[own], net.capacity[own], net.groups, net.vertices)
    groups = np.arange(net.vertices) < net.groups
    reached = _source_side(inside, groups, np.zeros(net.vertices, dtype=bool), outward)
    return np.where(reached & of_group, region, -1)


def _all_but_dearest(net: _Net, around: Ints, part_of: Ints) -> Flags:
    """Which groups to enclose; the last place, of vertices that no group encloses, is False."""
    cost = np.zeros(net.groups + 1, dtype=np.int64)
    crosses = around[net.left] != around[net.right]
    for end in (net.left, net.right):
        np.add.at(cost, around[end][crosses], net.capacity[crosses])
    order = np.lexsort((-np.arange(net.groups), -cost[:-1], part_of))
    first = np.unique(part_of[order], return_index=True)[1]
    enclosed = np.ones(net.groups + 1, dtype=bool)
    enclosed[order[first]] = False
    enclosed[-1] = False
    return enclosed
