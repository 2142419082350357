"""What is measured, counted by hand; and Great Expectations in its own process: what passes, what its pages hold."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import dataset as ds

from jobs.engines import gate
from jobs.engines.measures import MOST_VALUES, measure
from jobs.runtime.tables import arrow_schema, arrow_type, ddl_of
from transforms.errors import PortraitError
from transforms.quality.drift import OTHERS
from transforms.schemas import CONTACT, ENTITIES, TRANSACTION, Entity
from transforms.sources.definition import parse_source

DAY, EARLIER = date(2026, 3, 20), date(2026, 3, 19)
AS_OF = datetime(2026, 3, 20, 23, 59, 59, 999_999, tzinfo=UTC)


def silver(entity: Entity, rows: list[dict[str, Any]]) -> ds.Dataset:
    schema = arrow_schema(entity.table)
    return ds.dataset(pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema))


def at(hour: int, day: int = 20) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_measures_are_counts_of_the_rows() -> None:
    till = parse_source(
        """
        {source: till, entity: transaction, read: {format: csv, path: "x/{date}/*.csv"}, ids: {card: h},
        columns: {order_id: a, line_no: b, ordered_at: c, quantity: d, amount_local: e, currency: f, channel: g},
        checks: [{unique: [order_id]}, {known: card, in: contact}, {drift: channel, at_most: 1}]}""",
        place="till.yml",
    )
    names = ("record_id", "order_id", "ordered_at", "amount_local", "channel", "ids")
    same = {"source": "till", "_batch_date": DAY, "currency": "EUR", "quantity": 1}
    tonight = [
        ("1", "a", at(9), 10, "web", {"card": ["k"]}),
        ("2", "a", at(8), -4, "web", {"card": ["x", "k"]}),
        ("3", "b", at(3, 21), 2, None, {"card": ["x"]}),
        ("3", "c", at(7), 0, "app", {}),
    ]
    lines = [same | dict(zip(names, values, strict=True)) for values in tonight]
    lines += [lines[0] | {"_batch_date": EARLIER}, lines[0] | {"source": "other"}]
    contacts = [
        {"source": "crm", "record_id": "c1", "_batch_date": EARLIER, "ids": {"card": ["k"]}},
        {"source": "crm", "record_id": "c2", "_batch_date": EARLIER, "_valid_to": DAY, "ids": {"card": ["x"]}},
    ]
    found = measure(
        silver(TRANSACTION, lines), TRANSACTION, [till], day=DAY, as_of=AS_OF,
        records_of=lambda entity: silver(CONTACT, contacts) if entity == "contact" else None,
    )  # fmt: skip
    assert found == {
        "till": {
            "accepted": 4, "records": 3, "newest": at(9).isoformat(), "future": 1,
            "filled": {"quantity": 4, "amount_local": 4, "channel": 3}, "sums": {"quantity": 4.0, "amount_local": 16.0},
            "distinct": {"unique_order_id": 3}, "values": {"channel": {"web": 2, "(none)": 1, "app": 1}},
            "compared": {"known_card": (3, 1)},
        }
    }  # fmt: skip


def test_two_sources_that_say_the_same_of_one_address() -> None:
    crm = parse_source(
        """
        {source: crm, entity: contact, read: {format: csv, path: "x/{date}/*.csv"}, columns: {contact_id: a, email: b},
        checks: [{agrees: family_name, by: email}]}""",
        place="crm.yml",
    )

    def contact(source: str, record: str, name: str | None, email: str, **other: Any) -> dict[str, Any]:
        told = {"source": source, "record_id": record, "family_name": name, "ids": {"email": [email]}}
        return {**told, "_batch_date": DAY, **other}

    rows = [
        contact("crm", "1", "Meyer ", "a@x"), contact("crm", "2", "Li", "b@x"), contact("crm", "3", None, "a@x"),
        contact("crm", "4", "Roe", "nobody@x"), contact("crm", "5", "Li", "c@x"),
        contact("shop", "6", "MEYER", "a@x"), contact("shop", "7", "Maier", "a@x"), contact("shop", "8", "Lee", "b@x"),
        contact("shop", "9", "Li", "c@x", _valid_to=DAY),
    ]  # fmt: skip
    found = measure(silver(CONTACT, rows), CONTACT, [crm], day=DAY, as_of=AS_OF, records_of=lambda _: None)
    assert found["crm"]["compared"] == {"agrees_family_name": (2, 1)}


def test_rare_values_are_counted_as_one() -> None:
    till = parse_source(
        """
        {source: till, entity: transaction, read: {format: csv, path: "x/{date}/*.csv"},
        columns: {order_id: a, line_no: b, ordered_at: c, quantity: d, amount_local: e, currency: f},
        checks: [{drift: category, at_most: 1}]}""",
        place="till.yml",
    )
    rows = [{"source": "till", "_batch_date": DAY, "category": f"{n:03}"} for n in (*range(MOST_VALUES + 7), 0)]
    values = measure(silver(TRANSACTION, rows), TRANSACTION, [till], day=DAY, as_of=AS_OF, records_of=lambda _: None)
    counted = values["till"]["values"]["category"]
    assert (counted["000"], counted[OTHERS], len(counted)) == (2, 7, MOST_VALUES + 1)


def expectation(name: str, at_least: float | None, at_most: float | None) -> dict[str, Any]:
    return {
        "id": name, "expect": "between", "column": name, "at_least": at_least, "at_most": at_most, "gate": "warn",
        "dimension": "validity", "text": f"{name}: <b>$5</b> & more",
    }  # fmt: skip


def test_great_expectations_judges_and_writes_pages_that_open_offline(tmp_path: Path) -> None:
    schema = {
        "id": "schema", "expect": "equal", "columns": ["declared", "found"], "gate": "stop", "dimension": "validity",
        "text": "every column is as declared",
    }  # fmt: skip
    limits: dict[str, tuple[float, float | None, float | None, bool]] = {
        "at_the_limit": (0.25, None, 0.25, True), "above": (0.2501, None, 0.25, False),
        "below": (9.0, 10.0, 20.0, False), "between": (10.0, 10.0, 20.0, True), "nothing": (0.0, None, 0.0, True),
    }  # fmt: skip
    suites = [
        {
            "name": "till", "owner": "<i>shops</i>", "subtitle": "The till.",
            "frame": {name: [value] for name, (value, *_) in limits.items()},
            "expectations": [expectation(name, low, high) for name, (_, low, high, _) in limits.items()],
        },
        {
            "name": "silver/transaction", "owner": "", "subtitle": "The schema.", "expectations": [schema],
            "frame": {"declared": ["a int", "b date"], "found": ["a int", "b (none)"]},
        },
    ]  # fmt: skip
    folder = tmp_path / "2026-03-20_checks"
    request = {"folder": str(folder), "report": "../2026-03-20.html", "title": "Night", "suites": suites}
    told = gate.judge(request)
    assert told == {name: passes for name, (*_, passes) in limits.items()} | {"schema": False}
    assert gate.pages() is None
    pages = {page.name: page.read_text(encoding="utf-8") for page in folder.iterdir()}
    assert set(pages) == {"index.html", "till.html", "silver_transaction.html"}
    for page in pages.values():
        assert not re.search(r"https?:|//|<script|<link|<img|@import|url\(", page.replace("</", "<"))
    assert re.findall(r"href='(\w+\.html|\.\./[\d-]+\.html)'", pages["index.html"]) == [
        "../2026-03-20.html", "till.html", "silver_transaction.html",
    ]  # fmt: skip
    assert "&lt;i&gt;shops" in pages["index.html"] and "<i>shops" not in pages["index.html"]
    assert "above: &lt;b&gt;$5&lt;/b&gt; &amp; more" in pages["till.html"]
    assert len(re.findall("fa-check-circle", pages["till.html"])) == 3


def test_what_cannot_be_judged_is_no_pass() -> None:
    suite = {
        "name": "till",
        "owner": "",
        "subtitle": "",
        "frame": {"a": [1.0]},
        "expectations": [expectation("b", 0, 1)],
    }
    with pytest.raises(PortraitError, match="the quality gate cannot judge the night"):
        gate.judge({"folder": None, "report": "", "title": "", "suites": [suite]})
    suite["expectations"] = [expectation("a", 0, 1)]
    assert gate.judge({"folder": None, "report": "", "title": "", "suites": [suite]}) == {"a": True}


def test_types_as_declared_are_recognised_in_a_table(tmp_path: Path) -> None:
    """Every type that a silver table declares, through Delta's own schema and back."""
    import json

    from deltalake import DeltaTable

    ddls = sorted({column.type for entity in ENTITIES.values() for column in entity.table.columns})
    schema = pa.schema([(f"c{n}", arrow_type(ddl)) for n, ddl in enumerate(ddls)])
    made = DeltaTable.create(str(tmp_path / "t"), schema)
    found = [ddl_of(field["type"]) for field in json.loads(made.schema().to_json())["fields"]]
    assert found == ddls
