"""Backups, restores and purges where either side is on S3: small tables without Spark, ended anywhere, run again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from jobs.changes import restore
from jobs.changes.backup import backup, verify_backup
from jobs.changes.forget import forget
from jobs.changes.maintain import maintain
from jobs.changes.restore import restore_backup
from jobs.cli import app
from jobs.engines import purge as purging
from jobs.engines import state_rows as state_rows_of
from jobs.engines.backups import Place
from jobs.engines.purge import purge
from jobs.engines.state_rows import state_rows
from jobs.runtime import releases
from jobs.runtime.console import Screen
from jobs.runtime.objects import copy_objects, write_whole
from jobs.runtime.releases import all_releases
from jobs.runtime.rewriting import take_out
from jobs.runtime.stores import delta_options, exists, files_below, put_file, read_file, remove_folder
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.servers import client
from tests.unit.backed_up import CRM, PROFILE, THIRD, House, empty_house, held, new_house
from transforms.errors import DataError, LockedError, PortraitError

SCREEN = Screen(as_json=True)
NUMBERS = count()


@pytest.fixture(scope="module")
def original(s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a lakehouse lies that nobody changes."""
    with pytest.MonkeyPatch.context() as patch:
        return new_house(tmp_path_factory.mktemp("far"), "s3a://portrait/house", "", patch).lakehouse.uri


