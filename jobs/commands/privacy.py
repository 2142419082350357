"""People's rights in what is held on them, and what keeps the lakehouse in order."""

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
    from jobs.forget import forget as forget_person
    from jobs.forget import show_forgotten

    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    show_forgotten(forget_person(loaded, identifier, screen=screen, local=is_local()), loaded, screen)
