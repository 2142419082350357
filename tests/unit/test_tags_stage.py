"""The stage `tags` on real tables: what it writes, which models it keeps, what it says."""
# ruff: noqa: E501  (YAML on one line)

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs import tags as stage
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.errors import DataError
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, GOLD_MODEL, IDENTITY_RECORD, LEDGER
from transforms.tags.definition import parse_tags
from transforms.tags.imports import parse_import

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\n"
PURPOSES = "purposes: [marketing]\n"
BODIES = {
    "spend": PURPOSES + "from: transaction\nselect: sum(amount)\ndefault: 0\nchecks: [{expect: value < 500}]",
    "visits": PURPOSES + "from: web_event\nselect: count(*)\ndefault: 0",
    "city": PURPOSES + "from: customer\nselect: city",
    "big": "select: spend >= 100",
    "rfm": PURPOSES
    + "model: rfm\nfrom: transaction\nwhere: status = 'purchase'\nrecency: ordered_at\nfrequency: count(distinct order_id)\n"
    + "monetary: sum(amount)\nwindow: 365d\nscores: 2\ncases: [{value: best, when: r = 2 and f = 2}, {value: rest, when: r >= 1}]",
    "behaviour": "model: kmeans\nfeatures: [spend, rfm_frequency]\nk: 2..3",
}
FIRST = date(2017, 6, 1)
# customer -> (order, days before, amount); c4 bought nothing, x is nobody we know
Bought = dict[str, list[tuple[str, int, int | str]]]
BOUGHT: Bought = {
    "c1": [("a", 1, 100), ("b", 2, 50), ("c", 3, 25)],
    "c2": [("d", 5, 10), ("e", 50, 10)],
    "c3": [("f", 100, 40)],
    "x": [("g", 1, 999)],
}


@dataclass
class Nights:
    """A lakehouse, and nights in it that start from the release of the one before."""

    spark: SparkSession
    lakehouse: Lakehouse
    bodies: dict[str, str] = field(default_factory=lambda: dict(BODIES))
    base: Release | None = None
    warned: list[str] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)  # tag -> the text of its list

    def run(self, day: date = FIRST, bought: Bought = BOUGHT, run_on: date | None = None, **options: Any) -> Night:
        """`day`: the date of the newest extract, and of the night unless `run_on` says otherwise."""
        files = {f"tags/{name}.yml": HEAD.format(tag=name) + body + "\n" for name, body in self.bodies.items()}
        tags = parse_tags(files)
        imports = {
            name: parse_import({"l.csv": text}, tags[name], types=["crm_id"]) for name, text in self.lists.items()
        }
        conf: Any = SimpleNamespace(
            tags=tags, pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None), imports=imports, sources={}
        )
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=run_on or day, run_id=f"run-{day}", started_at=datetime(2017, 6, 1, tzinfo=UTC),
            base=self.base, on_warning=self.warned.append, **options,
        )  # fmt: skip
        night.spark = self.spark  # type: ignore[misc]
        self._write(night, day, bought)
        stage.run(night)
        number = self.base.release + 1 if self.base else 1
        self.base = Release(
            number, night.run_id, day, datetime(2017, 6, 1, tzinfo=UTC), "night", dict(night.versions), ""
        )
        return night

    def _write(self, night: Night, day: date, bought: Bought) -> None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        lines = [
            (day, (noon - timedelta(days=ago)).date(), noon - timedelta(days=ago), "pos", f"pos:{c}", order,
             noon - timedelta(days=ago), Decimal(amount), "purchase")
            for c, orders in bought.items() for order, ago, amount in orders
        ]  # fmt: skip
        schema = (
            "_batch_date date, event_date date, event_at timestamp, source string, _node string, order_id string, "
            "ordered_at timestamp, amount decimal(18,4), status string"
        )
        night.save(self.spark.createDataFrame(lines, schema), ENTITIES["transaction"].table)
        more = sorted({*bought} - {"c1", "c2", "c3", "x"})
        nodes = [(f"pos:{c}", c) for c in ("c1", "c2", "c3", "x", *more)]
        night.save(self.spark.createDataFrame(nodes, "record_id string, customer_id string"), IDENTITY_RECORD)
        owned = [("crm_id", c, c, True, day, None if c != "c3" else day) for c in ("c1", "c2", "c3")]
        ledger = "id_type string, id_value string, customer_id string, known boolean, valid_from date, valid_to date"
        night.save(self.spark.createDataFrame([*owned, ("crm_id", "x", "x", False, day, None)], ledger), LEDGER)
        people = [(c, f"city of {c}") for c in ("c1", "c2", "c3", "c4", *more)]
        night.save(self.spark.createDataFrame(people, "customer_id string, city string"), GOLD_CUSTOMER)


