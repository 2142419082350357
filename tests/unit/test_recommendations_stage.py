"""What the stage leaves where a fit of recommendations is refused, night after night. No Spark."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs import recommendations as stage
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.recommendations import Recommendations, parse_recommendations
from transforms.schemas import ENTITIES, GOLD_ASSOCIATION, GOLD_MODEL, GOLD_RECOMMENDATION

DAY = date(2026, 3, 1)
WANTED = (
    "association: {from: transaction, basket: order_id, of: category, min_support: 0.1}\n"
    "recommendation: {from: transaction, of: category, top: 2}\n"
)


class Shop:
    """Nights over one lakehouse. `takes`: customer -> items; `mined`: how often rules were looked for."""

    def __init__(self, folder: Path) -> None:
        self.lakehouse = Lakehouse(str(folder))
        self.takes = {f"c{n}": ["bread", "milk", *(["wine"] if n % 2 else [])] for n in range(8)}
        self.base: Release | None = None
        self.day = DAY
        self.mined = 0
        self.warned: list[str] = []

    def run(self, wanted: Recommendations) -> Night:
        conf: Any = SimpleNamespace(
            recommendations=wanted, tags={}, privacy=SimpleNamespace(smallest_group=5), root=Path("/nowhere"), hash="",
            pipeline=SimpleNamespace(timezone="UTC", mlflow=None),
        )  # fmt: skip
        self.warned.clear()
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=self.day, run_id=str(self.day), base=self.base,
            started_at=datetime(2026, 5, 1, tzinfo=UTC), on_warning=self.warned.append,
        )  # fmt: skip
        night.spark = None  # type: ignore[assignment,misc]  # nothing is read with it here
        if self.base is None:
            silver = ENTITIES["transaction"].table
            night.save(arrow_schema(silver).empty_table(), silver)
        stage.run(night)
        number = self.base.release + 1 if self.base else 1
        self.base = Release(number, night.run_id, self.day, night.started_at, "night", dict(night.versions), "")
        self.day += timedelta(days=1)
        return night

    def rules(self, *_: Any, **__: Any) -> tuple[list[dict[str, Any]], dict[str, float]]:
        self.mined += 1
        row = {"antecedent": ["bread"], "consequent": "milk", "support": 1.0, "confidence": 1.0, "lift": 1.0}
        return [{**row, "baskets": 8}], {"rules": 0.5, "popularity": 0.5}

    def bought(self, night: Night, *_: Any, **__: Any) -> pa.Table:
        rows = [
            {
                "customer_id": customer, "item": item, "weight": 1, "last": DAY, "weight_then": 1, "last_then": DAY,
                "after": False, "name": None,
            }
            for customer, items in self.takes.items()
            for item in items
        ]  # fmt: skip
        return pa.Table.from_pylist(rows)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path)
    monkeypatch.setattr(stage, "rules", made.rules)
    monkeypatch.setattr(stage, "bought", made.bought)
    yield made


def wanted(text: str = WANTED) -> Recommendations:
    return parse_recommendations(text)


def test_a_refused_fit_writes_nothing_and_is_not_tried_every_night(shop: Shop) -> None:
    shop.takes = {"c1": ["bread"]}
    night = shop.run(wanted())
    assert not night.has(GOLD_ASSOCIATION)
    assert not night.has(GOLD_RECOMMENDATION)
    assert shop.warned == ["recommendation: 0 items that at least 5 customers bought; nothing is recommended"]
    assert "0 items" in night.rows(GOLD_MODEL)[0]["quality"]
    shop.run(wanted())
    assert (shop.mined, shop.warned) == (1, [])
    shop.day = DAY + timedelta(days=30)
    shop.takes = Shop(Path("x")).takes
    night = shop.run(wanted())
    assert (shop.mined, night.rows(GOLD_MODEL)[0]["version"]) == (2, 1)
    assert night.count(GOLD_ASSOCIATION) == 1
    # of three items in question each customer is told two
    assert night.count(GOLD_RECOMMENDATION) == 8 * 2


def test_under_the_same_definition_what_was_fitted_last_recommends_on(shop: Shop) -> None:
    shop.run(wanted())
    shop.day = DAY + timedelta(days=30)
    shop.takes = {"c1": ["bread", "milk"]}
    night = shop.run(wanted())
    assert shop.warned == ["recommendation: 0 items that at least 5 customers bought; what was fitted last stays"]
    assert {row["customer_id"] for row in night.rows(GOLD_RECOMMENDATION)} == {"c1"}
    assert night.count(GOLD_ASSOCIATION) == 1


def test_under_another_definition_what_was_fitted_last_is_not_applied(shop: Shop) -> None:
    shop.run(wanted())
    shop.takes = {"c1": ["shop 7"]}
    other = wanted(WANTED.replace("of: category, top", "of: store_id, top"))
    for _ in range(2):
        night = shop.run(other)
        assert not night.has(GOLD_RECOMMENDATION)
        assert not night.has(GOLD_ASSOCIATION)
    assert shop.mined == 2


def test_all_are_never_on_the_driver_as_dicts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(night: Night) -> list[dict[str, Any]]:
        return sorted(night.rows(GOLD_RECOMMENDATION), key=lambda row: (row["customer_id"], row["rank"]))

    def taken(rows: Iterator[Any], most: int) -> list[Any]:
        at_once.append(len(found := list(islice(rows, most))))
        return found

    whole = told(shop.run(wanted()))
    at_once: list[int] = []
    monkeypatch.setattr(stage, "AT_ONCE", 5)
    monkeypatch.setattr(stage, "islice", taken)
    assert told(shop.run(wanted())) == whole
    assert at_once == [5, 5, 5, 1, 0]
