"""`portrait restore`: an earlier release becomes the newest, or a lakehouse that is lost comes back from its backup."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.changes.forget import opened_state
from jobs.engines.backups import LOG, Manifest, Place, own_name
from jobs.engines.erased_again import erase_again
from jobs.engines.erasures import check_keys, erasures
from jobs.runtime import releases
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.objects import copy_objects
from jobs.runtime.releases import Release
from jobs.runtime.run_notes import shown_errors
from jobs.runtime.stores import at_once, exists, files_below, names_in, on_s3, remove_folder
from jobs.runtime.tables import LAID_OUT, LAYERS, Lakehouse
from transforms.errors import DefinitionError, PortraitError
from transforms.schemas import OPS_RELEASE

_FOLDERS = (*LAYERS, "ops")  # the last makes it one that holds releases


def restore_release(
    conf: Configuration, run_id: str, *, screen: Screen | None = None, local: bool = True, session: Any = None
) -> Release:
    """Bring every table back to the content of a run's release, and publish that as the newest one.

    Nothing of later releases is removed: they can be restored in turn. Who was erased since is erased again.
    `session`: a Spark session to use, should that need one, instead of starting one.
    Raises DefinitionError for a run without a release, PortraitError where its versions are gone.
    """
    lakehouse = Lakehouse(conf.lakehouse)
    releases.of_run(lakehouse, run_id)  # where there is none no lease makes a folder of a lakehouse
    with Lease(conf.lakehouse, f"restore to {run_id}") as lease:
        wanted = releases.of_run(lakehouse, run_id)
        gone = [table for table, version in wanted.versions.items() if not lakehouse.holds(table, version)]
        if gone:
            raise PortraitError(
                f"--to {run_id}: {', '.join(gone)}: the versions of that release are gone; restore a later one"
            )
        return _newest_again(conf, wanted, lease, screen=screen, local=local, session=session)


def restore_backup(
    conf: Configuration, path: str, *, screen: Screen | None = None, local: bool = True, session: Any = None
) -> tuple[Release, Manifest]:
    """Make the lakehouse, which is absent or empty, anew from a backup; gives its newest release and the manifest.

    It is made ready beside and then moved into place, so that it is there whole or not at all. Publishing a release
    parts it from runs that had not ended when it was backed up; who was erased is erased again.
    Raises DefinitionError where a lakehouse is there, or no backup, DataError where the backup is damaged.
    """
    place, folder = Place(path), Lakehouse(conf.lakehouse).uri
    manifest = place.whole()
    with Lease(folder, f"restore from {place.path}") as lease:
        ready = f"{folder}/{LAID_OUT}"
        _check_empty(folder, ready)
        for left in (*(f"{folder}/{name}" for name in _FOLDERS), ready):
            remove_folder(left)
        with ThreadPoolExecutor(at_once(place.path, ready)) as pool:
            names = manifest.files
            list(pool.map(lambda name: place.bring(name, names[name], f"{ready}/{own_name(name)}"), names))
        inner = replace(conf, pipeline=conf.pipeline.model_copy(update={"lakehouse": ready}))
        lakehouse = Lakehouse(inner.lakehouse)
        check_keys(erasures(lakehouse), conf.privacy.keys.erasure)
        newest = releases.newest(lakehouse)
        assert newest is not None  # noqa: S101  (a backup holds one)
        released = _newest_again(
            inner, newest, lease, screen=screen, local=local, session=session, skipped=releases.SKIPPED
        )
        lease.check()
        _move(ready, folder)
    return released, manifest


def _move(ready: str, folder: str) -> None:
    """What is ready into its place: what tells of releases comes last, and in one step."""
    if on_s3(folder):
        # a log whose beginning is not there is none yet: its oldest entry, or checkpoint, makes a table of it
        names, log = files_below(ready), f"{OPS_RELEASE.name}/{LOG}/"
        copy_objects(ready, folder, [name for name in names if not name.startswith(log)])
        for name in sorted((name for name in names if name.startswith(log)), reverse=True):
            copy_objects(ready, folder, [name])
    else:
        for name in _FOLDERS:
            if exists(f"{ready}/{name}"):
                Path(ready, name).rename(f"{folder}/{name}")
    remove_folder(ready)


def _check_empty(folder: str, ready: str) -> None:
    """Raise DefinitionError where something is there. What a restore left that died half-way is nothing."""
    try:
        newest = releases.newest(Lakehouse(folder))
    except PortraitError:
        if not (on_s3(folder) and exists(ready)):
            raise
        newest = None  # what tells of releases was not through
    if newest:
        raise DefinitionError(
            f"{folder}: holds releases up to {newest.release} of {newest.date}; a backup is restored into an "
            "absent or empty lakehouse: move this one away first, or go back within it: portrait restore --to RUN"
        )
    there = sorted(name for name in names_in(folder) if not name.startswith("_"))
    if there and not exists(ready):
        raise DefinitionError(
            f"{folder}: is not empty ({there[0]}); a backup is restored into an absent or empty "
            "lakehouse: move what is there away first"
        )


def _newest_again(
    conf: Configuration, wanted: Release, lease: Lease, *, screen: Screen | None, local: bool, session: Any,
    skipped: int = 0,
) -> Release:  # fmt: skip
    """The content of a release that can be read, without whom was erased since, published as the newest one."""
    lakehouse = Lakehouse(conf.lakehouse)
    night = opened_state(conf, screen or Screen(), lease, local=local, session=session, at=wanted)
    with shown_errors(night):
        night.versions = lakehouse.roll_back(wanted.versions, keep=releases.named_tables(lakehouse))
        again = erase_again(night, wanted)
    return releases.publish(
        lakehouse,
        run_id=f"{releases.RESTORE}{wanted.run_id}",
        day=wanted.date,
        cause="erasure" if again else "restore",
        versions=night.versions,
        configuration=wanted.configuration,
        holds=lease.check,
        skipped=skipped,
    )


def show_restored(released: Release, manifest: Manifest | None, screen: Screen) -> None:
    """Where the lakehouse stands now; of one that came from a backup (its manifest) what must be done once more."""
    screen.say(f"release {released.release}: the state of {released.date} again; the next night builds on it")
    if manifest:
        screen.say(
            f"what came after {manifest.made_at:%Y-%m-%d %H:%M} UTC is not in the backup: run the nights since, set "
            "values by hand once more, and above all forget once more whoever was erased since (portrait forget ID)"
        )
    made_at = {"backup_made_at": manifest.made_at} if manifest else {}
    screen.result({"release": released.release, "date": released.date, **made_at})
