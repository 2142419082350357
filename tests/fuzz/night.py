"""Many mutated sources in one night of bronze and silver, and what became of each."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs import bronze, silver
from jobs.runtime.night import Ledger, Night
from jobs.runtime.tables import Lakehouse
from tests.bare import bare_configuration
from tests.fuzz.originals import COLUMNS, MARKER, WRITERS, Case, Expect, key_of, lines
from transforms.errors import PortraitError
from transforms.sources.definition import parse_source

DAY = date(2026, 3, 1)
_TRACE = re.compile(r"\n\s+at |\tat |Traceback|JVM stacktrace|Exception:|Py4J|org\.apache\.")
_COMPARED = ("ordered_at", "product_id", "product_name", "quantity", "amount", "amount_local", "currency", "status")


@dataclass
class Told:
    """What a night told: by source, and all messages and ops rows as one text."""

    fates: dict[str, dict[str, int]] = field(default_factory=dict)
    landed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    said: str = ""
    rows: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)


def definition(name: str, case: Case) -> str:
    """The source's YAML."""
    return yaml.safe_dump(
        {
            "source": name,
            "entity": "transaction",
            "read": {"format": case.format, "path": f"extracts/{name}/{{date}}/*", "options": case.options},
            "columns": {
                "order_id": "order_id", "line_no": "line_no", "ordered_at": "sold_at", "product_id": "product_id",
                "product_name": "product", "quantity": "quantity", "amount_local": "amount", "currency": "'EUR'",
            },
        },
        sort_keys=False,
    )  # fmt: skip


def clean(format_: str) -> Case:
    """The lines as they are."""
    return Case("clean", format_, {f"a.{format_}": WRITERS[format_]()}, Expect(records=len(lines())), _tag(format_))


def _tag(format_: str) -> dict[str, str]:
    return {"rowTag": "row"} if format_ == "xml" else {}


def run(spark: SparkSession, folder: Path, cases: dict[str, Case], before: Callable[[], None] = lambda: None) -> Told:
    """One night with a source for each case. Raises whatever is not a PortraitError."""
    for name, case in cases.items():
        place = folder / "extracts" / name / DAY.isoformat()
        place.mkdir(parents=True)
        for file, data in case.files.items():
            (place / file).write_bytes(data)
    before()
    sources = [parse_source(definition(name, case), place=f"conf/sources/{name}.yml") for name, case in cases.items()]
    conf = bare_configuration(folder, sources)
    told, warned = Told(), list[str]()
    night = Night(
        conf=conf, lakehouse=Lakehouse(str(folder / "lakehouse")), day=DAY, run_id="fuzz",
        started_at=datetime.now(UTC), base=None, on_warning=warned.append,
    )  # fmt: skip
    night.__dict__["spark"] = spark
    try:
        bronze.run(night)
        told.landed, told.refused = (night.stage.figures.get(key, {}) for key in ("landed", "refused"))
        night.finished["bronze"], night.stage = night.stage, Ledger()
        if told.landed:
            silver.run(night)
            told.fates = night.stage.figures["fates"]
    except PortraitError as error:
        told.stopped = str(error)
    _read(folder / "lakehouse", told)
    told.said = "\n".join([*warned, told.stopped, *_ops(folder / "lakehouse")])
    return told


def _ops(lakehouse: Path) -> Iterator[str]:
    """All that the ops tables and pages hold."""
    for log in sorted(lakehouse.glob("ops/*/_delta_log")):
        yield json.dumps(DeltaTable(str(log.parent)).to_pyarrow_table().to_pylist(), default=str)
    yield from (page.read_text() for page in sorted(lakehouse.glob("ops/reports/**/*.html")))


def _read(lakehouse: Path, told: Told) -> None:
    """What silver holds, by source and key, without Spark and by the text of each value."""
    table = lakehouse / "silver" / "transaction"
    if table.exists():
        for row in DeltaTable(str(table)).to_pyarrow_table().to_pylist():
            key = f"{row['order_id']}:{row['line_no']}"
            values = {name: str(row[name]) for name in _COMPARED}
            told.rows.setdefault(row["source"], {})[key] = values
    refused = lakehouse / "silver" / "quarantine"
    if refused.exists():
        for row in DeltaTable(str(refused)).to_pyarrow_table().to_pylist():
            assert row["reasons"], f"{row['source']}: a row in quarantine without a reason"
            told.quarantined[row["source"]] = told.quarantined.get(row["source"], 0) + 1


