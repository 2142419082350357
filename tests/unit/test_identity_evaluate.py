"""Scores of identities against published figures, scikit-learn, networkx and pairs that are really listed."""

import csv
from collections import Counter
from itertools import combinations
from itertools import pairwise as steps
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import House, Shown
from sklearn.metrics import pair_confusion_matrix

from jobs.lookups.evaluate import show_evaluation
from jobs.lookups.truth import read_truth
from transforms.errors import DefinitionError
from transforms.identity.evaluate import bcubed, matched, pair_scores, pairwise, source_scores
from transforms.identity.joining import NEVER, joined


def _tables(customers, persons) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = [str(number) for number in range(len(customers))]
    assigned = pd.DataFrame({"source": "crm", "key": keys, "customer_id": customers})
    return assigned, pd.DataFrame({"source": "crm", "key": keys, "person": persons})


def _both(records) -> pd.DataFrame:
    return pd.DataFrame(records, columns=["customer_id", "person"])


RECORDS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=25)


def test_by_hand():
    # pairs said: ab, cd, ce, de; true: ab, cd, ef; right: ab, cd
    scores = pairwise(*_tables(list("xxyyyz"), list("110022")))
    assert (scores.right, scores.said, scores.true, scores.false, scores.missed) == (2, 4, 3, 2, 1)
    assert scores.precision == 2 / 4
    assert scores.recall == 2 / 3
    assert scores.f1 == pytest.approx(4 / 7)


@settings(deadline=None)
@given(RECORDS)
def test_counts_are_those_of_scikit_learn(records):
    scores = pair_scores(_both(records))
    # ordered pairs: [neither, said only], [true only, both]
    (_, false), (missed, right) = pair_confusion_matrix([p for _, p in records], [c for c, _ in records]) // 2
    assert (scores.right, scores.false, scores.missed) == (right, false, missed)


def test_only_records_that_both_name_count():
    assigned, truth = _tables(["x", "x", "x"], [1, 1, 2])
    assert pairwise(assigned.iloc[:2], truth).said == 1
    assert len(matched(assigned, truth.iloc[1:])) == 2


def test_nothing_linked_and_nothing_to_link_is_right():
    scores = pairwise(*_tables(["x", "y"], [1, 2]))
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 1.0, 1.0)
    assert bcubed(_both([])).f1 == 1.0


def test_a_record_named_twice_is_refused():
    assigned, truth = _tables(["x", "y"], [1, 2])
    with pytest.raises(ValueError, match="not a one-to-one"):
        pairwise(pd.concat([assigned, assigned]), truth)


def test_b_cubed_as_published():
    """Bagga & Baldwin, Algorithms for Scoring Coreference Chains (1998): three chains of 5, 2 and 5, and two answers
    that each wrongly join two of them, one the small to a large one, one the two large ones."""
    truth = "1" * 5 + "2" * 2 + "3" * 5
    small = bcubed(_both(zip("a" * 5 + "b" * 7, truth, strict=True)))
    large = bcubed(_both(zip("a" * 5 + "b" * 2 + "a" * 5, truth, strict=True)))
    assert (small.precision, small.recall) == (pytest.approx(16 / 21), 1.0)
    assert (large.precision, large.recall) == (pytest.approx(7 / 12), 1.0)
    assert large.f1 == pytest.approx(14 / 19)


@settings(deadline=None)
@given(RECORDS.filter(bool))
def test_b_cubed_is_the_mean_over_the_records(records):
    def mean(side: int) -> float:
        shares = [
            sum(other == one for other in records) / sum(other[side] == one[side] for other in records)
            for one in records
        ]
        return sum(shares) / len(shares)

    scores = bcubed(_both(records))
    assert (scores.precision, scores.recall) == (pytest.approx(mean(0)), pytest.approx(mean(1)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("uvw") | st.none()), max_size=20))
