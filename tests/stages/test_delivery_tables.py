"""Deliveries into one table that is kept up to date: a real PostgreSQL, asked by its own client, and a Delta table."""

import hmac
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.changes.deliver import deliver_again
from jobs.engines.database_delivery import DatabaseTable
from jobs.engines.delivery import verify
from jobs.engines.table_delivery import KeptTable
from jobs.runtime.console import Screen
from jobs.runtime.tables import dataset_of
from tests.end_to_end.contents import contents
from tests.stages.delivering import House, Killed, Person, dies, people
from tests.stages.postgres import PASSWORD, USER, Postgres, running_postgres
from transforms.contracts import Contract
from transforms.errors import PortraitError
from transforms.schemas import OPS_EXPORT


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        server.psql(f"create schema crm authorization {USER}")
        yield server


@pytest.fixture
def house(tmp_path: Path, spark: SparkSession) -> House:
    made = House(tmp_path, spark)
    made.secrets["CRM_PASSWORD"] = PASSWORD
    return made


def into(postgres: Postgres, table: str, **other: Any) -> dict[str, Any]:
    return {
        "format": "jdbc", "url": postgres.url, "table": table if "." in table else f"crm.{table}", "user": USER,
        "password": "${CRM_PASSWORD}", **other,
    }  # fmt: skip


def told(postgres: Postgres, table: str, columns: str = "customer_id, spend") -> list[list[str]]:
    answer = postgres.psql(f"select {columns} from crm.{table} order by 1")
    return [line.split("|") for line in answer.splitlines()]


def in_delta(house: House, table: str = "export") -> dict[str, Any]:
    found = dataset_of(DeltaTable(house.root / "out" / "kept" / table)).to_table().to_pylist()
    assert len({row["customer_id"] for row in found}) == len(found)
    return {row["customer_id"]: row for row in found}


def in_files(house: House, day: int, held: dict[str, Any]) -> dict[str, Any]:
    """What a receiver of files holds, who held `held`, and read the manifest and DuckDB's rows alone."""
    manifest, folder = house.manifest("files", day), house.out("files", day)
    assert verify(str(folder)) == []
    rows = duckdb.sql(f"from '{folder}/*.parquet'").to_arrow_table().to_pylist()
    held = {} if manifest["mode"] == "full" else dict(held)
    for row in rows:
        held.pop(row["customer_id"], None)
        if row["change"] in ("added", "changed"):
            held[row["customer_id"]] = row
    assert manifest["total"] == len(held)
    return held


def a_night(population: dict[str, Person], dice: random.Random) -> tuple[dict[str, Person], dict[str, list[str]]]:
    """The next night: values change, people come, are erased, merge, and part again; and who merged into whom."""
    people, merges = {one: dict(row) for one, row in population.items()}, {}
    for one in sorted(people):
        match dice.choice(["same", "same", "value", "null", "gone", "merge", "part"]):
            case "value":
                people[one]["spend"] = dice.randrange(1000)
            case "null":
                people[one]["note"] = None
            case "gone":
                del people[one]
            case "merge" if len(people) > 3:
                del people[one]
                merges.setdefault(dice.choice(sorted(people)), []).append(one)
            case "part":
                people[f"{one}x"] = {**people[one], "likes": ["茶", None]}
    people[f"n{dice.randrange(10**6)}"] = {"spend": 1, "note": "\0=1|\n'\"", "likes": []}
    return people, {kept: ended for kept, ended in merges.items() if kept in people}


