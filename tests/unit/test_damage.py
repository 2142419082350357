"""A damaged table is told by the file and what to do, and never read as something else."""

import gzip
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from pyarrow import parquet as pq

from jobs.commands.options import of_the_store
from jobs.engines.search import Search
from jobs.runtime.clock import now_after
from jobs.runtime.commits import KEPT_LOG
from jobs.runtime.damage import damage, whole
from jobs.runtime.releases import all_releases, publish
from jobs.runtime.rewriting import take_out
from jobs.runtime.tables import Lakehouse, dataset_of
from tests.unit.test_recovery import MONDAY, TUESDAY
from transforms.errors import LockedError, PortraitError
from transforms.schemas import Column, Table

THING = Table("gold/thing", (Column("v", "bigint", ""),))


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    made = Lakehouse(str(tmp_path))
    for value in (1, 2):
        made.append(THING, [{"v": value}])
    return made


def entry(lakehouse: Lakehouse, version: int) -> Path:
    return Path(lakehouse.path(THING.name)) / "_delta_log" / f"{version:020}.json"


def data(lakehouse: Lakehouse) -> Path:
    return Path(lakehouse.path(THING.name)) / lakehouse.files(THING.name)[0]


DAMAGES = {
    "data gone": (data, None, "is gone"),
    "data cut": (data, 100, "has 100 bytes, not "),
    "data empty": (data, 0, "has 0 bytes, not "),
    "log gone": (lambda made: entry(made, 1), None, "is gone"),
    "log cut": (lambda made: entry(made, 1), 50, "is empty or cut short"),
    "log empty": (lambda made: entry(made, 1), 0, "is empty or cut short"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_file_is_named_and_nothing_is_touched(lakehouse: Lakehouse, kind: str) -> None:
    of, size, told = DAMAGES[kind]
    assert damage(lakehouse.path(THING.name), 1) is None and lakehouse.holds(THING.name, 1)
    file = of(lakehouse)
    if size is None:
        file.unlink()
    else:
        os.truncate(file, size)
    before = sorted(Path(lakehouse.path(THING.name)).rglob("*"))
    with pytest.raises(PortraitError, match=told) as error:
        lakehouse.roll_back({THING.name: 1})
    [line] = str(error.value).splitlines()
    assert line.startswith(str(file)) and "portrait restore --to RUN" in line
    assert not lakehouse.holds(THING.name, 1)
    assert sorted(Path(lakehouse.path(THING.name)).rglob("*")) == before
    if of is not data:  # the version before it is whole
        assert lakehouse.holds(THING.name, 0)


def test_a_log_that_does_not_read_is_told_with_its_table(lakehouse: Lakehouse) -> None:
    os.truncate(entry(lakehouse, 1), 50)
    with pytest.raises(PortraitError, match=r"gold/thing: cannot be read .*; it is damaged: bring the file back"):
        lakehouse.rows(THING)


def test_what_a_power_cut_left_of_a_release_is_no_older_release(tmp_path: Path) -> None:
    """deltalake takes the empty entry for a commit of nothing: the release before would be the newest."""
    lakehouse = Lakehouse(str(tmp_path))
    for day in (MONDAY, TUESDAY):
        publish(lakehouse, run_id=f"{day}", day=day, cause="night", versions={}, configuration="c")
    os.truncate(tmp_path / "ops" / "release" / "_delta_log" / f"{1:020}.json", 0)
    assert DeltaTable(lakehouse.path("ops/release")).to_pyarrow_table().num_rows == 1
    with pytest.raises(PortraitError, match=r"ops/release/_delta_log/0+1\.json: is empty or cut short"):
        all_releases(lakehouse)


def test_log_entries_that_a_release_may_name_outlive_thirty_days(tmp_path: Path) -> None:
    """deltalake drops them at a checkpoint, where nothing is set."""
    old = time.time() - 40 * 86400
    for name, settings in (("kept", KEPT_LOG), ("usual", {})):
        for value in range(9):
            every = {"delta.checkpointInterval": "2", **settings}
            write_deltalake(tmp_path / name, pa.table({"v": [value]}), mode="append", configuration=every)
            for file in (tmp_path / name / "_delta_log").iterdir():
                os.utime(file, (old, old))
    assert DeltaTable(tmp_path / "kept", version=1).version() == 1
    with pytest.raises(DeltaError):
        DeltaTable(tmp_path / "usual", version=1)


def test_a_commit_comes_upon_the_version_it_was_made_for_or_not_at_all(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lakehouse.append(THING, [{"v": 3}], upon=1) == 2
    with pytest.raises(LockedError, match="gold/thing: another run has written to it"):
        lakehouse.append(THING, [{"v": 4}], upon=1)
    # and where the other one comes after the look and before the commit
    behind = DeltaTable(lakehouse.path(THING.name))
    lakehouse.append(THING, [{"v": 5}])
    monkeypatch.setattr(Lakehouse, "open", lambda *_: behind)
    with pytest.raises(LockedError, match="gold/thing: another run has written to it"):
        lakehouse.append(THING, [{"v": 6}], upon=2)
    monkeypatch.undo()
    assert sorted(row["v"] for row in lakehouse.rows(THING)) == [1, 2, 3, 5]


def test_a_run_that_lost_its_lease_publishes_nothing(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    about = {"cause": "night", "versions": {}, "configuration": "c"}
    publish(lakehouse, run_id="a", day=MONDAY, **about)

    def lost() -> None:
        raise LockedError("lost")

    with pytest.raises(LockedError, match="lost"):
        publish(lakehouse, run_id="b", day=TUESDAY, holds=lost, **about)
    # another one releases between the question and the answer
    meanwhile = lambda: publish(lakehouse, run_id="c", day=TUESDAY, **about)  # noqa: E731
    with pytest.raises(LockedError, match="ops/release: another run has written to it"):
        publish(lakehouse, run_id="d", day=TUESDAY, holds=meanwhile, **about)
    assert [(known.release, known.run_id) for known in all_releases(lakehouse)] == [(1, "a"), (2, "c")]


def test_what_is_noted_is_in_order_wherever_the_clock_stands() -> None:
    now = datetime.now(UTC)
    assert now_after([]) >= now
    assert now_after([now - timedelta(days=400)]) >= now
    ahead = now + timedelta(days=2)
    assert now_after([now, ahead]) == ahead + timedelta(microseconds=1)


@pytest.mark.parametrize("content", [b"", b"PAR1" + b"x" * 40])
def test_a_data_file_that_breaks_under_a_command_is_told_in_a_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "part-0.parquet"
    file.write_bytes(content)
    with pytest.raises(duckdb.Error) as broken:
        duckdb.sql(f"from read_parquet('{file}')").fetchall()
    told = of_the_store(broken.value)
    assert told and told.startswith(f"{file}: cannot be read; it is damaged: bring the file back")
    with pytest.raises(duckdb.Error) as mistake:
        duckdb.sql("select cast('x' as int)").fetchall()
    assert of_the_store(mistake.value) is None


@pytest.mark.parametrize("keep", [0, 300])
def test_and_where_arrow_meets_it(lakehouse: Lakehouse, keep: int) -> None:
    file, opened = data(lakehouse), lakehouse.open(THING.name)
    assert opened
    os.truncate(file, keep)
    with pytest.raises(pa.ArrowInvalid) as broken:
        dataset_of(opened).to_table()
    told = of_the_store(broken.value)
    assert told and told.startswith(f"{file.name}: cannot be read; it is damaged: bring the file back")
    with pytest.raises(pa.ArrowInvalid) as mistake:
        pa.array(["x"]).cast(pa.int64())
    assert "damaged" not in str(of_the_store(mistake.value))


CUT = {
    "rows.parquet": lambda whole: whole[: len(whole) // 2],
    "page.parquet": lambda whole: whole[:4] + bytes(200) + whole[204:],
    "log.gz": lambda whole: gzip.compress(whole)[:-20],
    "broken.gz": lambda whole: gzip.compress(whole)[:40] + b"\xff" * 100,
    "notes.zst": lambda whole: pa.compress(whole, codec="zstd", asbytes=True)[:-20],
}


@pytest.mark.parametrize("name", CUT)
def test_the_proof_names_a_file_that_it_cannot_look_into(lakehouse: Lakehouse, tmp_path: Path, name: str) -> None:
    texts = Table("gold/texts", (Column("v", "string", ""),))
    lakehouse.append(texts, [{"v": f"ann{number}@example.org"} for number in range(500)])
    (held,) = lakehouse.files(texts.name)
    content = Path(lakehouse.path(texts.name), held).read_bytes()
    search, file = Search(["ann7@example.org"]), tmp_path / name
    file.write_bytes(content if name.endswith("parquet") else gzip.compress(content))
    assert not name.endswith("parquet") or search.of_file(str(file))
    file.write_bytes(CUT[name](content))
    with pytest.raises(PortraitError, match=rf"{file}: cannot be read; it is damaged: bring the file back") as told:
        search.of_file(str(file))
    assert "ann7" not in str(told.value)


def test_so_does_a_table_that_rows_are_taken_out_of(lakehouse: Lakehouse) -> None:
    file = data(lakehouse)
    os.truncate(file, 200)
    with pytest.raises(PortraitError, match=rf"{file}: cannot be read; it is damaged: bring the file back"):
        take_out(lakehouse, THING.name, 1, {str(file): [0]})


def test_a_store_that_is_away_is_no_damage() -> None:
    away = OSError("When reading information for key 'part-0.parquet': AWS Error NETWORK_CONNECTION during HeadObject")
    with pytest.raises(OSError, match="NETWORK_CONNECTION"), whole("s3a://bucket/gold/thing/part-0.parquet"):
        raise away
    told = of_the_store(away)
    assert told and "damaged" not in told


def test_a_file_that_is_broken_in_its_middle_is_told_of_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "part-0.parquet"
    table = pa.table({"v": [f"{number * 7919 % 1000}" for number in range(50_000)], "n": range(50_000)})
    pq.write_table(table, file, compression="snappy", row_group_size=10_000)
    held, chance, told = file.read_bytes(), random.Random(7), 0
    for _ in range(40):
        at = chance.randrange(4, len(held) * 3 // 4)
        file.write_bytes(held[:at] + chance.randbytes(40) + held[at + 40 :])
        try:
            duckdb.sql(f"from read_parquet('{file}')").fetchall()
        except duckdb.Error as broken:
            line = of_the_store(broken)
            assert line and "cannot be read; it is damaged" in line and "\n" not in line, broken
            told += 1
    assert told > 5
