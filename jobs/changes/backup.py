"""`portrait backup`: what the releases name that can be restored, copied to another place, only what is new of it.

It does not hold the lakehouse: a night may run meanwhile, whose commits no release names yet. It starts from one
version of ops/release, read first; every other table of ops comes with its head, so that no erasure is missing which
a release of the backup knows of. Maintenance meanwhile is found out at the end, and then nothing changes. See
docs/adr/0023.
"""

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
from deltalake.exceptions import DeltaError

from jobs.engines.backups import LOG, MANIFEST, TABLES, Manifest, Newest, Place, Stored, own_name, sha256, stored_name
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.objects import versions_kept
from jobs.runtime.reader import Reader
from jobs.runtime.releases import Release, all_releases
from jobs.runtime.stores import at_once, sizes_below
from jobs.runtime.tables import Lakehouse
from transforms.errors import DataError, DefinitionError, PortraitError
from transforms.schemas import OPS_RELEASE


@dataclass(frozen=True)
class BackedUp:
    """What a run did. `copied`, `removed`: files; `size`: bytes that were copied. `kept_by_store`: what the place
    keeps all the same."""

    manifest: Manifest
    copied: int
    size: int
    removed: int
    kept_by_store: str | None


def backup(conf: Configuration, to: str) -> BackedUp:
    """Bring the backup at a folder or URI to what the lakehouse's releases name now; what none names any more goes.

    Raises DefinitionError where no night is released or the place holds something else, LockedError where another
    backup of this lakehouse runs, PortraitError where the place cannot be written or the lakehouse was tidied
    meanwhile. The backup that was there stays whole then.
    """
    lakehouse, place = Lakehouse(conf.lakehouse), Place(to)
    Reader(conf)  # there is something to back up
    _check_apart(lakehouse, place)
    with Lease(f"{lakehouse.uri}/_backup", f"backup (process {os.getpid()})"):
        last = _last(lakehouse, place)
        at = lakehouse.version(OPS_RELEASE.name)
        living = _living(lakehouse, at)
        versions = _versions(lakehouse, living, at)
        files, copied = _kept(lakehouse, place, versions, last)
        if lost := {release.release for release in living} - {release.release for release in _living(lakehouse)}:
            raise _tidied(lakehouse, f"release {min(lost)} has expired")
        made = _manifest(last, living, versions, files)
        place.write_manifest(made)
        gone = sorted(set(place.sizes()) - set(files))
        for name in gone:
            place.remove(name)
        kept = versions_kept(f"{place.path}/{MANIFEST}")
    return BackedUp(made, len(copied), sum(copied.values()), len(gone), kept)


def verify_backup(path: str) -> Manifest:
    """Prove a backup: every file is there with its checksum, and every version of every release opens.

    Raises DefinitionError where there is none, DataError in one line where something is wrong with it.
    """
    place = Place(path)
    manifest = place.whole()
    with tempfile.TemporaryDirectory() as folder:

        def damage(name: str) -> str | None:
            opens = f"/{LOG}/" in name or name.startswith(f"{OPS_RELEASE.name}/")
            try:
                place.bring(name, manifest.files[name], f"{folder}/{own_name(name)}" if opens else None)
            except DataError as error:
                return str(error)
            return None

        with ThreadPoolExecutor(at_once(place.path)) as pool:
            damaged = [told for told in pool.map(damage, manifest.files) if told]
        if damaged:
            others = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
            raise DataError(f"{damaged[0]}{others}; remove what is damaged and run portrait backup --to {path} again")
        try:
            _check_opens(place, manifest, Lakehouse(folder))
        except (DeltaError, FileNotFoundError) as error:
            why = str(error).splitlines()[0].replace(f"{folder}/", "")
            raise DataError(f"{place.path}: what it holds of a table does not open ({why}); back up again") from None
    return manifest


