"""Cuts: what must hold whatever the graph, and their cost against every way to part a small one."""

from itertools import product
from time import process_time

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engines.cuts import Rules, Ties, cut, overfull
from jobs.engines.flows import scaled


def _ints(values) -> np.ndarray:
    return np.asarray(list(values), dtype=np.int64)


def ties(edges, *, weights=None, firsts=None, bound=None) -> Ties:
    number = len(edges)
    return Ties(
        left=_ints(a for a, _ in edges),
        right=_ints(b for _, b in edges),
        weight=np.asarray(weights or [1.0] * number, dtype=np.float64),
        first=_ints(firsts or [0] * number),
        bound=np.asarray(bound or [False] * number, dtype=bool),
    )


def _parts(vertices: int, edges) -> list[set[int]]:
    graph = nx.Graph()
    graph.add_nodes_from(range(vertices))
    graph.add_edges_from(edges)
    return list(nx.connected_components(graph))


def _holds(parts, kinds, caps, apart) -> bool:
    counts = ([sum(kinds[vertex] == kind for vertex in part) for kind in range(len(caps))] for part in parts)
    within = all(count <= cap for held in counts for count, cap in zip(held, caps, strict=True))
    return within and not any({a, b} <= part for part in parts for a, b in apart)


@st.composite
def cases(draw, most=14, edges=30):
    """A graph with limits on two kinds, pairs apart, and ties of which some may not be cut where no rule forbids it."""
    vertices = draw(st.integers(2, most))
    vertex = st.integers(0, vertices - 1)
    drawn = draw(
        st.lists(st.tuples(vertex, vertex, st.integers(1, 5), st.integers(0, 3), st.booleans()), max_size=edges)
    )
    drawn = [tie for tie in drawn if tie[0] != tie[1]]
    kinds = draw(st.lists(st.integers(-1, 1), min_size=vertices, max_size=vertices))
    caps = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    apart = [pair for pair in draw(st.lists(st.tuples(vertex, vertex), max_size=3)) if pair[0] != pair[1]]
    bound, joined = [], nx.empty_graph(vertices)
    for a, b, _, _, wanted in drawn:
        joined.add_edge(a, b)
        holds = wanted and _holds(list(nx.connected_components(joined)), kinds, caps, apart)
        bound.append(holds)
        if not holds:
            joined = nx.empty_graph(vertices)
            joined.add_edges_from((x, y) for (x, y, *_), keep in zip(drawn, bound, strict=False) if keep)
    edges_ = [tie[:2] for tie in drawn]
    told = ties(edges_, weights=[1 / tie[2] for tie in drawn], firsts=[tie[3] for tie in drawn], bound=bound)
    rules = Rules(_ints(kinds), _ints(caps), _ints(a for a, _ in apart), _ints(b for _, b in apart))
    return (
        vertices,
        edges_,
        told,
        rules,
        list(zip(*(map(int, side) for side in (rules.apart_left, rules.apart_right)), strict=True)),
    )


