"""The identity stage on real tables: several nights, each from the release of the one before."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest
from identity_tables import save_rows

from jobs import identity
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, publish
from jobs.runtime.tables import Lakehouse
from transforms.errors import DataError
from transforms.identity.definition import Identity
from transforms.identity.manual import Decision, Decisions
from transforms.identity.stable_ids import new_ids
from transforms.schemas import (
    CONSENT,
    CONTACT,
    GOLD_CUSTOMER,
    GOLD_OVERRIDE,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    WEB_EVENT,
)

RULES = {
    "known_by": ["crm_id", "email"],
    "identifiers": {
        "crm_id": {"priority": 1, "per_customer": 1},
        "email": {"priority": 2, "blocked": ["^info@"]},
        "phone": {"priority": 3, "max_linked": 2},
        "cookie": {"priority": 5},
    },
    "limits": {"id_churn": 0.5},
}
EVENT = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class Nights:
    """A lakehouse with silver as a test wants it."""

    spark: object
    lakehouse: Lakehouse
    rules: dict = field(default_factory=lambda: dict(RULES))
    base: Release | None = None
    decisions: Decisions = field(default_factory=Decisions)
    by_hand: list[dict] = field(default_factory=list)
    keys: list[str] = field(default_factory=lambda: ["k" * 32])

    def run(self, day: int, contacts: dict, web=(), consents=(), *, release=True) -> Night:
        """contacts: key -> (ids, fields). web: cookie and e-mail of a hit. consents: ids, purpose, granted."""
        night = self._night(day)
        save_rows(night, CONTACT.table, self._contacts(contacts))
        save_rows(night, WEB_EVENT.table, self._events(web, "web", []))
        save_rows(night, CONSENT.table, self._events([ids for ids, *_ in consents], "crm", consents))
        if self.by_hand or night.has(GOLD_OVERRIDE):
            save_rows(night, GOLD_OVERRIDE, self.by_hand)
        identity.run(night)
        if release:
            number = self.base.release + 1 if self.base else 1
            at = datetime(2026, 3, day, tzinfo=UTC)
            self.base = Release(number, night.run_id, night.day, at, "night", dict(night.versions), night.conf.hash)
        return night

    def roll_back(self) -> None:
        """As a run does that begins where one died: the next builds on the versions that this makes."""
        assert self.base
        self.base = replace(self.base, versions=self.lakehouse.roll_back(self.base.versions))

    def _night(self, day: int) -> Night:
        conf = SimpleNamespace(
            identity=Identity.model_validate(self.rules),
            privacy=SimpleNamespace(keys=SimpleNamespace(customer=self.keys)),
            pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None),
            decisions=self.decisions,
            hash=str(self.rules),
            tags={},
            sources={"crm": SimpleNamespace(entity="contact"), "web": SimpleNamespace(entity="web_event")},
        )
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=date(2026, 3, day), run_id=f"run-{day}",
            started_at=datetime(2026, 3, day, 23, tzinfo=UTC), base=self.base,
        )  # fmt: skip
        night.spark = self.spark
        return night

    def _contacts(self, contacts: dict) -> list[dict]:
        return [
            {
                "_batch_date": date(2026, 3, 1), "source": "crm", "record_id": f"crm:{key}", "_node": f"crm:{key}",
                "ids": list(ids.items()), "city": more.get("city"), "updated_at": more.get("updated_at"),
            }
            for key, (ids, more) in contacts.items()
        ]  # fmt: skip

    def _events(self, given, source: str, consents) -> list[dict]:
        texts = [f"{source}:{json.dumps(ids, separators=(',', ':'))}" for ids in given]
        told = [(consent[1:] or (None, None)) for consent in consents or [()] * len(texts)]
        return [
            {
                "_batch_date": date(2026, 3, 1), "event_at": EVENT, "source": source, "record_id": str(number),
                "_node": text, "purpose": purpose, "granted": granted, "decided_at": EVENT,
            }
            for number, (text, (purpose, granted)) in enumerate(zip(texts, told, strict=True))
        ]  # fmt: skip


@pytest.fixture
def nights(spark, tmp_path) -> Nights:
    return Nights(spark, Lakehouse(str(tmp_path / "lakehouse")))


def owners(night: Night) -> dict[str, str]:
    return {row["record_id"]: row["customer_id"] for row in night.rows(IDENTITY_RECORD)}


def changes(night: Night) -> list[tuple]:
    rows = [row for row in night.rows(IDENTITY_CHANGE) if row["date"] == night.day]
    return sorted((row["kind"], row["customer_id"], tuple(row["from_ids"] or ())) for row in rows)


ANN = ({"crm_id": ["1"], "email": ["ann@x"]}, {"city": "Ulm"})
BOB = ({"crm_id": ["2"], "email": ["bob@x"], "phone": ["5"]}, {"city": "Rom"})
CARD = ({"phone": ["7"]}, {})


def test_three_nights(nights):
    visits = [{"cookie": ["c"]}, {"cookie": ["d"]}]
    consents = [({"crm_id": ["1"]}, "marketing", True), ({"crm_id": ["1"]}, "marketing", False)]
    first = nights.run(1, {"1": ANN, "2": BOB, "3": CARD}, visits, consents)
    a, b = owners(first)["crm:1"], owners(first)["crm:2"]
    assert len(set(owners(first).values())) == 5  # Ann, Bob, the card, two visitors
    assert owners(first)['crm:{"crm_id":["1"]}'] == a
    assert {kind for kind, _, _ in changes(first)} == {"new"} and len(changes(first)) == 5
    assert first.stage.figures == {
        "edges": 9, "matches": 0, "customers": 5, "known": 2, "anonymous": 3, "records": 6, "new": 5, "merges": 0,
        "splits": 0, "retired": 0, "cuts": 0, "hubs": 0, "blocked": 0, "id_churn": 0.0, "id_churn_limit": 0.5,
        "disagreements": {},
    }  # fmt: skip
    golden = {row["customer_id"]: row for row in first.rows(GOLD_CUSTOMER)}
    assert {key: row["city"] for key, row in golden.items()} == {a: "Ulm", b: "Rom"}
    assert golden[a]["consents"] == {"marketing": False}
    assert golden[a]["provenance"] == {"city": "crm:1"}

    # a visitor logs in as Ann; the card's phone turns out to be Bob's
    login = [{"cookie": ["c"], "email": ["ann@x"]}]
    card = ({"phone": ["7"], "email": ["bob@x"]}, {})
    visitor, old_card = owners(first)['web:{"cookie":["c"]}'], owners(first)["crm:3"]
    second = nights.run(2, {"1": ANN, "2": BOB, "3": card}, visits + login, consents)
    assert owners(second)["crm:3"] == b
    assert owners(second)['web:{"cookie":["c"]}'] == a
    assert changes(second) == sorted(
        [("merge", a, (visitor,)), ("merge", b, (old_card,)), ("retire", visitor, ()), ("retire", old_card, ())]
    )
    ledger = {
        (
            row["id_value"],
            row["customer_id"],
            row["known"],
            row["valid_from"].day,
            row["valid_to"] and row["valid_to"].day,
        )
        for row in second.rows(LEDGER)
    }
    assert {row for row in ledger if row[0] in ("7", "c")} == {
        ("7", old_card, False, 1, 2), ("7", b, True, 2, None), ("c", visitor, False, 1, 2), ("c", a, True, 2, None),
    }  # fmt: skip

    # the card was not Bob's after all: it gets its old id back
    third = nights.run(3, {"1": ANN, "2": BOB, "3": CARD}, visits + login, consents)
    assert owners(third)["crm:3"] == old_card
    assert changes(third) == [("split", old_card, (b,))]
    assert third.rows(IDENTITY_EDGE)[0].keys() == set(IDENTITY_EDGE.names)
    assert len(third.rows(IDENTITY_CHANGE)) == 5 + 4 + 1


def test_decisions_follow_the_records_through_a_merge_and_a_split(nights):
    """Ann allows what Bob refuses at the same time: while they are one the refusal holds, apart each has their own."""
    given = [
        ({"crm_id": ["1"]}, "marketing", True), ({"crm_id": ["2"]}, "marketing", False),
        ({"crm_id": ["1"]}, "profiling", True),
    ]  # fmt: skip
    nights.rules["identifiers"] = {**RULES["identifiers"], "crm_id": {"priority": 1}}
    linked = (BOB[0] | {"email": ["ann@x"]}, {"city": "Rom"})

    def consents(day: int, bob) -> tuple[dict, Night]:
        night = nights.run(day, {"1": ANN, "2": bob}, consents=given)
        return {row["customer_id"]: row["consents"] for row in night.rows(GOLD_CUSTOMER)}, night

    before, first = consents(1, BOB)
    a, b = owners(first)["crm:1"], owners(first)["crm:2"]
    assert before == {a: {"marketing": True, "profiling": True}, b: {"marketing": False}}
    one, second = consents(2, linked)
    assert one == {a: {"marketing": False, "profiling": True}} or one == {b: {"marketing": False, "profiling": True}}
    assert second.stage.figures["merges"] == 1 and second.stage.figures["id_churn"] == 0.5
    after, third = consents(3, BOB)
    assert after == before
    assert third.stage.figures["splits"] == 1 and third.stage.figures["id_churn"] == 0


def test_values_by_hand_follow_the_identifier_through_a_merge_and_a_split(nights):
    """While Ann and Bob are one the value set last holds, apart each has their own; an end gives the record's back."""
    nights.rules["identifiers"] = {**RULES["identifiers"], "crm_id": {"priority": 1}}
    linked = (BOB[0] | {"email": ["ann@x"]}, BOB[1])
    told = [("ann@x", "city", "Bonn", 1, None), ("bob@x", "city", "Kiel", 2, None), ("ann@x", "gender", "female", 3, 5)]
    by_hand = [
        {
            "id_type": "email", "id_value": mail, "field": name, "value": value, "reason": "r", "set_by": "lee",
            "set_at": datetime(2026, 3, 1, hour, tzinfo=UTC), "until": until and date(2026, 3, until),
        }
        for mail, name, value, hour, until in told
    ]  # fmt: skip

    def golden(day: int, bob) -> dict:
        nights.by_hand = by_hand
        night = nights.run(day, {"1": ANN, "2": bob})
        return {
            row["customer_id"]: (row["city"], row["gender"], row["provenance"]) for row in night.rows(GOLD_CUSTOMER)
        }

    before = golden(1, BOB)
    first = {row["record_id"]: row["customer_id"] for row in nights.lakehouse.rows(IDENTITY_RECORD)}
    a, b = first["crm:1"], first["crm:2"]
    hand = {"city": "override"}
    assert before == {a: ("Bonn", "female", {**hand, "gender": "override"}), b: ("Kiel", None, hand)}
    # one customer, who has both addresses: ann@x is of both records now, and bob@x nobody's
    (one,) = golden(2, (BOB[0] | {"email": ["ann@x", "bob@x"]}, BOB[1])).values()
    assert one == ("Kiel", "female", {**hand, "gender": "override"})
    (alone,) = golden(3, linked).values()  # bob@x is nobody's
    assert alone[0] == "Bonn"
    assert golden(4, BOB) == before
    assert golden(5, BOB) == {a: ("Bonn", None, hand), b: ("Kiel", None, hand)}
    by_hand.clear()
    assert golden(6, BOB) == {a: ("Ulm", None, {"city": "crm:1"}), b: ("Rom", None, {"city": "crm:2"})}