def _check_opens(place: Place, manifest: Manifest, lakehouse: Lakehouse) -> None:
    """Every version that a release names opens by its log, and names only files that the backup holds."""
    for table, version in ((table, at) for table, versions in manifest.versions.items() for at in versions):
        for name, size in _data_files(lakehouse, table, version).items():
            if name not in manifest.files or manifest.files[name].size != size:
                why = f"version {version} of {table} names it, the manifest does not"
                raise DataError(f"{place.path}/{TABLES}/{name}: {why}; back up again")
    for release in all_releases(lakehouse):
        if not release.expired:
            lost = [table for table, at in release.versions.items() if at not in manifest.versions.get(table, [])]
            if lost:
                raise DataError(f"{place.path}: release {release.release}: {lost[0]} is missing; back up again")


def _check_apart(lakehouse: Lakehouse, place: Place) -> None:
    if place.overlaps(lakehouse.uri):
        raise DefinitionError(
            f"--to {place.path}: the backup and the lakehouse ({lakehouse.uri}) would lie in one another"
        )


def _last(lakehouse: Lakehouse, place: Place) -> Manifest:
    """What the place holds of this lakehouse. A lakehouse is known, wherever it lies, by its table of releases."""
    opened = lakehouse.open(OPS_RELEASE.name)
    assert opened is not None  # noqa: S101  (there is a release)
    identity = str(opened.metadata().id)
    last = place.manifest()
    if last is None:
        last = Manifest(identity=identity, lakehouse=lakehouse.uri, made_at=datetime.now(UTC))
        place.write_manifest(last)  # a first run that dies leaves what is known for a backup
    if last.identity != identity:
        raise DefinitionError(
            f"--to {place.path}: holds the backup of another lakehouse ({last.lakehouse}); name another folder"
        )
    return last


def _living(lakehouse: Lakehouse, version: int | None = None) -> list[Release]:
    return [release for release in all_releases(lakehouse, version) if not release.expired]


def _versions(lakehouse: Lakehouse, living: Iterable[Release], at: int | None) -> dict[str, list[int]]:
    """Table -> the versions that releases name, and of every other table of ops its head."""
    named: dict[str, set[int]] = {}
    for release in living:
        for table, version in release.versions.items():
            named.setdefault(table, set()).add(version)
    for table in lakehouse.tables_of_ops():
        head = at if table == OPS_RELEASE.name else lakehouse.version(table)
        if table not in named and head is not None:
            named[table] = {head}
    return {table: sorted(versions) for table, versions in sorted(named.items())}


def _kept(
    lakehouse: Lakehouse, place: Place, versions: Mapping[str, Collection[int]], last: Manifest
) -> tuple[dict[str, Stored], dict[str, int]]:
    """Have all files of these versions in the backup. Gives them, and the bytes of those that were not there yet."""
    there = place.sizes()

    def kept(name: str, size: int) -> tuple[str, Stored, bool]:
        """What a file is called in the backup, what it is, and whether it was copied."""
        known, source = last.files.get(name), f"{lakehouse.uri}/{name}"
        if known and there.get(name) == known.size:
            return name, known, False
        content = sha256(source) if f"/{LOG}/" in name else None
        stored = stored_name(name, content) if content else name
        if there.get(stored) == size:
            return stored, content or sha256(source), False
        return stored, place.keep(source, stored), True

    try:
        names = dict(_names(lakehouse, versions))
        with ThreadPoolExecutor(at_once(lakehouse.uri, place.path)) as pool:
            found = list(pool.map(kept, names, names.values()))
    except (DeltaError, FileNotFoundError) as error:
        raise _tidied(lakehouse, str(error).splitlines()[0]) from None
    files = {name: stored for name, stored, _ in found}
    return files, {name: stored.size for name, stored, copied in found if copied}


