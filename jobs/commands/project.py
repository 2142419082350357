"""A project: begin one, check it, see one at work."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.options import CONF, AsJson, Conf, Env, day_of, load, told
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError
from transforms.tags.life_cycle import check_life_cycle

app = typer.Typer()


@app.command()
@told
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the project will be: a new or empty folder.")],
    as_json: AsJson = False,
) -> None:
    """Write a new project that runs as it is."""
    from jobs.project.starter.project import write_project

    write_project(folder, Screen(as_json=as_json))


@app.command()
@told
def validate(
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="SOURCE", help="Show ten rows of a source, raw and canonical.")
    ] = None,
    day: Annotated[str | None, typer.Option("--date", help="With --sample: files up to this date.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Check every YAML file without reading data; with --sample, read ten rows of a source too."""
    screen = Screen(as_json=as_json)
    loaded = load(conf, env, screen)
    if sample:
        from jobs.project.sample import show_sample

        show_sample(loaded, sample, day_of(day) if day else None, screen)
        return
    if day:
        raise DefinitionError("--date: without --sample no data is read; add --sample SOURCE")
    from jobs.runtime.catalog import newest_catalog

    check_life_cycle(loaded.tags, newest_catalog(loaded.lakehouse))
    counts = {
        "sources": len(loaded.sources), "tags": len(loaded.tags),
        "audiences": len(loaded.audiences), "exports": len(loaded.exports),
    }  # fmt: skip
    screen.say("valid: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    screen.result({"valid": True, **counts, "configuration": loaded.hash, "warnings": list(loaded.warnings)})


@app.command()
@told
def demo(
    scale: Annotated[int, typer.Option(min=1, max=1000, help="Copies of the company: 1 is 2,469 households.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same extracts.")] = 7,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Write one company's extracts, run three nights over them, and show what came out."""
    from jobs.demo.tour import run_demo

    run_demo(conf, env, scale=scale, seed=seed, screen=Screen(as_json=as_json))