def test_a_night_run_again_and_rows_in_another_order_give_the_same(nights):
    nights.run(1, {"1": ANN, "3": CARD})
    contacts = {"1": ANN, "2": BOB, "3": CARD, "4": ({"email": ["info@x"]}, {})}
    tables = (IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, GOLD_CUSTOMER)
    one = nights.run(2, contacts, release=False)
    before = [sorted(map(str, one.rows(table))) for table in tables]
    assert [(row["kind"], row["id_type"], row["members"]) for row in one.rows(IDENTITY_CONFLICT)] == [
        ("blocked", "email", 1)
    ]
    nights.roll_back()
    two = nights.run(2, dict(reversed(contacts.items())), release=False)
    assert [sorted(map(str, two.rows(table))) for table in tables] == before
    assert changes(one) == changes(two)


def test_a_night_run_again_after_a_rotation_gives_the_ids_that_it_gave(nights):
    """With the old key behind the new one; whoever the night did not have before gets an id by the new one."""
    nights.run(1, {"1": ANN})
    one = nights.run(2, {"1": ANN, "2": BOB}, release=False)
    before = owners(one)
    publish(nights.lakehouse, run_id="run-2", day=one.day, cause="night", versions=one.versions, configuration="")
    nights.keys.insert(0, "n" * 32)
    nights.roll_back()
    two = nights.run(2, {"1": ANN, "2": BOB, "3": CARD}, release=False)
    assert owners(two) == before | {"crm:3": new_ids(["crm:3"], pa.array([]), keys=["n" * 32], day=two.day)[0]}
    nights.keys[:] = ["n" * 32]
    nights.roll_back()
    three = nights.run(2, {"1": ANN, "2": BOB}, release=False)
    assert owners(three)["crm:1"] == before["crm:1"] and owners(three)["crm:2"] != before["crm:2"]


