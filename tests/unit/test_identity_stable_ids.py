"""Ids that stay: each rule by hand. A1, B2 … are ids of the last release; new ones are 32 hexadecimal digits."""

import hashlib
import hmac
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_tables import DAY, KEY, identifiers, night

from transforms.identity.stable_ids import churn, new_ids

TYPES = identifiers(crm_id=1, email=2, phone=3, cookie=5)
OLD, OLDER = DAY - timedelta(days=5), DAY - timedelta(days=9)


def minted(record: str, day: date = DAY) -> str:
    return hmac.new(KEY.encode(), f"{day.isoformat()} {record}".encode(), hashlib.sha256).hexdigest()[:32]


def owned(text: str, customer: str, *, known=True, since=OLD, until=None) -> tuple:
    return (*text.split("=", 1), customer, known, since, until)


def test_the_first_night_mints_an_id_from_the_smallest_record_and_the_date():
    customers, changes, past, ids = night({"b:1": "email=x", "a:1": "email=x", "c:1": ""}, TYPES)
    assert customers == {"a:1": minted("a:1"), "b:1": minted("a:1"), "c:1": minted("c:1")}
    assert changes == [("new", minted("a:1"), None), ("new", minted("c:1"), None)]
    assert churn(ids, past) == 0


def test_a_replay_gives_the_same_and_another_day_another_id():
    records = {"a:1": "email=x"}
    assert night(records, TYPES)[0] == night(records, TYPES)[0]
    assert night(records, TYPES, day=OLD)[0] == {"a:1": minted("a:1", OLD)}


def test_new_records_take_the_id_of_their_customer():
    given_ = {"a:1": "email=x", "b:1": "email=x", "0:1": "email=x"}
    customers, changes, _, _ = night(given_, TYPES, record={"a:1": "A1"}, ledger=[owned("email=x", "A1")])
    assert set(customers.values()) == {"A1"}
    assert changes == []


def test_of_two_that_merge_the_one_with_more_records_stays():
    given_ = {"a:1": "email=x", "b:1": "email=x", "b:2": "email=x"}
    record = {"a:1": "A1", "b:1": "B2", "b:2": "B2"}
    ledger = [owned("crm_id=1", "A1", since=OLDER), owned("email=x", "B2")]
    customers, changes, past, ids = night(given_, TYPES, record=record, ledger=ledger)
    assert set(customers.values()) == {"B2"}
    assert changes == [("merge", "B2", ["A1"]), ("retire", "A1", None)]
    assert churn(ids, past) == 0.5


@pytest.mark.parametrize(
    ("since", "kept"), [((OLD, OLDER), "B2"), ((OLDER, OLD), "A1"), ((OLD, OLD), "A1")], ids=["B", "A", "equal"]
)
def test_of_two_that_share_as_many_records_the_older_id_stays_then_the_smaller(since, kept):
    ledger = [owned("crm_id=1", "A1", since=since[0]), owned("crm_id=2", "B2", since=since[1])]
    given_ = {"a:1": "crm_id=1 email=x", "b:1": "crm_id=2 email=x"}
    customers, changes, _, _ = night(given_, TYPES, record={"a:1": "A1", "b:1": "B2"}, ledger=ledger)
    assert set(customers.values()) == {kept}
    assert changes[0] == ("merge", kept, [({"A1", "B2"} - {kept}).pop()])


def test_three_merge_into_one():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "email=x", "c:1": "email=x"}
    record = {"a:1": "A1", "a:2": "A1", "b:1": "B2", "c:1": "C3"}
    _, changes, _, _ = night(given_, TYPES, record=record)
    assert changes == [("merge", "A1", ["B2", "C3"]), ("retire", "B2", None), ("retire", "C3", None)]


def test_a_known_customer_is_not_outvoted_by_a_visitors_cookies():
    given_ = {"s:1": "crm_id=1 cookie=c", **{f"w{n}:{{}}": "cookie=c" for n in range(3)}}
    record = {"s:1": "K1", **{f"w{n}:{{}}": "A0" for n in range(3)}}
    ledger = [owned("crm_id=1", "K1"), owned("cookie=c", "A0", known=False, since=OLDER)]
    customers, changes, past, ids = night(given_, TYPES, record=record, ledger=ledger)
    assert set(customers.values()) == {"K1"}
    assert changes == [("merge", "K1", ["A0"]), ("retire", "A0", None)]
    assert churn(ids, past) == 0


def test_a_part_that_splits_off_gets_a_new_id():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "email=y"}
    record = dict.fromkeys(given_, "A1")
    customers, changes, past, ids = night(given_, TYPES, record=record, ledger=[owned("email=x", "A1")])
    assert customers == {"a:1": "A1", "a:2": "A1", "b:1": minted("b:1")}
    assert changes == [("split", minted("b:1"), ["A1"])]
    assert churn(ids, past) == 0


def test_equal_halves_the_one_with_the_smaller_record_keeps_the_id():
    customers, _, _, _ = night({"b:1": "email=y", "a:1": "email=x"}, TYPES, record={"a:1": "A1", "b:1": "A1"})
    assert customers == {"a:1": "A1", "b:1": minted("b:1")}


def test_a_part_that_splits_off_gets_its_old_id_back():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "crm_id=7 email=y"}
    ledger = [
        owned("email=x", "A1", since=OLDER), owned("email=y", "B2", since=OLDER, until=OLD),
        owned("email=y", "A1"), owned("crm_id=7", "A1"),
    ]  # fmt: skip
    customers, changes, _, _ = night(given_, TYPES, record=dict.fromkeys(given_, "A1"), ledger=ledger)
    assert customers["b:1"] == "B2"
    assert changes == [("split", "B2", ["A1"])]