def _names(lakehouse: Lakehouse, versions: Mapping[str, Collection[int]]) -> Iterator[tuple[str, int]]:
    """The files below the lakehouse that these versions need, with their bytes.

    Raises DataError where one is not as its log says, FileNotFoundError where one is gone.
    """
    for table, named in versions.items():
        with ThreadPoolExecutor(at_once(lakehouse.uri)) as pool:
            each = pool.map(partial(_data_files, lakehouse, table), named)
            data = {name: size for files in each for name, size in files.items()}
        there = sizes_below(lakehouse.path(table))
        for name, size in sorted(data.items()):
            found = there.get(name.removeprefix(f"{table}/"))
            if found is None:
                raise FileNotFoundError(f"{lakehouse.uri}/{name}: is gone")
            if found != size:
                raise DataError(f"{lakehouse.uri}/{name}: has {found:,} bytes, its log says {size:,}: it is damaged")
            yield name, size
        for entry, size in sorted(there.items()):
            number = entry.removeprefix(f"{LOG}/")[:20]
            # the entries of a run that died, or is running, are past what releases name
            if entry.startswith(f"{LOG}/") and number.isdigit() and int(number) <= max(named):
                yield f"{table}/{entry}", size


def _data_files(lakehouse: Lakehouse, table: str, version: int) -> dict[str, int]:
    """The data files of a table's version, as names below the lakehouse, and their bytes."""
    opened = lakehouse.open(table, version)
    if opened is None:
        raise FileNotFoundError(f"{lakehouse.path(table)}: there is no table")
    actions = pa.table(opened.get_add_actions()).select(["path", "size_bytes"]).to_pylist()
    return {f"{table}/{action['path']}": action["size_bytes"] for action in actions}


def _manifest(
    last: Manifest, living: list[Release], versions: dict[str, list[int]], files: dict[str, Stored]
) -> Manifest:
    newest = living[-1]
    told = Newest(release=newest.release, run_id=newest.run_id, date=newest.date.isoformat())
    return Manifest(
        identity=last.identity, lakehouse=last.lakehouse, made_at=datetime.now(UTC), newest=told,
        releases=[release.release for release in living], versions=versions, files=files,
    )  # fmt: skip


def _tidied(lakehouse: Lakehouse, why: str) -> PortraitError:
    return PortraitError(
        f"{lakehouse.uri}: was tidied while it was copied, or is damaged ({why}); the backup is as it was: run it "
        "again, and if that does not help, restore an earlier release or a backup"
    )


def show_backup(done: BackedUp, place: str, screen: Screen) -> None:
    """What was done, and up to where a restore would come back."""
    screen.say(
        f"{place}: {done.copied:,} files copied ({done.size / 1e6:,.1f} MB), {done.removed:,} removed; "
        f"{told(done.manifest)}"
    )
    if done.kept_by_store:
        screen.warn(done.kept_by_store)
    screen.result({**summary(done.manifest), "copied": done.copied, "bytes": done.size, "removed": done.removed})


def show_verified(manifest: Manifest, place: str, screen: Screen) -> None:
    """That the backup is whole, and what it is of."""
    screen.say(f"{place}: whole: {told(manifest)}")
    screen.result({**summary(manifest), "whole": True})


def told(manifest: Manifest) -> str:
    """What a backup holds, for people."""
    newest = manifest.newest
    assert newest is not None  # noqa: S101  (it is whole)
    size = sum(file.size for file in manifest.files.values())
    return (
        f"{len(manifest.releases)} releases up to {newest.release} of {newest.date}, {len(manifest.files):,} files "
        f"({size / 1e6:,.1f} MB), made {manifest.made_at:%Y-%m-%d %H:%M} UTC"
    )


def summary(manifest: Manifest) -> dict[str, object]:
    """The same for --json."""
    return {
        "newest": manifest.newest.model_dump() if manifest.newest else None, "releases": manifest.releases,
        "files": len(manifest.files), "made_at": manifest.made_at, "lakehouse": manifest.lakehouse,
    }  # fmt: skip