@pytest.fixture
def nights(spark: SparkSession, tmp_path: Path) -> Nights:
    return Nights(spark, Lakehouse(str(tmp_path / "lakehouse")))


def values(night: Night, table: str) -> dict[str, dict[str, Any]]:
    rows = night.load(table).collect()
    return {row.customer_id: {k: v for k, v in row.asDict().items() if k != "customer_id"} for row in rows}


def models(night: Night) -> dict[str, int]:
    return {row.tag: row.version for row in night.load(GOLD_MODEL).collect()}


def test_a_night_of_tags(nights: Nights) -> None:
    nights.bodies["hidden"] = "sensitivity: sensitive\nmodel: lifecycle\nstages: [{value: a, when: spend >= 0}]"
    night = nights.run()
    assert {customer: row["spend"] for customer, row in values(night, "tag/transaction").items()} == {
        "c1": 175.0, "c2": 20.0, "c3": 40.0, "c4": 0.0,
    }  # fmt: skip
    found = values(night, "tag/customer")
    assert {c: (row["city"], row["big"]) for c, row in found.items()} == {
        "c1": ("city of c1", True),
        "c2": ("city of c2", False),
        "c3": ("city of c3", False),
        "c4": ("city of c4", False),
    }
    # three buyers: recency 1, 5, 100 days, frequency 3, 2, 1, value 175, 20, 40; of each the better half scores 2
    assert {c: (row["rfm_r"], row["rfm_f"], row["rfm_m"], row["rfm_segment"]) for c, row in found.items()} == {
        "c1": (2, 2, 2, "best"), "c2": (2, 1, 1, "rest"), "c3": (1, 1, 1, "rest"), "c4": (None, None, None, None),
    }  # fmt: skip
    assert {row["behaviour_segment"] is None for row in found.values()} == {False}
    assert night.stage.figures["rfm_segment"] == {"best": 1, "rest": 2}
    assert sum(night.stage.figures["behaviour_segment"].values()) == 4
    assert {row["hidden_stage"] for row in found.values()} == {"a"} and "hidden_stage" not in night.stage.figures
    assert night.stage.figures["tags"] == 7
    assert models(night) == {"behaviour": 1, "rfm": 1}
    # nobody has ever seen the site: no table, and a line that says so
    assert not night.has("tag/web_event")
    assert nights.warned == ["web_event: no source has ever come; its 1 tags are NULL"]


def test_models_are_kept_until_they_are_due(nights: Nights) -> None:
    nights.run()
    changed = {**BOUGHT, "c3": [("f", 1, 4000), ("h", 2, 4000), ("i", 3, 4000), ("j", 4, 4000)]}
    kept = nights.run(FIRST + timedelta(days=29), changed)
    assert models(kept) == {"behaviour": 1, "rfm": 1}
    # scored with the kept cut points, c3 has moved because c3 has changed
    assert values(kept, "tag/customer")["c3"]["rfm_segment"] == "best"
    assert models(nights.run(FIRST + timedelta(days=40), changed, full_refresh=True)) == {"behaviour": 1, "rfm": 1}
    assert models(nights.run(FIRST + timedelta(days=30), changed)) == {"behaviour": 2, "rfm": 2}  # due
    nights.bodies["spend"] = nights.bodies["spend"].replace("sum(amount)", "sum(amount) * 2")
    assert models(nights.run(FIRST + timedelta(days=32), changed)) == {"behaviour": 3, "rfm": 2}


