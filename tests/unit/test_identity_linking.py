"""Who is linked to whom: guards, ages and caps, by hand-worked cases; and independence of the order of rows."""

from datetime import timedelta

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_tables import DAY, TIES, groups, identifiers, linked, ties, told

TYPES = identifiers(
    crm_id=1,
    shop_customer={"priority": 1, "per_customer": 1},
    email={"priority": 2, "per_customer": 2, "blocked": ["^info@", "^(info|test)@"]},
    phone={"priority": 3, "max_linked": 2},
    cookie={"priority": 5, "max_linked": 3, "max_age": "180d"},
)


def parts(*texts: str) -> set[frozenset[str]]:
    return {frozenset(text.split()) for text in texts}


@pytest.mark.parametrize(
    ("case", "given_", "expected"),
    [
        ("a shared value links", {"a:1": "email=x", "b:1": "email=x", "b:2": "email=y"}, ["a:1 b:1", "b:2"]),
        ("through others", {"a:1": "email=x", "b:1": "email=x phone=5", "c:1": "phone=5"}, ["a:1 b:1 c:1"]),
        ("equal texts of two types are two values", {"a:1": "crm_id=5", "b:1": "phone=5"}, ["a:1", "b:1"]),
        ("no identifier, no link", {"a:1": "", "b:1": ""}, ["a:1", "b:1"]),
        ("blocked", {"a:1": "email=info@x", "b:1": "email=info@x"}, ["a:1", "b:1"]),
        ("not blocked", {"a:1": "email=my.info@x", "b:1": "email=my.info@x"}, ["a:1 b:1"]),
        (
            "as many stronger identifiers as allowed",
            {"a:1": "crm_id=1 phone=5", "b:1": "email=x phone=5", "c:1": "email=x phone=5"},
            ["a:1 b:1 c:1"],
        ),
        (
            "one stronger identifier too many: a hub",
            {"a:1": "crm_id=1 phone=5", "b:1": "email=x phone=5", "c:1": "email=y phone=5"},
            ["a:1", "b:1", "c:1"],
        ),
        ("records without any: as many as allowed", {"a:1": "phone=5", "b:1": "phone=5"}, ["a:1 b:1"]),
        (
            "records without any: a hub",
            {"a:1": "phone=5", "b:1": "phone=5", "c:1": "phone=5"},
            ["a:1", "b:1", "c:1"],
        ),
        (
            "people without any beside one with: a hub still",
            {"a:1": "phone=5 email=x", "b:1": "phone=5", "b:2": "phone=5", "b:3": "phone=5"},
            ["a:1", "b:1", "b:2", "b:3"],
        ),
        (
            "events that know the number alone are no people",
            {"a:1": "phone=5 email=x", "p:{5}": "phone=5", "q:{5}": "phone=5", "r:{5}": "phone=5"},
            ["a:1 p:{5} q:{5} r:{5}"],
        ),
        (
            "equally strong and weaker identifiers do not count",
            {"a:1": "phone=5 phone=6 phone=7 cookie=1 cookie=2", "b:1": "phone=5"},
            ["a:1 b:1"],
        ),
        (
            "a blocked value is no stronger identifier",
            {"a:1": "phone=5 email=info@x email=test@x crm_id=1", "b:1": "phone=5 crm_id=1"},
            ["a:1 b:1"],
        ),
        (
            "a hub is no stronger identifier: the cookie touches three, the till's phone not counted",
            {
                "s:1": "crm_id=1 phone=5 cookie=c", "s:2": "crm_id=2 phone=5 cookie=c", "s:3": "crm_id=3 phone=5",
                "t:1": "email=x cookie=c",
            },
            ["s:1 s:2 t:1", "s:3"],
        ),
    ],
)  # fmt: skip
def test_links(case, given_, expected):
    assert groups(given_, TYPES) == parts(*expected), case


def test_a_type_that_is_not_listed_is_not_among_the_ties():
    types = identifiers(email=1)
    assert groups({"a:1": "email=x", "b:1": "email=x"}, types) == parts("a:1 b:1")


