"""The quality of a night: what silver counted and what it brought, judged, told in `ops/quality`, and the gate."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jobs.engines import gate
from jobs.engines.nights import Counts, columns_of, measures_of, nights_before
from jobs.runtime.night import Night
from jobs.runtime.stores import on_s3, put_file, remove_folder
from transforms.errors import DataError
from transforms.quality.findings import Finding, of_rows
from transforms.quality.nightly import of_night
from transforms.quality.scores import COUNTED
from transforms.schemas import OPS_QUALITY
from transforms.sources.definition import Source

# What a fate of a row, counted, tells of.
_TELLS_OF = {
    "accepted": "completeness", "unchanged": "uniqueness", "superseded": "timeliness", "duplicate": "uniqueness",
    "filtered": "validity", "quarantined": "validity", "erased": "validity",
}  # fmt: skip


def account(
    night: Night, day: date, *, landed: Mapping[str, int], fates: Counts, reasons: Counts, broken: Counts,
    only: Collection[str] | None = None,
) -> None:  # fmt: skip
    """Judge a day's rows, tell of every check, and stop where one that must hold does not.

    landed: source -> rows. fates, reasons (rules that refused rows), broken (checks of the YAML):
    source -> which -> rows. only: the sources that are looked at (a replay); None: all, and pages are written.
    Of a day before the night's own (a full refresh) only what looked at each row is judged again.
    Raises DataError with a line for each check that ends the night; PortraitError where the gate cannot judge.
    """
    began = time.monotonic()
    sources = [night.conf.sources[name] for name in fates]
    found = [
        finding
        for source in sources
        for finding in of_rows(
            source, landed[source.source], fates[source.source], reasons.get(source.source, {}),
            broken.get(source.source, {}),
        )
    ]  # fmt: skip
    if day == night.day:
        found.extend(_of_night(night, landed, fates, only))
    tables = {source.table.table.name: source.table.table for source in sources}
    schemas = {name: columns_of(night, table) for name, table in sorted(tables.items()) if night.has(table)}
    measured = time.monotonic()
    passed = _judge(night, day, found, schemas, paged=day == night.day and only is None)
    night.figure(
        "checking", {"checks": len(passed), "measuring": measured - began, "judging": time.monotonic() - measured}
    )
    told = [*_judged(found, passed), *_schemas(schemas, passed)]
    night.append(OPS_QUALITY, [*_counted(night, day, landed, fates), *(_row(night, day, *item) for item in told)])
    _act(night, told)


def pages_of(day: date) -> str:
    """The folder with a night's checks as pages (Great Expectations' Data Docs), beside its report."""
    return f"{day}_checks"


def _of_night(
    night: Night, landed: Mapping[str, int], fates: Counts, only: Collection[str] | None
) -> Iterator[Finding]:
    """The checks of what landed as a whole; what was measured is kept for the nights to come."""
    before = nights_before(night)
    measured = measures_of(night, landed, fates, before)
    measured = {name: tonight for name, tonight in measured.items() if only is None or name in only}
    night.figure("owners", {name: night.conf.sources[name].owner for name in measured})
    night.figure("measures", {name: tonight.told() for name, tonight in measured.items() if tonight.landed})
    for name, tonight in measured.items():
        yield from of_night(night.conf.sources[name], tonight, before.get(name, {}), as_of=night.as_of)


# -- judging


def _judge(
    night: Night, day: date, found: Sequence[Finding], schemas: Mapping[str, list[dict[str, str | None]]], *,
    paged: bool,
) -> dict[str, bool]:  # fmt: skip
    """Id of each expectation -> whether it is met. The pages are written while the night goes on, but for those of a
    store, where a program that knows folders alone writes none: they are made here first."""
    folder = night.lakehouse.report(pages_of(day))
    if not paged or not on_s3(folder):
        return gate.judge(_request(night, day, found, schemas, folder if paged else None))
    with TemporaryDirectory(prefix="portrait-") as scratch:
        passed = gate.judge(_request(night, day, found, schemas, f"{scratch}/pages"))
        if problem := gate.pages():
            night.warn(f"the checks could not be written as pages: {problem}")
        remove_folder(folder)
        for page in sorted(Path(scratch, "pages").glob("*")):
            put_file(f"{folder}/{page.name}", page.read_bytes())
    return passed


def _request(
    night: Night,
    day: date,
    found: Sequence[Finding],
    schemas: Mapping[str, list[dict[str, str | None]]],
    folder: str | None,
) -> dict[str, Any]:
    """What the gate is asked: a suite a source, and one a table for its schema. `folder`: where its pages go."""
    suites = [
        *(_suite(night.conf.sources[name], [item for item in found if item.source == name]) for name in _named(found)),
        *(_schema_suite(table, columns) for table, columns in schemas.items()),
    ]
    return {
        "folder": folder, "report": f"../{day}.html",
        "title": f"Night of {day}, run {night.run_id}", "suites": suites,
    }  # fmt: skip


def _suite(source: Source, found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "name": source.source, "owner": source.owner,
        "subtitle": f"Source of {source.entity}{f', owned by {source.owner}' if source.owner else ''}.",
        "frame": {item.check: [item.value] for item in found},
        "expectations": [
            {
                "id": _id(item), "expect": "between", "column": item.check, "at_least": item.at_least,
                "at_most": item.at_most, "gate": item.gate, "dimension": item.dimension,
                "text": f"{item.dimension}, {item.gate}: {item.detail}",
            }
            for item in found
        ],
    }  # fmt: skip


def _schema_suite(table: str, columns: list[dict[str, str | None]]) -> dict[str, Any]:
    expectation = {
        "id": _schema_id(table), "expect": "equal", "columns": ["declared", "found"], "gate": "stop",
        "dimension": "validity", "text": "validity, stop: every column is there, and of the type that is declared",
    }  # fmt: skip
    frame = {name: [f"{row['column']} {row[name] or '(none)'}" for row in columns] for name in ("declared", "found")}
    return {
        "name": table,
        "owner": "",
        "subtitle": "The table's schema.",
        "frame": frame,
        "expectations": [expectation],
    }


def _id(finding: Finding) -> str:
    return f"{finding.source}|{finding.check}"


def _schema_id(table: str) -> str:
    return f"{table}|schema"


def _named(found: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(item.source for item in found))


def _judged(found: Iterable[Finding], passed: Mapping[str, bool]) -> Iterator[tuple[Finding, bool]]:
    return ((item, passed[_id(item)]) for item in found)


def _schemas(
    schemas: Mapping[str, list[dict[str, str | None]]], passed: Mapping[str, bool]
) -> Iterator[tuple[Finding, bool]]:
    for table, columns in schemas.items():
        other = [
            f"{row['column']} {row['found'] or 'is missing'}" for row in columns if row["declared"] != row["found"]
        ]
        detail = f"of {len(columns)} columns {len(other)} are not as declared: {', '.join(other)}" if other else ""
        finding = Finding(
            "", table, "schema", "validity", "stop", float(len(other)), detail, rows=len(columns), failed=len(other),
            stops=True,
        )  # fmt: skip
        yield finding, passed[_schema_id(table)]


# -- telling


def _counted(night: Night, day: date, landed: Mapping[str, int], fates: Counts) -> Iterator[dict[str, Any]]:
    """What became of each source's rows, as counts beside the checks."""
    for source, told in fates.items():
        table = night.conf.sources[source].table.table.name
        for fate, count in told.items():
            gate_ = "quarantine" if fate == "quarantined" else "warn"
            finding = Finding(
                source, table, f"{COUNTED}{fate}", _TELLS_OF[fate], gate_, 0.0, "", rows=landed[source], failed=count
            )
            yield _row(night, day, finding, True) | {"value": None, "detail": None}