def test_a_model_that_will_not_fit_is_null_and_later_keeps_the_released_one(nights: Nights) -> None:
    nothing = {"x": [("g", 1, 999)]}
    night = nights.run(bought=nothing)
    assert {row["rfm_segment"] for row in values(night, "tag/customer").values()} == {None}
    assert not night.has(GOLD_MODEL)
    assert [line.split(":")[0] for line in nights.warned] == ["web_event", "rfm", "behaviour"]
    assert all(line.endswith("is NULL tonight") for line in nights.warned[1:])
    nights.run()
    nights.warned.clear()
    kept = nights.run(FIRST + timedelta(days=60), nothing)
    assert models(kept) == {"behaviour": 1, "rfm": 1}
    assert all(line.endswith("the released model stays") for line in nights.warned[1:])


def test_a_silent_source_is_null_after_its_age(nights: Nights) -> None:
    nights.bodies = {
        "spend": BODIES["spend"] + "\nmax_age: 2d",
        "orders": PURPOSES + "from: transaction\nselect: count(*)",
    }
    two_days_on = values(nights.run(FIRST, run_on=FIRST + timedelta(days=2)), "tag/transaction")
    assert two_days_on["c1"] == {"orders": 3, "spend": 175.0}
    assert nights.warned == []
    three_days_on = values(nights.run(FIRST, run_on=FIRST + timedelta(days=3)), "tag/transaction")
    assert three_days_on["c1"] == {"orders": 3, "spend": None}
    assert nights.warned == ["spend: transaction has been silent since 2017-06-01, longer than 2d: NULL"]


def test_a_model_over_a_silent_source_is_null_and_not_fitted(nights: Nights) -> None:
    nights.bodies["spend"] += "\nmax_age: 2d"
    nights.bodies["worth"] = "select: spend * 2"  # the model is built on spend through it
    nights.bodies["behaviour"] = nights.bodies["behaviour"].replace("spend", "worth")
    nights.run()
    nights.warned.clear()
    late = FIRST + timedelta(days=31)  # a refit is due, of rfm too
    silent = nights.run(FIRST, run_on=late)
    found = values(silent, "tag/customer").values()
    assert {(row["worth"], row["behaviour_segment"], row["behaviour_distance"]) for row in found} == {(None,) * 3}
    assert models(silent) == {"behaviour": 1, "rfm": 2}
    why = "transaction has been silent since 2017-06-01, longer than 2d"
    assert sorted(nights.warned)[:2] == [f"behaviour: spend: {why}: NULL", f"spend: {why}: NULL"]
    assert silent.stage.figures["silent"] == {"behaviour": f"spend: {why}", "spend": why}
    assert silent.stage.figures["behaviour_segment"] == {}
    again = nights.run(late)  # it has come again: what was due is fitted
    assert models(again) == {"behaviour": 2, "rfm": 2}
    assert None not in {row["behaviour_segment"] for row in values(again, "tag/customer").values()}


def test_a_refit_is_made_when_it_is_asked_for(nights: Nights) -> None:
    nights.bodies = {"rfm": BODIES["rfm"]}
    nights.run()
    assert models(nights.run(FIRST + timedelta(days=1), refit=True)) == {"rfm": 2}


def test_a_refit_sends_nobody_to_another_segment(nights: Nights) -> None:
    """A cloud has no clusters: any k is as good as the next, and with other luck most would be sent elsewhere."""
    cloud = np.random.default_rng(1).normal(10, 2, (400, 2)).round(4)
    bought: Bought = {f"k{n:03}": [("a", 1, str(a)), ("b", 1, str(b))] for n, (a, b) in enumerate(cloud)}
    spent = PURPOSES + "from: transaction\nwhere: order_id = '{}'\nselect: sum(amount)"
    group = "model: kmeans\nfeatures: [in_a, in_b]\nk: 3..6\nseed: {}"
    nights.bodies = {"in_a": spent.format("a"), "in_b": spent.format("b"), "group": group.format(1)}

    def run(number: int) -> dict[str, str]:
        night = nights.run(FIRST + timedelta(days=number), bought, refit=True)
        assert models(night) == {"group": number}
        return {customer: row["group_segment"] for customer, row in values(night, "tag/customer").items()}

    first = run(1)
    nights.bodies["group"] = group.format(10)  # other halvings, other starts
    second = run(2)
    assert {*second.values()} == {*first.values()}
    assert sum(segment != first[customer] for customer, segment in second.items()) < 0.1 * len(first)


