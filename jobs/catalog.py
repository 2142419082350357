"""Stage `catalog`: tonight's tags for people, and every value that is another than the night before, and why."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("catalog")

import json
import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import dataset as ds

from jobs.engines.freshness import delivered
from jobs.engines.model_drift import judge_models
from jobs.engines.overrides import changed_by_hand, tell
from jobs.engines.profiles import Profiles
from jobs.runtime.catalog import released_catalog
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import DataError
from transforms.exports import columns_of
from transforms.profile import PROFILE, online, profile_table
from transforms.schemas import (
    ENTITIES,
    GOLD_MODEL,
    GOLD_TAG_CATALOG,
    GOLD_TAG_CHANGE,
    IDENTITY_CHANGE,
    IDENTITY_RECORD,
)
from transforms.tags import catalog
from transforms.tags.freshness import Came
from transforms.tags.tag import Tag

Row = dict[str, Any]
# A value of these shows through in a list of values; a number in bins of many customers does not.
_HIDDEN = ("personal", "sensitive")


def run(night: Night) -> None:
    """Append tonight's rows to gold/tag_change and gold/tag_catalog; judge how far tags drifted."""
    began = time.monotonic()
    before = released_catalog(night.lakehouse, night.base)
    profiles = Profiles(
        _dataset(night, night.versions, PROFILE), _last_profile(night), timezone=night.conf.pipeline.timezone
    )
    told = night.figures_of("tags")
    stale = {**told.get("absent", {}), **told.get("silent", {})}  # tag -> why it is NULL for everybody tonight
    changed = save_changes(night, profiles, before, stale)
    rows = [*_rows(night, profiles, before, stale, changed), *_remembered(night, before)]
    night.save(pa.Table.from_pylist(rows, arrow_schema(GOLD_TAG_CATALOG)), GOLD_TAG_CATALOG, mode="append")
    night.figure("tags", len(rows))
    tell(night)
    night.figure("seconds", round(time.monotonic() - began, 2))
    judge_models(night, profiles)
    judge_drift(night, {row["tag"]: row for row in rows}, before)


def _dataset(night: Night, versions: Mapping[str, int], name: str) -> ds.Dataset:
    found = night.lakehouse.dataset(name, versions[name])
    assert found is not None  # noqa: S101  (a state names what is there)
    night.stage.inputs[name] = versions[name]
    return found


def _last_profile(night: Night) -> ds.Dataset | None:
    versions = night.base.versions if night.base else {}
    return night.lakehouse.dataset(PROFILE, versions[PROFILE]) if PROFILE in versions else None


# -- what changed


def save_changes(
    night: Night, profiles: Profiles, before: Mapping[str, Row], stale: Mapping[str, str]
) -> dict[str, int]:
    """Append what changed since the last release; tag -> customers whose value changed. The first night has nothing."""
    if profiles.before is None:
        night.save(pa.Table.from_pylist([], arrow_schema(GOLD_TAG_CHANGE)), GOLD_TAG_CHANGE, mode="append")
        return {}
    tags = {tag.tag: tag for tag in online(night.conf.tags)}
    owners = {output.name: tag.tag for tag in tags.values() for output in tag.outputs}
    changes = profiles.changes(
        of_customer=_of_customers(night),
        touched=_touched(night),
        by_hand=changed_by_hand(night),
        causes=_causes(night, tags, before, stale, [*profiles.before, *profiles.now]),
        reads={name: catalog.entities_of(tags[owner], night.conf.tags) for name, owner in owners.items()},
        # a second state of one day (a replay, an override) has nothing to do with the time
        otherwise="time" if night.base and night.base.date < night.day else "data",
    )
    rows = changes.append_column("date", pa.array([night.day] * len(changes), pa.date32()))
    rows = rows.append_column("run_id", pa.array([night.run_id] * len(changes), pa.string()))
    night.save(rows, GOLD_TAG_CHANGE, mode="append")
    night.figure("changes", {row["values"]: row["counts"] for row in pc.value_counts(changes["cause"]).to_pylist()})
    return profiles.changed_customers(owners)


def _of_customers(night: Night) -> dict[str, str]:
    """Customer -> merge or split, of those whom tonight's identities concern."""
    found = night.lakehouse.dataset(IDENTITY_CHANGE.name, night.versions.get(IDENTITY_CHANGE.name))
    tonight = (ds.field("run_id") == night.run_id) & ds.field("kind").isin(["merge", "split"])
    rows = found.to_table(filter=tonight, columns=["kind", "customer_id", "from_ids"]).to_pylist() if found else []
    # of one who is in both, the merge tells more
    ordered = sorted(rows, key=lambda row: row["kind"], reverse=True)
    return {customer: row["kind"] for row in ordered for customer in (row["customer_id"], *(row["from_ids"] or []))}


