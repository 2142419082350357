"""One customer: who it is, and where its values come from."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen

app = typer.Typer()


@app.command()
@told
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A customer id, or type:value (email:ann@x.org).")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show one customer: golden record, identifiers, tags, latest steps."""
    from jobs.lookups.customer import show_customer

    screen = Screen(as_json=as_json)
    show_customer(load(conf, env, screen, definitions=False), identifier, screen)


@app.command()
@told
def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A customer id, or type:value (email:ann@x.org).")],
    tag: Annotated[str, typer.Argument(metavar="TAG", help="A tag, or a column of the profile.")],
    spark: Annotated[bool, typer.Option("--spark", help="Recompute it in Spark, as the night does.")] = False,
    rows: Annotated[int, typer.Option(min=0, help="Show so many of the rows that went in.")] = 20,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show where a customer's value came from, and recompute it."""
    from jobs.lookups.explain import show_explanation

    screen = Screen(as_json=as_json)
    show_explanation(load(conf, env, screen), identifier, tag, screen, spark=spark, rows=rows, local=is_local())