@pytest.fixture
def far(original: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A lakehouse on S3 and a place for its backup there."""
    place = f"s3a://portrait/houses/{next(NUMBERS)}"
    made = empty_house(tmp_path, f"{place}/lakehouse", f"{place}/backup", monkeypatch)
    copy_objects(original, made.lakehouse.uri, files_below(original))
    return made


def dying(original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """The same, until it is called for the so-manyth time."""
    calls = count(1)

    def call(*arguments: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(*arguments)

    return call


@pytest.mark.parametrize("backed_up", ["to S3", "from S3"])
def test_a_lakehouse_moves_by_its_backup_from_a_disk_to_s3_and_back(
    far: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backed_up: str
) -> None:
    if backed_up == "to S3":
        (tmp_path / "near").mkdir()
        house, moved = new_house(tmp_path / "near", f"{tmp_path}/lakehouse", far.to, monkeypatch), f"{far.to}_moved"
    else:
        house, moved = House(far.conf, f"{tmp_path}/backup"), f"{tmp_path}/moved"
    first = backup(house.conf, house.to)
    assert first.copied == len(first.manifest.files) and backup(house.conf, house.to).copied == 0
    house.lakehouse.roll_back(all_releases(house.lakehouse)[-1].versions)
    house.night(THIRD, "d")
    again = backup(house.conf, house.to)
    assert 0 < again.copied < first.copied and again.removed == 0
    assert verify_backup(house.to) == again.manifest
    assert files_below(f"{house.to}/tables") == again.manifest.files.keys()
    restore_backup(house.elsewhere(moved), house.to, screen=SCREEN)
    there = Lakehouse(moved)
    assert [known.release for known in all_releases(there)] == [1, 2, 3, 1004]
    every = [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"], ["a", "b", "c", "d"]]
    assert [held(there, release) for release in all_releases(there)] == [{PROFILE: v, CRM: v} for v in every]
    assert {file.partition("/")[0] for file in files_below(there.uri)} <= {
        "bronze", "gold", "ops", "_lease.json", "_lease.guard",
    }  # fmt: skip
    assert backup(house.elsewhere(moved), house.to).manifest.releases == [1, 2, 3, 1004]  # it is the same lakehouse


@pytest.mark.parametrize("dies_at", ["keep", "remove"])
def test_a_backup_that_died_is_the_old_or_the_new_whole_one(
    far: House, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """A table that was made anew has entries of the same names in its log as the one that is backed up."""
    backup(far.conf, far.to)
    remove_folder(far.lakehouse.path(PROFILE))
    far.night(THIRD, "z")
    releases.expire(far.lakehouse, [1, 2])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Place, dies_at, dying(getattr(Place, dies_at), 4))
        backup(far.conf, far.to)
    assert verify_backup(far.to).releases == ([1, 2] if dies_at == "keep" else [3])
    done = backup(far.conf, far.to)
    assert done.manifest.releases == [3] and files_below(f"{far.to}/tables") == done.manifest.files.keys()


def test_an_object_whose_source_breaks_off_is_none(s3: dict[str, str]) -> None:
    """Nor does the store keep the parts that it had taken in."""
    parts = [b"x" * 6_000_000, b"y" * 6_000_000, b"z"]

    def broken() -> Iterator[bytes]:
        yield from parts
        raise OSError("broke off")

    with pytest.raises(OSError, match=r"^broke off$"):
        write_whole("s3a://portrait/parts/broken", broken())
    write_whole("s3a://portrait/parts/whole", iter(parts))
    assert files_below("s3a://portrait/parts") == {"whole"} and read_file("s3a://portrait/parts/whole") == b"".join(
        parts
    )
    assert "Uploads" not in client(s3).list_multipart_uploads(Bucket="portrait")


def test_of_two_backups_to_one_place_the_later_is_told(far: House) -> None:
    backup(far.conf, far.to)
    ours, theirs = Place(far.to), Place(far.to)
    mine, other = ours.manifest(), theirs.manifest()
    assert mine is not None and other is not None
    theirs.write_manifest(other.model_copy(update={"made_at": datetime.now(UTC)}))
    with pytest.raises(LockedError, match=f"^{far.to}: another backup was made there meanwhile"):
        ours.write_manifest(mine.model_copy(update={"releases": [9]}))
    assert verify_backup(far.to).releases == [1, 2]


def test_what_is_damaged_is_found_and_mended(far: House) -> None:
    done = backup(far.conf, far.to)
    cut, gone = (name for name in sorted(done.manifest.files) if name.startswith(CRM) and name.endswith(".parquet"))
    put_file(f"{far.to}/tables/{cut}", b"cut")
    Place(far.to).remove(gone)
    with pytest.raises(DataError, match=rf"tables/{cut}: is not what was backed up.* \(and 1 more\)"):
        verify_backup(far.to)
    moved = far.elsewhere(f"{far.to}_moved")
    with pytest.raises(DataError, match=r"damaged|missing"):
        restore_backup(moved, far.to, screen=SCREEN)
    assert all_releases(Lakehouse(moved.lakehouse)) == []
    assert backup(far.conf, far.to).copied == 2
    restore_backup(moved, far.to, screen=SCREEN)
    file = far.lakehouse.files(CRM, 1)[0]
    put_file(f"{far.lakehouse.path(CRM)}/{file}", b"cut")
    with pytest.raises(DataError, match=rf"{file}: has 3 bytes, its log says"):
        backup(far.conf, far.to)
    with pytest.raises(PortraitError, match=rf"{file}: has 3 bytes, not .*portrait restore --to RUN"):
        far.lakehouse.roll_back(all_releases(far.lakehouse)[-1].versions)
    assert not far.lakehouse.holds(CRM, 1)


@pytest.mark.parametrize("dies_at", [1, 4])
def test_a_restore_that_died_is_nothing_and_is_done_again(
    far: House, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """While its tables are laid out, and between the entries of the log that tells of releases: these come last."""
    backup(far.conf, far.to)
    moved = far.elsewhere(f"{far.to}_moved")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(restore, "copy_objects", dying(restore.copy_objects, dies_at))
        restore_backup(moved, far.to, screen=SCREEN)
    there = Lakehouse(moved.lakehouse)
    if dies_at < 4:
        assert all_releases(there) == []
    else:
        with pytest.raises(PortraitError, match=f"^{there.uri}: a restore into it goes on, or died"):
            all_releases(there)
    released, _ = restore_backup(moved, far.to, screen=SCREEN)
    assert held(there, released)[CRM] == ["a", "b", "c"]
    assert [known.release for known in all_releases(there)] == [1, 2, 1003]
    assert not exists(f"{there.uri}/_restoring")


@pytest.mark.parametrize("dies_at", [2, 3])
def test_a_purge_that_died_is_ended_by_the_next(far: House, monkeypatch: pytest.MonkeyPatch, dies_at: int) -> None:
    far.lakehouse.roll_back(all_releases(far.lakehouse)[-1].versions)
    far.add("gold/late", "of no release")
    put_file(f"{far.lakehouse.path(CRM)}/half.parquet", b"left by a write that died")
    releases.expire(far.lakehouse, [1])
    living = [release for release in all_releases(far.lakehouse) if not release.expired]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(purging, "remove_files", dying(purging.remove_files, dies_at))
        purge(far.lakehouse, living)
    purge(far.lakehouse, living)
    assert held(far.lakehouse, living[0]) == {name: ["a", "b", "c"] for name in (PROFILE, CRM)}
    assert not exists(far.lakehouse.path("gold/late")) and not far.lakehouse.holds(CRM, 0)
    for table in (CRM, PROFILE):
        files = files_below(far.lakehouse.path(table))
        assert {file for file in files if not file.startswith("_delta_log/")} == set(far.lakehouse.files(table))
        first = living[0].versions[table]
        assert min(int(file.rpartition("/")[2][:20]) for file in files if "/0000" in file) == first
    again = purge(far.lakehouse, living)
    assert (again.files, again.commits, again.tables) == (0, 0, 0)


def test_rows_are_placed_and_taken_out_as_on_a_disk(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files of which some lack a column, by a condition that meets all, some or none of a file's rows."""
    monkeypatch.setattr(state_rows_of, "_COPIES", 1)
    files = (
        {"v": ["a", "b", "a"], "_batch_date": ["1"] * 3}, {"v": ["c"], "note": ["it's a"], "_batch_date": ["2"]},
        {"v": ["d", "a"], "note": [None, "e"], "_batch_date": ["2"] * 2}, {"v": ["f"], "_batch_date": ["1"]},
    )  # fmt: skip
    told = []
    for lakehouse in (Lakehouse(str(tmp_path)), Lakehouse("s3a://portrait/placed")):
        path = lakehouse.path("gold/x")
        for rows in files:
            write_deltalake(
                path, pa.table(rows), mode="append", schema_mode="merge", partition_by=["_batch_date"],
                storage_options=delta_options(path),
            )  # fmt: skip
        with state_rows(lakehouse, {"gold/x": 3}) as state:
            places = state.places("gold/x", "v = 'a' or note = 'it''s a'")
            whole = state.whole_files("gold/x", "v in ('a', 'c')")
            assert state.places("gold/x", "v = 'z'") == {}
            assert state.number(whole) == 4 and sorted(map(str, whole.values())) == ["None", "[0, 2]", "[1]"]
        version = take_out(lakehouse, "gold/x", 3, places)
        left = lakehouse.dataset("gold/x", version)
        assert left is not None
        told.append((sorted(places.values()), sorted(left.to_table().to_pylist(), key=str)))
    assert told[0] == told[1]
    assert [row["v"] for row in told[1][1]] == ["b", "d", "f"] and told[1][0] == [[0], [0, 2], [1]]


def test_what_a_bucket_keeps_of_what_was_removed_is_said(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = new_house(tmp_path, "s3a://versioned/lakehouse", "s3a://versioned/backup", monkeypatch)
    for_good = replace(house.conf, privacy=house.conf.privacy.model_copy(update={"retention": {}}))
    kept = maintain(for_good, screen=SCREEN).kept_by_store
    assert kept is not None and kept.startswith("s3a://versioned: the bucket keeps versions of its objects: what was")
    assert backup(house.conf, house.to).kept_by_store == kept
    assert backup(house.conf, str(tmp_path / "backup")).kept_by_store is None
    versions = client(s3).list_object_versions(Bucket="versioned", Prefix="lakehouse/gold/late")
    assert versions["Versions"] and files_below("s3a://versioned/lakehouse/gold/late") == set()  # it says the truth


def test_what_is_refused(far: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*arguments, "--conf", str(far.conf.root / "conf")])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, " ".join(done.output.split())

    put_file("s3a://portrait/letters/one", b"dear")
    backup(far.conf, far.to)
    for place, status, line in (
        (f"{far.conf.lakehouse}/backup", 2, "would lie in one another"),
        ("s3://portrait", 2, "would lie in one another"),
        ("s3://portrait/letters", 2, "is not empty, and no backup; name another folder"),
        ("s3://none-such/backup", 1, "NoSuchBucket"),
        ("s3a://read-only/backup", 1, "cannot be written: AccessDenied"),
        ("s3a://", 2, "is no place for a backup: it names no bucket"),
    ):
        code, output = told("backup", "--to", place)
        assert code == status and line in output and place.removeprefix("s3://") in output, output
    for command in ("backup", "--verify"), ("restore", "--from"):
        code, output = told(*command, "s3://portrait/nowhere")
        assert code == 2 and "s3a://portrait/nowhere: there is no backup; portrait backup --to makes one" in output
    code, output = told("restore", "--from", far.to)
    assert code == 2 and "holds releases up to 2 of 2026-03-02" in output
    monkeypatch.setenv("LAKEHOUSE", "s3a://portrait/letters")
    assert "letters: is not empty (one); a backup is restored into an absent or" in told("restore", "--from", far.to)[1]
    for bucket, cause in (("read-only", "AccessDenied"), ("none-such", "NoSuchBucket")):
        conf, line = far.elsewhere(f"s3a://{bucket}/lake"), rf"^s3a://{bucket}/lake: the .* written \({cause}\); free"
        for change in (
            partial(maintain, conf, screen=SCREEN), partial(forget, conf, "email:ann@x.org", screen=SCREEN),
            partial(restore_backup, conf, far.to, screen=SCREEN),
        ):  # fmt: skip
            with pytest.raises(PortraitError, match=line):
                change()


def test_without_credentials_that_is_what_is_said(far: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # a machine without a role
    with pytest.raises(PortraitError, match=r"no credentials: neither the environment \(AWS_ACCESS_KEY_ID, "):
        maintain(far.conf, screen=SCREEN)
