"""Decisions by hand, matches and contradictions in the graph: what they tie, what they part, and who wins."""

from datetime import timedelta

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_tables import DAY, edge_rows, groups, identifiers, linked, pairs, ties, told

from transforms.identity.edge_table import edge_table
from transforms.identity.graph import coded
from transforms.identity.pairs import standing

TYPES = identifiers(
    crm_id=1, shop_customer={"priority": 1, "per_customer": 1}, email=2, phone={"priority": 3, "max_linked": 2}
)
CHAIN = {"a:1": "email=x", "b:1": "email=x phone=5", "c:1": "phone=5"}
HUB = {"a:1": "phone=5", "b:1": "phone=5", "c:1": "phone=5", "d:1": ""}


def parts(*texts: str) -> set[frozenset[str]]:
    return {frozenset(text.split()) for text in texts}


@pytest.mark.parametrize(
    ("case", "given_", "said", "expected"),
    [
        ("same ties records that share nothing", {"a:1": "", "b:1": ""}, {"same": [("a:1", "b:1")]}, ["a:1 b:1"]),
        ("same through an identifier", {"a:1": "", **CHAIN}, {"same": [("a:1", "email=x")]}, ["a:1 b:1 c:1"]),
        (
            "same of two identifiers",
            {"a:1": "email=x", "b:1": "email=y"},
            {"same": [("email=x", "email=y")]},
            ["a:1 b:1"],
        ),
        ("same ties a hub to that record alone", HUB,
         {"same": [("d:1", "phone=5"), ("a:1", "phone=5")]}, ["a:1 d:1", "b:1", "c:1"]),
        ("different parts at the cheapest tie of the path", CHAIN, {"different": [("a:1", "c:1")]}, ["a:1 b:1", "c:1"]),
        ("different of identifiers", CHAIN, {"different": [("email=x", "phone=5")]}, ["a:1 b:1", "c:1"]),
        (
            "every path is cut: the phone's tie and the match",
            CHAIN,
            {"different": [("a:1", "c:1")], "matches": [("a:1", "c:1", 0.97)]},
            ["a:1 b:1", "c:1"],
        ),
        (
            "same is never cut, whatever it costs",
            {"a:1": "crm_id=1", "b:1": "crm_id=1", "c:1": ""},
            {"same": [("b:1", "c:1")], "different": [("a:1", "c:1")]},
            ["a:1", "b:1 c:1"],
        ),
        (
            "same wins over a limit: both keys are the one person's",
            {"a:1": "shop_customer=1", "b:1": "shop_customer=2", "c:1": "shop_customer=2"},
            {"same": [("a:1", "b:1")]},
            ["a:1 b:1 c:1"],
        ),
        (
            "but not over the limit of what it does not name",
            {"a:1": "shop_customer=1", "b:1": "shop_customer=2 email=x", "c:1": "shop_customer=3 email=x"},
            {"same": [("a:1", "b:1")]},
            ["a:1 b:1", "c:1"],
        ),
        ("a match ties", {"a:1": "", "b:1": ""}, {"matches": [("a:1", "b:1", 0.96)]}, ["a:1 b:1"]),
        ("a match with a record not seen", {"a:1": ""}, {"matches": [("a:1", "b:1", 0.96)]}, ["a:1"]),
        ("a contradiction parts", CHAIN, {"contradictions": [("b:1", "c:1", "-")]}, ["a:1 b:1", "c:1"]),
        (
            "same wins over a contradiction",
            CHAIN,
            {"contradictions": [("a:1", "c:1", "-")], "same": [("a:1", "c:1")]},
            ["a:1 b:1 c:1"],
        ),
    ],
)  # fmt: skip
def test_pairs(case, given_, said, expected):
    assert groups(given_, TYPES, **said) == parts(*expected), case


def test_each_cut_is_told_with_what_asked_for_it():
    graph, _, found = linked(CHAIN, TYPES, different=[("a:1", "c:1")], matches=[("a:1", "c:1", 0.97)])
    assert found.cuts == 2
    assert told(graph, found.conflicts) == [("cut", "phone", "5", 2), ("cut", "record", "a:1", 1)]
    assert sorted(found.conflicts["detail"]) == [
        "1 of its matches cut: different.csv:2: said to be different",
        "1 of its ties cut: different.csv:2: said to be different",
    ]


def test_a_decision_about_what_nobody_gives_is_told_and_changes_nothing():
    said = {"same": [("a:1", "z:9"), ("email=nobody", "email=x")], "different": [("phone=0", "c:1")]}
    assert groups(CHAIN, TYPES, **said) == parts("a:1 b:1 c:1")
    unheard = pairs(coded(ties(CHAIN), TYPES), **said).unheard
    assert unheard[["kind", "id_type", "id_value", "detail"]].to_numpy().tolist() == [
        ["unheard", "record", "z:9", "same.csv:2: nobody gives it tonight"],
        ["unheard", "email", "nobody", "same.csv:3: nobody gives it tonight"],
        ["unheard", "phone", "0", "different.csv:2: nobody gives it tonight"],
    ]


def test_pairs_stand_in_the_edges_with_the_day_they_were_first_seen():
    graph = coded(ties({"a:1": "email=x", "b:1": "", "c:1": ""}), TYPES)
    early = DAY - timedelta(days=9)
    before = edge_rows(("b:1", "email=x", "same", early, early), ("a:1", "b:1", "match", early, early))
    found = pairs(
        graph,
        same=[("email=x", "b:1"), ("b:1", "a:1")],
        matches=[("a:1", "b:1", 0.9), ("b:1", "c:1", 0.96, early)],
        before=before,
    )
    rows = [tuple(row.values()) for row in edge_table(graph, found).to_pylist()]
    assert sorted(rows) == [
        ("record", "a:1", "email", "x", "gives", 0.5, "a", DAY, DAY),
        ("record", "a:1", "record", "b:1", "same", 1.0, "a", DAY, DAY),
        ("record", "b:1", "email", "x", "same", 1.0, "b", early, DAY),
        ("record", "b:1", "record", "c:1", "match", 0.96, "b", early, early),
    ]


def test_a_match_stands_until_a_version_of_either_record_lands():
    early = DAY - timedelta(days=9)
    seen = {"a:1": (early, early), "b:1": (early, early), "c:1": (early, DAY)}
    graph = coded(ties(dict.fromkeys(seen, "email=x"), seen=seen), TYPES)
    held = [(left, right, "match", early, early) for left, right in (("a:1", "b:1"), ("b:1", "c:1"), ("a:1", "z:1"))]
    assert standing(edge_rows(*held, ("a:1", "c:1", "same", DAY, DAY)), graph).to_pylist() == [
        {"left": "a:1", "right": "b:1", "rule": "match", "weight": 1.0, "first_seen": early, "last_seen": early}
    ]


NODES = [f"n:{number}" for number in range(7)]
VALUES = [f"{kind}={value}" for kind in ("crm_id", "shop_customer", "email") for value in ("1", "2")]
PAIRS = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1]), max_size=4
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(VALUES), max_size=3, unique=True), min_size=7),
    PAIRS, PAIRS, PAIRS,
)  # fmt: skip
def test_the_different_never_share_a_customer_and_the_same_always_do(given_, same, different, matches):
    said = nx.Graph(same)
    different = [(a, b) for a, b in different if not (a in said and b in said and nx.has_path(said, a, b))]
    customers = groups(
        given_, TYPES, same=same, different=different, matches=[(*sorted(pair), 0.99) for pair in matches]
    )
    assert not any({a, b} <= customer for a, b in different for customer in customers)
    assert all(any({a, b} <= customer for customer in customers) for a, b in same)
