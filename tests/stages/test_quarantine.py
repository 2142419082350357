"""What nights refused: listed without telling of anybody, and tried again after a mended YAML.

Three small sources over two nights, once with YAML that reads some times and one town wrongly, once with YAML that is
right from the start. A replay turns the first lakehouse into the second.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs import cli, pipeline
from jobs.changes.replay import Look, replay
from jobs.lookups.quarantine import Choice
from jobs.pipeline import run_night
from jobs.runtime.configuration import load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.recovery import OVER
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.project import KEYS, Project, assert_same
from transforms.errors import DefinitionError, LockedError
from transforms.schemas import OPS_QUALITY, OPS_RUN

FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (16, 17, 18))
CONF = {
    "pipeline.yml": "{timezone: UTC, base_currency: EUR, lakehouse: lakehouse, definitions: tags}",
    "privacy.yml": "{purposes: {service: {consent: none}}, smallest_group: 1, "
    "keys: {customer: '${PORTRAIT_CUSTOMER_KEY}', erasure: '${PORTRAIT_ERASURE_KEY}'}}",
    "identity.yml": "{known_by: [email], limits: {id_churn: 1}, "
    "identifiers: {email: {priority: 1, blocked: ['^info@']}}}",
    "audiences/buyers.yml": "{audience: buyers, where: spend > 0, purpose: service, holdout: 0.5}",
    "sources/people.yml": """
source: people
entity: contact
read: {format: csv, path: 'extracts/people/{date}.csv'}
extract: snapshot
columns: {contact_id: id, full_name: name, email: email, city: city}
checks: [{name: our_town, expect: "city in ('Bonn', 'Wien')", on_fail: quarantine}]
""",
    "sources/orders.yml": """
source: orders
entity: transaction
read: {format: csv, path: 'extracts/orders/{date}.csv'}
extract: changes
columns:
  order_id: id
  line_no: "1"
  ordered_at: to_timestamp(at, 'MM.dd.yyyy HH:mm')
  quantity: "1"
  amount_local: amount
  currency: "'EUR'"
ids: {email: email}
""",
    "sources/hits.yml": """
source: hits
entity: web_event
read: {format: csv, path: 'extracts/hits/{date}.csv'}
columns: {event_id: "concat(at, url)", occurred_at: "to_timestamp(at, 'yyyy-MM-dd HH:mm')", url: url}
ids: {email: email}
""",
    # none of its rows is accepted
    "sources/wishes.yml": """
