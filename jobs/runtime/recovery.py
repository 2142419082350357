"""Where a night begins: afresh from the last release, or after the last finished stage of a run that died."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from jobs.runtime.clock import now_after
from jobs.runtime.releases import OVERRIDE, REPLAY, Release, all_releases, gone, made_by
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.schemas import GOLD_OVERRIDE, OPS_RUN, OPS_STAGE

OVER = "released"  # everything done, exports and report too


@dataclass(frozen=True)
class Begin:
    """How a run starts. `base`: the release whose state it builds on. `finished`: stages done before, in order.

    `kept`: tables that stay as they are, whatever the base holds of them. `noted`: when the newest of what runs have
    noted was noted.
    """

    run_id: str
    started_at: datetime
    base: Release | None
    release: Release | None = None
    finished: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    kept: Mapping[str, int] = field(default_factory=dict)
    noted: datetime | None = None

    @property
    def resumed(self) -> bool:
        return bool(self.finished) or self.release is not None

    @property
    def versions(self) -> dict[str, int]:
        """The state to go on from."""
        if self.release:
            return dict(self.release.versions)
        versions = {**(self.base.versions if self.base else {}), **self.kept}
        for stage in self.finished:
            versions.update(stage["outputs"])
        return versions


def begin(
    lakehouse: Lakehouse,
    day: date,
    *,
    configuration: str,
    code_version: str,
    options: Mapping[str, Any],
    run_id: str | None = None,
) -> Begin:
    """Decide how the night of `day` starts.

    Raises DefinitionError where the date is released already, is older than the newest release, or
    where `--again` asks for another night than the newest.
    """
    releases = all_releases(lakehouse)
    last = releases[-1] if releases else None
    again = bool(options.get("again"))
    if last and day < last.date:
        raise DefinitionError(
            f"--date {day}: nights go in order and the newest release is of {last.date}; "
            "for an older night: portrait restore, then portrait backfill"
        )
    if again and (not last or last.date != day):
        raise DefinitionError(
            f"--again: only the newest night can be run again ({last.date if last else 'there is none'})"
        )
    told, now = sorted(lakehouse.rows(OPS_RUN), key=lambda row: row["at"]), time_of(lakehouse)
    runs = {row["run_id"]: row for row in told}
    if again and last and _beneath(last, releases, runs).of_replay and not options.get("full_refresh"):
        raise DefinitionError(
            f"--again: the newest release is of {last.run_id}, and the night alone would undo that; "
            "add --full-refresh, or restore the night's own release first (portrait restore)"
        )
    if last and last.date == day and not again:
        return replace(_after_release(lakehouse, last, runs), noted=now)
    base = _base_of(last, releases, runs) if last and again else last
    if base and base.expired:
        raise DefinitionError(f"--again: what the night was built on is gone: {gone(base, lakehouse)}")
    # what was set by hand after a night is no part of it: the night once more has it all the same
    kept = {name: at for name, at in last.versions.items() if name == GOLD_OVERRIDE.name} if last and again else {}
    same = {
        "date": day, "configuration": configuration, "code_version": code_version,
        "base_release": base.release if base else None, "options": json.dumps(dict(options), sort_keys=True),
    }  # fmt: skip
    # the newest run's alone: a later one, or a restore, has rolled back what an earlier one left
    row = told[-1] if told else None
    unfinished = row and row["status"] != OVER and (run_id is None or row["run_id"] == run_id)
    if row and unfinished and all(row[key] == value for key, value in same.items()):
        release = last if last and last.run_id == row["run_id"] else None
        if release or not last or last.released_at < row["at"]:
            done = finished(lakehouse, row["run_id"])
            start = Begin(row["run_id"], row["started_at"], base, release, done, kept, now)
            if release or _holds(lakehouse, start):
                return start
    return Begin(run_id or _new_id(day), now, base, kept=kept)


def time_of(lakehouse: Lakehouse) -> datetime:
    """When a run begins: later than all that runs have noted, wherever the clock stands."""
    return now_after(row["at"] for table in (OPS_RUN, OPS_STAGE) for row in lakehouse.rows(table))


def _holds(lakehouse: Lakehouse, start: Begin) -> bool:
    """Is what the finished stages gave still there? Maintenance, or an erasure that died, may have rolled it back."""
    written = {table for stage in start.finished for table in stage["outputs"]}
    return all(lakehouse.holds(table, start.versions[table]) for table in written)


def _base_of(last: Release, releases: Sequence[Release], runs: Mapping[str, Mapping[str, Any]]) -> Release | None:
    """The release that the newest one's night was built on, also where that was restored or replayed upon since."""
    run_id = last.run_id if last.run_id in runs else made_by(last.run_id)
    if run_id not in runs:
        return next((release for release in reversed(releases) if release.date < last.date), None)
    base = next((release for release in releases if release.release == runs[run_id]["base_release"]), None)
    return _base_of(base, releases, runs) if base and run_id.startswith((REPLAY, OVERRIDE)) else base


def _beneath(last: Release, releases: Sequence[Release], runs: Mapping[str, Mapping[str, Any]]) -> Release:
    """The release on which what was set by hand stands: the newest one itself where it is of something else."""
    while (run_id := made_by(last.run_id)).startswith(OVERRIDE) and run_id in runs:
        last = next(release for release in releases if release.release == runs[run_id]["base_release"])
    return last


def _after_release(lakehouse: Lakehouse, last: Release, runs: Mapping[str, Mapping[str, Any]]) -> Begin:
    """The night is released: go on only where its run died before it was through with its exports."""
    run = runs.get(last.run_id)
    if run is None or run["status"] == OVER or last.cause != "night":
        raise DefinitionError(
            f"--date {last.date}: released already (release {last.release}, run {last.run_id}); "
            "--again runs the newest night once more"
        )
    return Begin(last.run_id, run["started_at"], last, last, finished(lakehouse, last.run_id))


def finished(lakehouse: Lakehouse, run_id: str) -> list[dict[str, Any]]:
    """The stages that a run is through with, in order. What one gave counts until it, or one before it, ran again."""
    found: list[dict[str, Any]] = []
    for row in sorted(lakehouse.rows(OPS_STAGE), key=lambda row: row["at"]):
        if row["run_id"] == run_id and row["status"] == "done":
            names = [other["stage"] for other in found]
            del found[names.index(row["stage"]) if row["stage"] in names else len(names) :]
            found.append({**row, "figures": json.loads(row["figures"] or "{}")})
    return found


def _new_id(day: date) -> str:
    return f"{day:%Y%m%d}-{secrets.token_hex(4)}"
