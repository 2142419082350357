"""`portrait tags`: the catalogue, examples, what a change would do, and values set by hand."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, author, day_of, is_local, load, reason_of, told
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
    from jobs.lookups.tags_catalog import show_tags

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
    from jobs.lookups.tags_catalog import preview_tag, show_tag

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
    from jobs.lookups.examples import run_examples

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
    from jobs.lookups.tags_diff import show_difference

    screen = Screen(as_json=as_json)
    show_difference(load(conf, env, screen), screen, as_markdown=as_markdown, local=is_local())


Customer = Annotated[str, typer.Argument(metavar="ID", help="A customer id, or type:value (email:ann@x.org).")]
FieldName = Annotated[str, typer.Argument(metavar="FIELD", help="A column of the profile or a golden-record field.")]
By = Annotated[str | None, typer.Option("--by", help="Who sets it; otherwise the one who is logged in.")]


@app.command("set", context_settings={"ignore_unknown_options": True})
@told
def tags_set(
    identifier: Customer,
    field: FieldName,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value; of a list: a,b or JSON.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands beside the value.")],
    by: By = None,
    until: Annotated[
        str | None, typer.Option("--until", help="The first business date without it; otherwise it stays.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Set one customer's value by hand: released at once, kept by every night, tied to the identifier."""
    from jobs.changes.overrides import Wish, set_value

    screen = Screen(as_json=as_json)
    end = day_of(until, "--until") if until else None
    wish = Wish(identifier, field, value, reason_of(reason), author(by), end)
    set_value(load(conf, env, screen), wish, screen, local=is_local())


@app.command("unset")
@told
def tags_unset(
    identifier: Customer,
    field: FieldName,
    by: By = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """End what was set by hand: the value is computed again."""
    from jobs.changes.overrides import Wish, set_value

    screen = Screen(as_json=as_json)
    wish = Wish(identifier, field, None, "", author(by))
    set_value(load(conf, env, screen), wish, screen, local=is_local())
