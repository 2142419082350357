"""Campaigns of a small lakehouse over several nights: who was in which arm, and what the arms came to. No Spark."""

import tracemalloc
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs.engines import campaigns, erasures
from jobs.runtime import releases
from jobs.runtime.clock import end_of
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.audiences import Audience
from transforms.erasure import entries_of
from transforms.profile import PROFILE
from transforms.schemas import (
    CAMPAIGN,
    CAMPAIGN_EVENT,
    CONTACT,
    GOLD_AUDIENCE_MEMBER,
    GOLD_CAMPAIGN_MEMBER,
    GOLD_CAMPAIGN_RESULT,
    IDENTITY_CHANGE,
    IDENTITY_RECORD,
    TRANSACTION,
    Column,
    Table,
)

FIRST = date(2026, 3, 1)
STARTS, ENDS = FIRST + timedelta(1), FIRST + timedelta(3)
PEOPLE = [f"p{number:02d}" for number in range(40)]
HELD = set(PEOPLE[:10])
KEYS = ["k" * 32]
PROFILE_TABLE = Table(PROFILE, (Column("customer_id", "string", ""),))


@dataclass
class House:
    """A lakehouse whose nights write what the campaigns are made from, and evaluate them."""

    folder: Path
    warnings: list[str] = field(default_factory=list)
    merges: list[tuple[str, str]] = field(default_factory=list)
    events: list[tuple[str, str, date]] = field(default_factory=list)
    lines: list[tuple[str, date, int, str]] = field(default_factory=list)
    registered: list[tuple[str, date]] = field(default_factory=list)

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(str(self.folder))

    def night(self, day: date, *, members: dict[str, str], **keys: Any) -> list[dict[str, Any]]:
        """The night of a day, released; gives gold/campaign_result."""
        audience = Audience(place="a.yml", audience="vip", where="true", purpose="service", **keys)
        conf: Any = SimpleNamespace(
            audiences={"vip": audience},
            privacy=SimpleNamespace(smallest_group=5, keys=SimpleNamespace(erasure=KEYS)),
            pipeline=SimpleNamespace(timezone="UTC"),
        )  # fmt: skip
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=day, run_id=f"run-{day}", started_at=datetime.now(UTC),
            base=releases.newest(self.lakehouse), on_warning=self.warnings.append,
        )  # fmt: skip
        night.as_of = end_of(day, "UTC")
        for table, rows in self._tables(day, members).items():
            night.save(
                pa.Table.from_pylist([{n: row.get(n) for n in table.names} for row in rows], arrow_schema(table)), table
            )
        campaigns.evaluate(night)
        releases.publish(
            self.lakehouse, run_id=night.run_id, day=day, cause="night", versions=night.versions, configuration="c"
        )
        return night.rows(GOLD_CAMPAIGN_RESULT)

    def _tables(self, day: date, members: dict[str, str]) -> dict[Table, list[dict[str, Any]]]:
        into = dict(self.merges)
        known = [one for one in PEOPLE if one not in into]
        seen = {"_batch_date": FIRST, "source": "s"}
        happened = [
            {**seen, "_node": f"n:{who}", "record_id": f"e{number}", "event_at": _noon(at), "event_date": at,
             "campaign_id": "spring", "event": what}
            for number, (who, what, at) in enumerate(self.events)
        ]  # fmt: skip
        bought = [
            {**seen, "_node": f"n:{who}", "record_id": f"t{number}", "event_at": _noon(at), "event_date": at,
             "amount": Decimal(amount), "status": status}
            for number, (who, at, amount, status) in enumerate(self.lines)
        ]  # fmt: skip
        of_campaign = {**seen, "record_id": "c", "campaign_id": "spring", "cost": Decimal(70), "starts_on": STARTS}
        return {
            PROFILE_TABLE: [{"customer_id": one} for one in known],
            IDENTITY_RECORD: [{"record_id": f"n:{one}", "customer_id": into.get(one, one)} for one in PEOPLE],
            IDENTITY_CHANGE: [
                {"run_id": "r", "date": day, "kind": "merge", "customer_id": kept, "from_ids": [one]}
                for one, kept in self.merges
            ],
            CAMPAIGN.table: [{**of_campaign, "ends_on": ENDS}],
            CAMPAIGN_EVENT.table: happened,
            TRANSACTION.table: bought,
            CONTACT.table: [
                {**seen, "_node": f"n:{who}", "record_id": f"c:{who}", "registered_at": _noon(at)}
                for who, at in self.registered
            ],
            GOLD_AUDIENCE_MEMBER: [
                {"date": day, "audience": "vip", "customer_id": one, "arm": arm} for one, arm in members.items()
            ],
        }  # fmt: skip


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def drawn(who: list[str]) -> dict[str, str]:
    return {one: "holdout" if one in HELD else "target" for one in who}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Everybody spends 10 before; then each of the target 10 and every second one 20 more, of the holdout nobody."""
    made = House(tmp_path)
    made.events = [(one, "sent", STARTS) for one in PEOPLE if one not in HELD]
    made.events += [("p20", "bounce", STARTS), ("p21", "convert", STARTS)]
    made.events += [(one, "click", STARTS) for one in PEOPLE[21:27]]
    made.lines = [(one, STARTS - timedelta(30), 10, "purchase") for one in PEOPLE]
    made.lines += [(one, STARTS, 10, "purchase") for one in PEOPLE if one not in HELD]
    made.lines += [(one, ENDS, 20, "purchase") for one in PEOPLE[10::2]]
    made.lines += [
        ("p11", ENDS, -10, "refund"),
        ("p12", ENDS, 999, "cancelled"),
        ("p00", ENDS + timedelta(1), 500, "purchase"),
    ]
    return made


def test_arms_are_those_of_the_last_night_before_and_their_figures_are_as_summed_by_hand(house: House) -> None:
    named = {"campaigns": ["spring", "sprnig"], "holdout": 0.25}
    assert house.night(FIRST, members=drawn(PEOPLE), **named) == []
    assert house.warnings == ["audience vip: campaigns: no source tells of a campaign 'sprnig' so far"]
    # the campaign moves people out of the audience, and others in: neither changes an arm
    for later in (STARTS, ENDS):
        rows = house.night(later, members=drawn(PEOPLE[5:15]), **named)
    target, holdout = sorted(rows, key=lambda row: row["arm"], reverse=True)
    assert (target["arm"], target["customers"], holdout["customers"]) == ("target", 30, 10)
    assert (target["reach"], target["response"], target["conversion"], target["cost"]) == (29, 6, 30, 70)
    assert target["revenue"] == 30 * 10 + 15 * 20 - 10
    assert (holdout["reach"], holdout["conversion"], holdout["revenue"]) == (0, 0, 0)
    assert target["uplift_revenue"] == pytest.approx(590 / 30) and target["uplift_conversion"] == 1
    assert target["claim"] == "it caused more conversion and more revenue" and target["over"]
    noted = {row["customer_id"]: (row["arm"], row["since"]) for row in house.lakehouse.rows(GOLD_CAMPAIGN_MEMBER)}
    assert noted == {one: (arm, FIRST) for one, arm in drawn(PEOPLE).items()}


def test_while_it_runs_the_days_so_far_count(house: House) -> None:
    house.night(FIRST, members=drawn(PEOPLE), campaigns=["spring"])
    rows = house.night(STARTS, members=drawn(PEOPLE), campaigns=["spring"])
    target = next(row for row in rows if row["arm"] == "target")
    assert (target["ends_on"], target["over"], target["revenue"]) == (STARTS, False, 300)
    assert target["uplift_conversion"] == 1 and target["claim"].startswith("nothing is claimed while it runs")


def test_who_was_merged_counts_once_and_in_no_arm_if_in_both(house: House) -> None:
    house.night(FIRST, members=drawn(PEOPLE), campaigns=["spring"])
    house.merges = [("p30", "p31"), ("p00", "p32")]  # two of the target; one of each arm
    rows = house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])
    assert {row["arm"]: row["customers"] for row in rows} == {"target": 28, "holdout": 9}
    target = next(row for row in rows if row["arm"] == "target")
    assert target["revenue"] == 590 - 30  # p30's now stand with p31's; p32's are left out


def test_who_was_forgotten_is_in_no_arm_that_is_noted_later(house: House) -> None:
    house.night(FIRST, members=drawn(PEOPLE))
    erasures.ask(house.lakehouse, entries_of([], [], ["p10"], KEYS[0]), {}, KEYS)
    house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])
    noted = {row["customer_id"] for row in house.lakehouse.rows(GOLD_CAMPAIGN_MEMBER)}
    assert noted == {*PEOPLE} - {"p10"}


def test_without_a_holdout_it_is_looked_back_on_and_no_cause_is_claimed(house: House) -> None:
    rows = house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])  # no night before it began
    sent, others = sorted(rows, key=lambda row: row["arm"], reverse=True)
    assert (sent["arm"], sent["customers"], others["customers"]) == ("sent", 30, 10)
    assert {sent["method"], others["method"]} == {"observational"}
    assert "no cause can be claimed" in sent["claim"]  # nothing is known of the weeks before
    assert house.lakehouse.rows(GOLD_CAMPAIGN_MEMBER) == []


def test_who_came_only_after_it_began_is_compared_with_nobody(house: House) -> None:
    """Newcomers had spent nothing before and buy because they come: among the others they would hide any effect."""
    newcomers = {*PEOPLE[:3], *PEOPLE[38:]}  # three who were not sent it, two who were
    house.lines = [line for line in house.lines if line[0] not in newcomers or line[1] >= STARTS]
    house.lines += [(one, ENDS, 500, "purchase") for one in PEOPLE[1:3]]
    house.registered = [("p00", STARTS - timedelta(1)), ("p01", STARTS)]  # one of them was known, though never bought
    rows = house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])
    sent, others = sorted(rows, key=lambda row: row["arm"], reverse=True)
    assert (sent["customers"], others["customers"], others["revenue"]) == (30 - 2, 10 - 2, 0)


def test_where_nobody_was_sent_it_all_who_were_known_are_others(house: House) -> None:
    house.events = []
    rows = house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])
    assert {row["arm"]: row["customers"] for row in rows} == {"sent": 0, "others": 40}


def test_the_same_night_again_gives_the_same(house: House, tmp_path: Path) -> None:
    first = [house.night(day, members=drawn(PEOPLE), campaigns=["spring"]) for day in (FIRST, ENDS)][-1]
    other = House(tmp_path / "other", events=house.events[::-1], lines=house.lines[::-1])
    again = [other.night(day, members=drawn(PEOPLE), campaigns=["spring"]) for day in (FIRST, ENDS)][-1]
    assert first == again


def test_members_of_campaigns_gone_by_are_not_taken_along(house: House) -> None:
    house.night(FIRST, members=drawn(PEOPLE), campaigns=["spring"])
    rows = house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"])
    size = 100_000
    gone_by = pa.table(
        {
            "campaign_id": ["winter"] * size, "audience": ["vip"] * size,
            "since": pa.array([FIRST] * size, pa.date32()),
            "customer_id": [f"w{number}" for number in range(size)], "arm": ["target", "holdout"] * (size // 2),
        }
    )  # fmt: skip
    house.lakehouse.write(GOLD_CAMPAIGN_MEMBER, gone_by, mode="append")
    version = house.lakehouse.version(GOLD_CAMPAIGN_MEMBER.name)
    last = releases.newest(house.lakehouse)
    assert last is not None and version is not None
    versions = {**last.versions, GOLD_CAMPAIGN_MEMBER.name: version}
    releases.publish(house.lakehouse, run_id="w", day=ENDS, cause="night", versions=versions, configuration="c")
    tracemalloc.start()
    try:
        assert house.night(ENDS, members=drawn(PEOPLE), campaigns=["spring"]) == rows
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # a dict each would take five times as much
    finally:
        tracemalloc.stop()
