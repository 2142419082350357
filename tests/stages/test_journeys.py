"""Orders, visits and paths, by hand arithmetic; the two engines that make them agree."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs import journeys
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, GOLD_JOURNEY, GOLD_ORDER, GOLD_SESSION, IDENTITY_RECORD, Table

DAY = date(2026, 3, 20)
Rows = list[dict[str, Any]]


def moment(day: int, clock: str = "10:00:00") -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02d}T{clock}+00:00")


def line(order: str, day: int, amount: int | None, node: str | None = "a", **more: Any) -> dict[str, Any]:
    status = "refund" if amount is not None and amount < 0 else "purchase"
    values = {
        "order_id": order,
        "ordered_at": moment(day),
        "amount": amount,
        "quantity": 1 if status == "purchase" else -1,
    }
    return event(day, "10:00:00", node) | values | {"status": status, "discount": 0, "channel": "store"} | more


def event(day: int, clock: str, node: str | None, **more: Any) -> dict[str, Any]:
    at = moment(day, clock)
    own = {"event_at": at, "occurred_at": at, "event_date": at.date(), "_node": node, "source": "s"}
    return own | {"_batch_date": DAY, "_valid_to": None} | more


def hit(clock: str, node: str, path: str | None, what: str = "view", day: int = 1, **more: Any) -> dict[str, Any]:
    return event(day, clock, node, path=path, event_type=what, event_id=f"{node}{day}{clock}") | more


LINES = [
    line("o1", 1, 10, coupon="TEN", store_id="s1"),
    line("o1", 1, 5, discount=2, store_id="s2"),
    line("o2", 4, 20, store_id="s1"),
    line("o2", 4, -20, store_id="s1"),
    line("o3", 5, -5),
    line("o4", 9, 7),
    line("o4", 9, None),
    line("o5", 9, 3, node=None),
    line("o6", 9, 3, status="cancelled"),
    line("o7", 2, 4, node="b"),
    line("o8", 3, 99, _valid_to=DAY),  # another version took its place
    line("o9", 21, 99),  # after the night's end
    line("o10", 10, 8, node="b", _valid_to=DAY + timedelta(days=1)),  # which tonight does not know yet
]
HITS = [
    hit("10:00:00", "a", "/", session_id="v1", device_type="mobile"),
    hit("10:00:30", "a", "/product/17", "product", session_id="v1", product_id="17", device_type="tablet"),
    hit("10:00:40", "a", "/product/17", "product", session_id="v1", product_id="17"),
    hit("10:01:00", "a", "/cart", "cart", session_id="v1", is_bot=True),
    hit("10:02:05", "a", "/ann@x.org/orders", session_id="v1"),
    hit("09:00:00", "a", None, "checkout", day=6, session_id="v2", app_version="3.1"),
    hit("09:00:00", "a", "/", day=7),  # of no visit
    hit("11:00:00", "b", "/product/9", "product", session_id="v3", product_id="9"),
    hit("11:00:09", "b", "/", "ann calls", session_id="v3"),
]
CALLS = [
    event(2, "12:00:00", "a", channel="phone", kind="call"),
    event(2, "12:00:00", "a", channel="phone", kind="call"),
    event(3, "12:00:00", "b", channel="phone", kind="call"),
    event(4, "12:00:00", "a", channel="Ann's own", kind="Ann at home"),
]


class House:
    """A lakehouse of one night's silver and identity, and the night's stage over it."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lakehouse, self.spark = Lakehouse(str(root)), spark
        self.versions: dict[str, int] = {}
        owners = [{"record_id": node, "customer_id": node.upper()} for node in ("a", "b")]
        self.write(IDENTITY_RECORD, owners)
        self.write(GOLD_CUSTOMER, [{"customer_id": "A"}])  # B is known to nobody

    def write(self, table: Table, rows: Rows) -> None:
        full = [{name: row.get(name) for name in table.names} for row in rows]
        self.versions[table.name] = self.lakehouse.write(
            table, pa.Table.from_pylist(full, arrow_schema(table)), mode="overwrite"
        )

    def holds(self, **entities: Rows) -> "House":
        for entity, rows in entities.items():
            self.write(ENTITIES[entity].table, rows)
        return self

    def night(self) -> Night:
        """A night whose stage has run over it."""
        pipeline = SimpleNamespace(timezone="UTC", spark={}, mlflow=None)
        conf: Any = SimpleNamespace(pipeline=pipeline, privacy=SimpleNamespace(smallest_group=2))
        night = Night(conf=conf, lakehouse=self.lakehouse, day=DAY, run_id="r", started_at=datetime.now(UTC), base=None)
        night.__dict__["spark"] = self.spark
        night.versions |= self.versions
        journeys.run(night)
        return night

    def made(self) -> dict[str, Rows]:
        """What a night makes of it: by its short name, each table's rows in their order."""
        night, found = self.night(), {}
        for table in (GOLD_ORDER, GOLD_SESSION, GOLD_JOURNEY):
            rows = self.lakehouse.rows(table, night.versions[table.name])
            found[table.name.removeprefix("gold/")] = sorted(rows, key=str)
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> House:
    house = House(tmp_path_factory.mktemp("journeys"), spark)
    return house.holds(transaction=LINES, web_event=HITS, interaction=CALLS)


