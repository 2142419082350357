"""The stage `segments` over nights in a lakehouse: when it judges, what it keeps, what later spend says of segments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs import segments as stage
from jobs.runtime import releases
from jobs.runtime.night import Ledger, Night
from jobs.runtime.releases import Release, last_before
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.profile import profile_table
from transforms.schemas import (
    ENTITIES,
    GOLD_SEGMENT_MIGRATION,
    GOLD_SEGMENT_PROFILE,
    GOLD_SEGMENTATION,
    GOLD_TAG_CHANGE,
    IDENTITY_RECORD,
)
from transforms.tags.definition import parse_tags

FIRST = date(2017, 3, 1)
HEAD = "title: {{en: {0}}}\ndescription: d\nowner: o\nstatus: online\ntag: {0}\n"
BODIES = {
    "orders": "purposes: [marketing]\nfrom: transaction\nselect: count(*)\n",
    "size": "cases: [{value: big, when: orders > 5}, {value: small, when: orders > 0}]\nsegmentation: {min_size: 30}\n",
}
CUSTOMERS = [f"c{place:03}" for place in range(100)]


@dataclass
class House:
    """Nights in one lakehouse, each from the release of the one before. No Spark."""

    lakehouse: Lakehouse
    bodies: dict[str, str] = field(default_factory=lambda: dict(BODIES))
    base: Release | None = None
    warned: list[str] = field(default_factory=list)

    def night(
        self, after: int, big: int, *, refit: bool = False, silent: Sequence[str] = (), changed: int | None = None
    ) -> Night:
        """The night so many days after the first; the first `big` customers have ten orders, the others one."""
        day = FIRST + timedelta(days=after)
        tags = parse_tags({f"t/{name}.yml": HEAD.format(name) + body for name, body in self.bodies.items()})
        conf: Any = SimpleNamespace(
            tags=tags, pipeline=SimpleNamespace(timezone="UTC"), privacy=SimpleNamespace(smallest_group=10)
        )
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=day, run_id=f"run-{after}", base=self.base, refit=refit,
            started_at=datetime.now(UTC), on_warning=self.warned.append,
        )  # fmt: skip
        night.finished["tags"] = Ledger(figures={"silent": dict.fromkeys(silent, "why")})
        orders = [10 if place < big else 1 for place in range(len(CUSTOMERS))]
        rows = [
            {
                "customer_id": c,
                "orders": n,
                "size": "big" if n > 5 else "small",
                "visits": n,
                "busy": "frequent" if n > 5 else "rare",
            }
            for c, n in zip(CUSTOMERS, orders, strict=True)
        ]
        self._save(night, profile_table(tags), rows)
        self._save(night, IDENTITY_RECORD, [{"record_id": f"r:{c}", "customer_id": c} for c in CUSTOMERS])
        # who was big at first spends 30 a night, the others 10
        lines = [
            {"_batch_date": day, "event_date": day, "_node": f"r:{c}", "status": "purchase",
             "amount": Decimal(30 if place < 40 else 10 + place % 2)}
            for place, c in enumerate(CUSTOMERS)
        ]  # fmt: skip
        self._save(night, ENTITIES["transaction"].table, lines, mode="append")
        if changed is not None:
            told = {"date": day, "run_id": night.run_id, "tag": "size", "cause": "time"}
            self._save(night, GOLD_TAG_CHANGE, [{**told, "customer_id": c} for c in CUSTOMERS[:changed]], mode="append")
        stage.run(night)
        self.base = releases.publish(
            self.lakehouse, run_id=night.run_id, day=day, cause="night", versions=night.versions, configuration=""
        )
        return night

    def _save(self, night: Night, table: Any, rows: list[dict[str, Any]], mode: Any = "overwrite") -> None:
        whole = [{name: row.get(name) for name in table.names} for row in rows]
        night.save(pa.Table.from_pylist(whole, arrow_schema(table)), table, mode=mode)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Lakehouse(str(tmp_path)))


def judged(night: Night) -> dict[str, Any]:
    [row] = night.rows(GOLD_SEGMENTATION)
    return row


def test_segments_are_judged_once_and_again_when_due(house: House) -> None:
    first = judged(house.night(0, 40))
    assert (first["date"], first["coverage"], first["smallest"], first["segments"]) == (FIRST, 1.0, 40, 2)
    assert (first["explained"], first["value_from"], first["moved"]) == (None, None, None)
    second = house.night(1, 20)
    assert judged(second) == first
    moves = {(row["from_value"], row["to_value"]): row["customers"] for row in second.rows(GOLD_SEGMENT_MIGRATION)}
    assert moves == {("big", "big"): 20, ("big", "small"): 20, ("small", "small"): 60}
    # a week on, a night's segments can be held against what was spent since, and from then on once in thirty days
    third = judged(house.night(8, 20))
    assert (third["date"], third["value_from"]) == (FIRST + timedelta(days=8), FIRST)
    assert third["explained"] > 0.99  # the 40 who were big then spend thrice what the others do
    assert judged(house.night(20, 20)) == third
    fourth = judged(house.night(38, 20))
    assert (fourth["date"], fourth["value_from"]) == (FIRST + timedelta(days=38), FIRST + timedelta(days=8))
    # of that night's 20 big ones all spend 30, as do 20 of the 80 others
    assert 0.1 < fourth["explained"] < 0.5
    assert house.warned == ["size: actionable: fewer than 30 customers in big"] * 2


def test_who_moved_is_told_the_night_after_a_first_judgement(house: House) -> None:
    first = judged(house.night(0, 40))
    assert first["moved_without_facts"] is None
    second = judged(house.night(1, 20, changed=20))
    line = "stable: 20% moved without new facts"
    assert second == {**first, "moved": 0.2, "moved_without_facts": 0.2, "warnings": [line]}
    assert house.warned == [f"size: {line}"]
    assert judged(house.night(2, 40, changed=7)) == second  # once, and then at the next judgement


def test_moves_of_few_are_not_told(house: House) -> None:
    house.night(0, 40)
    moves = house.night(1, 37).rows(GOLD_SEGMENT_MIGRATION)
    told = {(row["from_value"], row["to_value"]): row["customers"] for row in moves}
    assert told == {("big", "big"): 37, ("big", "small"): None, ("small", "small"): 60}


def test_nothing_is_published_of_a_sensitive_segmentation_or_for_another_purpose(house: House) -> None:
    compared = {row["tag"] for row in house.night(0, 40).rows(GOLD_SEGMENT_PROFILE)}
    assert compared == {None, "orders"}
    house.bodies["size"] += "purposes: [service]\n"  # of a marketing tag, which may only be compared for marketing
    house.bodies["orders"] = house.bodies["orders"].replace("[marketing]", "[marketing, service]")
    house.bodies["visits"] = "purposes: [marketing]\nfrom: transaction\nselect: count(*)\n"
    assert {row["tag"] for row in house.night(1, 40, refit=True).rows(GOLD_SEGMENT_PROFILE)} == {None, "orders"}
    house.bodies["size"] += "sensitivity: sensitive\n"
    night = house.night(2, 10)
    assert not night.has(GOLD_SEGMENTATION) and not night.has(GOLD_SEGMENT_PROFILE)
    assert not [row for row in night.rows(GOLD_SEGMENT_MIGRATION) if row["date"] == night.day]


def test_another_definition_or_a_refit_is_judged_at_once(house: House) -> None:
    house.night(0, 40)
    assert judged(house.night(1, 40, refit=True))["date"] == FIRST + timedelta(days=1)
    house.bodies["size"] = house.bodies["size"].replace("min_size: 30", "min_size: 50")
    again = judged(house.night(2, 40))
    assert (again["date"], again["warnings"]) == (
        FIRST + timedelta(days=2),
        ["actionable: fewer than 50 customers in big"],
    )
    house.bodies["size"] = house.bodies["size"].partition("segmentation")[0]
    night = house.night(3, 40)
    assert not night.has(GOLD_SEGMENTATION) and not night.has(GOLD_SEGMENT_PROFILE)


def test_what_a_silent_source_leaves_unknown_keeps_its_last_judgement(house: House) -> None:
    house.bodies["busy"] = (
        "cases: [{value: frequent, when: visits > 5}, {value: rare, when: visits > 0}]\nsegmentation: {}\n"
    )
    house.bodies["visits"] = "purposes: [marketing]\nfrom: web_event\nselect: count(*)\n"

    def told(night: Night) -> tuple[dict[str, Any], list[Any]]:
        of_size = [row for row in night.rows(GOLD_SEGMENT_PROFILE) if row["segmentation"] == "size"]
        return {row["segmentation"]: row for row in night.rows(GOLD_SEGMENTATION)}, of_size

    first, described = told(house.night(0, 40))
    second, still = told(house.night(1, 20, refit=True, silent=["orders"]))
    assert (second["size"], still) == (first["size"], described)
    assert (first["busy"]["smallest"], second["busy"]["smallest"]) == (40, 20)
    assert told(house.night(40, 10, silent=["orders", "visits"])) == (second, still)  # nothing is left to judge
    assert told(house.night(41, 10))[0]["size"]["smallest"] == 10  # and then it is due


def test_a_second_state_of_a_day_follows_what_its_night_followed(house: House) -> None:
    house.night(0, 40)
    house.night(1, 40)
    second = house.base
    assert second is not None
    before = last_before(house.lakehouse, second, second.date)
    assert before is not None and before.release == 1
    assert last_before(house.lakehouse, second, FIRST + timedelta(days=2)) == second
    assert last_before(house.lakehouse, before, FIRST) is None