def test_checks_warn_or_stop(nights: Nights) -> None:
    nights.bodies = {"spend": BODIES["spend"].replace("value < 500", "value < 100")}
    nights.run()
    assert nights.warned == ["spend: 1 of 4 values fail the check: value < 100"]
    nights.bodies = {"spend": BODIES["spend"].replace("value < 500", "value < 100, mostly: 0.7")}
    nights.warned.clear()
    nights.run()
    assert nights.warned == []
    nights.bodies = {"spend": BODIES["spend"].replace("value < 500", "value < 100, on_fail: stop")}
    with pytest.raises(DataError, match=r"^spend: 1 of 4 values fail the check: value < 100$"):
        nights.run()


def test_an_entity_that_loses_its_tags_leaves_the_state(nights: Nights) -> None:
    nights.run()
    nights.bodies = {"city": BODIES["city"]}
    night = nights.run(FIRST + timedelta(days=1))
    assert not night.has("tag/transaction")
    assert list(values(night, "tag/customer")["c1"]) == ["city"]


ACROSS = {
    "again": PURPOSES + "sequence: [{event: transaction}, {event: transaction, within: 3d}]\ntype: integer\ndefault: 0",
    "came_back": PURPOSES + "sequence: [{event: web_event}, {event: transaction}]\ndefault: false",
    "largest": PURPOSES
    + "sql: select customer_id, max(spent) as value from (select customer_id, order_id, sum(amount) as spent from {transaction} group by customer_id, order_id) o group by customer_id\ndefault: 0",
    "every_order": PURPOSES + "sql: select customer_id, order_id as value from {transaction}",
    "vip": PURPOSES + "import: vip.csv\ntype: enum\nvalues: [gold, silver]\ndefault: silver",
    "gone": PURPOSES + "import: gone.csv\ntype: boolean",
    "regular": "cases: [{value: 'yes', when: again >= 2 and vip = 'gold'}]\ndefault: 'no'",
}


def test_tags_that_no_single_entity_gives(nights: Nights) -> None:
    header = "id_type,id_value,value\n"
    nights.bodies = dict(ACROSS)
    nights.lists = {"vip": header + "crm_id,c1,gold\ncrm_id,x,gold\n", "gone": header + "crm_id,c3,true\n"}
    night = nights.run()
    # c1 bought 1, 2 and 3 days ago, so twice again within three days; c2's orders lie 45 days apart
    assert values(night, "tag/across") == {
        "c1": {"again": 2, "came_back": None, "largest": 100.0, "every_order": None, "vip": "gold", "gone": None},
        "c2": {"again": 0, "came_back": None, "largest": 10.0, "every_order": None, "vip": "silver", "gone": None},
        "c3": {"again": 0, "came_back": None, "largest": 40.0, "every_order": "f", "vip": "silver", "gone": None},
        "c4": {"again": 0, "came_back": None, "largest": 0.0, "every_order": None, "vip": "silver", "gone": None},
    }
    assert {c: row["regular"] for c, row in values(night, "tag/customer").items()} == {
        "c1": "yes", "c2": "no", "c3": "no", "c4": "no",
    }  # fmt: skip
    assert nights.warned == [
        "came_back: no source of web_event has ever come; it is NULL",
        "every_order: sql gives 2 customers several rows: NULL; group by customer_id",
        "gone: none of the 1 identifiers of gone.csv is a known customer's as of 2017-06-01; "
        "are they written as the sources give them?",
    ]
    assert night.stage.figures["imported vip"] == {"lines": 2, "customers": 1}


def test_a_sequence_over_a_silent_source_is_null(nights: Nights) -> None:
    nights.bodies = {"again": ACROSS["again"] + "\nmax_age: 2d"}
    assert values(nights.run(FIRST, run_on=FIRST + timedelta(days=2)), "tag/across")["c1"] == {"again": 2}
    assert values(nights.run(FIRST, run_on=FIRST + timedelta(days=3)), "tag/across")["c1"] == {"again": None}
    assert nights.warned == ["again: transaction has been silent since 2017-06-01, longer than 2d: NULL"]
    nights.bodies = {"city": BODIES["city"]}
    assert not nights.run(FIRST + timedelta(days=4)).has("tag/across")
