"""Backups without Spark: what comes along and what does not, dying half-way, damage, and what is refused."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from jobs.changes.backup import backup, verify_backup
from jobs.changes.restore import restore_backup
from jobs.cli import app
from jobs.engines import erasures
from jobs.engines.backups import Place
from jobs.engines.persons import Person
from jobs.engines.purge import purge
from jobs.runtime import releases
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.recovery import begin
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse
from tests.unit.backed_up import CRM, FIRST, PROFILE, SECOND, THIRD, House, held, new_house
from transforms.errors import DataError, DefinitionError, LockedError, PortraitError

SCREEN = Screen(as_json=True)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    return new_house(tmp_path, str(tmp_path / "lakehouse"), str(tmp_path / "backup"), monkeypatch)


def test_what_releases_name_comes_back_and_nothing_else(house: House) -> None:
    backup(house.conf, house.to)
    moved = house.elsewhere("moved")
    restore_backup(moved, f"file://{house.to}", screen=SCREEN)
    there = Lakehouse(moved.lakehouse)
    states = [held(there, release) for release in all_releases(there)]
    first, second = ({PROFILE: names, CRM: names} for names in (["a", "b"], ["a", "b", "c"]))
    assert states == [first, second, second]
    assert [(known.cause, known.date) for known in all_releases(there)][1:] == [("night", SECOND), ("restore", SECOND)]
    assert there.version(PROFILE) == 1 and there.version("gold/late") is None
    assert len(list(Path(there.path(PROFILE)).glob("*.parquet"))) == 2
    same = {"configuration": "c", "code_version": "1", "options": {}}
    assert begin(house.lakehouse, THIRD, **same).run_id == "dead"  # where it died it would go on, …
    assert not begin(there, THIRD, **same).resumed  # … but what it had written did not come along


def test_only_what_is_new_is_copied_and_what_nothing_names_goes(house: House) -> None:
    backup(house.conf, house.to)
    assert backup(house.conf, house.to).copied == 0
    before = house.files
    house.lakehouse.roll_back(all_releases(house.lakehouse)[-1].versions)
    house.night(THIRD, "d")
    done = backup(house.conf, house.to)
    # a data file and an entry each for crm, ops/run and ops/release; of the profile a data file and three entries,
    # for the commit of the run that died and the way back lie between
    assert (done.copied, done.removed) == (10, 0)
    assert before < house.files
    write_deltalake(house.lakehouse.path(PROFILE), pa.table({"customer_id": ["a"]}), mode="overwrite")
    last = all_releases(house.lakehouse)[-1]
    versions = {**last.versions, PROFILE: house.lakehouse.version(PROFILE) or 0}
    releases.publish(house.lakehouse, run_id="e", day=THIRD, cause="erasure", versions=versions, configuration="c")
    releases.expire(house.lakehouse, [1, 2, 3])
    purge(house.lakehouse, [release for release in all_releases(house.lakehouse) if not release.expired])
    done = backup(house.conf, house.to)
    assert done.manifest.releases == [4]
    kept = {file.name for file in Path(house.conf.lakehouse).rglob("*.parquet") if "_delta_log" not in str(file)}
    assert house.files == kept
    assert [file for file in Path(house.to).rglob("*") if file.is_file()] and verify_backup(house.to) == done.manifest


@pytest.mark.parametrize("dies_at", ["keep", "remove"])
def test_a_backup_that_died_is_the_old_or_the_new_whole_one(
    house: House, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """A table that was made anew has entries of the same names in its log as the one that is backed up."""
    backup(house.conf, house.to)
    shutil.rmtree(house.lakehouse.path(PROFILE))
    house.night(THIRD, "z")
    releases.expire(house.lakehouse, [1, 2])
    original, calls = getattr(Place, dies_at), []

    def dying(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Place, dies_at, dying)
        backup(house.conf, house.to)
    whole = verify_backup(house.to)
    assert whole.releases == ([1, 2] if dies_at == "keep" else [3])
    moved = house.elsewhere("moved")
    released, _ = restore_backup(moved, house.to, screen=SCREEN)
    expected = ["a", "b", "c"] if dies_at == "keep" else ["z"]
    assert held(Lakehouse(moved.lakehouse), released)[PROFILE] == expected
    done = backup(house.conf, house.to)
    assert done.manifest.releases == [3]
    named = {f"{house.to}/tables/{name}" for name in done.manifest.files}
    assert {str(file) for file in (Path(house.to) / "tables").rglob("*") if file.is_file()} == named


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens to the lakehouse when the backup copies its third file."""
    original, calls = Place.keep, []

    def keep(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            happens()
        return original(*args)

    monkeypatch.setattr(Place, "keep", keep)


def test_a_night_may_run_meanwhile_and_maintenance_is_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: house.night(THIRD, "d"))
        assert backup(house.conf, house.to).manifest.releases == [1, 2]
    assert verify_backup(house.to).newest is not None
    with (
        monkeypatch.context() as patch,
        pytest.raises(PortraitError, match=r"tidied .*\(release 1 has expired\).*again"),
    ):
        meanwhile(patch, lambda: releases.expire(house.lakehouse, [1]))
        backup(house.conf, house.to)
    assert verify_backup(house.to).releases == [1, 2]
    assert backup(house.conf, house.to).manifest.releases == [2, 3]


