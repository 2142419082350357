"""`portrait tags`: the catalogue, examples, and what a change would do."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen

app = typer.Typer(help="The catalogue of tags, their examples, and what a change would do.", no_args_is_help=True)


@app.command("list")
@told
def tags_list(
    category: Annotated[str | None, typer.Option("--category", help="Those of this folder alone.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", help="Those that are draft, online, offline, retired.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """List the newest release's catalogue: coverage, change, freshness, use."""
    from jobs.tags_catalog import show_tags

    screen = Screen(as_json=as_json)
    show_tags(load(conf, env, screen), screen, category=category, status=status)


@app.command("show")
@told
def tags_show(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="A tag, or a column of the profile.")],
    preview: Annotated[bool, typer.Option("--preview", help="Compute it as it is defined here; for drafts.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show one tag: definition, distribution, change since last night, dependencies, freshness, cost."""
    from jobs.tags_catalog import preview_tag, show_tag

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    if preview:
        preview_tag(loaded, tag, screen, local=is_local())
    else:
        show_tag(loaded, tag, screen)


@app.command("test")
@told
def tags_test(
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]…", help="These alone; otherwise all.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run the examples that stand in the tags."""
    from jobs.examples import run_examples

    screen = Screen(as_json=as_json)
    run_examples(load(conf, env, screen), tags or [], screen, local=is_local())


@app.command("diff")
@told
def tags_diff(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what the definitions here would change against the newest release. Writes nothing."""
    from jobs.tags_diff import show_difference

    screen = Screen(as_json=as_json)
    show_difference(load(conf, env, screen), screen, as_markdown=as_markdown, local=is_local())
