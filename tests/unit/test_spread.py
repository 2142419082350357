"""Components that Spark finds are those of networkx, whatever the shape and the order, and however small the tasks."""

from itertools import pairwise

import networkx as nx
import numpy as np

from jobs.engines.spread import spread_components


def _edges(spark, pairs):
    return spark.createDataFrame([(int(a), int(b)) for a, b in pairs], "left bigint, right bigint")


def _parts(rows) -> set[frozenset[int]]:
    parts: dict[int, set[int]] = {}
    for vertex, component in rows:
        parts.setdefault(component, set()).add(vertex)
    assert all(min(part) == component for component, part in parts.items())
    return {frozenset(part) for part in parts.values()}


def test_components_are_those_of_networkx(spark):
    rng = np.random.default_rng(1)
    vertex = rng.permutation(3_000) * 1_000_003  # numbers may have gaps
    hub = [(vertex[0], leaf) for leaf in vertex[1:200]]
    chain = list(pairwise(vertex[200:901]))
    cycle = list(zip(vertex[901:1000], [*vertex[902:1000], vertex[901]], strict=True))
    random = rng.choice(vertex[1000:], (1200, 2)).tolist()
    edges = [*hub, *chain, *cycle, *random, (vertex[0], vertex[1]), (vertex[5], vertex[5])]
    rng.shuffle(edges)
    expected = {frozenset(map(int, part)) for part in nx.connected_components(nx.Graph(edges))}
    found = spread_components(_edges(spark, edges), few=500)
    assert _parts(found.collect()) == expected
    assert _parts(spread_components(_edges(spark, reversed(edges))).collect()) == expected


def test_a_chain_in_the_order_of_its_numbers_shrinks_too(spark):
    found = spread_components(_edges(spark, ((n, n + 1) for n in range(600))), few=100).collect()
    assert {row.component for row in found} == {0} and len(found) == 601


def test_no_edges_no_components(spark):
    assert spread_components(_edges(spark, [])).collect() == []