@settings(max_examples=300, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_rules_hold_no_tie_can_be_put_back_and_order_changes_nothing(case, random):
    vertices, edges, told, rules, apart = case
    result = cut(told, rules)
    kinds, caps = rules.kinds.tolist(), rules.caps.tolist()
    kept = [edge for edge, keep in zip(edges, result.kept, strict=True) if keep]
    assert result.kept[told.bound].all()
    assert _holds(_parts(vertices, kept), kinds, caps, apart)
    for edge in (edge for edge, keep in zip(edges, result.kept, strict=True) if not keep):
        assert not _holds(_parts(vertices, [*kept, edge]), kinds, caps, apart)
    order = list(range(len(edges)))
    random.shuffle(order)
    again = cut(told.take(_ints(order)), rules)
    assert again.after.tolist() == result.after.tolist()


def _least_cost(vertices: int, told: Ties, rules: Rules) -> float:
    """Of every way to colour the vertices, the cheapest that holds the rules."""
    least = np.inf
    apart = list(zip(rules.apart_left.tolist(), rules.apart_right.tolist(), strict=True))
    for colours in product(range(3), repeat=vertices):
        label = _ints(colours)
        crossing = label[told.left] != label[told.right]
        held = ((label == colour) & (rules.kinds == kind) for colour in range(3) for kind in range(len(rules.caps)))
        caps = [cap for _ in range(3) for cap in rules.caps]
        if all(chosen.sum() <= cap for chosen, cap in zip(held, caps, strict=True)) and not any(
            label[a] == label[b] for a, b in apart
        ):
            least = min(least, told.weight[crossing].sum())
    return float(least)


@settings(max_examples=100, deadline=None)
@given(cases(), cases())
def test_what_else_is_parted_changes_nothing(case, other):
    """A night works out some components only, and must part them as the whole would."""
    _, _, told, rules, _ = case
    size, _, beside, others, _ = other
    both = beside.and_also(Ties(told.left + size, told.right + size, told.weight, told.first, told.bound))
    joined = Rules(
        np.concatenate([others.kinds, rules.kinds]),
        rules.caps,
        np.concatenate([others.apart_left, rules.apart_left + size]),
        np.concatenate([others.apart_right, rules.apart_right + size]),
    )
    assert cut(both, joined).kept[len(beside.left) :].tolist() == cut(told, rules).kept.tolist()


@settings(max_examples=60, deadline=None)
@given(cases(most=6, edges=10), st.sampled_from(["apart", "two keys", "three keys"]))
def test_the_cost_is_the_least_for_two_and_near_it_for_three(case, rule):
    vertices, edges, told, _, _ = case
    told = ties(edges, weights=told.weight.tolist(), firsts=told.first.tolist())
    if rule == "apart":
        rules, most = Rules(_ints([-1] * vertices), _ints([]), _ints([0]), _ints([1])), 1.0
    else:
        number = min(2 if rule == "two keys" else 3, vertices)
        rules, most = Rules(_ints([0] * number + [-1] * (vertices - number)), _ints([1])), 2 - 2 / number
    cost = told.weight[~cut(told, rules).kept].sum()
    assert cost <= most * _least_cost(vertices, told, rules) + 1e-9


# 0 and 1 are keys of two people; 2 is tied to 0 by one strong tie, to 1 by three weaker ones through 3, 4 and 5
TORN = [(0, 2), (2, 3), (2, 4), (2, 5), (3, 1), (4, 1), (5, 1)]


@pytest.mark.parametrize(("weak", "lost"), [(1 / 2, {(0, 2)}), (1 / 4, {(2, 3), (2, 4), (2, 5)})])
def test_the_weight_of_all_that_is_cut_decides(weak, lost):
    told = ties(TORN, weights=[1.0] + [weak] * 3 + [1.0] * 3)
    kept = cut(told, Rules(_ints([0, 0, -1, -1, -1, -1]), _ints([1]))).kept
    assert {edge for edge, keep in zip(TORN, kept, strict=True) if not keep} == lost


def test_of_cuts_that_cost_the_same_the_newer_tie_is_cut():
    chain = [(0, 2), (2, 3), (3, 1)]
    for newest in range(3):
        told = ties(chain, firsts=[5 if at == newest else 1 for at in range(3)])
        kept = cut(told, Rules(_ints([0, 0, -1, -1]), _ints([1]))).kept
        assert kept.tolist() == [at != newest for at in range(3)]


def test_what_is_bound_is_not_cut_and_what_is_over_is_told():
    told = ties([(0, 2), (2, 1)], weights=[0.1, 1.0], bound=[True, False])
    result = cut(told, Rules(_ints([-1, -1, -1]), _ints([]), _ints([0]), _ints([1])))
    assert result.kept.tolist() == [True, False]
    assert result.over.tolist() == [-1, 0]


def test_components_that_hold_are_not_touched():
    result = cut(ties([(0, 1), (2, 3)]), Rules(_ints([0, -1, 0, 0]), _ints([1])))
    assert result.kept.tolist() == [True, False]
    assert result.over.tolist() == [-1, 0]


def test_overfull_counts_by_component_and_kind():
    found = overfull(_ints([0, 0, 0, 1]), _ints([0, 0, 1, 1]), _ints([1, 1]))
    assert found.tolist() == [[True, False], [False, False]]


def test_a_component_of_a_hundred_thousand_is_cut_in_bounded_time():
    n = 100_000
    rng = np.random.default_rng(5)
    edges = np.sort(rng.integers(0, n, (300_000, 2)), axis=1)
    told = Ties(
        edges[:, 0],
        edges[:, 1],
        1 / rng.integers(1, 6, 300_000),
        rng.integers(0, 400, 300_000),
        np.zeros(300_000, bool),
    )
    rules = Rules(np.where(np.arange(n) % 10 == 0, 0, -1), _ints([5]))
    began = process_time()
    result = cut(told, rules)
    assert process_time() - began < 20
    assert not overfull(result.after, rules.kinds, rules.caps).any()


def test_what_ties_cost_fits_into_the_numbers_that_flows_are_counted_in() -> None:
    """Of some hundred ties the ages nearly fill what weights leave of 2^31: with these they once went beyond it."""
    for number, last in ((462, 1 / 12), (327, 1 / 10), (40, 1.0)):
        weight, age = np.asarray([1.0] * (number - 1) + [last]), _ints(range(number))
        costs = scaled(weight, age, _ints([0] * number))
        assert costs.sum() < 2**31 and costs.min() >= 1
        assert (np.diff(costs[:-1]) >= 0).all()  # equally strong, the older the dearer
