"""`portrait audience`: whom to reach, who they are, and what reaching them changed."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen

app = typer.Typer(help="Whom to reach, who they are, and what reaching them changed.", no_args_is_help=True)
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="An audience, or a YAML file not yet merged.")]
Where = Annotated[str | None, typer.Option("--where", help='A rule instead, such as: "spend_365d > 1000".')]
For = Annotated[
    str | None, typer.Option("--purpose", help="What they are to be used for; decides whose consent counts.")
]


@app.command("list")
@told
def audience_list(conf: Conf = CONF, env: Env = None, as_json: AsJson = False) -> None:
    """List the newest release's audiences: size, arms, who is left out and why, change, exports."""
    from jobs.lookups.audience_list import show_audiences

    screen = Screen(as_json=as_json)
    show_audiences(load(conf, env, screen), screen)


@app.command("size")
@told
def audience_size(
    name: Name = None,
    where: Where = None,
    purpose: For = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Preview how many customers an audience would have over the newest release. Writes nothing."""
    from jobs.lookups.audience_preview import show_size, wanted

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    show_size(loaded, wanted(loaded, name, where, purpose), screen, local=is_local())


@app.command("build")
@told
def audience_build(
    name: Name = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write the members to this .csv or .parquet.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Make the members of one or all audiences, arms too, as the next night would. Releases nothing."""
    from jobs.lookups.audience_preview import show_build, wanted

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    show_build(loaded, wanted(loaded, name) if name else None, screen, to=to, local=is_local())


@app.command("changes")
@told
def audience_changes(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience of the newest release.")],
    since: Annotated[
        int | None, typer.Option("--since", metavar="RELEASE", help="Since this release; else last night's.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Count who entered, left or changed arms between two releases, and why."""
    from jobs.lookups.audience_list import show_changes

    screen = Screen(as_json=as_json)
    show_changes(load(conf, env, screen), name, screen, since=since)


@app.command("overlap")
@told
def audience_overlap(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="These alone; otherwise all.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how many customers any two audiences share."""
    from jobs.lookups.audience_list import show_overlap

    screen = Screen(as_json=as_json)
    show_overlap(load(conf, env, screen), screen, names or [])


@app.command("insight")
@told
def audience_insight(
    name: Name = None,
    where: Where = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="OTHER", help="Another audience; else everyone.")
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="With the personal and sensitive tags that it may see.")
    ] = None,
    purpose: For = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write it as one HTML page too.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Show so many of the strongest differences.")] = 25,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how an audience differs from everyone, or from another, over all tags."""
    from jobs.lookups.audience_insight import Asked, show_insight
    from jobs.lookups.audience_preview import wanted

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    asked = Asked(
        wanted(loaded, name, where, purpose), wanted(loaded, against) if against else None, role=role
    )  # fmt: skip
    show_insight(loaded, asked, screen, page=page, rows=rows)


@app.command("evaluate")
@told
def audience_evaluate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience that names campaigns.")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what an audience's campaigns changed, and what the figures do not allow to be said."""
    from jobs.lookups.audience_results import show_results

    screen = Screen(as_json=as_json)
    show_results(load(conf, env, screen), name, screen)