source: wishes
entity: consent
read: {format: csv, path: 'extracts/wishes/{date}.csv'}
columns: {consent_id: id, decided_at: at, purpose: purpose, granted: granted}
ids: {email: email}
checks: [{name: our_purpose, expect: "purpose = 'servis'", on_fail: quarantine}]
""",
}
MENDED = {
    "MM.dd.yyyy": "dd.MM.yyyy",
    "'Wien')": "'Wien', 'Köln')",
    "to_timestamp(at, 'yyyy": "to_timestamp(replace(at, 'T', ' '), 'yyyy",
    "servis": "service",
}
TAGS = {
    "spend": "{type: number, from: transaction, select: sum(amount), window: 90d}",
    "visits": "{type: integer, from: web_event, select: count(distinct session_id), window: 90d}",
    "city": "{type: text, from: customer, select: city}",
}
EXTRACTS = {
    "people": {
        # Cem has Ann's address, Dan has Bob's: who is a customer does not depend on them
        FIRST: "id,name,email,city\n1,Ann Abel,ann@x.org,Bonn\n2,Bob Bahr,bob@x.org,Wien\n"
        "3,Cem Celik,ann@x.org,Köln\n4,Dan Dorn,bob@x.org,Köln\n5,Eva Ernst,ann@x.org,Rom\n6,Shop,info@x.org,Bonn\n",
        SECOND: "id,name,email,city\n1,Ann Abel,ann@x.org,Bonn\n2,Bob Bahr,bob@x.org,Wien\n"
        "4,Dan Dorn,bob@x.org,Köln\n6,Shop,info@x.org,Bonn\n",
    },
    "orders": {
        FIRST: "id,at,email,amount\na,16.03.2026 10:00,ann@x.org,10\nb,03.03.2026 10:00,bob@x.org,20\n"
        "c,soon,ann@x.org,1\nd,15.03.2026 10:00,ann@x.org,many\ne,15.03.2026 10:00,bob@x.org,4,5\n",
        # a is restated in a way that both read; b so that only the mended YAML reads it
        SECOND: "id,at,email,amount\na,03.03.2026 10:00,ann@x.org,12\nb,17.03.2026 11:00,bob@x.org,25\n"
        "f,17.03.2026 09:00,bob@x.org,5\n",
    },
    "hits": {
        # one visit; two without the hit in the middle
        FIRST: "at,url,email\n2026-03-16 09:00,/a,ann@x.org\n2026-03-16T09:25,/b,ann@x.org\n"
        "2026-03-16 09:50,/c,ann@x.org\n",
        SECOND: "at,url,email\n2026-03-17 09:00,/a,bob@x.org\n",
    },
    "wishes": {
        day: f"id,at,purpose,granted,email\n{day},{day} 08:00:00,service,true,ann@x.org\n" for day in (FIRST, SECOND)
    },
}
PERSONAL = ("Celik", "Dorn", "Ernst", "x.org", "Köln")


@pytest.fixture(scope="module", autouse=True)
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield


@dataclass(frozen=True)
class House(Project):
    """A project without a demo around it."""

    @classmethod
    def new(cls, folder: Path, *, mended: bool) -> "House":
        for name, text in CONF.items():
            file = folder / "conf" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name, text in TAGS.items():
            file = folder / "tags" / "any" / f"{name}.yml"
            file.parent.mkdir(parents=True, exist_ok=True)
            told = "title: {en: any}, description: any, owner: us, version: 1, status: online, purposes: [service]"
            file.write_text(f"{{tag: {name}, {told}, {text.removeprefix('{')}")
        for source, days in EXTRACTS.items():
            for day, text in days.items():
                file = folder / "extracts" / source / f"{day}.csv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        house = cls(folder)
        if mended:
            house.mend()
        return house

    def mend(self) -> None:
        for file in (self.folder / "conf" / "sources").iterdir():
            text = file.read_text()
            for wrong, right in MENDED.items():
                text = text.replace(wrong, right)
            file.write_text(text)

    def run(self, day: date, spark: SparkSession, **options: Any) -> Night:
        return run_night(load_configuration(self.conf), day, screen=Screen(as_json=True), session=spark, **options)

    def replay(self, spark: SparkSession, *choice: Any, dry_run: bool = False) -> tuple[Look, Night | None]:
        conf = load_configuration(self.conf)
        return replay(conf, Choice(*choice), screen=Screen(as_json=True), dry_run=dry_run, session=spark)

    def listed(self, *options: str) -> str:
        result = CliRunner().invoke(cli.app, ["quarantine", "list", "--conf", str(self.conf), *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    def copied(self, folder: Path, *, mended: bool = True) -> "House":
        shutil.copytree(self.folder, folder)
        house = House(folder)
        if mended:
            house.mend()
        return house

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(str(self.folder / "lakehouse"))


def nights(house: House, spark: SparkSession) -> House:
    for day in (FIRST, SECOND):
        house.run(day, spark)
    return house


@pytest.fixture(scope="module")
def wrong(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> House:
    return nights(House.new(tmp_path_factory.mktemp("wrong") / "project", mended=False), spark)


@pytest.fixture(scope="module")
def right(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> House:
    return nights(House.new(tmp_path_factory.mktemp("right") / "project", mended=True), spark)


OF_NIGHT = (
    "silver/contact", "silver/transaction", "silver/web_event", "silver/consent", "silver/quarantine",
    "identity/edge", "identity/record", "identity/customer_id", "identity/change", "identity/conflict",
    "gold/customer", "gold/customer_profile", "gold/audience_member", "gold/order", "gold/session", "gold/journey",
)  # fmt: skip
HELD = tuple(name for name in OF_NIGHT if name != "silver/consent")  # without the mended YAML it holds nothing
REFUSED = [  # night, source, reason, rows
    (FIRST, "hits", "no_occurred_at", 1),
    (FIRST, "orders", "corrupt", 1),
    (FIRST, "orders", "no_amount_local", 1),
    (FIRST, "orders", "no_ordered_at", 4),
    (FIRST, "people", "our_town", 3),
    (FIRST, "wishes", "our_purpose", 1),
    (SECOND, "orders", "no_ordered_at", 2),
    (SECOND, "people", "our_town", 1),
    (SECOND, "wishes", "our_purpose", 1),
]
PASSES = {
    "hits": {FIRST: 1}, "orders": {FIRST: 1, SECOND: 2}, "people": {FIRST: 2, SECOND: 1},
    "wishes": {FIRST: 1, SECOND: 1},
}  # fmt: skip
STAYS = {"orders": {"corrupt": 1, "no_amount_local": 1, "no_ordered_at": 1}, "people": {"our_town": 1}}


def files_of(house: House) -> set[Path]:
    """All that lies in the lakehouse but for the lease's own files."""
    return {file for file in (house.folder / "lakehouse").rglob("*") if not file.name.startswith("_lease")}


