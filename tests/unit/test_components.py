"""Connected components and cuts, against networkx and against what must hold whatever the graph."""

from itertools import pairwise
from time import process_time

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engines.components import components
from jobs.engines.cuts import cut, overfull


def _ints(values) -> np.ndarray:
    return np.asarray(list(values), dtype=np.int64)


def _partition(labels) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def _expected(vertices: int, edges) -> set[frozenset[int]]:
    graph = nx.Graph()
    graph.add_nodes_from(range(vertices))
    graph.add_edges_from(edges)
    return {frozenset(part) for part in nx.connected_components(graph)}


@st.composite
def graphs(draw):
    """Random edges over stars, chains and cycles, so that parts of every shape meet."""
    vertices = draw(st.integers(1, 60))
    vertex = st.integers(0, vertices - 1)
    edges = draw(st.lists(st.tuples(vertex, vertex), max_size=60))
    if draw(st.booleans()):
        hub = draw(vertex)
        edges += [(hub, leaf) for leaf in draw(st.lists(vertex, max_size=30))]
    if draw(st.booleans()):
        path = draw(st.permutations(range(vertices)))[: draw(st.integers(1, vertices))]
        edges += list(pairwise(path))
        if draw(st.booleans()):
            edges.append((path[-1], path[0]))
    return vertices, edges


@settings(max_examples=300, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_components_are_those_of_networkx_whatever_the_order(graph, random):
    vertices, edges = graph
    found = components(_ints(a for a, _ in edges), _ints(b for _, b in edges), vertices=vertices)
    assert _partition(found) == _expected(vertices, edges)
    shuffled = [(b, a) if random.random() < 0.5 else (a, b) for a, b in edges]
    random.shuffle(shuffled)
    again = components(_ints(a for a, _ in shuffled), _ints(b for _, b in shuffled), vertices=vertices)
    assert found.tolist() == again.tolist()


def test_components_are_numbered_by_their_smallest_vertex():
    assert components(_ints([4, 5]), _ints([1, 3]), vertices=7).tolist() == [0, 1, 2, 3, 1, 3, 4]


def test_an_edge_given_many_times_is_one_edge():
    # 256 is where a sum of bytes would come back to nothing
    assert components(_ints([0] * 256), _ints([1] * 256), vertices=2).tolist() == [0, 0]


def test_a_chain_of_twenty_thousand_is_one_component():
    chain = np.random.default_rng(3).permutation(20_000)
    assert set(components(chain[:-1], chain[1:], vertices=20_000).tolist()) == {0}


@pytest.mark.parametrize(("left", "right"), [([0], [3]), ([-1], [0]), ([0, 1], [1])])
def test_edges_to_nowhere_are_refused(left, right):
    with pytest.raises(ValueError, match=r"outside|both"):
        components(_ints(left), _ints(right), vertices=3)


def test_no_vertices_no_components():
    assert components(_ints([]), _ints([]), vertices=0).tolist() == []


@st.composite
def limited_graphs(draw):
    vertices, edges = draw(graphs())
    edges = [(a, b) for a, b in edges if a != b]
    kinds = draw(st.lists(st.integers(-1, 1), min_size=vertices, max_size=vertices))
    caps = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    return vertices, edges, kinds, caps, draw(st.permutations(range(len(edges))))


@settings(max_examples=300, deadline=None)
@given(limited_graphs())
def test_cuts_hold_the_limits_and_none_can_be_put_back(case):
    vertices, edges, kinds, caps, strength = case
    left, right = _ints(a for a, _ in edges), _ints(b for _, b in edges)
    result = cut(left, right, _ints(strength), kinds=_ints(kinds), caps=_ints(caps))
    kept = [edge for edge, keep in zip(edges, result.kept, strict=True) if keep]
    assert _partition(result.after) == _expected(vertices, kept)
    assert _partition(result.before) == _expected(vertices, edges)
    held = {part: [sum(kinds[v] == k for v in part) for k in (0, 1)] for part in _expected(vertices, kept)}
    assert all(count <= cap for counts in held.values() for count, cap in zip(counts, caps, strict=True))
    of = {vertex: part for part in held for vertex in part}
    for (a, b), limit in zip(edges, result.over, strict=True):
        if limit >= 0:
            assert of[a] != of[b]
            assert held[of[a]][limit] + held[of[b]][limit] > caps[limit]


@settings(max_examples=100, deadline=None)
@given(limited_graphs())
def test_no_stronger_tie_is_cut_where_weaker_ones_would_do(case):
    """The ties kept among the n strongest are those that would be kept if there were no others."""
    _, edges, kinds, caps, strength = case
    left, right, order = _ints(a for a, _ in edges), _ints(b for _, b in edges), _ints(strength)
    strongest = order < len(edges) // 2
    whole = cut(left, right, order, kinds=_ints(kinds), caps=_ints(caps))
    alone = cut(left[strongest], right[strongest], order[strongest], kinds=_ints(kinds), caps=_ints(caps))
    assert whole.kept[strongest].tolist() == alone.kept.tolist()


def test_components_that_hold_are_not_touched():
    result = cut(_ints([0, 2]), _ints([1, 3]), _ints([0, 1]), kinds=_ints([0, -1, 0, 0]), caps=_ints([1]))
    assert result.kept.tolist() == [True, False]
    assert result.over.tolist() == [-1, 0]


def test_overfull_counts_by_component_and_kind():
    found = overfull(_ints([0, 0, 0, 1]), _ints([0, 0, 1, 1]), _ints([1, 1]))
    assert found.tolist() == [[True, False], [False, False]]


def test_a_component_of_a_hundred_thousand_is_cut_in_bounded_time():
    n = 100_000
    rng = np.random.default_rng(5)
    left, right = rng.integers(0, n, 300_000), rng.integers(0, n, 300_000)
    kinds = np.where(np.arange(n) % 10 == 0, 0, -1)
    began = process_time()
    result = cut(left, right, np.arange(len(left)), kinds=kinds, caps=_ints([5]))
    assert process_time() - began < 20
    assert not overfull(result.after, kinds, _ints([5])).any()
