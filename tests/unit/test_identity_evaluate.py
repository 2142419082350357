"""Pairwise scores against pairs that are really listed."""

from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.identity.evaluate import pairwise


def _tables(customers, persons) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = [str(number) for number in range(len(customers))]
    assigned = pd.DataFrame({"source": "crm", "key": keys, "customer_id": customers})
    return assigned, pd.DataFrame({"source": "crm", "key": keys, "person": persons})


def test_by_hand():
    # pairs said: ab, cd, ce, de; true: ab, cd, ef; right: ab, cd
    scores = pairwise(*_tables(list("xxyyyz"), list("110022")))
    assert (scores.right, scores.said, scores.true) == (2, 4, 3)
    assert scores.precision == 2 / 4
    assert scores.recall == 2 / 3
    assert scores.f1 == pytest.approx(4 / 7)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=25))
def test_counts_are_those_of_listed_pairs(records):
    scores = pairwise(*_tables([c for c, _ in records], [p for _, p in records]))
    pairs = list(combinations(records, 2))
    assert scores.said == sum(a[0] == b[0] for a, b in pairs)
    assert scores.true == sum(a[1] == b[1] for a, b in pairs)
    assert scores.right == sum(a == b for a, b in pairs)


def test_only_records_that_both_name_count():
    assigned, truth = _tables(["x", "x", "x"], [1, 1, 2])
    assert pairwise(assigned.iloc[:2], truth).said == 1
    assert pairwise(assigned, truth.iloc[1:]).records == 2


def test_nothing_linked_and_nothing_to_link_is_right():
    scores = pairwise(*_tables(["x", "y"], [1, 2]))
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 1.0, 1.0)


def test_a_record_named_twice_is_refused():
    assigned, truth = _tables(["x", "y"], [1, 2])
    with pytest.raises(ValueError, match="not a one-to-one"):
        pairwise(pd.concat([assigned, assigned]), truth)
