"""Back up, prove a backup, and come back: to an earlier release, or from a backup."""

from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, is_local, load, told
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError

app = typer.Typer()


@app.command()
@told
def backup(
    to: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="Bring the backup in this folder or URI up to date.")
    ] = None,
    verify: Annotated[
        str | None, typer.Option("--verify", metavar="PATH", help="Prove the backup in this folder or URI.")
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Back up what releases can be restored to, only what is new of it, or prove a backup."""
    from jobs.changes.backup import backup as back_up
    from jobs.changes.backup import show_backup, show_verified, verify_backup

    screen = Screen(as_json=as_json)
    if to is not None and verify is None:
        show_backup(back_up(load(conf, env, screen, definitions=False), to), to, screen)
    elif verify is not None and to is None:
        show_verified(verify_backup(verify), verify, screen)
    else:
        raise DefinitionError("backup: say either --to PATH, to back up, or --verify PATH, to prove a backup")


@app.command()
@told
def restore(
    to: Annotated[
        str | None, typer.Option("--to", metavar="RUN", help="The run whose release becomes the newest again.")
    ] = None,
    backed_up: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="Make an absent or empty lakehouse anew from this backup."),
    ] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier release the newest, or a lost lakehouse anew from its backup."""
    from jobs.changes.restore import restore_backup, restore_release, show_restored

    screen = Screen(as_json=as_json)
    if (to is None) == (backed_up is None):
        raise DefinitionError("restore: say either --to RUN, an earlier release, or --from PATH, a backup")
    # a lakehouse comes back whatever is wrong with tomorrow's tags
    loaded = load(conf, env, screen, definitions=to is not None)
    if to is not None:
        show_restored(restore_release(loaded, to, screen=screen, local=is_local()), None, screen)
    elif backed_up is not None:
        show_restored(*restore_backup(loaded, backed_up, screen=screen, local=is_local()), screen)
