"""Where bronze holds a person's rows, against the chain that silver reads them through, asked of every row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.changes.forget import opened_state
from jobs.engines.erased_rows import in_table
from jobs.engines.persons import Person, person_of
from jobs.engines.persons_rows import InBronze, in_bronze
from jobs.engines.state_rows import Places, StateRows, state_rows
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from tests.end_to_end.conftest import Nights
from transforms.erasure import Erased, entries_of
from transforms.schemas import QUARANTINE

KEY = "e" * 40
ANN = {("email", "annlee@gmail.com"), ("phone", "+19375550142"), ("loyalty_id", "ann card"), ("cookie", "a1b2c3"),
       ("shop_customer", "ann.lee"), ("social_handle", "ann_lee"), ("device", "d-77"), ("crm_id", "C 77")}  # fmt: skip
EMAILS = (
    "annlee@gmail.com", " ANNLEE@GMAIL.COM ", "Ann.Lee@gmail.com", "ann.l.ee+shop@googlemail.com",
    "mailto:annlee@gmail.com", "Ann Lee <annlee@gmail.com>", "ann\u200blee@gmail.com",
    "ａｎｎｌｅｅ＠ｇｍａｉｌ．ｃｏｍ",
)  # fmt: skip
PHONES = (
    "+19375550142", "(937) 555-0142", "937.555.0142", "1 937 555 0142", "9375550142 ext. 12", "tel:937-555-0142",
    "９３７５５５０１４２", "+1 (937) 555 0142 ",
)  # fmt: skip
REFUSED = '{"email":" ANNLEE@GMAIL.COM "}'  # as the quarantine holds such a row
NOBODY = {"email": "lee@gmail.com", "phone": "(937) 555-0143"}
# Source -> raw columns -> cells that are Ann's, a row each.
ODD: dict[str, dict[str, tuple[str, ...]]] = {
    "app_events": {"login": ("ann.lee", " ann.lee "), "device": ('{"id": "d-77"}', '{"os": "ios", "id":"d\\u002d77"}')},
    "campaign_events": {"card_no": ("ann card", "  ann card")},
    "crm_consents": {"contact_id": ("C 77 ",)},
    "crm_contacts": {
        "email": EMAILS, "mobile": PHONES, "social_handle": ("@Ann_Lee", "ANN_LEE"), "contact_id": ("C 77",),
    },
    "enrichment": {"email": EMAILS, "phone": PHONES, "ref": ("only by its key",)},
    "interactions": {"email": EMAILS, "phone": PHONES, "card_no": ("ann card ",)},
    "loyalty_accounts": {"card_no": (" ann card",)},
    "loyalty_members": {"email": EMAILS, "phone": PHONES, "card_no": ("ann card",)},
    "pos": {
        "phone": PHONES, "card_no": ("ann card",), "product": ("+1-937-555-0142", "for AnnLee@gmail.com;", "ann card"),
    },
    "service_tickets": {
        "customer": ('{"email": "Ann.Lee@gmail.com"}', '{"phone": "(937) 555-0142"}', '{"crm_id": "C 77"}'),
        "message": ("write to <ann.lee@gmail.com>",),
    },
    "shop_accounts": {"email": EMAILS, "phone": PHONES, "login": ("ann.lee",)},
    "social": {"user": ('{"handle": "@Ann_Lee"}', '{"handle": " ann_lee"}')},
    "surveys": {"email": EMAILS, "card_no": ("ann card",)},
    "web_log": {"cookie": ("a1b2c3",), "user": ("ann.lee",)},
}  # fmt: skip


BY_KEY = "enrichment:only by its key"


@dataclass
class Found:
    """A lakehouse with odd rows of Ann's. `found`: of her and of some real customers; `whole`: source -> what the chain
    finds where it reads every row. `odd`: source -> the file of her rows, and how many they are before two of nobody's.
    """

    night: Night
    person: Person
    listed: Erased
    found: InBronze
    whole: dict[str, tuple[Places, set[str]]]
    odd: dict[str, tuple[str, int]]


def add(night: Night, table: str, rows: list[dict[str, Any]]) -> str:
    """Append rows to a table of the night's state; gives the file that they are in."""
    place = night.lakehouse.path(table)
    dataset = night.lakehouse.dataset(table, night.versions[table])
    assert dataset is not None
    before = set(DeltaTable(place).file_uris())
    filled = [{"_batch_date": night.day, "_file": "odd", "_ingested_at": night.started_at, **row} for row in rows]
    write_deltalake(place, pa.Table.from_pylist(filled, dataset.schema), mode="append")
    night.versions[table] = DeltaTable(place).version()
    (file,) = set(DeltaTable(place).file_uris()) - before
    return file