def test_guards_tell_what_they_refused():
    given_ = {
        "a:1": "crm_id=1 phone=5 email=info@x",
        "b:1": "crm_id=2 phone=5 email=info@x",
        "c:1": "crm_id=3 phone=5 email=test@x",
    }
    graph, believed, _ = linked(given_, TYPES)
    assert told(graph, believed.conflicts) == [
        ("blocked", "email", "info@x", 2),
        ("blocked", "email", "test@x", 1),
        ("hub", "phone", "5", 3),
    ]
    details = dict(zip(believed.conflicts["value"], believed.conflicts["detail"], strict=True))
    by_value = {graph.values[value].as_py(): detail for value, detail in details.items()}
    assert by_value["info@x"] == "matches ^info@"
    assert by_value["test@x"] == "matches ^(info|test)@"
    assert by_value["5"] == "touches 3 stronger identifiers, at most 2"


def test_a_value_of_everybody_links_nobody_even_without_a_limit():
    types = identifiers(crm_id=1, email=2, cookie=3)
    crowd = {f"a:{number}": f"email=x crm_id={number % 2}" if number < 4 else "email=x" for number in range(1_005)}
    graph, believed, found = linked(crowd, types)
    assert told(graph, believed.conflicts) == [("hub", "email", "x", 1_005)]
    assert len(set(found.part.tolist())) == 2 + 1_001
    # a thousand people are a crowd no more; a thousand cookies of one person's visits never were
    assert len(groups(dict(list(crowd.items())[:1_004]), types)) == 1
    assert len(groups({f"w:{{{number}}}": f"crm_id=1 cookie={number}" for number in range(1_005)}, types)) == 1


def test_unfit_values_link_nobody():
    rows = ties({"a:1": "email=", "b:1": "email=", "c:1": "email=x"}).to_pylist()
    rows[0]["unfit"] = rows[1]["unfit"] = "empty"
    table = pa.Table.from_pylist(rows, TIES)
    assert groups(table, TYPES) == parts("a:1", "b:1", "c:1")
    graph, believed, _ = linked(table, TYPES)
    assert told(graph, believed.conflicts) == [("blocked", "email", "", 2)]


def _seen(**days) -> dict:
    """Node -> days (after DAY) of its first and last sight."""
    return {node.replace("_", ":"): tuple(DAY + timedelta(days=day) for day in span) for node, span in days.items()}


@pytest.mark.parametrize(
    ("case", "seen", "expected"),
    [
        ("within the age", _seen(a_1=(0, 0), b_1=(180, 180)), ["a:1 b:1"]),
        ("a day too old", _seen(a_1=(0, 0), b_1=(181, 181)), ["a:1", "b:1"]),
        ("seen again since", _seen(a_1=(0, 30), b_1=(200, 200)), ["a:1 b:1"]),
        ("one bridges the other two", _seen(a_1=(0, 0), b_1=(100, 100), c_1=(250, 250)), ["a:1 b:1 c:1"]),
        ("three lives", _seen(a_1=(0, 0), b_1=(200, 200), c_1=(400, 400)), ["a:1", "b:1", "c:1"]),
        ("long before and long after", _seen(a_1=(0, 400), b_1=(1, 1), c_1=(580, 580)), ["a:1 b:1 c:1"]),
    ],
)
def test_a_tie_past_its_age_links_no_new_record(case, seen, expected):
    given_ = dict.fromkeys(seen, "cookie=c")
    assert groups(given_, TYPES, seen=seen) == parts(*expected), case


def test_an_identifier_with_several_lives_belongs_to_the_newest():
    seen = _seen(a_1=(200, 200), b_1=(0, 0))
    graph, _, found = linked({"a:1": "cookie=c", "b:1": "cookie=c"}, TYPES, seen=seen)
    assert graph.nodes.to_pylist() == ["a:1", "b:1"]
    assert found.owner.tolist() == [found.part[0]]