def flaws(name: str, case: Case, told: Told, untouched: dict[str, dict[str, str]]) -> list[str]:
    """What came of a case that should not have; nothing where all is well. `untouched`: the clean source's rows."""
    expect, found = case.expect, list[str]()
    if name in told.refused:
        message = told.refused[name]
        if expect.outcome not in ("refused", "either"):
            found.append(f"refused: {message}")
        if "\n" in message or not any(file in message for file in case.files):
            found.append(f"the refusal is not one line that names the file: {message!r}")
        return found
    if expect.outcome == "refused":
        return [f"not refused: landed {told.landed.get(name)}, fates {told.fates.get(name)}"]
    if name not in told.landed:
        return ["nothing landed, and nothing was said"]
    fates, landed, rows = told.fates.get(name, {}), told.landed[name], told.rows.get(name, {})
    if sum(fates.values()) != landed:
        found.append(f"{landed} landed, fates {fates}")
    if expect.records not in (None, landed):
        found.append(f"{landed} landed of {expect.records} records")
    if fates.get("quarantined", 0) != told.quarantined.get(name, 0):
        found.append(f"{told.quarantined.get(name, 0)} lie in quarantine, fates {fates}")
    if expect.quarantined not in (None, fates.get("quarantined", 0)):
        found.append(f"{fates.get('quarantined')} in quarantine, not {expect.quarantined}")
    if fates.get("accepted", 0) != len(rows):
        found.append(f"{len(rows)} rows in silver, fates {fates}")
    damaged = sorted(key for key in expect.intact if rows.get(key) != untouched[key])
    if damaged:
        found.append(f"{len(damaged)} other rows damaged: {damaged[0]}: {rows.get(damaged[0])}")
    for key, values in expect.values.items():
        got = {column: rows.get(key, {}).get(column) for column in values}
        if got != values:
            found.append(f"{key}: {got}, not {values}")
    if expect.keys is not None and (invented := sorted(set(rows) - expect.keys)):
        found.append(f"rows that nobody wrote: {invented[:3]}")
    return found


def leaks(told: Told) -> list[str]:
    """Stack traces and personal data in what the night told."""
    found = []
    if trace := _TRACE.search(told.said):
        found.append(f"a stack trace: {told.said[max(0, trace.start() - 200) : trace.end() + 200]!r}")
    if MARKER in told.said:
        at = told.said.index(MARKER)
        found.append(f"personal data: {told.said[max(0, at - 200) : at + 50]!r}")
    return found


@dataclass
class Result:
    case: Case
    outcome: str
    flaws: list[str]


def judged(
    spark: Callable[[], SparkSession],
    folder: Path,
    cases: Sequence[Case],
    before: Callable[[], None] = lambda: None,
) -> list[Result]:
    """All cases in one night, beside the clean files; `spark` gives a session that lives.

    Where the night ends in an error, the cases run apart, half by half.
    """
    formats = sorted({case.format for case in cases})
    named = {f"clean_{format_}": clean(format_) for format_ in formats}
    named |= {f"m{place}": case for place, case in enumerate(cases)}
    try:
        told = run(spark(), folder / "all", named, before)
    except Exception as error:
        if len(cases) > 1:
            middle = len(cases) // 2
            return [
                *judged(spark, folder / "0", cases[:middle], before),
                *judged(spark, folder / "1", cases[middle:], before),
            ]
        return [Result(cases[0], "error", [f"{type(error).__name__}: {str(error)[:2000]}"])]
    if told.stopped:
        return _stopped(spark, folder, cases, told, before)
    return [_result(f"m{place}", case, told, named) for place, case in enumerate(cases)] + _leaked(told, cases)


def _stopped(
    spark: Callable[[], SparkSession], folder: Path, cases: Sequence[Case], told: Told, before: Callable[[], None]
) -> list[Result]:
    """The night stopped: one of the sources is named in the message. It is judged, and the others run without it."""
    match = re.search(r"/m(\d+)/", told.stopped)
    if not match:
        return [Result(cases[0], "error", [f"the night stopped and named no file: {told.stopped}"])]
    place = int(match[1])
    wrong = [] if cases[place].expect.outcome == "gone" else [f"the night stopped: {told.stopped}"]
    one = Result(cases[place], "stopped", wrong + leaks(told))
    rest = [case for at, case in enumerate(cases) if at != place]
    return [one, *(judged(spark, folder / "rest", rest, before) if rest else [])]


def _result(name: str, case: Case, told: Told, named: dict[str, Case]) -> Result:
    twin = f"clean_{case.format}"
    wrong = flaws(name, case, told, told.rows.get(twin, {}))
    wrong += flaws(twin, named[twin], told, told.rows.get(twin, {}))
    if len(told.rows.get(twin, {})) != len(lines()):
        wrong.append(f"the clean {case.format} lost rows: {told.fates.get(twin)} {told.refused.get(twin, '')}")
    if case.expect.outcome == "gone":
        wrong.append("the night went on without a column that is used")
    if name in told.refused:
        return Result(case, "refused", wrong)
    quarantined = told.fates.get(name, {}).get("quarantined", 0)
    return Result(case, "quarantined" if quarantined else "accepted", wrong)


def _leaked(told: Told, cases: Sequence[Case]) -> list[Result]:
    return [Result(cases[0], "leak", [leak]) for leak in leaks(told)]


__all__ = ["COLUMNS", "Result", "judged", "key_of"]
