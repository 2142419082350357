"""People's rights in what is held on them, and what keeps the lakehouse in order."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen

app = typer.Typer()
Identifier = Annotated[
    str, typer.Argument(metavar="ID", help="A customer id, or type:value (email:ann@x.org).", show_default=False)
]


@app.command()
@told
def forget(
    identifier: Identifier,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person from every layer, and keep them out."""
    from jobs.changes.forget import forget as forget_person
    from jobs.changes.forget import show_forgotten

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    show_forgotten(forget_person(loaded, identifier, screen=screen, local=is_local()), loaded, screen)


@app.command()
@told
def access(
    identifier: Identifier,
    to: Annotated[Path, typer.Option("--to", help="The folder for access.json and access.html.", show_default=False)],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Give a person all that is held on them, with its sources and purposes."""
    from jobs.lookups.access import show_access, write_access

    screen = Screen(as_json=as_json)
    show_access(write_access(load(conf, env, screen), identifier, to), screen)


@app.command()
@told
def maintain(
    prove: Annotated[
        bool, typer.Option("--prove", help="Expire every release that holds an erased person, and prove it now.")
    ] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Finish and prove erasures, expire what is past its retention, purge, and put small files together."""
    from jobs.changes.maintain import maintain as keep_in_order
    from jobs.changes.maintain_shown import show_maintained

    screen = Screen(as_json=as_json)
    show_maintained(keep_in_order(load(conf, env, screen), screen=screen, prove_now=prove, local=is_local()), screen)
