"""`portrait identity`: who is who."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, load, told
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError

app = typer.Typer(help="Who is who: look at it, and measure it against known truth.", no_args_is_help=True)


@app.command("audit")
@told
def identity_audit(
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One customer, by id, type:value or record:source:key.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Of one customer: draw its ties, as .html or .svg.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="So many customers and identifiers of each kind.")] = 10,
    clear: Annotated[bool, typer.Option("--clear", help="The values themselves. Personal data.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show the largest and most suspicious customers, hubs and cuts; of one customer how its records are tied."""
    screen = Screen(as_json=as_json)
    if identifier is None:
        from jobs.lookups.audit import show_audit

        if picture:
            raise DefinitionError("--picture: a picture is of one customer; say which, such as email:ann@x.org")
        show_audit(load(conf, env, screen), screen, rows=rows, clear=clear)
        return
    from jobs.lookups.audit_customer import show_ties

    show_ties(load(conf, env, screen), identifier, screen, clear=clear, picture=picture)


@app.command("evaluate")
@told
def identity_evaluate(
    truth: Annotated[Path, typer.Option("--truth", metavar="FILE", help="A CSV file: source, key, person.")],
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Write the wrong pairs to this CSV file.")
    ] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="With keys on screen and fields in the file. Personal data.")
    ] = False,
    rows: Annotated[int, typer.Option(min=0, help="Show so many false merges and misses.")] = 10,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Hold the newest release's identities against known truth: precision, recall, F1, and what is wrong."""
    from jobs.lookups.evaluate import show_evaluation

    screen = Screen(as_json=as_json)
    show_evaluation(load(conf, env, screen), truth, screen, pairs=pairs, values=show_values, rows=rows)
