"""What people read about nights: the plan of one, how one went, how the last ones went. No Spark needed."""

import json
from collections.abc import Mapping
from dataclasses import astuple
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from jobs.lookups.figures import Figures, churn_of, tables
from jobs.lookups.scorecard import cards, shown, told
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.files import files_of, to_take
from jobs.runtime.releases import OVERRIDE, REPLAY, all_releases, newest
from jobs.runtime.tables import Lakehouse
from transforms.schemas import ENTITIES, OPS_FILE, OPS_RUN, OPS_STAGE
from transforms.sources.database import JDBC
from transforms.sources.definition import Source
from transforms.tags.plan import plan_tags

if TYPE_CHECKING:
    from jobs.runtime.night import Night


def show_plan(conf: Configuration, day: date | None, screen: Screen) -> None:
    """What a run would do: the state it builds on, the files it would take, the definitions in their order."""
    lakehouse = Lakehouse(conf.lakehouse)
    last = newest(lakehouse)
    databases = [name for name, source in conf.sources.items() if source.read.format == JDBC]
    listed = {
        name: files_of(source, conf.resolve(source.read.path))
        for name, source in conf.sources.items()
        if name not in databases
    }
    if day is None:
        after = [
            file.file_date for files in listed.values() for file in files if not last or file.file_date > last.date
        ]
        day = min(after, default=None) if last else max(after, default=None)
        if last and databases and day is None:
            day = last.date + timedelta(days=1)
    taken = _taken(lakehouse, last.versions.get(OPS_FILE.name) if last else None)
    new = {
        name: to_take(conf.sources[name], files, taken.get(name, {}), day=day) if day else []
        for name, files in listed.items()
    }
    files = [[name, _entity(conf.sources[name]), len(found), sum(f.size for f in found)] for name, found in new.items()]
    tags = plan_tags(conf.tags, timezone=conf.pipeline.timezone)
    nothing = f"no extract is of a day after {last.date}" if last else "no extract lies there"
    screen.say(f"night of {day or f'no date: {nothing}'}")
    screen.say(f"builds on: {f'release {last.release} of {last.date}' if last else 'nothing, it is the first night'}")
    screen.say()
    screen.table("new since then", ["source", "entity", "files", "bytes"], files)
    missing = [
        name
        for name, found in new.items()
        if day and conf.sources[name].read.required and not any(file.file_date == day for file in found)
    ]
    if missing:
        screen.say(f"the night would stop: required, and no extract of {day}: {', '.join(missing)}")
        screen.say()
    if databases:
        screen.say(f"asked for their rows: {', '.join(databases)}")
        screen.say()
    from jobs.pipeline import NIGHT

    screen.table("stages", ["stage", "reads", "writes"], [[stage.name, stage.reads, stage.writes] for stage in NIGHT])
    screen.say(f"{len(tags.tags)} tags, in the order they are computed:")
    for line in tags.lines():
        screen.say(f"  {line}")
    screen.say(f"audiences: {', '.join(conf.audiences) or 'none'}; exports: {', '.join(conf.exports) or 'none'}")
    screen.result(
        {
            "date": day, "builds_on": last.release if last else None, "tags": [tag.tag for tag in tags.tags],
            "stages": [stage.name for stage in NIGHT],
            "databases": databases,
            "missing": missing,
            "new_files": {name: [file.path for file in found] for name, found in new.items()},
            "audiences": list(conf.audiences), "exports": list(conf.exports),
        }
    )  # fmt: skip


def _entity(source: Source) -> str:
    return ENTITIES[source.entity].name


def _taken(lakehouse: Lakehouse, version: int | None) -> dict[str, dict[str, date | None]]:
    taken: dict[str, dict[str, date | None]] = {}
    for row in lakehouse.rows(OPS_FILE, version) if version is not None else []:
        taken.setdefault(row["source"], {})[row["path"]] = row["file_date"]
    return taken


def night_figures(night: "Night") -> dict[str, dict[str, Any]]:
    """Stage -> what it counted."""
    return {name: told.figures for name, told in night.finished.items()}


def show_night(night: "Night", screen: Screen) -> None:
    """How a night went, for people or as JSON."""
    figures = night_figures(night)
    show_figures(figures, screen)
    number = night.release.release if night.release else None
    if "release" in figures:
        screen.say(f"release {number} of {night.day} is what readers see now (run {night.run_id})")
    else:
        screen.say(f"run {night.run_id} stopped after {next(reversed(figures), 'nothing')}; nothing is released yet")
    screen.result(
        {
            "run_id": night.run_id, "date": night.day, "release": number if "release" in figures else None,
            "stages": {name: {"rows": told.rows, **told.figures} for name, told in night.finished.items()},
            "warnings": [line for told in night.finished.values() for line in told.warnings],
        }
    )  # fmt: skip


def show_figures(figures: Figures, screen: Screen) -> None:
    """What came in, what was refused, who was found, and the segments' sizes."""
    for table in tables(figures):
        screen.table(table.title, table.header, table.rows)


def show_status(conf: Configuration, nights: int, screen: Screen) -> None:
    """How the last runs went: status, stages with seconds and rows, warnings, errors; and how good the sources are."""
    lakehouse = Lakehouse(conf.lakehouse)
    runs: dict[str, dict[str, Any]] = {}
    for row in sorted(lakehouse.rows(OPS_RUN), key=lambda row: row["at"]):
        runs[row["run_id"]] = row
    last = sorted(runs.values(), key=lambda row: row["at"])[-nights:]
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(lakehouse.rows(OPS_STAGE), key=lambda row: row["at"]):
        stages.setdefault(row["run_id"], []).append(row)
    released = {release.run_id: release.release for release in all_releases(lakehouse)}
    if not last:
        screen.say("no run yet: portrait run --date YYYY-MM-DD")
    for run in last:
        _show_run(run, stages.get(run["run_id"], []), released.get(run["run_id"]), screen)
    found = cards(lakehouse, {name: source.owner for name, source in conf.sources.items()})
    if found:
        screen.table(*astuple(shown(found)))
    screen.result(
        {
            "quality": told(found),
            "runs": [
                {
                    **run, "release": released.get(run["run_id"]),
                    "stages": [
                        {**row, "figures": json.loads(row["figures"] or "{}")} for row in stages.get(run["run_id"], [])
                    ],
                }
                for run in last
            ]
        }
    )  # fmt: skip


def _show_run(run: Mapping[str, Any], stages: list[dict[str, Any]], release: int | None, screen: Screen) -> None:
    numbered = f", release {release}" if release else ""
    rows = [[row["stage"], row["status"], row["seconds"], row["rows"], row["jobs"]] for row in stages]
    begins = {REPLAY: "replay as of", OVERRIDE: "value by hand as of"}
    what = next((told for prefix, told in begins.items() if run["run_id"].startswith(prefix)), "night of")
    title = f"{what} {run['date']}: {run['status']}{numbered} (run {run['run_id']}, {run['seconds'] or 0:.0f} s)"
    screen.table(title, ["stage", "status", "seconds", "rows", "jobs"], rows)
    identity: dict[str, Any] = next(
        (json.loads(row["figures"] or "{}") for row in stages if row["stage"] == "identity"), {}
    )
    if churn := churn_of(identity):
        screen.say(f"  known customers that lost their id: {churn}")
    for row in stages:
        for warning in json.loads(row["figures"] or "{}").get("warnings", []):
            screen.say(f"  warning ({row['stage']}): {warning}")
    if run["error"]:
        screen.say(f"  {run['error']}")