def test_what_receivers_hold_is_what_there_is_over_nights_of_every_kind_of_change(house: House, postgres: Postgres):
    dice, now = random.Random(11), people(**{f"c{number}": number for number in range(25)})
    asked = {
        "files": {"format": "parquet"},
        "kept": {"format": "delta", "path": "out/kept/"},
        "rows": into(postgres, "nights", files=2),
    }
    held: dict[str, Any] = {}
    for day in range(5):
        columns = ["spend", "note"] if day < 3 else ["note", "likes"]  # the fourth night defines them anew
        major = 1 if day < 3 else 2
        for name, to in asked.items():
            house.wants(
                name, columns=columns, to=dict(to), mode="changes", contract=Contract(version=f"{major}.0.0"),
                identifiers={"customer_id": "hmac"}, key=["k" * 40] if day < 4 else ["n" * 40, "k" * 40],
            )  # fmt: skip
        merges: dict[str, list[str]] = {}
        if day:
            now, merges = a_night(now, dice)
        house.release(now, day=day, merges=merges)
        house.deliver()
        held = in_files(house, day, held)
        key = b"k" * 40 if day < 4 else b"n" * 40
        expected = {
            hmac.new(key, one.encode(), "sha256").hexdigest(): [row.get(name) for name in columns]
            for one, row in now.items()
        }
        assert values(held.values(), columns) == values(in_delta(house).values(), columns) == expected
        in_database = values(json.loads(postgres.psql("select json_agg(t) from crm.nights t")), columns)
        # PostgreSQL knows no zero byte
        assert in_database == {one: [without_zero(value) for value in row] for one, row in expected.items()}
        assert verify(str(house.root / "out" / "kept")) == []
    modes = [row["mode"] for row in house.noted("rows")]
    assert modes == ["full", "changes", "changes", "full", "full"] == [row["mode"] for row in house.noted("kept")]
    resets = [json.loads(row["manifest"])["reset"] for row in house.noted("rows")]
    assert resets == ["first delivery", None, None, "the export's definition changed", "its key was changed"]
    [[merged]] = told(postgres, "nights_changes", "count(merged_into) filter (where change = 'merged')")
    assert int(merged) == sum(row["counts"]["merged"] for row in house.noted("rows")) > 0
    assert [row["counts"] for row in house.noted("rows")] == [row["counts"] for row in house.noted("files")]


def values(rows: Iterable[dict[str, Any]], columns: list[str]) -> dict[str, list[Any]]:
    return {row["customer_id"]: [row[name] for name in columns] for row in rows}


