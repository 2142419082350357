"""Deliveries from real releases, read back with tools that know nothing of how they were made."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.engines import delivery
from jobs.engines.delivery import publish, read_manifest, verify
from jobs.engines.folders import open_folder
from jobs.runtime import releases
from jobs.runtime.tables import dataset_of
from tests.stages.delivering import House, Killed, Person, asked, people
from transforms.contracts import Contract
from transforms.destinations import Destination
from transforms.errors import PortraitError
from transforms.privacy import Role
from transforms.profile import PROFILE
from transforms.schemas import OPS_EXPORT

NASTY = {
    "a": "=HYPERLINK(1)", "b": '他说"你好", 再见\n第二行', "c": "  blanks  ", "d": "", "e": None, "f": "-1+2",
    "g": "back\\slash", "h": "x;=1", "i": "comma, quote\" end",
}  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, spark: SparkSession) -> House:
    return House(tmp_path, spark)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# -- full


def test_a_csv_that_pandas_and_duckdb_read_alike(house: House):
    house.wants(
        "x", audience="vip", columns=["note", "likes", "spend", "seen"], identifiers={"email": "clear"},
        to={"compression": "gzip"}, contract=Contract(version="1.2.0", team="crm"),
    )  # fmt: skip
    told = {
        one: {"note": text, "likes": ["茶", None] if one == "a" else None, "spend": -1, "email": f"{one}@x.org",
              "seen": datetime(2026, 2, 1, 12, 0, 0, 123456, tzinfo=UTC)}
        for one, text in NASTY.items()
    }  # fmt: skip
    house.release({**told, "z": {"note": "held out"}}, holdout="z")
    house.deliver()
    folder = house.out()
    assert names(folder) == ["contract.odcs.yaml", "export-00000.csv.gz", "manifest.json"]
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
    shown = {**NASTY, "a": "'=HYPERLINK(1)", "f": "'-1+2", "h": "x;'=1"}
    by_pandas = pd.read_csv(folder / "export-00000.csv.gz", keep_default_na=False, na_values=[], dtype=str)
    assert dict(zip(by_pandas["customer_id"], by_pandas["note"], strict=True)) == {
        one: text or "" for one, text in shown.items()
    }
    by_duckdb = duckdb.sql(
        f"select customer_id, note, likes, spend, seen from read_csv('{folder}/*.csv.gz', all_varchar=true)"
    )
    rows = {row[0]: row[1:] for row in by_duckdb.fetchall()}
    assert {one: row[0] or None for one, row in rows.items()} == {one: text or None for one, text in shown.items()}
    assert rows["a"][1:] == ('["茶",null]', "-1.0000", "2026-02-01T12:00:00.123456Z")
    raw = gzip.decompress((folder / "export-00000.csv.gz").read_bytes()).decode()
    assert raw.startswith("customer_id,email,note,likes,spend,seen\na,a@x.org,")
    assert '\nd,d@x.org,"",,' in raw and "\ne,e@x.org,,," in raw  # an empty text and none differ
    manifest = house.manifest()
    assert {key: manifest[key] for key in ("export", "release", "date", "mode", "reset", "rows", "format")} == {
        "export": "x", "release": 1, "date": "2026-03-01", "mode": "full", "reset": None, "rows": 9, "format": "csv",
    }  # fmt: skip
    assert manifest["contract"]["version"] == "1.2.0"
    assert [column["name"] for column in manifest["schema"]] == [
        "customer_id",
        "email",
        "note",
        "likes",
        "spend",
        "seen",
    ]
    assert verify(str(folder)) == []


@pytest.mark.parametrize("format_", ["csv", "json", "parquet", "delta"])
def test_every_format_with_rows_and_without(house: House, format_: str):
    house.wants("x", columns=["spend", "seen", "likes"], to={"format": format_, "files": 2})
    house.wants("empty", audience="vip", columns=["spend"], to={"format": format_})
    house.release(people(a=1, b=2, c=3), holdout="abc")
    house.deliver()
    assert house.manifest()["rows"] == 3 and house.manifest("empty")["rows"] == 0
    for name in ("x", "empty"):
        assert verify(str(house.out(name))) == []
    folder = house.out()
    reading = {
        "csv": f"read_csv('{folder}/*.csv')",
        "json": f"read_json('{folder}/*.jsonl')",
        "parquet": f"'{folder}/*.parquet'",
    }
    by_delta = dataset_of(DeltaTable(folder / "export")).to_table() if format_ == "delta" else pa.table({})
    read = duckdb.sql(f"select customer_id, cast(spend as int) from {reading.get(format_, 'by_delta')} order by 1")
    assert read.fetchall() == [("a", 1), ("b", 2), ("c", 3)]
    assert by_delta.num_rows in (0, 3)
    if format_ == "csv":
        assert (house.out("empty") / "export-00000.csv").read_text() == "customer_id,spend\n"


def test_a_release_without_a_single_customer(house: House):
    both_modes(house, audience="vip", columns=["spend"], identifiers={"email": "sha256"})
    house.wants("csv", columns=["spend"])
    house.release({})
    house.deliver()
    house.release(people(a=1), day=1)
    house.deliver()
    house.release({}, day=2)
    house.deliver()
    assert [house.manifest(day=day)["rows"] for day in range(3)] == [0, 1, 1]
    assert house.manifest(day=2)["counts"] == {"added": 0, "changed": 0, "removed": 1, "merged": 0}
    assert held_after(house, [0, 1, 2]) == {} == full(house, 2)
    assert (house.out("csv") / "export-00000.csv").read_text() == "customer_id,spend\n"


def test_the_same_release_is_delivered_once(house: House):
    house.wants("x", columns=["spend"])
    house.release(people(a=1, b=2))
    house.deliver()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in house.out().iterdir()}
    house.deliver()
    house.deliver()
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in house.out().iterdir()} == before
    assert [(row["release"], row["rows"], row["mode"], row["counts"]) for row in house.noted()] == [(1, 2, "full", {})]


def test_leftovers_of_a_delivery_that_died_go_and_other_peoples_files_stay(house: House):
    house.wants("x", columns=["spend"])
    house.release(people(a=1))
    folder = house.out()
    staging = folder.parent / f"_{folder.name}.staging" / "export"
    for place in (folder, staging):
        place.mkdir(parents=True)
        (place / "export-00000.csv").write_text("half")
        (place / "export-00007.csv").write_text("old")
    (folder / "readme.txt").write_text("ours")
    assert verify(str(folder)) == [f"{folder}: no manifest.json that can be read: the delivery is not complete"]
    house.deliver()
    assert names(folder) == ["export-00000.csv", "manifest.json", "readme.txt"]
    assert not staging.parent.exists()
    assert verify(str(folder)) == []


def test_verify_tells_what_was_changed_afterwards(house: House):
    house.wants("x", columns=["spend"])
    house.wants("y", columns=["spend"], to={"format": "parquet"})
    house.release(people(a=1, b=2))
    house.deliver()
    folder, data = house.out(), house.out() / "export-00000.csv"
    whole = data.read_text()

    def told() -> str:
        return "\n".join(verify(str(folder)))

    data.write_text(whole.replace("b,2", "b,3"))
    assert told().endswith("its checksum is not the manifest's: it was changed after it was delivered")
    data.write_text(whole + "c,9.0000\n")
    assert "3 rows, 2 in the manifest" in told() and "bytes" in told()
    data.write_text(whole.replace("customer_id,spend", "customer_id,money"))
    assert "its columns are not the manifest's" in told()
    (folder / "export-00001.csv").write_text(whole)
    assert "export-00001.csv: not in the manifest" in told()
    data.unlink()
    assert "export-00000.csv: missing" in told()
    (house.out("y") / "export-00000.parquet").write_bytes(b"no parquet")
    assert any("cannot be read as parquet" in line for line in verify(str(house.out("y"))))


def test_a_folder_that_cannot_be_written_is_named_and_the_others_are_served(house: House):
    (house.root / "file").write_text("a file where a folder should be")
    house.wants("bad", columns=["spend"], to={"path": "file/{date}/"})
    house.wants("gone", columns=["spend"], to={"path": "/proc/nowhere/{date}/"})
    house.wants("x", columns=["spend"])
    house.release(people(a=1))
    with pytest.raises(PortraitError) as error:
        house.deliver()
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["export bad", "export gone"]
    assert f"{house.root}/file/2026-03-01: cannot be written: " in lines[0]
    assert "/proc/nowhere/2026-03-01: cannot be written: No such file or directory" in lines[1]
    assert verify(str(house.out())) == [] and len(house.noted()) == 1


class Dying:
    """A file system on which the process dies just before, or just after, its n-th change."""

    def __init__(self, system: Any, life: list[int], late: bool) -> None:
        self._system, self._life, self._late = system, life, late

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._system, name)
        if name not in ("create_dir", "delete_dir", "delete_file", "move", "open_output_stream"):
            return real

        def change(*args: Any, **keys: Any) -> Any:
            self._life[0] -= 1
            if self._life[0] == 0 and not self._late:
                raise Killed
            done = real(*args, **keys)
            if self._life[0] == 0:
                raise Killed
            return done

        return change


@pytest.mark.parametrize("late", [False, True])
def test_whoever_waits_for_the_manifest_never_sees_half_a_delivery(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
):
    path, to = str(tmp_path / "out"), Destination(format="parquet", path="out", files=2)
    schema = [{"name": "customer_id", "type": "bigint"}]

    def deliver(rows: int) -> None:
        def complete(files: Any, there: int) -> tuple[dict[str, Any], str]:
            found = [vars(file) for file in files]
            return {"format": "parquet", "schema": schema, "files": found, "rows": there}, "version: 1.0.0"

        publish(spark.range(rows).toDF("customer_id").coalesce(2), uri=path, to=to, complete=complete)

    def whole() -> int | None:
        """What a reader who waits for the manifest sees."""
        manifest = read_manifest(path)
        assert manifest is None or verify(path) == []
        return manifest and manifest["rows"]

    deliver(10)
    real, change, seen = open_folder, 0, set()
    while True:
        change += 1
        life = [change]
        monkeypatch.setattr(delivery, "open_folder", dying(real, life, late))
        try:
            deliver(10 + change)
        except Killed:
            monkeypatch.setattr(delivery, "open_folder", real)
            seen.add(now if (now := whole()) in (None, 9 + change, 10) else "new")
            deliver(10 + change)
            assert whole() == 10 + change
            continue
        break
    assert change > 8 and None in seen
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out"]


def dying(real: Callable[[str], Any], life: list[int], late: bool) -> Callable[[str], Any]:
    return lambda uri: replace(real(uri), system=Dying(real(uri).system, life, late))


# -- changes


def held_after(house: House, days: list[int], name: str = "x") -> dict[str, Any]:
    """What a receiver holds who applied these deliveries in order, with DuckDB alone."""
    receiver = duckdb.connect()
    for day in days:
        manifest, files = house.manifest(name, day), f"'{house.out(name, day)}/*.parquet'"
        if manifest["mode"] == "full":
            receiver.execute(f"create or replace table held as select * exclude (change, merged_into) from {files}")
        else:
            receiver.execute(f"delete from held where customer_id in (select customer_id from {files})")
            rows = f"select * exclude (change, merged_into) from {files} where change in ('added', 'changed')"
            receiver.execute(f"insert into held {rows}")
    held = receiver.sql("select * from held").fetchall()
    assert len({row[0] for row in held}) == len(held)
    return {row[0]: row[1:] for row in held}


def full(house: House, day: int, name: str = "full") -> dict[str, Any]:
    rows = duckdb.sql(f"from '{house.out(name, day)}/*.parquet'").fetchall()
    return {row[0]: row[1:] for row in rows}


def both_modes(house: House, **keys: Any) -> None:
    house.wants("x", mode="changes", to={"format": "parquet"}, **keys)
    house.wants("full", to={"format": "parquet"}, **keys)


def test_yesterdays_full_and_todays_changes_are_todays_full(house: House):
    both_modes(house, audience="vip", columns=["spend", "note", "likes"], identifiers={"email": "sha256"})
    nights: list[tuple[dict[str, Person], dict[str, list[str]], str]] = [
        (people(a=1, b=2, c=3, d=4, e=5), {}, ""),
        (people(a=1, b=20, d=4, f=6), {"a": ["a", "c"]}, "d"),
        (people(a=1, b=20, d=4, f=6), {}, "d"),
        ({**people(b=20, g=7), "a": {"spend": 1, "note": None, "likes": []}}, {"g": ["f"], "b": ["d"]}, ""),
    ]
    for day, (who, merges, holdout) in enumerate(nights):
        house.release(who, day=day, merges=merges, holdout=holdout)
        house.deliver()
        assert verify(str(house.out(day=day))) == []
        assert held_after(house, list(range(day + 1))) == full(house, day)
    counts = [house.manifest(day=day)["counts"] for day in range(4)]
    assert counts == [
        {"added": 5, "changed": 0, "removed": 0, "merged": 0},
        {"added": 1, "changed": 1, "removed": 2, "merged": 1},  # e is gone, d held out, c merged into a
        {"added": 0, "changed": 0, "removed": 0, "merged": 0},
        {"added": 1, "changed": 1, "removed": 0, "merged": 1},  # f merged into g; d was not there any more
    ]
    into = duckdb.sql(
        f"select customer_id, merged_into from '{house.out(day=1)}/*.parquet' where change = 'merged'"
    ).fetchall()
    assert into == [("c", "a")]
    assert [house.manifest(day=day)["mode"] for day in range(4)] == ["full", "changes", "changes", "changes"]
    assert house.manifest()["reset"] == "first delivery"
    assert house.manifest(day=3)["since"] == {"release": 3, "date": "2026-03-03"}
    assert [(row["release"], row["mode"]) for row in house.noted()] == [
        (1, "full"),
        (2, "changes"),
        (3, "changes"),
        (4, "changes"),
    ]


def test_a_night_that_was_not_delivered_is_caught_up_with(house: House):
    both_modes(house, columns=["spend"], identifiers={"customer_id": "hmac"}, key="k" * 40)
    house.release(people(a=1, b=2, c=3))
    house.deliver()
    house.release(people(a=1, c=3, d=4), day=1, merges={"c": ["b"]})
    house.release(people(d=4, a=1), day=2, merges={"d": ["c"]})
    house.deliver()
    assert held_after(house, [0, 2]) == full(house, 2)
    assert house.manifest(day=2)["counts"] == {"added": 1, "changed": 0, "removed": 0, "merged": 2}
    moved = duckdb.sql(f"select merged_into from '{house.out(day=2)}/*.parquet' where change = 'merged'").fetchall()
    added = duckdb.sql(f"select customer_id from '{house.out(day=2)}/*.parquet' where change = 'added'").fetchall()
    assert moved == [*added, *added] and len(added[0][0]) == 64


def test_a_merge_by_a_replay_of_the_delivered_night_is_told_by_the_next(house: House):
    both_modes(house, columns=["spend"])
    house.release(people(a=1, b=2, c=3, d=4), merges={"d": ["z"]})
    house.deliver()
    house.release(people(a=1, c=3, d=4), merges={"c": ["b"]}, run_id="replay-1")
    house.release(people(a=1, d=4), merges={"a": ["c"]}, run_id="replay-2")
    house.release(people(a=1, d=5), day=1)
    house.deliver()
    assert held_after(house, [0, 1]) == full(house, 1)
    moved = duckdb.sql(
        f"select customer_id, merged_into from '{house.out(day=1)}/*.parquet' where change = 'merged' order by all"
    ).fetchall()
    assert moved == [("b", "a"), ("c", "a")]


def test_a_delivery_that_was_never_noted_is_found_by_its_manifest(house: House):
    both_modes(house, columns=["spend"])
    for day, spend in enumerate((1, 2)):
        house.release(people(a=spend, b=1), day=day)
        house.deliver()
    ops = DeltaTable(house.lakehouse.path(OPS_EXPORT.name))
    ops.delete("release = 2 and export = 'x'")  # as if the run had died between manifest and note
    house.release(people(a=1, b=1), day=2)  # a is again what it was at the last delivery that was noted
    house.deliver()
    assert held_after(house, [0, 1, 2]) == full(house, 2)
    assert [row["release"] for row in house.noted()] == [1, 2, 3]


def test_everything_is_delivered_where_changes_cannot_be_told(house: House):
    both_modes(house, columns=["spend"])
    house.release(people(a=1, b=2))
    house.deliver()
    house.release(people(a=1, b=3))  # the same night once more: nobody knows whether its files were taken in
    house.deliver()
    assert house.manifest()["reset"] == "it takes the place of the delivery of release 1 in this folder"
    assert held_after(house, [0]) == full(house, 0)
    both_modes(house, columns=["spend", "note"])
    house.release(people(a=1), day=1)
    house.deliver()
    assert house.manifest(day=1)["reset"] == "the export's definition changed"
    house.release(people(a=1, b=2), day=2)
    DeltaTable(house.lakehouse.path("ops/release")).delete("release = 3")
    house.deliver()
    assert house.manifest(day=2)["reset"] == "release 3 can no longer be read"
    for file in DeltaTable(house.lakehouse.path(PROFILE)).file_uris():
        Path(file).unlink()  # as VACUUM does once a version has expired
    house.release(people(a=5), day=3)
    house.deliver()
    assert house.manifest(day=3)["reset"] == "release 4 can no longer be read"
    assert held_after(house, [2, 3]) == full(house, 3)


def test_a_purpose_that_asks_for_more_takes_back_who_was_never_asked(house: House):
    both_modes(house, columns=["spend"], purpose="marketing")
    house.consent = "opt_out"
    house.release(asked(a=True, b=None, c=False))
    house.deliver()
    assert set(held_after(house, [0])) == {"a", "b"}
    house.consent = "opt_in"
    house.release(asked(a=True, b=None, c=False), day=1)
    house.deliver()
    assert house.manifest(day=1)["reset"] == "the export's definition changed"
    assert set(held_after(house, [0, 1])) == {"a"} == set(full(house, 1))


def test_what_a_lost_lakehouse_delivered_after_its_backup_is_replaced(house: House):
    both_modes(house, columns=["spend"])
    house.release(people(a=1, b=2))
    house.deliver()
    # y, whom a lost night delivered, is in neither; the lakehouse came back, and its next release is 1002
    house.release(people(a=1, b=3), day=1, skipped=releases.SKIPPED)
    house.deliver()
    assert house.manifest(day=1)["reset"] == "the lakehouse came back from a backup since"
    house.release(people(a=1, b=4), day=2)
    house.deliver()
    assert (house.manifest(day=2)["mode"], house.manifest(day=2)["since"]["release"]) == ("changes", 1002)


def test_no_manifest_or_message_holds_personal_data(house: House):
    house.wants("x", columns=["spend"], identifiers={"email": "clear"})
    house.release({"a": {"email": "secret.person@x.org"}})
    house.deliver()
    assert "secret.person" not in json.dumps(house.manifest()) + str(house.noted())
    (house.out() / "export-00000.csv").write_text("customer_id,email,spend\nsecret.person,x\n")
    assert "secret.person" not in str(verify(str(house.out())))


def test_what_a_role_sees_masked_is_delivered_and_tells_nothing(house: House):
    house.wants("x", mode="changes", columns=["likes", "note", "spend"], to={"format": "parquet"})
    who = {**people(a=1, b=2), "a": {"spend": 1, "note": "loud", "likes": ["gin"]}}
    house.release(who)
    house.deliver()
    house.role = Role(columns={"note": "mask", "likes": "mask"})
    house.release(who, day=1)
    house.deliver()
    assert house.manifest(day=1)["reset"] == "the export's definition changed"
    assert [column["form"] for column in house.manifest(day=1)["schema"]][3:] == ["masked", "masked", None]
    assert held_after(house, [0, 1]) == {"a": (None, "***", Decimal(1)), "b": (None, "***", Decimal(2))}
    house.release({**who, "a": {"spend": 1, "note": "quiet"}, "b": {"spend": 3}}, day=2)
    house.deliver()
    # who has another note is no news to somebody who may not read it
    assert house.manifest(day=2)["counts"] == {"added": 0, "changed": 1, "removed": 0, "merged": 0}
    assert held_after(house, [0, 1, 2])["b"] == (None, "***", Decimal(3))
