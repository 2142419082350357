"""Nights: plan them, run them, look at how they went."""

from datetime import timedelta
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, day_of, is_local, load, told
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError

app = typer.Typer()
Day = Annotated[str, typer.Option("--date", help="The business date, YYYY-MM-DD.")]


@app.command()
@told
def plan(
    day: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do: stages, what is new, definitions in order."""
    from jobs.lookups.reading import show_plan

    screen = Screen(as_json=as_json)
    show_plan(load(conf, env, screen), day_of(day) if day else None, screen)


@app.command()
@told
def run(
    day: Day,
    first: Annotated[str | None, typer.Option("--from", help="Begin at this stage.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="End after this stage.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="This stage alone.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Run the newest night once more.")] = False,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Silver onwards, from all of bronze.")] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Fit every model anew.")] = False,
    run_id: Annotated[str | None, typer.Option("--run-id", help="Name the run: stages of one run share it.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run the night of a business date."""
    from jobs.lookups.reading import show_night
    from jobs.pipeline import chosen, run_night

    screen = Screen(as_json=as_json)
    stages = chosen(first, until, only)
    night = run_night(
        load(conf, env, screen), day_of(day), screen=screen, stages=stages, run_id=run_id, again=again,
        full_refresh=full_refresh, refit=refit, local=is_local(),
    )  # fmt: skip
    show_night(night, screen)


@app.command()
@told
def backfill(
    first: Annotated[str, typer.Option("--from", help="The first business date.")],
    last: Annotated[str, typer.Option("--to", help="The last business date.")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run nights in order."""
    from jobs.pipeline import run_night

    screen = Screen(as_json=as_json)
    start, end = day_of(first, "--from"), day_of(last, "--to")
    if start > end:
        raise DefinitionError(f"--from {first} --to {last}: the first date is after the last")
    loaded = load(conf, env, screen)
    session, done = None, []
    for offset in range((end - start).days + 1):
        day = start + timedelta(days=offset)
        screen.progress(f"night of {day}")
        night = run_night(loaded, day, screen=screen, local=is_local(), session=session)
        session = night.spark if night.has_session else None
        done.append({"date": day, "run_id": night.run_id, "release": night.release.release if night.release else None})
    screen.say(f"{len(done)} nights released, up to {end}")
    screen.result({"nights": done})


@app.command()
@told
def status(
    nights: Annotated[int, typer.Option(min=1, help="How many runs to show.")] = 5,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how the last nights went."""
    from jobs.lookups.reading import show_status

    screen = Screen(as_json=as_json)
    show_status(load(conf, env, screen), nights, screen)


@app.command()
@told
def report(
    day: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.")] = None,
    catalog: Annotated[bool, typer.Option("--catalog", help="The catalogue of tags as a page.")] = False,
    segments: Annotated[bool, typer.Option("--segments", help="A page a segment, with charts.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Write a night's report as one HTML file, or the catalogue of tags, or the segments."""
    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    if catalog + segments + bool(day) != 1:
        which = "--date YYYY-MM-DD for a night's report, --catalog for the tags, --segments for the segments"
        raise DefinitionError(f"report: say which one: {which}")
    if day:
        from jobs.report import write_report
        from jobs.runtime.tables import Lakehouse

        path = write_report(Lakehouse(loaded.lakehouse), day_of(day))
    elif segments:
        from jobs.pages.segments import write_segments

        path = write_segments(loaded)
    else:
        from jobs.pages.catalog import write_catalog

        path = write_catalog(loaded)
    screen.say(f"{'catalogue' if catalog else 'segments' if segments else 'report'}: {path}")
    screen.result({"report": path})
