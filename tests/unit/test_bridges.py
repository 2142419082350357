"""Bridges against networkx, on graphs with parallel ties, and against a count by hand."""

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engines.bridges import bridges


def _ints(values) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_two_triangles_on_one_tie():
    ties = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 3), (6, 7), (6, 7)]
    found = bridges(_ints([a for a, _ in ties]), _ints([b for _, b in ties]), _ints([1, 1, 1, 10, 10, 10, 5, 5]))
    assert found.tie.tolist() == [3]  # 6-7 is tied twice
    part = {3: 30, 2: 3}
    assert found.below.tolist() == [part[found.far[0]]]


@settings(deadline=None)
@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=25)))
def test_bridges_are_those_of_networkx(pairs):
    ties = [(a, b) for a, b in pairs if a != b]
    vertices = 12
    weight = _ints(range(1, vertices + 1))
    found = bridges(_ints([a for a, _ in ties]), _ints([b for _, b in ties]), weight)
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(vertices))
    graph.add_edges_from(ties)
    simple = nx.Graph(ties)
    once = {tie for tie in map(frozenset, ties) if list(map(frozenset, ties)).count(tie) == 1}
    expected = {frozenset(tie) for tie in nx.bridges(simple)} & once if ties else set()
    assert {frozenset(ties[place]) for place in found.tie} == expected
    for place, far, below in zip(found.tie, found.far, found.below, strict=True):
        cut = nx.Graph(simple)
        cut.remove_edge(*ties[place])
        assert below == sum(vertex + 1 for vertex in nx.node_connected_component(cut, int(far)))