def profile_of(house: House) -> set[tuple[str, ...]]:
    frame = house.table("gold/customer_profile")
    return {tuple(row) for row in frame[["city", "spend", "visits"]].itertuples(index=False)}


def test_what_was_refused_is_listed_and_tells_of_nobody(wrong: House) -> None:
    told = json.loads(wrong.listed("--json", "--rows", "20"))
    counted = [(row["night"], row["source"], row["reason"], row["rows"]) for row in told["counts"]]
    assert counted == [(str(day), *rest) for day, *rest in REFUSED]
    assert told["rows"] == len(told["shown"]) == 13
    shapes = {json.dumps(row["raw"]) for row in told["shown"]}
    assert '{"id": "a", "at": "99.99.9999 99:99", "email": "aaa@a.aaa", "amount": "99"}' in shapes
    assert '{"id": "9", "name": "Aaa Aaaaa", "email": "aaa@a.aaa", "city": "Axaa"}' in shapes
    some = json.loads(wrong.listed("--json", "--source", "orders", "--reason", "no_ordered_at", "--date", str(SECOND)))
    assert (some["rows"], len(some["counts"]), some["shown"]) == (2, 1, [])
    for text in (json.dumps(told, ensure_ascii=False), wrong.listed("--rows", "20")):
        assert not [word for word in PERSONAL if word in text]
    clear = wrong.listed("--rows", "20", "--clear")
    assert not [word for word in PERSONAL if word not in clear]


def test_a_dry_run_tells_what_would_pass_and_writes_nothing(wrong: House, tmp_path: Path, spark: SparkSession) -> None:
    house = wrong.copied(tmp_path / "mended")
    before = files_of(house)
    found, night = house.replay(spark, dry_run=True)
    assert night is None
    assert (found.passes, found.reasons) == (PASSES, STAYS)
    assert found.chosen == {"hits": 1, "orders": 6, "people": 4, "wishes": 2}
    found, _ = house.replay(spark, "orders", "no_ordered_at", SECOND, dry_run=True)
    assert (found.chosen, found.since) == ({"orders": 2}, {"orders": SECOND})
    with pytest.raises(DefinitionError, match="--source order: no such source; did you mean 'orders'"):
        house.replay(spark, "order", dry_run=True)
    found, night = house.replay(spark, "orders", "no_amount_local")
    assert (found.passes, night) == ({}, None)  # its amount is no number today either
    assert files_of(house) == before