def test_the_churn_limit_stops_the_night(nights):
    nights.run(1, {"1": ANN, "2": BOB})
    nights.rules["limits"] = {"id_churn": 0.4}
    with pytest.raises(DataError, match=r"50\.00% of the known customers .* at most 40\.00% may .*limits\.id_churn"):
        nights.run(2, {"1": ANN})


def test_more_ties_than_the_driver_may_hold_stop_the_night(nights):
    """Ann's record gives two identifiers, Bob's three."""
    nights.rules["limits"] = {"driver_ties": 4, "id_churn": 1}
    with pytest.raises(DataError, match=r"identity: 5 ties .* at most 4 \(limits\.driver_ties .* raise the limit"):
        nights.run(1, {"1": ANN, "2": BOB}, release=False)
    nights.rules["limits"] = {"driver_ties": 5, "id_churn": 1}
    nights.run(1, {"1": ANN, "2": BOB})
    nights.rules["limits"] = {"driver_ties": 2, "id_churn": 1}
    nights.run(2, {"1": ANN}, release=False)  # the last release had more, and that is not tonight's


def test_past_the_limit_spark_finds_the_components_and_decisions_by_hand_hold(nights):
    """Two accounts of one shop key are parted, a card is Bob's by hand, and Ann and her namesake are two."""
    nights.rules["identifiers"] = {**RULES["identifiers"], "phone": {"priority": 3}}
    contacts = {
        "1": ({"crm_id": ["1"], "phone": ["5"]}, {}), "2": ({"crm_id": ["2"], "phone": ["5", "6"]}, {}),
        "3": ({"phone": ["6", "7"]}, {}), "4": ({"phone": ["8"]}, {}), "5": ({"phone": ["8"]}, {}), "6": ({}, {}),
    }  # fmt: skip
    nights.decisions = Decisions(
        same=(Decision(("record", ("crm:6",)), ("phone", ("7",)), "same.csv:2"),),
        different=(Decision(("record", ("crm:4",)), ("record", ("crm:5",)), "different.csv:2"),),
    )
    found = []
    for most in (20_000_000, 4):
        nights.rules["limits"] = {"driver_edges": most}
        found.append(nights.run(1, contacts, release=False))
    one, two = found
    customers = owners(one)
    assert len({customers[f"crm:{number}"] for number in (1, 2, 4, 5)}) == 4
    assert customers["crm:2"] == customers["crm:3"] == customers["crm:6"]
    for table in (IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, IDENTITY_CONFLICT):
        assert sorted(map(str, one.rows(table))) == sorted(map(str, two.rows(table)))
    assert [(row["right_value"], row["rule"]) for row in one.rows(IDENTITY_EDGE) if row["rule"] == "same"] == [
        ("7", "same")
    ]


def test_a_decision_about_nobody_is_a_warning_and_a_conflict(nights):
    nights.decisions = Decisions(same=(Decision(("record", ("crm:9",)), ("email", ("ann@x",)), "same.csv:2"),))
    night = nights.run(1, {"1": ANN})
    told = [(row["kind"], row["id_type"], row["id_value"], row["detail"]) for row in night.rows(IDENTITY_CONFLICT)]
    assert told == [("unheard", "record", "crm:9", "same.csv:2: nobody gives it tonight")]
    (warning,) = night.stage.warnings
    assert warning.startswith("conf/identity.yml: manual: 1 of the records") and "crm:9" not in warning