def _row(night: Night, day: date, finding: Finding, passed: bool) -> dict[str, Any]:
    failed = int(not passed) if finding.failed is None else finding.failed
    return {
        "run_id": night.run_id, "date": day, "at": night.now(), "table": finding.table,
        "source": finding.source or None, "check": finding.check, "dimension": finding.dimension,
        "rows": finding.rows, "failed": failed, "share": failed / finding.rows if finding.rows else 0.0,
        "gate": finding.gate, "passed": passed, "value": finding.value, "detail": finding.detail or None,
    }  # fmt: skip


def _act(night: Night, told: Iterable[tuple[Finding, bool]]) -> None:
    """Warn of what failed, or stop."""
    failed = [finding for finding, passed in told if not passed]
    stops = [_stop_line(night, finding) for finding in failed if finding.stops]
    if stops:
        raise DataError("\n".join(stops))
    for finding in failed:
        if finding.gate == "warn":
            night.warn(f"source {finding.source}: check {finding.check}: {finding.detail}")


def _stop_line(night: Night, finding: Finding) -> str:
    if not finding.source:
        return f"{finding.table}: {finding.detail}; nothing is released; was the table changed by something else?"
    told = (
        f"source {finding.source}: check {finding.check}: {finding.detail}; the night stops and nothing is released; "
    )
    source = night.conf.sources[finding.source]
    if finding.check in (check.name for check in source.checks):
        return told + f"mend the extract, or the check in {source.place}"
    return told + "run the night again, and report this if it stays"
