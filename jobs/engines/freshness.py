"""What tonight's sources have brought, and which tags are NULL for everybody because of it. Without Spark."""

from collections.abc import Iterable
from datetime import date

import pyarrow.compute as pc

from jobs.runtime.night import Night
from jobs.runtime.reader import visible
from transforms.schemas import ENTITIES
from transforms.tags.freshness import Freshness, freshness_of
from transforms.tags.plan import TagPlan
from transforms.tags.tag import CUSTOMER


def freshness(night: Night, plan: TagPlan) -> Freshness:
    """Tonight's freshness, told as the figures `absent` and `silent`; of what is silent with a warning each."""
    entities = {*(entity.entity for entity in plan.entities), *plan.across.columns()} - {CUSTOMER}
    fresh = freshness_of(night.conf.tags, newest_batches(night, sorted(entities)), night.day)
    for tag, why in fresh.silent.items():
        night.warn(f"{tag}: {why}: NULL")
    night.figure("absent", dict(fresh.absent))
    night.figure("silent", dict(fresh.silent))
    return fresh


def newest_batches(night: Night, entities: Iterable[str]) -> dict[str, date]:
    """Entity -> the newest business date of its rows that this night may see; absent: it never came."""
    found = {}
    for entity in entities:
        name = ENTITIES[entity].table.name
        silver = night.lakehouse.dataset(name, night.versions[name]) if night.has(name) else None
        if silver is not None:
            rows = silver.scanner(["_batch_date"], filter=visible(night.day, night.as_of)).to_batches()
            found[entity] = max((pc.max(batch["_batch_date"]).as_py() or date.min for batch in rows), default=date.min)
    return {entity: newest for entity, newest in found.items() if newest > date.min}
