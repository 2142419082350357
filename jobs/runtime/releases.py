"""Releases: which versions of all tables make one consistent night. Readers take the newest."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Literal

from deltalake.exceptions import DeltaError

from jobs.runtime.stores import exists
from jobs.runtime.tables import LAID_OUT, Lakehouse
from transforms.errors import DefinitionError, PortraitError
from transforms.schemas import OPS_RELEASE
from transforms.schemas.layout import LAYOUT

Cause = Literal["night", "restore", "override", "erasure", "maintenance", "replay"]
RESTORE = "restore-"  # before the id of the run whose release was restored
ERASED = "erased-"  # … whose release a person was taken out of
MAINTAINED = "maintained-"  # … whose release's tables were tidied
_SINCE = (RESTORE, ERASED, MAINTAINED)
# Begins the id of a run that tried again what nights had refused. When it began follows, so that ids are in order.
REPLAY = "replay-"
OVERRIDE = "override-"  # the same of a run that set or unset a value by hand
# A lost lakehouse went on after its backup: receivers may hold what it delivered, and a number means one release. So
# many numbers are skipped by the one that comes from the backup.
SKIPPED = 1000


@dataclass(frozen=True)
class Release:
    """One consistent state. `release` counts up; `versions`: table -> version; `expired`: they are gone."""

    release: int
    run_id: str
    date: date
    released_at: datetime
    cause: str
    versions: Mapping[str, int]
    configuration: str
    expired: bool | None = None
    layout: int | None = None

    @property
    def of_replay(self) -> bool:
        """Is it a replay's state, be it restored since?"""
        return made_by(self.run_id).startswith(REPLAY)


def made_by(run_id: str) -> str:
    """The run that made a state, also where it was restored, or people were erased from it, since."""
    while prefix := next((prefix for prefix in _SINCE if run_id.startswith(prefix)), None):
        run_id = run_id.removeprefix(prefix)
    return run_id


def all_releases(lakehouse: Lakehouse, version: int | None = None) -> list[Release]:
    """Every release, oldest first. `version`: as that version of ops/release tells of them.

    Raises PortraitError where that table is damaged, for it would tell of other releases, or of a newer Portrait.
    """
    try:
        head = version if version is not None else lakehouse.version(OPS_RELEASE.name)
    except DeltaError:
        if not exists(f"{lakehouse.uri}/{LAID_OUT}"):
            raise
        raise PortraitError(
            f"{lakehouse.uri}: a restore into it goes on, or died half-way: then run portrait restore --from again"
        ) from None
    if head is not None:
        lakehouse.check({OPS_RELEASE.name: head})
    rows = lakehouse.rows(OPS_RELEASE, version)
    if (newest_layout := max((row["layout"] or 1 for row in rows), default=1)) > LAYOUT:
        raise PortraitError(
            f"{lakehouse.uri}: was written by a newer Portrait (layout {newest_layout}, this one knows {LAYOUT}); "
            "upgrade Portrait"
        )
    return sorted((Release(**row) for row in rows), key=lambda release: release.release)


def newest(lakehouse: Lakehouse) -> Release | None:
    """The release that readers see; None before the first night."""
    releases = all_releases(lakehouse)
    return releases[-1] if releases else None


def find(lakehouse: Lakehouse, number: int) -> Release | None:
    """The release of that number."""
    return next((release for release in all_releases(lakehouse) if release.release == number), None)


def last_before(lakehouse: Lakehouse, base: Release | None, day: date) -> Release | None:
    """The newest state of an earlier day that a run for `day` upon `base` follows: `base`, unless it is of that day.

    A replay, or whatever else publishes a second state of one day, follows what that day's night followed: None where
    that has expired, as on a first night.
    """
    if base is None or base.date < day:
        return base
    earlier = (release for release in all_releases(lakehouse) if release.release < base.release and release.date < day)
    last = max(earlier, key=lambda release: release.release, default=None)
    return None if last is None or last.expired else last


def named_tables(lakehouse: Lakehouse) -> set[str]:
    """Every table that some release names which can be restored."""
    return {table for release in all_releases(lakehouse) if not release.expired for table in release.versions}


def expire(lakehouse: Lakehouse, numbers: Collection[int]) -> None:
    """From now on these releases can be neither read nor restored."""
    if numbers:
        rows = [vars(release) | {"expired": release.expired or release.release in numbers}
                for release in all_releases(lakehouse)]  # fmt: skip
        lakehouse.append(OPS_RELEASE, rows, anew=True)


def gone(release: Release, lakehouse: Lakehouse) -> str:
    """What readers are told who ask for an expired release: a line."""
    first = next((known.release for known in all_releases(lakehouse) if not known.expired), None)
    return (
        f"release {release.release} of {release.date} has expired: its versions were purged (conf/privacy.yml: "
        f"retention.releases, or a person was erased since); the oldest that can be read is {first}"
    )


def of_run(lakehouse: Lakehouse, run_id: str) -> Release:
    """The newest release of a run. Raises DefinitionError, naming the runs there are, where it has none."""
    releases = all_releases(lakehouse)
    found = [release for release in releases if release.run_id == run_id]
    if not found:
        known = ", ".join(dict.fromkeys(release.run_id for release in releases)) or "none yet"
        raise DefinitionError(f"--to {run_id}: no release of such a run; released runs: {known}")
    if found[-1].expired:
        raise DefinitionError(f"--to {run_id}: {gone(found[-1], lakehouse)}")
    return found[-1]


def skipped_between(releases: Iterable[int], since: int, until: int) -> bool:
    """Were numbers skipped between two releases: did the lakehouse come back from a backup (`SKIPPED`)?"""
    numbers = sorted({since, *(number for number in releases if since < number <= until)})
    return any(later - earlier > SKIPPED for earlier, later in pairwise(numbers))


def publish(
    lakehouse: Lakehouse, *, run_id: str, day: date, cause: Cause, versions: Mapping[str, int], configuration: str,
    holds: Callable[[], None] = lambda: None, skipped: int = 0,
) -> Release:  # fmt: skip
    """Write the one row that makes these versions what readers see.

    `holds` raises where the run has lost its lease; a release that another publishes after it was asked raises
    LockedError too. `skipped`: numbers that no release gets.
    """
    at = lakehouse.version(OPS_RELEASE.name)
    last = newest(lakehouse)
    holds()
    release = Release(
        release=(last.release if last else 0) + skipped + 1,
        run_id=run_id,
        date=day,
        released_at=datetime.now(UTC),
        cause=cause,
        versions=dict(sorted(versions.items())),
        configuration=configuration,
        layout=LAYOUT,
    )
    lakehouse.append(OPS_RELEASE, [vars(release)], upon=at)
    return release
