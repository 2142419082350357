"""Exports: deliver them again, prove what was delivered."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError

app = typer.Typer()


@app.command()
@told
def export(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="This export alone; otherwise all.")] = None,
    release: Annotated[int | None, typer.Option("--release", help="Of this release, not the newest.")] = None,
    verify: Annotated[
        str | None, typer.Option("--verify", metavar="PATH", help="Prove the delivery in this folder; writes nothing.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Deliver again, or prove a delivery."""
    screen = Screen(as_json=as_json)
    if verify is not None:
        from jobs.lookups.verify import show_verification

        if name or release:
            raise DefinitionError("--verify PATH: a delivery tells of itself; leave NAME and --release out")
        show_verification(verify, screen)
        return
    from jobs.changes.deliver import deliver_again

    deliver_again(load(conf, env, screen), name, release, screen=screen, local=is_local())