def test_a_source_and_a_block_have_the_pairs_that_are_listed(records):
    both = pd.DataFrame(records, columns=["customer_id", "person", "source"])
    both["source"] = both["source"].fillna("x")
    both["block"] = both["source"].where(both["source"] != "x")
    pairs = list(combinations(both.itertuples(), 2))
    for source, scores in source_scores(both).items():
        own = [(a, b) for a, b in pairs if source in (a.source, b.source)]
        assert scores.said == sum(a.customer_id == b.customer_id for a, b in own)
        assert scores.true == sum(a.person == b.person for a, b in own)
        assert scores.right == sum(a.customer_id == b.customer_id and a.person == b.person for a, b in own)
    within = pair_scores(both, within=["block"])
    alike = [(a, b) for a, b in pairs if a.source == b.source != "x"]
    assert within.said == sum(a.customer_id == b.customer_id for a, b in alike)
    assert within.right == sum(a.customer_id == b.customer_id and a.person == b.person for a, b in alike)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20), st.lists(st.integers(0, 3), min_size=9))
def test_the_tie_that_joins_is_the_weakest_of_the_strongest_path(ties, persons):
    """networkx's minimum spanning tree holds the strongest paths, where a tie's weight is its place."""
    records = {vertex: Counter({f"P{persons[vertex]}": 1}) for vertex in range(0, 9, 2)}
    found = joined(ties, records, vertices=9)
    graph = nx.Graph()
    graph.add_nodes_from(range(9))
    for place, (left, right) in enumerate(ties):
        if left != right and not graph.has_edge(left, right):
            graph.add_edge(left, right, weight=place)
    tree = nx.minimum_spanning_tree(graph)
    counts = Counter()
    for left, right in combinations(range(9), 2):
        expected = NEVER
        if nx.has_path(tree, left, right):
            path = nx.shortest_path(tree, left, right)
            expected = max(tree.edges[edge]["weight"] for edge in steps(path))
            if left in records and right in records:
                counts[expected, persons[left] == persons[right]] += 1
        assert found.tie(left, right) == found.tie(right, left) == expected
    assert found.right == [counts[place, True] for place in range(len(ties))]
    assert found.false == [counts[place, False] for place in range(len(ties))]


# -- the command

ANN, BEN, EVE = "a" * 32, "b" * 32, "e" * 32
TRUTH = """person,source,key,note
P1,crm,1,
P1,shop,s:1,
P1,polls,0,
P2,crm,2,
P1,crm,3,
P3,crm,4,
P9,crm,unheard,
P9,erp,7,
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Ann's records 1, s:1 and a poll by e-mail; 2, another person's, by phone; 3, hers too, by a hub alone."""
    return House(
        tmp_path / "lakehouse",
        {
            'polls:{"email":["a"]}': (ANN, "email=a"),
            "crm:1": (ANN, "email=a phone=5"),
            "shop:s\\:1": (ANN, "email=a"),
            "crm:2": (ANN, "phone=5"),
            "crm:3": (BEN, "crm_id=3 phone=9"),
            "crm:4": (EVE, "phone=9"),
            "shop:5": (ANN, "email=a phone=9"),
        },
        said={
            "crm:1": {"given_name": "Ann", "city": "Ulm", "family_name": "Day"},
            "crm:2": {"given_name": "Bea", "city": "ULM", "family_name": "=1+1"},
            "crm:3": {"given_name": "Anna", "city": None, "family_name": "Day"},
        },
        refused={"phone=9": ("hub", "a till")},
    ).release()


def evaluate(house: House, truth: str, **options) -> Shown:
    file = house.folder.parent / "truth.csv"
    file.write_text(truth, encoding="utf-8")
    screen = Shown()
    show_evaluation(house.conf, file, screen, pairs=options.get("pairs"), values=options.get("values", False), rows=5)
    return screen