@pytest.mark.parametrize(("damage", "told"), [("cut", "its log says"), ("unlink", "or is damaged")])
def test_a_damaged_lakehouse_does_not_replace_its_backup(house: House, damage: str, told: str) -> None:
    old = backup(house.conf, house.to).manifest
    house.lakehouse.roll_back(all_releases(house.lakehouse)[-1].versions)
    house.night(THIRD, "d")
    opened = house.lakehouse.open(CRM)
    assert opened is not None
    file = next(Path(uri) for uri in opened.file_uris() if Path(uri).name not in house.files)
    cut(file) if damage == "cut" else file.unlink()
    with pytest.raises(PortraitError, match=rf"^{house.conf.lakehouse}.*{told}"):
        backup(house.conf, house.to)
    assert verify_backup(house.to) == old


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def change(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw[:20] + bytes([raw[20] ^ 1]) + raw[21:])


@pytest.mark.parametrize("damage", [cut, change, Path.unlink])
@pytest.mark.parametrize("pattern", [f"tables/{CRM}/*.parquet", f"tables/{PROFILE}/_delta_log/*"])
def test_damage_is_found_restored_from_never_and_mended(
    house: House, damage: Callable[[Path], object], pattern: str
) -> None:
    backup(house.conf, house.to)
    file = sorted(Path(house.to).glob(pattern))[0]
    damage(file)
    with pytest.raises(DataError) as told:
        verify_backup(house.to)
    assert str(file) in str(told.value) and "\n" not in str(told.value)
    moved = house.elsewhere("moved")
    with pytest.raises(DataError, match=r"damaged|missing"):
        restore_backup(moved, house.to, screen=SCREEN)
    assert all_releases(Lakehouse(moved.lakehouse)) == []
    file.unlink(missing_ok=True)
    assert backup(house.conf, house.to).copied == 1
    restore_backup(moved, house.to, screen=SCREEN)
    assert sorted(file.name for file in Path(moved.lakehouse).iterdir()) == ["_lease.guard", "bronze", "gold", "ops"]


