"""What a night brought of each source, beside what the nights before it brought."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from pyarrow import dataset as ds

from jobs.engines.measures import measure
from jobs.runtime.clock import end_of
from jobs.runtime.night import Night
from jobs.runtime.releases import all_releases
from jobs.runtime.stores import on_s3
from jobs.runtime.tables import ddl_of
from transforms.quality.measures import Measures, latest
from transforms.schemas import ENTITIES, OPS_FILE, OPS_STAGE, Table

Counts = Mapping[str, Mapping[str, int]]  # source -> what -> rows
Nights = Mapping[str, Mapping[date, Measures]]  # source -> night -> what it brought


def measures_of(night: Night, landed: Mapping[str, int], fates: Counts, before: Nights) -> dict[str, Measures]:
    """Source -> what it brought tonight; of one that brought nothing only the newest time that it ever brought."""
    figures, dates = _figures(night, fates), _dates(night)
    measured = {}
    for name in night.conf.sources:
        told, days, earlier = figures.get(name, {}), dates.get(name, set()), before.get(name, {})
        delivered = end_of(max(days), night.conf.pipeline.timezone).isoformat() if days else None
        counts = {
            "landed": landed.get(name, 0),
            "days": len(days),
            "quarantined": fates.get(name, {}).get("quarantined", 0),
            "newest": latest(told.get("newest"), earlier, "newest"),
            "delivered": latest(delivered, earlier, "delivered"),
        }
        measured[name] = Measures(**{**told, **counts})
    return measured


def nights_before(night: Night) -> dict[str, dict[date, Measures]]:
    """Source -> released night of an earlier date -> what it brought then."""
    released = {release.run_id for release in all_releases(night.lakehouse)}
    before: dict[str, dict[date, Measures]] = {}
    for row in sorted(night.rows(OPS_STAGE), key=lambda row: row["at"]):
        if row["stage"] == "silver" and row["run_id"] in released and row["date"] < night.day:
            for name, told in json.loads(row["figures"] or "{}").get("measures", {}).items():
                before.setdefault(name, {})[row["date"]] = Measures(**told)
    return before


def columns_of(night: Night, table: Table) -> list[dict[str, str | None]]:
    """Every column that a table declares or has: `column`, and its type as `declared` and as `found`."""
    opened = night.lakehouse.open(table.name, night.versions[table.name])
    fields = json.loads(opened.schema().to_json())["fields"] if opened else []
    found = {field["name"]: ddl_of(field["type"]) for field in fields}
    names = dict.fromkeys([*table.types, *found])
    return [{"column": name, "declared": table.types.get(name), "found": found.get(name)} for name in names]


def _figures(night: Night, fates: Counts) -> dict[str, dict[str, Any]]:
    """Source -> figures of the rows that silver took from it tonight."""
    found: dict[str, dict[str, Any]] = {}
    for entity in ENTITIES.values():
        brought = [s for s in night.conf.of_entity(entity.name) if fates.get(s.source, {}).get("accepted")]
        silver = _dataset(night, entity.name) if brought else None
        if silver is not None:
            found |= measure(
                silver, entity, brought, day=night.day, as_of=night.as_of,
                records_of=lambda name: _dataset(night, name), files=_files(night, entity.table),
            )  # fmt: skip
    return found


def _dataset(night: Night, entity: str) -> ds.Dataset | None:
    name = ENTITIES[entity].table.name
    return night.lakehouse.dataset(name, night.versions[name]) if night.has(name) else None


def _files(night: Night, table: Table) -> list[str]:
    """The table's data files, where they lie on this machine's disks."""
    opened = None if on_s3(night.lakehouse.uri) else night.lakehouse.open(table.name, night.versions[table.name])
    return night.lakehouse.located(table.name, opened) if opened else []


def _dates(night: Night) -> dict[str, set[date]]:
    """Source -> the days that the files are of which tonight took."""
    dates: dict[str, set[date]] = {}
    for row in night.rows(OPS_FILE):
        if row["_batch_date"] == night.day:
            dates.setdefault(row["source"], set()).add(row["file_date"] or night.day)
    return dates