def without_zero(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def test_values_of_every_type_are_themselves_in_postgresql(house: House, postgres: Postgres):
    house.wants("rows", columns=["spend", "note", "likes", "seen"], to=into(postgres, "typed"))
    seen = datetime(2026, 2, 1, 23, 30, 0, 123456, tzinfo=UTC)
    house.release(
        {"a": {"spend": Decimal("-12.5"), "note": "=1\t'\"\\", "likes": ["茶", None, 'b,"{'], "seen": seen}, "b": {}}
    )
    house.deliver()
    one, other = json.loads(postgres.psql("select json_agg(t order by customer_id) from crm.typed t"))
    assert one["note"] == "=1\t'\"\\" and one["likes"] == ["茶", None, 'b,"{'] and one["spend"] == -12.5
    assert postgres.psql("select seen at time zone 'UTC' from crm.typed where seen is not null") == (
        "2026-02-01 23:30:00.123456"
    )
    assert [other[name] for name in ("spend", "note", "likes", "seen")] == [None] * 4
    types = postgres.psql("select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute "
                          "where attrelid = 'crm.typed'::regclass and attnum > 0")  # fmt: skip
    assert types == "text, numeric(18,4), text, text[], timestamp with time zone"


def test_a_delivery_that_died_is_tried_again_without_doubling(
    house: House, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    house.wants("rows", columns=["spend"], to=into(postgres, "again"), mode="changes")
    house.wants("kept", columns=["spend"], to={"format": "delta", "path": "out/kept/"}, mode="changes")
    house.release(people(a=1, b=2))
    house.deliver()
    house.release(people(a=1, b=3, c=4), day=1)
    for place, moment in ((DatabaseTable, "_check"), (KeptTable, "_seal")):
        with monkeypatch.context() as patch:
            patch.setattr(place, moment, dies)
            with pytest.raises(Killed):
                house.deliver()
    # in the database all was taken back; then its delivery came, and Delta's commit without its manifest
    assert told(postgres, "again") == [["a", "1.0000"], ["b", "3.0000"], ["c", "4.0000"]]
    assert json.loads((house.root / "out" / "kept" / "manifest.json").read_text())["release"] == 1
    DeltaTable(house.lakehouse.path(OPS_EXPORT.name)).delete("release = 2")  # it died before it was noted
    house.deliver()
    house.deliver()
    assert told(postgres, "again_delivery", "release, rows") == [["1", "2"], ["2", "3"]]
    assert told(postgres, "again_changes", "customer_id, change")[-2:] == [["b", "changed"], ["c", "added"]]
    assert {one: int(row["spend"]) for one, row in in_delta(house).items()} == {"a": 1, "b": 3, "c": 4}
    assert json.loads((house.root / "out" / "kept" / "manifest.json").read_text())["release"] == 2
    assert verify(str(house.root / "out" / "kept")) == []
    for name in ("rows", "kept"):
        assert [(row["release"], row["rows"]) for row in house.noted(name)] == [(1, 2), (2, 3)]


def test_who_changed_how_tells_what_happened_and_nothing_else(
    house: House, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    house.wants("rows", columns=["spend"], to=into(postgres, "told"), mode="changes")
    house.wants("kept", columns=["spend"], to={"format": "delta", "path": "out/kept/"}, mode="changes")
    house.release(people(a=1, b=2))
    house.deliver()
    house.release(people(a=1), day=1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(KeptTable, "_merge", dies)
        house.deliver()
    house.release(people(a=1, b=2, c=3), day=2)  # b is here again: the delivery without it never came
    house.deliver()
    kept = [(row["release"], row["customer_id"], row["change"]) for row in changes_in_delta(house)]
    assert kept == [(1, "a", "added"), (1, "b", "added"), (3, "c", "added")]
    in_database = told(postgres, "told_changes", "release, customer_id, change")
    deliver_again(house.conf, None, None, screen=Screen(as_json=True), session=house.spark)
    assert [(row["release"], row["customer_id"], row["change"]) for row in changes_in_delta(house)] == kept
    assert told(postgres, "told_changes", "release, customer_id, change") == in_database
    assert ["2", "b", "removed"] in in_database and ["3", "b", "added"] in in_database


def changes_in_delta(house: House) -> list[dict[str, Any]]:
    rows = DeltaTable(house.root / "out" / "kept" / "changes").to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: (row["release"], row["customer_id"]))


def test_views_and_rights_outlive_deliveries_and_another_hand_is_mended(house: House, postgres: Postgres):
    house.wants("rows", columns=["spend"], to=into(postgres, "seen"), mode="changes")
    house.release(people(a=1, b=2))
    house.deliver()
    postgres.psql("create role crm_reader; grant select on crm.seen to crm_reader; create view rich as "
                  "select spend from crm.seen; delete from crm.seen where customer_id = 'a'")  # fmt: skip
    house.release(people(a=1, b=2, c=3), day=1)
    house.deliver()
    assert told(postgres, "seen") == [["a", "1.0000"], ["b", "2.0000"], ["c", "3.0000"]]
    assert json.loads(house.noted("rows")[1]["manifest"])["reset"] == "the table holds 1 rows, 2 were delivered"
    assert postgres.psql("select has_table_privilege('crm_reader', 'crm.seen', 'select'), count(*) from rich") == "t|3"
    house.wants("rows", columns=["note"], to=into(postgres, "seen"), mode="changes")
    house.release(people(a=1), day=2)
    with pytest.raises(PortraitError, match=r"export rows: .*/crm.seen: cannot drop column spend .* because other"):
        house.deliver()
    assert len(told(postgres, "seen")) == 3


def test_what_a_database_refuses_is_one_line_and_the_other_exports_go_on(house: House, postgres: Postgres):
    postgres.psql(
        "create table crm.theirs (customer_id text); insert into crm.theirs values ('x'); "
        "create table crm.my_staging ()"
    )
    house.secrets["WRONG"] = "not the password"
    refused = {
        "password": (into(postgres, "t", password="${WRONG}"), "check to.user and the environment variable WRONG"),
        "away": (into(postgres, "t", url="jdbc:postgresql://127.0.0.1:1/postgres"), "cannot be reached, or broke off"),
        "database": (into(postgres, "t", url=f"{postgres.url}_not"), "there is no such database; check to.url"),
        "theirs": (into(postgres, "theirs"), "it holds rows that no delivery brought; name another table"),
        "staging": (into(postgres, "my"), "rows come in by crm.my_staging, and that is another's table"),
        "rights": (into(postgres, "public.t"), "permission denied for schema public; check to.table"),
        "schema": (into(postgres, "nowhere.t"), 'schema "nowhere" does not exist; check to.table'),
    }
    for name, (to, _) in refused.items():
        house.wants(name, columns=["spend"], to=to)
    house.wants("good", columns=["spend"], to=into(postgres, "good"))
    house.release(people(a=1))
    with pytest.raises(PortraitError) as error:
        house.deliver()
    lines = str(error.value).splitlines()
    assert len(lines) == len(refused)
    for line, (name, (_, expected)) in zip(lines, refused.items(), strict=True):
        assert line.startswith(f"export {name}: jdbc:postgresql://") and expected in line
    assert told(postgres, "good") == [["a", "1.0000"]]
    assert PASSWORD not in str(error.value)
    assert [file for file, text in contents(house.root) if PASSWORD in text] == []