def test_an_old_id_that_is_in_use_is_not_given_twice():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "email=y", "c:1": "email=z"}
    record = {"a:1": "A1", "a:2": "A1", "b:1": "A1", "c:1": "B2"}
    ledger = [owned("email=y", "B2", since=OLDER, until=OLD), owned("email=z", "B2"), owned("email=y", "A1")]
    customers, _, _, _ = night(given_, TYPES, record=record, ledger=ledger)
    assert customers == {"a:1": "A1", "a:2": "A1", "b:1": minted("b:1"), "c:1": "B2"}


def test_an_old_id_goes_to_the_part_that_shares_more_of_its_identifiers():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "email=y", "c:1": "email=z phone=1"}
    ledger = [owned(text, "B2", since=OLDER, until=OLD) for text in ("email=y", "email=z", "phone=1")]
    customers, _, _, _ = night(given_, TYPES, record=dict.fromkeys(given_, "A1"), ledger=ledger)
    assert (customers["b:1"], customers["c:1"]) == (minted("b:1"), "B2")


def test_records_that_come_back_get_their_id_back():
    ledger = [owned("crm_id=1", "A1", since=OLDER, until=OLD), owned("email=x", "A1", since=OLDER, until=OLD)]
    customers, changes, _, _ = night({"a:1": "crm_id=1 email=x"}, TYPES, ledger=ledger)
    assert customers == {"a:1": "A1"}
    assert changes == [("new", "A1", None)]


def test_a_source_that_renames_its_records_keeps_its_customers():
    ledger, record = [owned("crm_id=1", "A1")], {"old:1": "A1"}
    customers, changes, past, ids = night({"new:1": "crm_id=1"}, TYPES, record=record, ledger=ledger)
    assert customers == {"new:1": "A1"}
    assert churn(ids, past) == 0
    assert changes == []


def test_a_number_that_was_given_away_brings_no_old_id_along():
    ledger = [owned("crm_id=1", "A1", until=OLD), owned("phone=5", "A1", until=OLD)]
    customers, _, _, _ = night({"a:2": "crm_id=2 phone=5"}, TYPES, ledger=ledger)
    assert customers == {"a:2": minted("a:2")}


def test_an_id_without_records_is_retired():
    record, ledger = {"a:1": "A1", "b:1": "B2"}, [owned("crm_id=1", "A1"), owned("crm_id=2", "B2")]
    _, changes, past, ids = night({"a:1": "crm_id=1"}, TYPES, record=record, ledger=ledger)
    assert changes == [("retire", "B2", None)]
    assert list(ids.changes["cause"]) == ["no record is left"]
    assert churn(ids, past) == 0.5


def test_a_record_that_moves_between_customers_that_stay_is_no_merge():
    given_ = {"a:1": "email=x", "a:2": "email=x", "b:1": "email=y", "a:3": "email=y"}
    record = {"a:1": "A1", "a:2": "A1", "a:3": "A1", "b:1": "B2"}
    customers, changes, _, _ = night(given_, TYPES, record=record)
    assert customers == {"a:1": "A1", "a:2": "A1", "a:3": "B2", "b:1": "B2"}
    assert changes == []


def test_a_minted_id_in_use_is_passed_over():
    # on this very day a:1 named the customer, whose larger part leaves it now
    taken = minted("a:1")
    given_ = {"a:1": "email=x", "b:1": "email=y", "b:2": "email=y"}
    customers, _, _, _ = night(given_, TYPES, record=dict.fromkeys(given_, taken))
    assert customers["b:1"] == taken
    assert customers["a:1"] not in (taken, None)
    assert len(set(customers.values())) == 2


def test_a_date_that_runs_again_gives_the_ids_that_it_gave_whatever_key_makes_new_ones():
    nobody, (old, new) = pa.array([], pa.string()), ("o" * 32, "n" * 32)
    (before,) = new_ids(["a:1"], nobody, keys=[old], day=DAY)
    (after,) = new_ids(["b:1"], nobody, keys=[new], day=DAY)
    records = ["a:1", "b:1"]
    assert new_ids(records, nobody, keys=[new, old], day=DAY, given={before}) == [before, after]
    # of another date, or without the old key, nobody can tell
    assert before not in new_ids(records, nobody, keys=[new, old], day=OLD, given={before})
    assert before not in new_ids(records, nobody, keys=[new], day=DAY, given={before})


NODES = [f"n:{number}" for number in range(7)]
GIVEN = st.dictionaries(st.sampled_from(NODES), st.sampled_from([f"email={value}" for value in "uvwxyz"]), min_size=1)


@settings(max_examples=80, deadline=None)
@given(GIVEN, st.dictionaries(st.sampled_from(NODES), st.sampled_from(["A1", "B2", "C3"])))
def test_whatever_came_before_each_customer_has_one_id_and_every_change_is_told(given_, record):
    customers, changes, _, _ = night(given_, TYPES, record=record)
    emails = {node: given_[node] for node in customers}
    assert all((emails[a] == emails[b]) == (customers[a] == customers[b]) for a in customers for b in customers)
    before, now = set(record.values()), set(customers.values())
    told = {kind: [customer for k, customer, _ in changes if k == kind] for kind in ("new", "split", "retire")}
    assert sorted(told["new"] + told["split"]) == sorted(now - before)
    assert sorted(told["retire"]) == sorted(before - now)
    assert all(kept in now and set(gone) <= before - now for kind, kept, gone in changes if kind == "merge")
    again, changes_again, _, _ = night(given_, TYPES, record=customers)
    assert (again, changes_again) == (customers, [])
