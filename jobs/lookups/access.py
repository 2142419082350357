"""`portrait access ID`: all that is held on a person, with where it came from and what for; without Spark."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.engines.erasing import condition, know
from jobs.engines.persons import person_of
from jobs.engines.refused_rows import OfPerson
from jobs.engines.state_rows import StateRows, state_rows
from jobs.lookups.whose import whose
from jobs.pages.access import page
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.errors import PortraitError
from transforms.exports import purpose_of
from transforms.profile import PROFILE
from transforms.retention import kept_for
from transforms.schemas import QUARANTINE

Rows = list[dict[str, Any]]
_TECHNICAL = ("_hash",)


@dataclass(frozen=True)
class Held:
    """Everything, as one JSON object, and the files that tell it."""

    told: dict[str, Any]
    files: tuple[Path, ...] = ()


def held_on(conf: Configuration, identifier: str) -> dict[str, Any]:
    """All that the newest release holds on the person, table by table, every version of every record.

    What landed is held a second time as it came, in bronze: the files are named, their rows are not read here.
    Raises DefinitionError where nobody has the identifier, several may, or the person was erased.
    """
    reader = Reader(conf)
    owner = whose(reader, conf, identifier).customer_id
    with state_rows(reader.lakehouse, reader.release.versions) as rows:
        person = person_of(rows, conf, owner)
        know(rows, person, ())
        refused = OfPerson(person, conf.sources)
        tables = {name: found for name in sorted(rows.versions) if (found := _rows_of(rows, name, refused))}
    records = {name: found for name, found in tables.items() if name.startswith("silver/")}
    return {
        "customer_id": owner,
        "as_of": reader.release.date,
        "release": reader.release.release,
        "identifiers": [
            {"type": kind, "value": value, "others_have_it_too": (kind, value) in person.shared}
            for kind, value in sorted(person.own | person.shared)
        ],
        "purposes": {name: purpose.consent for name, purpose in conf.privacy.purposes.items()},
        "sources": _sources(conf, records),
        "tags": _tags(conf, tables.get(PROFILE, [])),
        "receivers": _receivers(conf, tables),
        "kept_for_days": {name: kept_for(conf.privacy.retention, name) for name in tables},
        "tables": tables,
    }


def _rows_of(rows: StateRows, table: str, refused: OfPerson) -> Rows:
    """The person's rows of a table. Of the quarantine those that give an identifier of the person's own."""
    scan = rows.scan(table)
    if scan is None or table.startswith("bronze/"):
        return []
    names = rows.columns(table)
    asked, known = refused.may_hold if table == QUARANTINE.name else (condition(names), {})
    columns = ", ".join(f'"{name}"' for name in names if name not in _TECHNICAL)
    sql = f"select {columns} from {scan} where {asked}"
    found = rows.db.sql(sql, params=known or None).to_arrow_table()
    if table == QUARANTINE.name:
        given = zip(found["source"].to_pylist(), found["raw"].to_pylist(), strict=True)
        found = found.filter(pa.array([refused.holds(*row) for row in given], pa.bool_()))
    told: Rows = found.to_pylist(maps_as_pydicts="lossy")
    return sorted(told, key=_json)


def _sources(conf: Configuration, records: Mapping[str, Rows]) -> Rows:
    """Where it came from: source, whose it is, what it tells of, how many versions of records, in which files."""
    found: dict[str, Rows] = {}
    for told in records.values():
        for row in told:
            found.setdefault(row["source"], []).append(row)
    return [
        {
            "source": name, "owner": getattr(conf.sources.get(name), "owner", None),
            "entity": getattr(conf.sources.get(name), "entity", None), "rows": len(told),
            "files": sorted({row["_file"] for row in told if row.get("_file")}),
        }
        for name, told in sorted(found.items())
    ]  # fmt: skip


def _tags(conf: Configuration, profile: Rows) -> Rows:
    """The profile: each value with what it means, what it is made from, and what it may be used for."""
    values = profile[0] if profile else {}
    told = []
    for name, value in values.items():
        tag = conf.tags.get(name) or next((one for one in conf.tags.values() if name.startswith(f"{one.tag}_")), None)
        if tag is not None and value is not None:
            told.append(
                {"tag": name, "value": value, "title": tag.title["en"], "description": tag.description,
                 "from": tag.from_, "purposes": list(tag.purposes)}
            )  # fmt: skip
    return told


def _receivers(conf: Configuration, tables: Mapping[str, Rows]) -> Rows:
    """The exports that the person is in: by their audience, or because everybody is."""
    audiences = {row["audience"] for row in tables.get("gold/audience_member", []) if row["arm"] == "target"}
    return [
        {"export": name, "title": export.title.get("en", name), "purpose": purpose_of(export, conf.audiences),
         "audience": export.audience}
        for name, export in conf.exports.items()
        if (export.audience is None and PROFILE in tables) or export.audience in audiences
    ]  # fmt: skip


def write_access(conf: Configuration, identifier: str, folder: Path) -> Held:
    """The same as `access.json` and `access.html` in a folder, which only its owner may read.

    Raises PortraitError where they cannot be written.
    """
    told = held_on(conf, identifier)
    written = (folder / "access.json", folder / "access.html")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = (_written(told), page(told))
        for file, text in zip(written, texts, strict=True):
            file.unlink(missing_ok=True)  # whoever may read the one that lies there
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PortraitError(f"--to {folder}: cannot be written: {error.strerror}") from None
    return Held(told, written)


def _written(told: Mapping[str, Any]) -> str:
    """As JSON, with a line for each row of a table: to indent each of its values takes several times as long."""
    about = {name: value for name, value in told.items() if name != "tables"}
    tables = [f"{json.dumps(name)}: [\n{_lines(rows)}\n    ]" for name, rows in told["tables"].items()]
    begun = json.dumps(about, ensure_ascii=False, indent=2, default=str).removesuffix("\n}")
    return begun + ',\n  "tables": {\n    ' + ",\n    ".join(tables) + "\n  }\n}\n"


def _lines(rows: Rows) -> str:
    return ",\n".join(f"      {_json(row)}" for row in rows)


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def show_access(held: Held, screen: Screen) -> None:
    """How much there is, and where it was written; with --json all of it."""
    counted = [[name, len(rows)] for name, rows in held.told["tables"].items()]
    screen.table("Held", ["table", "rows"], counted)
    sources = [[one["source"], one["owner"], one["entity"], one["rows"]] for one in held.told["sources"]]
    screen.table("From", ["source", "owner", "entity", "rows"], sources)
    for file in held.files:
        screen.say(f"written: {file} (personal data: hand it over, then delete it)")
    screen.result(held.told)