def test_a_key_of_one_person_parts_the_weakest_ties():
    # the e-mail is shared by two accounts: it stays with the first, the phone ties the third record to the second
    given_ = {
        "s:1": "shop_customer=1 email=x", "s:2": "shop_customer=2 email=x phone=5", "t:3": "phone=5",
    }  # fmt: skip
    assert groups(given_, TYPES) == parts("s:1", "s:2 t:3")
    graph, _, found = linked(given_, TYPES)
    assert found.cuts == 1
    assert told(graph, found.conflicts) == [("cap", "shop_customer", "1", 3), ("cut", "email", "x", 2)]
    details = sorted(found.conflicts["detail"])
    assert details == [
        "1 of its ties cut: a customer would hold more than 1 of shop_customer",
        "2 values of shop_customer tied to one customer, at most 1",
    ]


def test_the_weaker_tie_is_cut():
    given_ = {"s:1": "shop_customer=1 phone=5", "s:2": "shop_customer=2 email=x", "t:3": "email=x phone=5"}
    assert groups(given_, TYPES) == parts("s:1", "s:2 t:3")


def test_of_equal_ties_the_newcomers_is_cut():
    given_ = {"s:1": "shop_customer=1 email=x", "s:2": "shop_customer=2 email=x", "t:3": "email=x"}
    early, late = (DAY, DAY), (DAY + timedelta(days=1),) * 2
    seen = {"s:1": late, "s:2": early, "t:3": early}
    assert groups(given_, TYPES, seen=seen) == parts("s:1", "s:2 t:3")


def test_a_record_that_gives_too_many_itself_keeps_as_many_as_allowed():
    graph, _, found = linked({"a:1": "crm_id=1 email=x email=y email=z"}, TYPES)
    owned = [value for value, owner in zip(graph.values.to_pylist(), found.owner, strict=True) if owner >= 0]
    assert owned == ["1", "x", "y"]
    assert told(graph, found.conflicts) == [("cap", "email", "x", 1), ("cut", "email", "z", 1)]


NODES = [f"n:{number}" for number in range(8)]
VALUES = [f"{kind}={value}" for kind in ("crm_id", "email", "phone") for value in ("1", "2", "3")]
GIVEN = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(VALUES), max_size=4, unique=True))


@settings(max_examples=60, deadline=None)
@given(GIVEN.filter(bool), st.randoms(use_true_random=False))
def test_without_guards_customers_are_the_components_of_networkx(given_, random):
    types = identifiers(crm_id=1, email=2, phone=3)
    graph = nx.Graph()
    graph.add_nodes_from(given_)
    graph.add_edges_from((node, value) for node, values in given_.items() for value in values)
    expected = {frozenset(set(part) & set(given_)) for part in nx.connected_components(graph)}
    rows = ties(given_).to_pylist()
    random.shuffle(rows)
    assert groups(pa.Table.from_pylist(rows, TIES), types) == expected


@settings(max_examples=60, deadline=None)
@given(GIVEN.filter(bool), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(given_, random):
    types = identifiers(
        crm_id={"priority": 1, "per_customer": 1}, email={"priority": 2, "max_linked": 2, "per_customer": 2}, phone=3
    )
    rows = ties(given_).to_pylist()
    graph, believed, found = linked(pa.Table.from_pylist(rows, TIES), types)
    random.shuffle(rows)
    again, believed_again, found_again = linked(pa.Table.from_pylist(rows, TIES), types)
    assert graph.nodes == again.nodes and graph.values == again.values
    assert np.array_equal(found.part, found_again.part) and np.array_equal(found.owner, found_again.owner)
    assert believed.conflicts.equals(believed_again.conflicts) and found.conflicts.equals(found_again.conflicts)


@settings(max_examples=60, deadline=None)
@given(GIVEN.filter(bool))
def test_no_customer_holds_more_than_one_person_may(given_):
    types = identifiers(crm_id={"priority": 1, "per_customer": 1}, email={"priority": 2, "per_customer": 2}, phone=3)
    graph, _, found = linked(given_, types)
    for name, most in (("crm_id", 1), ("email", 2)):
        if name in graph.types:
            of_type = (graph.value_type == graph.type_code(name)) & (found.owner >= 0)
            assert np.bincount(found.owner[of_type], minlength=1).max() <= most
