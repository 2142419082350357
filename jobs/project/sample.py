"""`portrait validate --sample`: ten rows of a source as the night would take them, raw beside canonical.

What it shows is personal data, on the terminal of the engineer who asks for it; none of it goes into the log.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from jobs.runtime.clock import end_of
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen, harmless
from jobs.runtime.files import ExtractFile, check_whole, files_of
from transforms.definitions import nearest
from transforms.errors import DataError, DefinitionError
from transforms.expressions import names_in
from transforms.sources.database import JDBC
from transforms.sources.definition import Source
from transforms.sources.names import raw_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 10
_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@dataclass(frozen=True)
class Sampled:
    """One row: as it landed, and what silver would hold. `fate`: accepted, filtered or quarantined."""

    raw: dict[str, str | None]
    canonical: dict[str, Any]
    ids: dict[str, list[str]]
    fate: str
    reasons: list[str]
    corrupt: str | None


def show_sample(conf: Configuration, name: str, day: date | None, screen: Screen) -> None:
    """Ten rows of a source's newest files, for people or as JSON. `day`: of the files up to this date.

    Raises DefinitionError for an unknown source or a column that is not there, DataError where no file can be read.
    """
    from jobs.runtime.session import open_session

    source, files = newest_files(conf, name, day)
    screen.progress(f"reading {files[0].path}")
    with screen.working("starting Spark"):
        spark = open_session({**conf.pipeline.spark, **_INTERPRETED}, light=True, reaches=conf.places)
    try:
        with screen.working("reading ten rows"):
            rows = sample_rows(conf, source, files, spark)
    finally:
        spark.stop()
    tell(source, files, rows, screen)


def newest_files(conf: Configuration, name: str, day: date | None) -> tuple[Source, list[ExtractFile]]:
    """The source, and its files of the newest date up to `day`.

    Raises DefinitionError for an unknown source, DataError where there is no file or an empty one.
    """
    source = conf.sources.get(name)
    if source is None:
        hint = nearest(name, conf.sources) or f" (one of {', '.join(conf.sources) or 'none yet'})"
        raise DefinitionError(f"--sample {name}: no such source{hint}")
    if source.read.format == JDBC:
        raise DefinitionError(f"--sample {name}: it is read from a database, and has no files to look at")
    pattern = conf.resolve(source.read.path)
    found = [file for file in files_of(source, pattern) if day is None or file.file_date <= day]
    if not found:
        until = f" up to {day}" if day else ""
        raise DataError(
            f"source {name}: {pattern} matches no file{until}; {{date}} stands for a day such as 2026-01-31"
        )
    newest = found[-1].file_date
    files = [file for file in found if file.file_date == newest]
    check_whole(source, files)
    return source, files[:1]


def sample_rows(
    conf: Configuration, source: Source, files: list[ExtractFile], spark: "SparkSession", *, rows: int = ROWS
) -> list[Sampled]:
    """The first rows of the files through the night's own reading, typing and checking.

    Raises DefinitionError where an expression reads a column that the files do not have, DataError where they are
    damaged.
    """
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    from jobs.runtime.extracts import read_extract
    from jobs.runtime.references import currency_rates
    from transforms.sources import refine
    from transforms.sources.definition import compiled_over

    day = files[0].file_date
    as_of = end_of(day, conf.pipeline.timezone)
    with tempfile.TemporaryDirectory() as scratch:
        raw = read_extract(spark, source, files, day=day, ingested_at=as_of, scratch=scratch).limit(rows)
        compiled = compiled_over(source, raw.schema)
        refined = refine.parsed(raw, compiled, day=day, as_of=as_of).transform(
            refine.refined, source.table, [compiled], day=day, as_of=as_of,
            timezone=conf.pipeline.timezone, base_currency=conf.pipeline.base_currency,
            rates=currency_rates(spark, conf.rates), divisions=conf.divisions, few=True,
        )  # fmt: skip
        names = list(raw_names(raw.schema).values())
        try:
            return [_sampled(row.asDict(recursive=True), source, names) for row in refined.coalesce(1).collect()]
        except (Py4JJavaError, PySparkException):
            raise DataError(
                f"source {source.source}: {files[0].path}: cannot be read; is it whole, and what its name says?"
            ) from None


def _sampled(row: dict[str, Any], source: Source, columns: Iterable[str]) -> Sampled:
    said = json.loads(row["_raw"] or "{}")  # without what is NULL
    fate = "quarantined" if row["reasons"] and (row["_wanted"] or row["_corrupt"]) else "accepted"
    return Sampled(
        raw={name: said.get(name) for name in columns},
        canonical={name: row[name] for name in source.table.types if row[name] is not None},
        ids=row["ids"] or {},
        fate=fate if row["_wanted"] or row["_corrupt"] else "filtered",
        reasons=list(row["reasons"]),
        corrupt=row["_corrupt"],
    )


def tell(source: Source, files: list[ExtractFile], rows: list[Sampled], screen: Screen) -> None:
    """Show the rows: for people a table each, raw beside canonical, or one JSON object."""
    fates = {fate: sum(row.fate == fate for row in rows) for fate in ("accepted", "filtered", "quarantined")}
    told = ", ".join(f"{count} {fate}" for fate, count in fates.items() if count)
    for place, row in enumerate(rows, start=1):
        _show_row(place, row, source, screen)
    if not rows:
        screen.say(f"{files[0].path}: holds no row")
    never = _never_filled(source, rows)
    if rows and never:
        screen.warn(f"source {source.source}: in no row of the sample: {', '.join(never)}")
    screen.say(f"source {source.source}: {len(rows)} rows as {source.entity}: {told or 'none'}")
    screen.result(
        {
            "source": source.source, "entity": source.entity, "file": files[0].path, **fates, "never_filled": never,
            "rows": [
                {"raw": row.raw, "canonical": {k: _plain(v) for k, v in row.canonical.items()}, "ids": row.ids,
                 "fate": row.fate, "reasons": row.reasons, **({"corrupt": row.corrupt} if row.corrupt else {})}
                for row in rows
            ],
        }
    )  # fmt: skip


def _never_filled(source: Source, rows: list[Sampled]) -> list[str]:
    """Columns that the YAML names and that are NULL in every row: most likely an expression that reads nothing."""
    return [name for name in source.columns if not any(name in row.canonical for row in rows)]


def _show_row(place: int, row: Sampled, source: Source, screen: Screen) -> None:
    """One row: each raw column, and beside it the canonical ones that read it first."""
    if screen.as_json:
        return
    style = {"accepted": "green", "filtered": "yellow", "quarantined": "red"}[row.fate]
    title = Text.assemble(f"row {place}: ", (row.fate, style), f" ({', '.join(row.reasons)})" if row.reasons else "")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in ("raw column", "raw", "canonical", "value"):
        table.add_column(header, overflow="fold", max_width=40 if header in ("raw", "value") else None)
    if row.corrupt:
        table.add_row("(whole)", Text(harmless(row.corrupt[:200])), "", "")
    for cells in _side_by_side(row, source):
        table.add_row(*(Text(harmless(cell)) for cell in cells))
    screen.out.print(table)
    screen.out.print()


def _side_by_side(row: Sampled, source: Source) -> list[tuple[str, str, str, str]]:
    """(raw column, its text, canonical column, its value): a canonical one stands beside the first raw one it reads."""
    expressions = {**source.expressions, **{f"ids.{kind}": text for kind, text in source.ids.items()}}
    values: dict[str, Any] = {**row.canonical, **{f"ids.{kind}": ", ".join(found) for kind, found in row.ids.items()}}
    lower = {name.lower(): name for name in row.raw}
    beside: dict[str, list[str]] = {}
    for name in values:
        read = sorted(names_in(expressions.get(name, "")), key=str.lower)
        owner = next((lower[column.lower()] for column in read if column.lower() in lower), "")
        beside.setdefault(owner, []).append(name)
    cells: list[tuple[str, str, str, str]] = []
    for column in (*row.raw, ""):
        text = "" if column == "" else (row.raw[column] or "")
        for position, name in enumerate(beside.get(column, [""] if column else [])):
            shown = (column, text) if position == 0 else ("", "")
            cells.append((*shown, name, _plain(values.get(name)) if name else ""))
    return cells


def _plain(value: Any) -> str:
    """A value as people write it. Times are in UTC."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
