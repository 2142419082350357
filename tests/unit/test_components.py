"""Connected components, against networkx."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engines.components import components


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
