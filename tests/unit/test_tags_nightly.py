"""A night that looks again at whom its news reaches tells what the whole computation tells, whatever came and went."""

import json
import random
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from identity_tables import save_rows
from pyspark.sql import SparkSession

from jobs import tags as stage
from jobs.engines import node_rows, reached
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.run_notes import code_version
from jobs.runtime.tables import Lakehouse
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, IDENTITY_RECORD, OPS_RUN, OPS_STAGE
from transforms.tags.definition import parse_tags
from transforms.tags.items import items_of

HEAD = "tag: {}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"
OVER = "from: transaction\n"
BODIES = {
    "spend": OVER + "type: number\nselect: sum(amount)\nwindow: 3d\ndefault: 0",
    "ever": OVER + "type: number\nselect: sum(amount)\nwhere: quantity > 1",
    "mean": OVER + "type: number\nselect: avg(amount)\nwindow: 7d\nper: 30d",
    "kinds": OVER + "type: integer\nselect: count(distinct category)\nwindow: 7d\ndefault: 0",
    "middle": OVER + "type: number\nselect: median(amount)\nwindow: 3d",
    "dearest": OVER + "type: text\nselect: max_by(category, amount)\nwindow: 3d",
    "idle": OVER + "type: integer\nselect: datediff(as_of, max(ordered_at))\nwindow: 7d\ndefault: -1",
    "old": OVER + "type: number\nselect: sum(if(event_date <= date_sub(as_of, 2), amount, 0))\nwindow: 7d",
    "ancient": OVER + "type: number\nselect: sum(if(event_date > date_sub(as_of, 9999999), amount, 0))",
    "lately": OVER + "type: integer\nselect: count(*)\nwhere: datediff(as_of, ordered_at) < 2",
    "newest": OVER + "type: text\nlast: category\nwindow: 7d",
    "earliest": OVER + "type: text\nfirst: category",
    "likes": OVER + "type: list\npreference: {of: category, weight: amount, top: 2}\nwindow: 7d",
    "fades": OVER + "type: list\npreference: {of: category, weight: amount, top: 2, half_life: 2d}",
    "rfm": OVER
    + "model: rfm\nrecency: ordered_at\nfrequency: count(distinct order_id)\nmonetary: sum(amount)\nwindow: 7d\n"
    + "scores: 2\ncases: [{value: best, when: r = 2 and f = 2}, {value: rest, when: r >= 1}]",
}
DAY = date(2026, 3, 1)
TABLES = ("tag/transaction", "tag/customer")
AGEING = {"lately"}


class Shop:
    """Order lines as nights land, replace and close them, of cards that change hands."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[dict[str, Any]] = []
        self.owners = {f"till:{card}": f"c{card // 2}" for card in range(60)}
        self.unknown = {"c28", "c29"}

    def land(self, day: date) -> None:
        for line in self.random.sample(self.lines, min(3, len(self.lines))):
            if line["_valid_to"] is None:
                line["_valid_to"] = day  # replaced where it comes again, else ended
                if self.random.random() < 0.5:
                    self._line(day, line["_node"])
        for _ in range(5 if self.lines else 90):
            self._line(day, f"till:{self.random.randrange(60)}")
        if day > DAY:
            self.owners[f"till:{self.random.randrange(50)}"] = f"c{self.random.randrange(25)}"
            self.unknown -= {f"c{self.random.randrange(28, 30)}"}

    def _line(self, day: date, node: str) -> None:
        """One of the last ten days, or of the day after: it is not seen before."""
        ago = self.random.choice([-1, *range(10)])
        at = datetime(day.year, day.month, day.day, self.random.randrange(24), tzinfo=UTC) - timedelta(days=ago)
        place = len(self.lines)
        self.lines.append({
            "_batch_date": day, "_valid_to": None, "event_at": at, "event_date": at.date(), "source": "till",
            "record_id": f"till:{place}", "_node": node, "order_id": f"o{place // 3}", "ordered_at": at,
            "amount": Decimal(self.random.randrange(1, 5000)) / 100, "quantity": Decimal(self.random.randrange(1, 4)),
            "category": self.random.choice("abcdef"),
            "status": self.random.choice(["purchase", "purchase", "return", "cancelled"]),
        })  # fmt: skip

    def save(self, night: Night) -> None:
        save_rows(night, ENTITIES["transaction"].table, self.lines)
        save_rows(night, IDENTITY_RECORD, [{"record_id": n, "customer_id": c} for n, c in self.owners.items()])
        known = sorted({*self.owners.values()} - self.unknown)
        save_rows(night, GOLD_CUSTOMER, [{"customer_id": customer} for customer in known])


def _night(
    spark: SparkSession, lakehouse: Lakehouse, day: date, base: Release | None, *, whole: bool = False,
    tags: Collection[str] = tuple(BODIES),
) -> Night:  # fmt: skip
    files = {f"t/{name}.yml": HEAD.format(name) + BODIES[name] + "\n" for name in tags}
    conf: Any = SimpleNamespace(
        tags=parse_tags(files), pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None), imports={}, sources={},
        hash="1",
    )  # fmt: skip
    night = Night(
        conf=conf, lakehouse=lakehouse, day=day, run_id=f"run-{day}-{whole}", base=base, full_refresh=whole,
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    night.spark = spark  # type: ignore[misc]
    if base is not None:
        night.versions = lakehouse.roll_back(base.versions)
    return night


def _note(night: Night, code: str | None = None, silent: tuple[str, ...] = (), configuration: str = "1") -> None:
    """What a released night leaves in ops/."""
    told = {"run_id": night.run_id, "date": night.day, "at": datetime(2026, 3, 1, tzinfo=UTC), "seconds": 1.0}
    run = {"status": "released", "started_at": told["at"], "configuration": configuration}
    run["code_version"] = code or code_version()
    night.lakehouse.append(OPS_RUN, [{**told, **run}])
    figures = json.dumps({**night.stage.figures, "silent": dict.fromkeys(silent, "why")})
    done = {"stage": "tags", "status": "done", "rows": 1, "inputs": {}, "outputs": dict(night.stage.outputs)}
    night.lakehouse.append(OPS_STAGE, [{**told, **done, "figures": figures}])


def _released(night: Night, number: int) -> Release:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Release(number, night.run_id, night.day, at, "night", dict(night.versions), "1")


def _run(night: Night, shop: Shop) -> Night:
    shop.save(night)
    stage.run(night)
    return night


def _results(night: Night, table: str) -> list[Any]:
    """The table's rows, without what is kept for the next night: of no rows at all it is NULL, where none counts 0."""
    frame = night.load(table)
    return frame.select([name for name in frame.columns if not name.startswith("_")]).collect()