def test_a_replay_gives_what_the_right_yaml_would_have_given(
    wrong: House, right: House, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = wrong.copied(tmp_path / "project")
    assert profile_of(house) == {("Bonn", "12.0", "2"), ("Wien", "20.0", "1")}
    dies_after_silver(house, spark, monkeypatch)
    assert_same(house, wrong, tables=HELD)  # readers see what they saw
    assert_next_night_builds_on_the_release(house.copied(tmp_path / "next"), wrong, spark)
    house.replay(spark)
    # of Bob's Wien and Dan's Köln, told by one source at no time, the lesser text survives
    assert profile_of(house) == {("Bonn", "12.0", "1"), ("Köln", "30.0", "1")}
    assert [release.cause for release in all_releases(house.lakehouse)] == ["night", "night", "replay"]
    assert_same(house, right, tables=OF_NIGHT)
    assert_accounted_for(house)
    last = max(house.lakehouse.rows(OPS_RUN), key=lambda row: row["at"])
    assert (last["run_id"], last["status"]) == (house.release.run_id, OVER)
    before = files_of(house)
    found, night = house.replay(spark)
    assert (found.passes, found.reasons, night) == ({}, STAYS, None)
    assert files_of(house) == before
    again = house.copied(tmp_path / "again")
    with pytest.raises(DefinitionError, match="the night alone would undo that; add --full-refresh"):
        again.run(SECOND, spark, again=True)
    again.run(SECOND, spark, again=True, full_refresh=True)
    assert_same(again, house, tables=(*OF_NIGHT, "gold/audience"))


def dies_after_silver(house: House, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(night: Night) -> None:
        raise LockedError("killed")  # of which a run notes nothing

    stages = [replace(stage, run=die) if stage.name == "identity" else stage for stage in pipeline.NIGHT]
    with monkeypatch.context() as patch, pytest.raises(LockedError, match="killed"):
        patch.setattr(pipeline, "NIGHT", tuple(stages))
        house.replay(spark)
    assert house.lakehouse.version("silver/transaction") != house.release.versions["silver/transaction"]


def assert_next_night_builds_on_the_release(house: House, wrong: House, spark: SparkSession) -> None:
    night = house.run(THIRD, spark, stages=("bronze", "silver"))
    for name in (name for name in HELD if name.startswith("silver/")):
        pd.testing.assert_frame_equal(house.at(name, night.versions[name]), wrong.table(name), obj=name)


def assert_accounted_for(house: House) -> None:
    """What the replay tells of each night adds up to what landed: 5 and 3 orders, 6 and 4 people, …"""
    quality = house.lakehouse.rows(OPS_QUALITY)
    told = [row for row in quality if row["run_id"] == house.release.run_id and row["check"].startswith("rows_")]
    landed = {(row["source"], row["date"]): row["rows"] for row in told}
    assert landed == {
        (source, day): len(text.splitlines()[1:]) for source, days in EXTRACTS.items() for day, text in days.items()
    }
    for place, rows in landed.items():
        fates = [row for row in told if (row["source"], row["date"]) == place]
        assert sum(row["failed"] for row in fates) == rows
    refused = {(row["source"], row["date"]): row["failed"] for row in told if row["check"] == "rows_quarantined"}
    assert {place: rows for place, rows in refused.items() if rows} == {("orders", FIRST): 3, ("people", FIRST): 1}


def test_a_source_alone_is_replayed_and_the_others_stay(
    wrong: House, right: House, tmp_path: Path, spark: SparkSession
):
    house = wrong.copied(tmp_path / "project")
    _, night = house.replay(spark, "hits")
    assert night is not None
    assert_same(house, right, tables=["silver/web_event"])
    assert_same(house, wrong, tables=["silver/transaction", "silver/contact"])
    left = house.table("silver/quarantine")
    assert sorted(left["source"].unique()) == ["orders", "people", "wishes"]
    assert len(left) == 12


def test_two_at_once_and_no_release_yet(wrong: House, tmp_path: Path) -> None:
    house = wrong.copied(tmp_path / "project")
    other = {"run_id": "other", "host": "elsewhere", "pid": 1, "since": "just now", "expires": time.time() + 60}
    (house.folder / "lakehouse" / "_lease.json").write_text(json.dumps(other))
    result = CliRunner().invoke(cli.app, ["quarantine", "replay", "--conf", str(house.conf)])
    assert result.exit_code == 3
    assert "run other holds the lakehouse" in result.stderr
    shutil.rmtree(house.folder / "lakehouse")
    result = CliRunner().invoke(cli.app, ["quarantine", "list", "--conf", str(house.conf)])
    assert result.exit_code == 1
    assert "no release yet" in result.stderr