def test_the_command_by_hand(house: House):
    """Said: 1, s:1, poll, 2 (6 pairs); true: 1, s:1, poll, 3 (6 pairs); right: 1, s:1, poll (3 pairs)."""
    found = evaluate(house, TRUTH).found
    assert found["truth"] == {"records": 8, "persons": 4, "unknown": {"crm": 1, "erp": 1}}
    told = {"precision": 3 / 6, "recall": 3 / 6, "f1": 0.5, "records": 6, "true": 6, "false_merges": 3, "misses": 3}
    assert found["pairs"] == told
    # precision: 3 × 3/4, 1/4, 1, 1; recall: 3 × 3/4, 1, 1/4, 1
    assert found["b_cubed"]["precision"] == found["b_cubed"]["recall"] == pytest.approx(4.5 / 6)
    assert found["by_rule"] == [
        {"rule": "email", "believed": True, "right": 3, "false": 0},
        {"rule": "phone", "believed": True, "right": 0, "false": 3},
        # the hub would bring 3 to the other three of P1, and three pairs of others
        {"rule": "phone, hub", "believed": False, "right": 3, "false": 6},
    ]
    assert {source: scores["misses"] for source, scores in found["by_source"].items()} == {
        "crm": 3, "polls": 1, "shop": 1
    }  # fmt: skip
    blocks = {row["block"]: (row["true"], row["false_merges"], row["misses"]) for row in found["by_block"]}
    # of crm's records 1 and 3 share a letter, 1 and 2 a city
    assert blocks["first letter of the family name"] == (1, 0, 1)
    assert blocks["city"] == (0, 1, 0)
    assert found["differing_fields"] == [["given_name", 1, 1], ["family_name", 1, 0]]


def test_wrong_pairs_are_listed_and_values_only_where_they_are_asked_for(house: House, tmp_path: Path):
    hidden, clear = tmp_path / "hidden.csv", tmp_path / "clear.csv"
    shown = evaluate(house, TRUTH, pairs=hidden)
    with hidden.open() as file:
        rows = list(csv.DictReader(file))
    listed = {(row["kind"], row["left_key"], row["right_key"]): (row["tie"], row["differ"]) for row in rows}
    assert listed == {
        ("false merge", "1", "2"): ("phone", "given_name family_name"),
        ("false merge", "2", "0"): ("phone", ""),
        ("false merge", "2", "s:1"): ("phone", ""),
        ("miss", "1", "3"): ("phone, hub", "given_name"),
        ("miss", "3", "0"): ("phone, hub", ""),
        ("miss", "3", "s:1"): ("phone, hub", ""),
    }
    assert not [value for value in ("Ann", "Bea", "s:1", "Ulm") if value in shown.text + str(shown.found)]
    assert "Ann" not in hidden.read_text()
    evaluate(house, TRUTH, pairs=clear, values=True)
    with clear.open() as file:
        first = next(csv.DictReader(file))
    assert (first["left_given_name"], first["right_given_name"], first["right_family_name"]) == ("Ann", "Bea", "'=1+1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "it is empty; its first line is to be source,key,person"),
        (b"source,key,person\n", "it names no record"),
        (b"source,key,persons\ncrm,1,P\n", "no column 'person'; did you mean 'persons'?"),
        (b"source;key;person\ncrm;1;P\n", "no column 'source'; its first line is to be source,key,person, parted by"),
        (b"source,key,person\ncrm,1,P\n\ncrm,2,Q\ncrm, 1 ,P\n", "lines 2 and 5 name the same record"),
        (b"source,key,person\ncrm,,P\n", "line 2 has no key"),
        (b"source,key,person\ncrm,1\n", "line 2 has 2 cells, the header 3"),
        ("source,key,person\ncrm,Jürgen,P\n".encode("latin-1"), "not UTF-8 (at byte 23)"),
        (b'source,key,person\ncrm,"1"2,P\n', "not a CSV file"),
    ],
)
def test_a_truth_file_that_cannot_be_used_is_told_in_a_line(tmp_path: Path, text: bytes, told: str):
    file = tmp_path / "truth.csv"
    file.write_bytes(text)
    with pytest.raises(DefinitionError) as error:
        read_truth(file)
    assert f"truth.csv: {told}" in str(error.value)
    assert len(error.value.lines) == 1 and "Jürgen" not in str(error.value)
    with pytest.raises(DefinitionError, match=r"cannot be read: (No such file|Is a directory)"):
        read_truth(tmp_path)


def test_truth_of_other_records_altogether_is_told(house: House):
    with pytest.raises(DefinitionError, match=r"none of its 2 records .*crm 1, erp \(no such source\) 1"):
        evaluate(house, "source,key,person\ncrm,x,P\nerp,y,Q\n")
