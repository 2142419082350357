"""Releases: which versions of all tables make one consistent night. Readers take the newest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.schemas import OPS_RELEASE

Cause = Literal["night", "restore", "override", "erasure", "maintenance", "replay"]
RESTORE = "restore-"  # before the id of the run whose release was restored
# Begins the id of a run that tried again what nights had refused. When it began follows, so that ids are in order.
REPLAY = "replay-"
OVERRIDE = "override-"  # the same of a run that set or unset a value by hand


@dataclass(frozen=True)
class Release:
    """One consistent state. `release` counts up; `versions`: table -> version."""

    release: int
    run_id: str
    date: date
    released_at: datetime
    cause: str
    versions: Mapping[str, int]
    configuration: str

    @property
    def of_replay(self) -> bool:
        """Is it a replay's state, be it restored since?"""
        return made_by(self.run_id).startswith(REPLAY)


def made_by(run_id: str) -> str:
    """The run that made a state, also where it was restored since."""
    while run_id.startswith(RESTORE):
        run_id = run_id.removeprefix(RESTORE)
    return run_id


def all_releases(lakehouse: Lakehouse) -> list[Release]:
    """Every release, oldest first."""
    return sorted((Release(**row) for row in lakehouse.rows(OPS_RELEASE)), key=lambda release: release.release)


def newest(lakehouse: Lakehouse) -> Release | None:
    """The release that readers see; None before the first night."""
    releases = all_releases(lakehouse)
    return releases[-1] if releases else None


def find(lakehouse: Lakehouse, number: int) -> Release | None:
    """The release of that number."""
    return next((release for release in all_releases(lakehouse) if release.release == number), None)


def named_tables(lakehouse: Lakehouse) -> set[str]:
    """Every table that some release names."""
    return {table for release in all_releases(lakehouse) for table in release.versions}


def of_run(lakehouse: Lakehouse, run_id: str) -> Release:
    """The newest release of a run. Raises DefinitionError, naming the runs there are, where it has none."""
    releases = all_releases(lakehouse)
    found = [release for release in releases if release.run_id == run_id]
    if not found:
        known = ", ".join(dict.fromkeys(release.run_id for release in releases)) or "none yet"
        raise DefinitionError(f"--to {run_id}: no release of such a run; released runs: {known}")
    return found[-1]


def publish(
    lakehouse: Lakehouse, *, run_id: str, day: date, cause: Cause, versions: Mapping[str, int], configuration: str
) -> Release:
    """Write the one row that makes these versions what readers see."""
    last = newest(lakehouse)
    release = Release(
        release=last.release + 1 if last else 1,
        run_id=run_id,
        date=day,
        released_at=datetime.now(UTC),
        cause=cause,
        versions=dict(sorted(versions.items())),
        configuration=configuration,
    )
    lakehouse.append(OPS_RELEASE, [vars(release)])
    return release
