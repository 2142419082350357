"""What tonight's sources have brought, and which tags are NULL for everybody because of it. Without Spark."""

from collections.abc import Iterable
from datetime import date

import pyarrow.compute as pc

from jobs.runtime.night import Night
from jobs.runtime.reader import visible
from transforms.schemas import ENTITIES, OPS_FILE
from transforms.tags.freshness import Came, Freshness, freshness_of
from transforms.tags.plan import TagPlan
from transforms.tags.tag import CUSTOMER


def freshness(night: Night, plan: TagPlan) -> Freshness:
    """Tonight's freshness, told as the figures `absent` and `silent`; of what is silent with a warning each."""
    entities = {*(entity.entity for entity in plan.entities), *plan.across.columns()} - {CUSTOMER}
    fresh = freshness_of(night.conf.tags, came(night, sorted(entities)), night.day)
    for tag, why in fresh.silent.items():
        night.warn(f"{tag}: {why}: NULL")
    night.figure("absent", dict(fresh.absent))
    night.figure("silent", dict(fresh.silent))
    return fresh


def came(night: Night, entities: Iterable[str]) -> Came:
    """What was delivered of those of the entities of which this night may see a row."""
    by_source = delivered(night)
    return {entity: by_source.get(entity) or {"": newest} for entity, newest in _newest_rows(night, entities).items()}


def delivered(night: Night) -> dict[str, dict[str, date]]:
    """Entity -> source -> the newest business date on which a night took something of it, of the configured sources.

    A file without anything new is a delivery too: that nothing has changed is known then.
    """
    newest: dict[str, date] = {}
    for row in night.rows(OPS_FILE):
        if row["_batch_date"] <= night.day:
            newest[row["source"]] = max(row["_batch_date"], newest.get(row["source"], date.min))
    found: dict[str, dict[str, date]] = {}
    for name, source in night.conf.sources.items():
        if name in newest:
            found.setdefault(source.entity, {})[name] = newest[name]
    return found


def _newest_rows(night: Night, entities: Iterable[str]) -> dict[str, date]:
    """Entity -> the newest business date of its rows that this night may see; absent: there are none."""
    found = {}
    for entity in entities:
        name = ENTITIES[entity].table.name
        silver = night.lakehouse.dataset(name, night.versions[name]) if night.has(name) else None
        if silver is not None:
            rows = silver.scanner(["_batch_date"], filter=visible(night.day, night.as_of)).to_batches()
            found[entity] = max((pc.max(batch["_batch_date"]).as_py() or date.min for batch in rows), default=date.min)
    return {entity: newest for entity, newest in found.items() if newest > date.min}
