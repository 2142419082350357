"""Where a night begins: afresh from the last release, or after the last finished stage of a run that died."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from jobs.runtime.releases import Release, all_releases
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.schemas import OPS_RUN, OPS_STAGE

OVER = "released"  # everything done, exports and report too


@dataclass(frozen=True)
class Begin:
    """How a run starts. `base`: the release whose state it builds on. `finished`: stages done before, in order."""

    run_id: str
    started_at: datetime
    base: Release | None
    release: Release | None = None
    finished: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def resumed(self) -> bool:
        return bool(self.finished) or self.release is not None

    @property
    def versions(self) -> dict[str, int]:
        """The state to go on from."""
        if self.release:
            return dict(self.release.versions)
        versions = dict(self.base.versions) if self.base else {}
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
    runs = {row["run_id"]: row for row in sorted(lakehouse.rows(OPS_RUN), key=lambda row: row["at"])}
    if last and last.date == day and not again:
        return _after_release(last, runs)
    base = next((release for release in reversed(releases) if release.date < day), None)
    same = {
        "date": day, "configuration": configuration, "code_version": code_version,
        "base_release": base.release if base else None, "options": json.dumps(dict(options), sort_keys=True),
    }  # fmt: skip
    for row in reversed(runs.values()):
        unfinished = row["status"] != OVER and (run_id is None or row["run_id"] == run_id)
        if unfinished and all(row[key] == value for key, value in same.items()):
            return _resumed(lakehouse, row, base, releases)
    return Begin(run_id or _new_id(day), datetime.now(UTC), base)


def _after_release(last: Release, runs: Mapping[str, Mapping[str, Any]]) -> Begin:
    """The night is released: go on only where its run died before it was through with its exports."""
    run = runs.get(last.run_id)
    if run is None or run["status"] == OVER or last.cause != "night":
        raise DefinitionError(
            f"--date {last.date}: released already (release {last.release}, run {last.run_id}); "
            "--again runs the newest night once more"
        )
    return Begin(last.run_id, run["started_at"], last, release=last)


def _resumed(lakehouse: Lakehouse, run: Mapping[str, Any], base: Release | None, releases: list[Release]) -> Begin:
    release = next((release for release in releases if release.run_id == run["run_id"]), None)
    finished = [
        {**row, "figures": json.loads(row["figures"] or "{}")}
        for row in sorted(lakehouse.rows(OPS_STAGE), key=lambda row: row["at"])
        if row["run_id"] == run["run_id"] and row["status"] == "done"
    ]
    return Begin(run["run_id"], run["started_at"], base, release, finished)


def _new_id(day: date) -> str:
    return f"{day:%Y%m%d}-{secrets.token_hex(4)}"