def odd_rows(cells: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [{column: value} for column, values in cells.items() for value in values]


def ann_and_others(rows: StateRows, night: Night) -> Person:
    """Ann, five real customers, and a hit whose cookie others have too: it is known by its content alone."""
    asked = rows.db.execute(
        f"from (select distinct customer_id from {rows.scan('identity/record')}) order by 1 limit 5"
    )
    people = [person_of(rows, night.conf, customer) for (customer,) in asked.fetchall()]
    hits = f"from {rows.scan('silver/web_event')} where source = 'web_log' and _node is not null"
    ((node, hit),) = rows.db.execute(f"select _node, record_id {hits} order by record_id desc limit 1").fetchall()
    nodes, records = (
        frozenset(first).union(*(getattr(one, name) for one in people))
        for name, first in (("nodes", {node}), ("records", {hit, BY_KEY}))
    )
    return Person(frozenset(), nodes, records, frozenset(ANN).union(*(one.own for one in people)))


@pytest.fixture(scope="module")
def found(nights: Nights, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    project = nights.copy(3, tmp_path_factory.mktemp("odd") / "demo")
    night = opened_state(project.load(), Screen(as_json=True), None, local=True, session=spark)
    with state_rows(night.lakehouse, night.versions) as rows:
        person = ann_and_others(rows, night)
    odd = {}
    for source, cells in ODD.items():
        rows_of_ann = odd_rows(cells)
        nobodys = [{column: NOBODY.get(column, "nobody's")} for column in cells][:2]
        odd[source] = add(night, f"bronze/{source}", [*rows_of_ann, *nobodys]), len(rows_of_ann)
    add(night, "bronze/pos", [{"_corrupt": "7;ann.lee@gmail.com;cut"}])
    add(night, QUARANTINE.name, [{"source": source, "entity": "", "reasons": ["r"], "raw": REFUSED} for source in ODD])
    listed = Erased((KEY,), frozenset(entries_of(person.own, person.records, (), KEY)))
    with state_rows(night.lakehouse, night.versions) as rows:
        told = in_bronze(night, rows, person, listed)
    whole = {source: in_table(night, source, listed) for source in ODD}
    yield Found(night, person, listed, told, whole, odd)


def ordered(places: Places) -> Places:
    return {file: sorted(rows) for file, rows in places.items()}


@pytest.mark.parametrize("source", ODD)
def test_the_rows_are_those_that_the_chain_finds_in_all(found: Found, source: str) -> None:
    places, _ = found.whole[source]
    assert ordered(found.found.places[f"bronze/{source}"]) == ordered(places)


@pytest.mark.parametrize("source", ODD)
def test_every_spelling_is_found_and_nobody_elses(found: Found, source: str) -> None:
    file, number = found.odd[source]
    assert found.found.places[f"bronze/{source}"][file] == list(range(number))


def test_the_quarantine_loses_the_same_rows(found: Found) -> None:
    with state_rows(found.night.lakehouse, found.night.versions) as rows:
        held = {raw for (raw,) in rows.db.execute(f"select raw from {rows.scan(QUARANTINE.name)}").fetchall()}
    raws = {raw for _, of_source in found.whole.values() for raw in of_source}
    assert REFUSED in found.found.raws and found.found.raws == held & raws


def test_a_key_that_is_computed_is_asked_of_every_row(found: Found) -> None:
    night, source = found.night, found.night.conf.sources["enrichment"]
    computed = source.model_copy(update={"columns": {**source.columns, "record_id": "concat(ref, '')"}})
    night.conf = replace(night.conf, sources={"enrichment": computed})
    with state_rows(night.lakehouse, night.versions) as rows:
        again = in_bronze(night, rows, found.person, found.listed)
    assert ordered(again.places["bronze/enrichment"]) == ordered(found.found.places["bronze/enrichment"])
