"""`portrait sources`: bring a new source in."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, told
from jobs.runtime.console import Screen

app = typer.Typer(help="Bring a new source in.", no_args_is_help=True)


@app.command("infer")
@told
def sources_infer(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="One file of the extract, plain or gz, zst, bz2.")],
    entity: Annotated[str | None, typer.Option("--entity", help="What its rows are, where you know.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The source's name; by default the file's.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write it to conf/sources/NAME.yml.")] = False,
    conf: Conf = CONF,
    as_json: AsJson = False,
) -> None:
    """Propose a source's YAML from a sample of its extract."""
    from jobs.project.infer import infer_source

    infer_source(path, conf, entity=entity, name=name, write=write, screen=Screen(as_json=as_json))