def short(rows: Rows, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_an_order_sums_its_lines_and_knows_the_one_before(house: House):
    orders = sorted(house.made()["order"], key=lambda row: int(row["order_id"][1:]))
    assert short(orders, "order_id", "customer_id", "status", "amount", "refunded", "items", "lines") == [
        ("o1", "A", "purchase", 15, 0, 2, 2),
        ("o2", "A", "purchase", 0, 20, 0, 2),
        ("o3", "A", "refund", -5, 5, -1, 1),
        ("o4", "A", "purchase", None, 0, 2, 2),
        ("o5", None, "purchase", 3, 0, 1, 1),
        ("o7", "B", "purchase", 4, 0, 1, 1),
        ("o10", "B", "purchase", 8, 0, 1, 1),
    ]
    # days 1, 4 and 9 are the purchases of A, 2 and 10 those of B
    assert short(orders, "order_number", "days_since_previous") == [
        (1, None), (2, 3), (None, None), (3, 5), (None, None), (1, None), (2, 8),
    ]  # fmt: skip
    assert short(orders[:2], "with_coupon", "discount", "store_id", "channel", "ordered_at") == [
        (True, Decimal(2), None, "store", moment(1)),
        (False, Decimal(0), "s1", "store", moment(4)),
    ]


def test_a_visit_tells_how_long_and_where_but_no_path_that_few_share(house: House):
    visits = sorted(house.made()["session"], key=lambda row: row["started_at"])
    assert short(visits, "customer_id", "seconds", "pages", "products", "carts", "checkouts") == [
        ("A", 125, 4, 1, 0, 0), ("B", 9, 2, 1, 0, 0), ("A", 0, 1, 0, 0, 1),
    ]  # fmt: skip
    assert short(visits, "entry", "exit", "device", "days_since_previous") == [
        ("/", "other", "mobile", None), ("/product", "/", None, None), (None, None, None, 5),
    ]  # fmt: skip
    assert len({row["session_id"] for row in visits}) == 3 and not {"v1", "v2"} & {row["session_id"] for row in visits}


def test_a_path_has_steps_of_every_channel_and_no_text_that_few_share(house: House):
    steps = house.made()["journey"]
    of_a = sorted(short([row for row in steps if row["customer_id"] == "A"], "at", "channel", "step"))
    assert of_a == [
        (moment(1), "store", "transaction:purchase"),
        (moment(1), "web", "web_event:view"),
        (moment(1, "10:00:30"), "web", "web_event:product"),
        (moment(1, "10:00:40"), "web", "web_event:product"),
        (moment(1, "10:02:05"), "web", "web_event:view"),
        (moment(2, "12:00:00"), "phone", "interaction:call"),  # said twice of one moment
        (moment(4), "store", "transaction:purchase"),
        (moment(4, "12:00:00"), "other", "interaction:other"),
        (moment(5), "store", "transaction:refund"),
        (moment(6, "09:00:00"), "other", "web_event:checkout"),  # the app is A's alone
        (moment(7, "09:00:00"), "web", "web_event:view"),
        (moment(9), "store", "transaction:purchase"),
    ]
    assert (moment(1, "11:00:09"), "web", "web_event:other") in short(steps, "at", "channel", "step")


def test_how_much_of_it_is_of_known_customers(house: House):
    told = house.night().stage.figures["represented"]
    # purchases of A: 15, 0 and one without an amount; of B, who is not known: 4 and 8; of nobody: 3
    assert [(row["what"], row["total"], row["known"]) for row in told] == [
        ("orders", 6, 3), ("spend", 30, 15), ("average order", 6, 7.5), ("visits", 3, 2),
    ]  # fmt: skip
    assert [type(row["total"]) for row in told] == [int, float, float, int]


def test_spark_makes_the_same_tables_and_so_does_any_order_of_the_rows(house: House, monkeypatch: pytest.MonkeyPatch):
    expected = house.made()
    house.holds(transaction=LINES[::-1], web_event=HITS[::-1], interaction=CALLS[::-1])
    assert house.made() == expected
    monkeypatch.setattr(journeys, "MOST_BYTES", 0)
    assert house.made() == expected


def test_without_sources_the_tables_are_empty(tmp_path: Path, spark: SparkSession):
    assert House(tmp_path, spark).holds(interaction=CALLS[:1]).made() == {
        "order": [],
        "session": [],
        "journey": [
            {"customer_id": "A", "at": moment(2, "12:00:00"), "event_date": date(2026, 3, 2), "channel": "other",
             "step": "interaction:other"}
        ],
    }  # fmt: skip
