"""`portrait quarantine`: what was refused, and once more with a mended YAML."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, day_of, is_local, load, told
from jobs.runtime.console import Screen

app = typer.Typer(help="What was refused and why; try it again after a mended YAML.", no_args_is_help=True)
OfSource = Annotated[str | None, typer.Option("--source", help="Rows of this source alone.")]
ForReason = Annotated[str | None, typer.Option("--reason", help="Rows that were refused for this reason.")]
OfNight = Annotated[str | None, typer.Option("--date", help="Rows that the night of this date refused.")]


@app.command("list")
@told
def quarantine_list(
    source: OfSource = None,
    reason: ForReason = None,
    day: OfNight = None,
    rows: Annotated[int, typer.Option(min=0, help="Show so many of the rows too, their values as shapes.")] = 0,
    clear: Annotated[bool, typer.Option("--clear", help="With --rows: the values themselves. Personal data.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what was refused, by night, source, reason and file."""
    from jobs.lookups.quarantine import Choice, show_quarantine

    screen = Screen(as_json=as_json)
    choice = Choice(source, reason, day_of(day) if day else None)
    show_quarantine(load(conf, env, screen), choice, screen, rows=rows, clear=clear)


@app.command("replay")
@told
def quarantine_replay(
    source: OfSource = None,
    reason: ForReason = None,
    day: OfNight = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many would pass; write nothing.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Try what was refused again with today's YAML, and release what comes of it."""
    from jobs.changes.replay import replay, show_replay
    from jobs.lookups.quarantine import Choice

    screen = Screen(as_json=as_json)
    choice = Choice(source, reason, day_of(day) if day else None)
    found, night = replay(load(conf, env, screen), choice, screen=screen, dry_run=dry_run, local=is_local())
    show_replay(found, night, screen, dry_run=dry_run)
