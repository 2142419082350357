"""What analysts ask of a release: SQL, and how many go from step to step."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, load, told
from jobs.runtime.console import Screen

app = typer.Typer()
OfRelease = Annotated[int | None, typer.Option("--release", metavar="N", help="An earlier release; else the newest.")]


@app.command()
@told
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A select over customer_profile, gold.order, ops.run, …")],
    release: OfRelease = None,
    restricted: Annotated[
        bool, typer.Option("--restricted", help="With gold.customer, silver and identity: personal data in clear.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option("--role", help="As this role of conf/privacy.yml sees gold."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every row, as CSV.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="Show so many rows of the table.")] = 100,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Ask the newest release in SQL. Reads only, and starts no Spark."""
    from jobs.gold import open_release
    from jobs.lookups.query import show_query

    gold = open_release(release=release, restricted=restricted, role=role, conf=conf, env=env)
    show_query(gold, sql, Screen(as_json=as_json), as_csv=as_csv, most=rows)


@app.command()
@told
def funnel(
    steps: Annotated[list[str], typer.Argument(metavar="STEP STEP…", help="As in gold.journey: web_event:cart.")],
    within: Annotated[str, typer.Option("--within", help="The time for all of them, from the first: 7d, 12h, 30m.")],
    by: Annotated[str | None, typer.Option("--by", metavar="TAG", help="A funnel for each value of a tag.")] = None,
    audience: Annotated[str | None, typer.Option("--audience", help="Members of this audience alone.")] = None,
    touch: Annotated[
        str | None, typer.Option("--touch", help="first or last: what came first, or last, before the last step.")
    ] = None,
    release: OfRelease = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how many customers go from step to step of their path."""
    from jobs.gold import open_release
    from jobs.lookups.funnel import Funnel, show_funnel

    screen = Screen(as_json=as_json)
    least = load(conf, env, screen, definitions=False).privacy.smallest_group
    gold = open_release(release=release, conf=conf, env=env)
    show_funnel(gold, Funnel(steps, within, by, audience, touch), screen, smallest_group=least)
