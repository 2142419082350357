"""`portrait quarantine list`: what was refused and why, as the newest release holds it. No Spark needed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.duck import connect
from jobs.runtime.releases import Release, newest
from jobs.runtime.tables import Lakehouse
from transforms.definitions import nearest
from transforms.errors import DefinitionError, PortraitError
from transforms.privacy import shape
from transforms.schemas import CORRUPT, QUARANTINE

_LONGEST_SHOWN = 80
_CHOSEN = """
with chosen as (
    from quarantine
    where ($source::varchar is null or source = $source)
    and ($reason::varchar is null or list_contains(reasons, $reason))
    and ($day::date is null or _batch_date = $day)
)
"""
_COUNTS = """
select _batch_date, source, reason, _file, count(*)
from (select *, unnest(reasons) as reason from chosen)
group by all order by all
"""
_ROWS = "select _batch_date, source, _file, reasons, raw from chosen order by all limit "


@dataclass(frozen=True)
class Choice:
    """Which refused rows are meant: of a source, for a reason, of a night. None: of any."""

    source: str | None = None
    reason: str | None = None
    day: date | None = None


def released(lakehouse: Lakehouse) -> Release:
    """The newest release. Raises PortraitError before the first night."""
    found = newest(lakehouse)
    if found is None:
        raise PortraitError(f"{lakehouse.uri}: no release yet; run a night first: portrait run --date …")
    return found


def ask(lakehouse: Lakehouse, release: Release, choice: Choice, sql: str) -> list[tuple[Any, ...]]:
    """DuckDB's answer over `chosen`: the rows of silver/quarantine, as a release holds it, that are meant."""
    version = release.versions.get(QUARANTINE.name)
    dataset = lakehouse.dataset(QUARANTINE.name, version) if version is not None else None
    if dataset is None:
        return []
    with connect() as connection:
        connection.register("quarantine", dataset)
        return list(connection.execute(_CHOSEN + sql, asdict(choice)).fetchall())


def check_source(conf: Configuration, lakehouse: Lakehouse, release: Release, choice: Choice) -> None:
    """Raise DefinitionError for a source that neither the configuration nor the quarantine knows."""
    if choice.source is None or choice.source in conf.sources:
        return
    known = {
        *conf.sources,
        *(name for (name,) in ask(lakehouse, release, Choice(), "select distinct source from chosen")),
    }
    if choice.source not in known:
        raise DefinitionError(f"--source {choice.source}: no such source{nearest(choice.source, known)}")


def show_quarantine(conf: Configuration, choice: Choice, screen: Screen, *, rows: int = 0, clear: bool = False) -> None:
    """Refused rows counted by night, source, reason and file, and so many of the rows themselves.

    What they hold may be personal: their values show as shapes (`31/12/2017` as `99/99/9999`) unless `clear`.
    """
    lakehouse = Lakehouse(conf.lakehouse)
    release = released(lakehouse)
    check_source(conf, lakehouse, release, choice)
    [(number,)] = ask(lakehouse, release, choice, "select count(*) from chosen") or [(0,)]
    counts = ask(lakehouse, release, choice, _COUNTS)
    shown = [_row(row, clear=clear) for row in ask(lakehouse, release, choice, f"{_ROWS}{rows}")] if rows else []
    header = ["night", "source", "reason", "file", "rows"]
    if counts:
        screen.table("What was refused, and why", header, [list(row) for row in counts])
    for row in shown:
        _show_row(row, screen)
    screen.say(f"{number} rows are in quarantine as of release {release.release} of {release.date}")
    screen.result(
        {
            "release": release.release, "date": release.date, "rows": number,
            "counts": [dict(zip(header, row, strict=True)) for row in counts], "shown": shown,
        }
    )  # fmt: skip


def _row(row: tuple[Any, ...], *, clear: bool) -> dict[str, Any]:
    day, source, file, reasons, raw = row
    values = {name: value if clear else _hidden(value) for name, value in _values(raw, reasons).items()}
    return {"night": day, "source": source, "file": file, "reasons": reasons, "raw": values}


def _values(raw: str, reasons: list[str]) -> Mapping[str, str]:
    """The raw columns of a refused row; a record that could not be split into columns is one text."""
    return {"_corrupt": raw} if CORRUPT in reasons else json.loads(raw)


def _hidden(value: str) -> str:
    hidden = shape(value[:_LONGEST_SHOWN])
    return hidden if len(value) <= _LONGEST_SHOWN else f"{hidden}… ({len(value)} characters)"


def _show_row(row: Mapping[str, Any], screen: Screen) -> None:
    screen.say(f"{row['night']} {row['source']} {row['file']}: {', '.join(row['reasons'])}")
    for name, value in row["raw"].items():
        # what a terminal would obey rather than show is escaped
        text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in value)
        screen.say(f"  {name}: {text}")
    screen.say()