@pytest.mark.parametrize("dies_at", ["bronze", "ops"])
def test_a_restore_that_died_is_nothing_and_is_done_again(
    house: House, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    backup(house.conf, house.to)
    moved, move = house.elsewhere("moved"), Path.rename

    def dying(self: Path, target: Path) -> Path:
        if self.name == dies_at:
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", dying)
        restore_backup(moved, house.to, screen=SCREEN)
    there = Lakehouse(moved.lakehouse)
    assert all_releases(there) == []
    released, _ = restore_backup(moved, house.to, screen=SCREEN)
    assert held(there, released)[CRM] == ["a", "b", "c"]
    assert [known.release for known in all_releases(there)] == [1, 2, 1003]


def test_who_was_erased_is_erased_again(house: House) -> None:
    """The backup knows of an erasure, and of no release without the person."""
    keys = house.conf.privacy.keys.erasure
    person = Person(frozenset({"b"}), frozenset(), frozenset(), frozenset())
    erasures.note_gone(house.lakehouse, erasures.ask(house.lakehouse, [], person.secret, keys), 3, {})
    backup(house.conf, house.to)
    moved = house.elsewhere("moved")
    released, _ = restore_backup(moved, house.to, screen=SCREEN)
    assert (released.release, released.cause) == (1003, "erasure")
    assert held(Lakehouse(moved.lakehouse), released)[PROFILE] == ["a", "c"]


def test_a_full_disk_leaves_the_old_backup(house: House) -> None:
    backup(house.conf, house.to)
    old = verify_backup(house.to)
    house.lakehouse.roll_back(all_releases(house.lakehouse)[-1].versions)
    house.night(THIRD, "d")
    opened = house.lakehouse.open(CRM)
    assert opened is not None
    (new,) = {Path(uri).name for uri in opened.file_uris()} - house.files
    full = Path(house.to, "tables", CRM, f"{new}.part")
    full.symlink_to("/dev/full")
    with pytest.raises(PortraitError, match=rf"^{house.to}: cannot be written: No space left on device$"):
        backup(house.conf, house.to)
    assert verify_backup(house.to) == old
    full.unlink()
    assert backup(house.conf, house.to).manifest.releases == [1, 2, 3]


@pytest.fixture
def portrait(house: House) -> Iterator[Callable[..., tuple[int, str]]]:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*arguments, "--conf", str(house.conf.root / "conf")])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, " ".join(done.output.split())

    yield run


def test_what_is_refused(house: House, portrait: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "letter").write_text("")
    for place, status, line in (
        (f"{house.conf.lakehouse}/backup", 2, "would lie in one another"),
        (str(tmp_path), 2, "would lie in one another"),
        (str(tmp_path / "kept"), 2, "is not empty, and no backup; name another folder"),
        (str(tmp_path / "file" / "below"), 1, "cannot be written: Not a directory"),
        *((place, 2, "is no place for a backup: name a folder of") for place in ("tape://one", "gs://bucket/vault")),
    ):
        told = portrait("backup", "--to", place)
        assert told[0] == status and line in told[1] and place in told[1], told
    for command in ("backup", "--verify"), ("restore", "--from"):
        status, line = portrait(*command, str(tmp_path / "nowhere"))
        assert status == 2 and line.endswith("nowhere: there is no backup; portrait backup --to makes one")
    assert portrait("backup")[0] == portrait("restore")[0] == 2
    assert portrait("backup", "--to", house.to)[0] == portrait("backup", "--verify", house.to)[0] == 0
    status, line = portrait("restore", "--from", house.to)
    assert status == 2 and "holds releases up to 2 of 2026-03-02; a backup is restored into an absent or empty" in line
    with pytest.raises(DefinitionError, match=r"kept: is not empty \(letter\); a backup is restored into an absent or"):
        restore_backup(house.elsewhere("kept"), house.to)
    with pytest.raises(DefinitionError, match="no night is released yet"):
        backup(house.elsewhere("absent"), house.to)
    assert not (tmp_path / "absent").exists()
    Path(house.to, "manifest.json").write_text('{"format": 1')
    assert portrait("restore", "--from", house.to)[1].endswith("is damaged (it is not JSON); back up to another folder")


def test_a_backup_of_another_lakehouse_stays_as_it_is(house: House) -> None:
    old = backup(house.conf, house.to).manifest
    other = House(house.elsewhere("other"), house.to)
    other.night(FIRST, "x")
    with pytest.raises(DefinitionError, match=rf"holds the backup of another lakehouse \({house.conf.lakehouse}\)"):
        backup(other.conf, house.to)
    assert verify_backup(house.to) == old
    moved = house.elsewhere("moved")
    restore_backup(moved, house.to, screen=SCREEN)
    assert backup(moved, house.to).manifest.releases == [1, 2, 1003]  # the restored one is the same


def test_one_backup_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lease(f"{house.conf.lakehouse}/_backup", "backup (process 1)"):
        monkeypatch.setattr(Lease, "_lives", lambda *_: True)
        with pytest.raises(LockedError, match=r"run backup \(process 1\) holds"):
            backup(house.conf, house.to)
