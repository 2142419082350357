"""The `portrait` command. Each command reads its arguments, calls one function, and shows what came of it."""

import os
import sys
from collections.abc import Callable
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError, PortraitError
from transforms.tags.life_cycle import check_life_cycle

app = typer.Typer(
    name="portrait",
    help="From a night's extracts to one trusted profile per customer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

sources_app = typer.Typer(help="Bring a new source in.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")

Conf = Annotated[Path, typer.Option("--conf", help="The folder that holds pipeline.yml.")]
Env = Annotated[str | None, typer.Option("--env", help="Lay conf/env/NAME.yml over pipeline.yml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Day = Annotated[str, typer.Option("--date", help="The business date, YYYY-MM-DD.")]
CONF = Path("conf")


def _day(text: str, option: str = "--date") -> date:
    try:
        if len(text) != len("2026-01-31"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise DefinitionError(f"{option} {text}: not a date; write it as 2026-01-31") from None


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn Portrait's errors into lines and an exit status."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        screen = Screen(as_json=bool(kwargs.get("as_json")))
        try:
            command(*args, **kwargs)
        except PortraitError as error:
            for line in str(error).splitlines():
                screen.fail(line)
            screen.result({"error": str(error).splitlines(), "exit_status": error.exit_status})
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt:
            screen.fail("interrupted; run the same command again to go on")
            raise typer.Exit(1) from None

    return run


def _load(conf: Path, env: str | None, screen: Screen) -> Configuration:
    loaded = load_configuration(conf, env)
    for line in loaded.warnings:
        screen.warn(line)
    return loaded


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
    loaded = _load(conf, env, screen)
    if sample:
        from jobs.sample import show_sample

        show_sample(loaded, sample, _day(day) if day else None, screen)
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


@sources_app.command("infer")
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
    from jobs.infer import infer_source

    infer_source(path, conf, entity=entity, name=name, write=write, screen=Screen(as_json=as_json))


@app.command()
@told
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the project will be: a new or empty folder.")],
    as_json: AsJson = False,
) -> None:
    """Write a new project that runs as it is."""
    from jobs.starter.project import write_project

    write_project(folder, Screen(as_json=as_json))


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


@app.command()
@told
def plan(
    day: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do: stages, what is new, definitions in order."""
    from jobs.reading import show_plan

    screen = Screen(as_json=as_json)
    show_plan(_load(conf, env, screen), _day(day) if day else None, screen)


@app.command()
@told
def run(
    day: Day,
    first: Annotated[str | None, typer.Option("--from", help="Begin at this stage.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="End after this stage.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="This stage alone.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Run the newest night once more.")] = False,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Silver onwards, from all of bronze.")] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Fit every model anew.")] = False,
    run_id: Annotated[str | None, typer.Option("--run-id", help="Name the run: stages of one run share it.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run the night of a business date."""
    from jobs.pipeline import chosen, run_night
    from jobs.reading import show_night

    screen = Screen(as_json=as_json)
    stages = chosen(first, until, only)
    night = run_night(
        _load(conf, env, screen), _day(day), screen=screen, stages=stages, run_id=run_id, again=again,
        full_refresh=full_refresh, refit=refit, local=_is_local(),
    )  # fmt: skip
    show_night(night, screen)


@app.command()
@told
def backfill(
    first: Annotated[str, typer.Option("--from", help="The first business date.")],
    last: Annotated[str, typer.Option("--to", help="The last business date.")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run nights in order."""
    from jobs.pipeline import run_night

    screen = Screen(as_json=as_json)
    start, end = _day(first, "--from"), _day(last, "--to")
    if start > end:
        raise DefinitionError(f"--from {first} --to {last}: the first date is after the last")
    loaded = _load(conf, env, screen)
    session, done = None, []
    for offset in range((end - start).days + 1):
        day = start + timedelta(days=offset)
        screen.progress(f"night of {day}")
        night = run_night(loaded, day, screen=screen, local=_is_local(), session=session)
        session = night.spark if night.has_session else None
        done.append({"date": day, "run_id": night.run_id, "release": night.release.release if night.release else None})
    screen.say(f"{len(done)} nights released, up to {end}")
    screen.result({"nights": done})


@app.command()
@told
def status(
    nights: Annotated[int, typer.Option(min=1, help="How many runs to show.")] = 5,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how the last nights went."""
    from jobs.reading import show_status

    screen = Screen(as_json=as_json)
    show_status(_load(conf, env, screen), nights, screen)


@app.command()
@told
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A customer id, or type:value (email:ann@x.org).")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show one customer: golden record, identifiers, tags, latest steps."""
    from jobs.customer import show_customer

    screen = Screen(as_json=as_json)
    show_customer(_load(conf, env, screen), identifier, screen)


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
    from jobs.explain import show_explanation

    screen = Screen(as_json=as_json)
    show_explanation(_load(conf, env, screen), identifier, tag, screen, spark=spark, rows=rows, local=_is_local())


@app.command()
@told
def report(
    day: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.")] = None,
    catalog: Annotated[bool, typer.Option("--catalog", help="The catalogue of tags as a page.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Write a night's report as one HTML file, or the catalogue of tags."""
    screen = Screen(as_json=as_json)
    loaded = _load(conf, env, screen)
    if catalog == bool(day):
        raise DefinitionError("report: say which: --date YYYY-MM-DD for a night's report, or --catalog for the tags")
    if day:
        from jobs.report import write_report
        from jobs.runtime.tables import Lakehouse

        path = write_report(Lakehouse(loaded.lakehouse), _day(day))
    else:
        from jobs.catalog_page import write_catalog

        path = write_catalog(loaded)
    screen.say(f"{'catalogue' if catalog else 'report'}: {path}")
    screen.result({"report": path})


@app.command()
@told
def restore(
    to: Annotated[str, typer.Option("--to", help="The run whose release becomes the newest again.")],
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier release the newest."""
    from jobs.restore import restore_release

    screen = Screen(as_json=as_json)
    released = restore_release(_load(conf, env, screen), to)
    screen.say(f"release {released.release}: the state of {released.date} again; the next night builds on it")
    screen.result({"release": released.release, "date": released.date})


quarantine = typer.Typer(help="What was refused and why; try it again after a mended YAML.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")
OfSource = Annotated[str | None, typer.Option("--source", help="Rows of this source alone.")]
ForReason = Annotated[str | None, typer.Option("--reason", help="Rows that were refused for this reason.")]
OfNight = Annotated[str | None, typer.Option("--date", help="Rows that the night of this date refused.")]


@quarantine.command("list")
@told
def quarantine_list(
    source: OfSource = None,
    reason: ForReason = None,
    day: OfNight = None,
    rows: Annotated[int, typer.Option(min=0, help="Show so many of the rows too, their values as shapes.")] = 0,
    clear: Annotated[bool, typer.Option("--clear", help="With --rows: the values themselves. Personal data.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what was refused, by night, source, reason and file."""
    from jobs.quarantine import Choice, show_quarantine

    screen = Screen(as_json=as_json)
    choice = Choice(source, reason, _day(day) if day else None)
    show_quarantine(_load(conf, env, screen), choice, screen, rows=rows, clear=clear)


@quarantine.command("replay")
@told
def quarantine_replay(
    source: OfSource = None,
    reason: ForReason = None,
    day: OfNight = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many would pass; write nothing.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Try what was refused again with today's YAML, and release what comes of it."""
    from jobs.quarantine import Choice
    from jobs.replay import replay, show_replay

    screen = Screen(as_json=as_json)
    choice = Choice(source, reason, _day(day) if day else None)
    found, night = replay(_load(conf, env, screen), choice, screen=screen, dry_run=dry_run, local=_is_local())
    show_replay(found, night, screen, dry_run=dry_run)


identity_app = typer.Typer(help="Who is who: look at it, and measure it against known truth.", no_args_is_help=True)
app.add_typer(identity_app, name="identity")


@identity_app.command("audit")
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
        from jobs.audit import show_audit

        if picture:
            raise DefinitionError("--picture: a picture is of one customer; say which, such as email:ann@x.org")
        show_audit(_load(conf, env, screen), screen, rows=rows, clear=clear)
        return
    from jobs.audit_customer import show_ties

    show_ties(_load(conf, env, screen), identifier, screen, clear=clear, picture=picture)


@identity_app.command("evaluate")
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
    from jobs.evaluate import show_evaluation

    screen = Screen(as_json=as_json)
    show_evaluation(_load(conf, env, screen), truth, screen, pairs=pairs, values=show_values, rows=rows)


tags_app = typer.Typer(help="The catalogue of tags, their examples, and what a change would do.", no_args_is_help=True)
app.add_typer(tags_app, name="tags")


@tags_app.command("list")
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
    from jobs.tags_catalog import show_tags

    screen = Screen(as_json=as_json)
    show_tags(_load(conf, env, screen), screen, category=category, status=status)


@tags_app.command("show")
@told
def tags_show(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="A tag, or a column of the profile.")],
    preview: Annotated[bool, typer.Option("--preview", help="Compute it as it is defined here; for drafts.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show one tag: definition, distribution, change since last night, dependencies, freshness, cost."""
    from jobs.tags_catalog import preview_tag, show_tag

    screen = Screen(as_json=as_json)
    loaded = _load(conf, env, screen)
    if preview:
        preview_tag(loaded, tag, screen, local=_is_local())
    else:
        show_tag(loaded, tag, screen)


@tags_app.command("test")
@told
def tags_test(
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]…", help="These alone; otherwise all.")] = None,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run the examples that stand in the tags."""
    from jobs.examples import run_examples

    screen = Screen(as_json=as_json)
    run_examples(_load(conf, env, screen), tags or [], screen, local=_is_local())


@tags_app.command("diff")
@told
def tags_diff(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    conf: Conf = CONF,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what the definitions here would change against the newest release. Writes nothing."""
    from jobs.tags_diff import show_difference

    screen = Screen(as_json=as_json)
    show_difference(_load(conf, env, screen), screen, as_markdown=as_markdown, local=_is_local())


def _is_local() -> bool:
    """Under spark-submit the master, its memory and its defaults come from there."""
    return "PYSPARK_GATEWAY_PORT" not in os.environ


def stage_main(stage: str) -> None:
    """`spark-submit jobs/<stage>.py --date D …`: the same as `portrait run --only <stage>`."""
    app(["run", "--only", stage, *sys.argv[1:]], standalone_mode=True)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