@pytest.fixture
def looked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the rows are, and however much of them is to be looked at."""
    monkeypatch.setattr(stage, "FEW_ROWS", 0)
    monkeypatch.setattr(reached, "MOST", 1)


@pytest.mark.usefixtures("looked_again")
@pytest.mark.parametrize("tags", [{*BODIES}, {"spend"}, AGEING], ids=["of every kind", "of a window", "that age"])
def test_what_is_new_gives_what_the_whole_gives(
    spark: SparkSession, tmp_path, monkeypatch: pytest.MonkeyPatch, tags: Collection[str]
):
    lakehouse, shop, base = Lakehouse(str(tmp_path)), Shop(3), None
    for number, later in enumerate((0, 1, 2, 4)):
        day = DAY + timedelta(days=later)
        shop.land(day)
        for module in (reached, node_rows):
            monkeypatch.setattr(module, "FEW_ROWS", 0 if number == 2 else 100_000)
        told = []
        for whole in (True, False):
            night = _run(_night(spark, lakehouse, day, base, whole=whole, tags=tags), shop)
            told.append({table: sorted(map(str, _results(night, table))) for table in TABLES})
            assert ("reached_transaction" in night.stage.figures) == (base is not None and not whole and tags != AGEING)
        assert told[0] == told[1]
        _note(night)
        base = _released(night, number)
    assert tags == AGEING or 0 < night.stage.figures["reached_transaction"] < 30


@pytest.mark.usefixtures("looked_again")
@pytest.mark.parametrize(
    "case", ["code", "silent", "configuration", "override of another", "full refresh", "rows gone", "most reached"]
)
def test_the_whole_is_worked_out_where_the_last_night_does_not_tell(
    spark: SparkSession, tmp_path, monkeypatch: pytest.MonkeyPatch, case: str
):
    lakehouse, shop = Lakehouse(str(tmp_path)), Shop(1)
    shop.land(DAY)
    night = _run(_night(spark, lakehouse, DAY, None), shop)
    _note(
        night, code="older" if case == "code" else None, silent=("spend",) if case == "silent" else (),
        configuration="2" if case == "override of another" else "1",
    )  # fmt: skip
    again = _night(spark, lakehouse, DAY + timedelta(days=1), _released(night, 1), whole=case == "full refresh")
    if case == "configuration":
        again.conf.hash = "2"
    if case == "rows gone":
        shop.lines = shop.lines[5:]
    if case == "most reached":
        monkeypatch.setattr(reached, "MOST", 0.1)
    shop.land(again.day)
    assert "reached_transaction" not in _run(again, shop).stage.figures


@pytest.mark.parametrize(("where", "crossed", "ages"), [
    ("event_date >= date_sub(as_of, 5)", {6}, False),
    ("event_date between date_sub(as_of, 9) and date_sub(as_of, 4)", {10, 4}, False),
    ("not event_date < date_sub(as_of, 5)", {6}, False),
    ("date_sub(as_of, 5) < event_date", set(), True),
    ("event_date = date_sub(as_of, 5)", set(), True),
    ("ordered_at > as_of - interval 5 days", set(), True),
    ("from_json(product_id, 'struct<event_date:date>').event_date > date_sub(as_of, 5)", {5}, True),
    ("exists(from_json(product_id, 'array<date>'), event_date -> event_date > date_sub(as_of, 5))", {5}, True),
    ("from_json(product_id, 'struct<event_date:date>').event_date <= to_date(as_of)", set(), True),
])  # fmt: skip
def test_on_which_days_a_row_begins_to_count_otherwise(where: str, crossed: set[int], ages: bool):
    text = HEAD.format("a") + OVER + f"type: integer\nselect: count(*)\nwhere: {json.dumps(where)}\nwindow: 7d\n"
    item = items_of(parse_tags({"t/a.yml": text})["a"], timezone="UTC")[0]
    assert (item.crossed, item.ages) == ({7, *crossed}, ages)
