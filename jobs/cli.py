"""The `portrait` command. Each command reads its arguments, calls one function, and shows what came of it."""

import gc
import sys
from pathlib import Path

import typer

from jobs.commands import (
    analysts,
    audience,
    customer,
    exports,
    identity,
    night,
    privacy,
    project,
    quarantine,
    recovery,
    sources,
    tags,
)
from jobs.runtime.console import in_any_locale

app = typer.Typer(
    name="portrait",
    help="From a night's extracts to one trusted profile per customer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (project, night, recovery, customer, exports, analysts, privacy):
    app.add_typer(commands.app)
for name, commands in {
    "sources": sources,
    "quarantine": quarantine,
    "identity": identity,
    "tags": tags,
    "audience": audience,
}.items():
    app.add_typer(commands.app, name=name)


def stage_main(stage: str) -> None:
    """`spark-submit jobs/<stage>.py --date D …`: the same as `portrait run --only <stage>`."""
    _leave_folder()
    in_any_locale()
    app(["run", "--only", stage, *sys.argv[1:]], standalone_mode=True)


def _leave_folder() -> None:
    """Python looks into the folder of a file that it is given first: there, `profile` is not the module of its own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != own]


def main() -> None:
    # nearly all that a command makes it keeps to its end: to look for what nothing leads to any more took `access`,
    # which is over in seconds, a twentieth of its time
    gc.set_threshold(100_000)
    in_any_locale()
    app()


if __name__ == "__main__":
    _leave_folder()
    main()