def _touched(night: Night) -> dict[str, list[str]]:
    """Entity -> customers of whom a record of it landed or ended since the last release."""
    since = night.base.date if night.base else date.min
    new = [
        (ds.field(name) > ds.scalar(since)) & (ds.field(name) <= ds.scalar(night.day))
        for name in ("_batch_date", "_valid_to")
    ]
    records = _dataset(night, night.versions, IDENTITY_RECORD.name).to_table(["record_id", "customer_id"])
    touched = {}
    for entity in ENTITIES.values():
        version = night.versions.get(entity.table.name)
        found = night.lakehouse.dataset(entity.table.name, version) if version is not None else None
        if found is None or entity.reference:
            continue
        nodes = found.to_table(filter=new[0] | new[1], columns=["_node"])["_node"].unique()
        mine = records.filter(pc.is_in(records["record_id"], value_set=nodes.drop_null()))
        touched[entity.name] = mine["customer_id"].unique().to_pylist()
    return touched


def _causes(
    night: Night, tags: Mapping[str, Tag], before: Mapping[str, Row], stale: Mapping[str, str], columns: list[str]
) -> dict[str, str]:
    """Column -> what explains all its changes: another definition, a silent source, a new fit."""
    fitted, found = _fitted(night), dict[str, str]()
    for tag in tags.values():
        parts = catalog.built_on(tag, night.conf.tags)
        was = before.get(tag.tag)
        if (
            was is None
            or was["status"] != "online"
            or was["meaning"] != catalog.described(tag, night.conf.tags)["meaning"]
        ):
            cause = "definition"
        elif any(part in stale or (before.get(part) or {}).get("stale") for part in parts):
            cause = "stale"
        elif parts & fitted:
            cause = "refit"
        else:
            continue
        found |= {output.name: cause for output in tag.outputs}
    known = {output.name for tag in tags.values() for output in tag.outputs}
    return {**{name: "definition" for name in columns if name not in known}, **(found if before else {})}


def _fitted(night: Night) -> set[str]:
    return {row["tag"] for row in night.rows(GOLD_MODEL) if row["fitted_on"] == night.day}


# -- the catalogue


def _rows(
    night: Night, profiles: Profiles, before: Mapping[str, Row], stale: Mapping[str, str], changed: Mapping[str, int]
) -> Iterator[Row]:
    tags, table = night.conf.tags, profile_table(night.conf.tags)
    exported = {
        name: columns_of(export, night.conf.audiences, tags, table, night.conf.privacy)
        for name, export in night.conf.exports.items()
    }
    users = catalog.users_of(tags, night.conf.audiences, exported)
    hidden = [column.name for column in table.columns if column.sensitivity in _HIDDEN]
    came = delivered(night)
    customers, found = profiles.summaries(hidden, night.conf.privacy.smallest_group)
    for tag in sorted(tags.values(), key=lambda tag: tag.tag):
        row = {"date": night.day, "run_id": night.run_id, **catalog.described(tag, tags), "used_by": users[tag.tag]}
        row |= {"columns": list(row["columns"].items()), "fresh_as_of": _fresh(night, row["reads"], came)}
        row["stale"] = stale.get(tag.tag)
        if tag.status == "online":
            row |= _measured(night, tag, profiles, customers, found)
            row["changed"] = changed.get(tag.tag, 0) if profiles.before is not None else None
        yield row


def _measured(night: Night, tag: Tag, profiles: Profiles, customers: int, found: Mapping[str, Row]) -> Row:
    first = tag.outputs[0].name
    own = {output.name: found[output.name] for output in tag.outputs}
    return {
        "customers": customers, "known": found[first]["known"],
        "coverage": found[first]["known"] / customers if customers else None,
        "distinct_values": found[first]["distinct"], "distribution": json.dumps(own, ensure_ascii=False, default=str),
        "drift": profiles.drift(first),
    }  # fmt: skip


def _fresh(night: Night, entities: list[str], came: Came) -> date | None:
    """The business date by which every source of the entities had delivered, of those that ever did.

    Of an entity whose sources are not configured any more: that of its newest row.
    """
    rows = [
        night.lakehouse.greatest(ENTITIES[name].table.name, night.versions[ENTITIES[name].table.name], "_batch_date")
        for name in entities
        if name not in came and night.has(ENTITIES[name].table)
    ]
    known = [min(day, night.day) for day in rows if day is not None and day > date.min]
    return min([*known, *(day for name in entities for day in came.get(name, {}).values())], default=None)


def _remembered(night: Night, before: Mapping[str, Row]) -> Iterator[Row]:
    for row in catalog.remembered(before, night.conf.tags, night.day):
        yield {**row, "date": night.day, "run_id": night.run_id, "columns": list(row["columns"].items())}


# -- drift


def judge_drift(night: Night, rows: Mapping[str, Row], before: Mapping[str, Row]) -> None:
    """Tell of tags that moved further than their checks allow. Raises DataError where one of them stops the night.

    A tag that means something else tonight is not held against what it was.
    """
    stopping = []
    for tag in online(night.conf.tags):
        row, was = rows[tag.tag], before.get(tag.tag)
        for check in tag.checks:
            same = was is not None and was["meaning"] == row["meaning"]
            if check.drift is None or row["drift"] is None or row["drift"] <= check.drift or not same:
                continue
            line = f"{tag.tag}: its values moved by {row['drift']:.2f} since the last release ({check.drift} may be)"
            if check.on_fail == "stop":
                stopping.append(line)
            else:
                night.warn(line)
    if stopping:
        raise DataError("\n".join(stopping))
