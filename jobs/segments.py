"""Stage `segments`: who moved between segments; and where something was fitted or defined anew, how good they are."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("segments")

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import dataset as ds

from jobs.engines import segment_figures as figures
from jobs.engines.later_value import LaterValue, dataset, earlier_release, later_value
from jobs.engines.released_models import Model, Models
from jobs.runtime.night import Night
from jobs.runtime.releases import last_before
from jobs.runtime.tables import arrow_schema
from transforms.insight.counted import grouped
from transforms.insight.portraits import Compared, compared, portraits
from transforms.insight.principles import Judged, moved_too_much
from transforms.profile import PROFILE, tag_of_column
from transforms.schemas import (
    GOLD_SEGMENT_MIGRATION,
    GOLD_SEGMENT_PROFILE,
    GOLD_SEGMENTATION,
    GOLD_TAG_CHANGE,
)
from transforms.tags.catalog import built_on
from transforms.tags.segmentations import Segmentation, segmentations, traits

Row = dict[str, Any]
# Segments are judged again after so many days, where nothing was fitted or defined anew in between.
JUDGED_FOR = 30
# What may change a segment though nobody heard anything new of the customer.
_WITHOUT_FACTS = ("time", "refit", "definition", "stale")


def run(night: Night) -> None:
    """Append tonight's moves to gold/segment_migration; write gold/segmentation and gold/segment_profile when due."""
    began = time.monotonic()
    found = segmentations(night.conf.tags, smallest_group=night.conf.privacy.smallest_group)
    if not found:
        for table in (GOLD_SEGMENTATION, GOLD_SEGMENT_PROFILE):
            night.forget(table)
        return
    profile = dataset(night, PROFILE)
    assert profile is not None  # noqa: S101  (the stage before wrote it)
    moved = _migrate(night, found, profile)
    silent = night.figures_of("tags").get("silent", {}).keys()
    quiet = {one.column for one in found if built_on(one.tag, night.conf.tags) & silent}
    known = [one for one in found if one.column not in quiet]
    if _due(night, known, quiet):
        _judge(night, known, profile, moved, quiet)
    else:
        _tell_moves(night, known, moved)
    night.figure("seconds", round(time.monotonic() - began, 2))


# -- who moved


def _migrate(night: Night, found: Sequence[Segmentation], profile: ds.Dataset) -> dict[str, float]:
    """Append tonight's moves. Gives column -> share of customers, known both nights, whose segment is another."""
    last = last_before(night.lakehouse, night.base, night.day)
    before = night.lakehouse.dataset(PROFILE, last.versions[PROFILE]) if last and PROFILE in last.versions else None
    rows = figures.moves(profile, before, [one.column for one in found]) if before else []
    least = night.conf.privacy.smallest_group
    told = [(*move, customers if customers >= least else None) for *move, customers in rows]
    columns = [[night.day] * len(told), *(zip(*told, strict=True) if told else [[], [], [], []])]
    schema = arrow_schema(GOLD_SEGMENT_MIGRATION)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    night.save(pa.Table.from_arrays(arrays, schema=schema), GOLD_SEGMENT_MIGRATION, mode="append")
    stayed: dict[str, list[int]] = {}
    for column, old, new, customers in rows:
        if old is not None and new is not None:
            stayed.setdefault(column, [0, 0])[int(old == new)] += customers
    moved = {column: round(other / (other + same), 4) for column, (other, same) in stayed.items()}
    night.figure("moved", moved)
    return moved


# -- how good they are


def _due(night: Night, found: Sequence[Segmentation], quiet: Collection[str]) -> bool:
    """Was something fitted or defined anew, is the last judgement old, or can one now be held against later spend?

    `quiet`: those over silent sources, whose last judgement stays until they are known again.
    """
    if night.refit or not found:
        return bool(found)
    held = {row["segmentation"]: row for row in night.rows(GOLD_SEGMENTATION) if row["segmentation"] not in quiet}
    fits = Models.of(night).released
    now = {one.column: (one.definition, _version(fits, one), one.min_size) for one in found}
    was = {name: (row["definition"], row["model_version"], row["min_size"]) for name, row in held.items()}
    if now != was:
        return True
    oldest = min(row["date"] for row in held.values())
    first_value = all(row["value_from"] is None for row in held.values()) and earlier_release(night) is not None
    # judged on this very day: a replay, of whose rows the night knew less
    return not 0 < (night.day - oldest).days < JUDGED_FOR or first_value


def _version(fits: Mapping[str, Model], one: Segmentation) -> int | None:
    return fits[one.tag.tag].version if one.tag.tag in fits else None


def _judge(
    night: Night, found: Sequence[Segmentation], profile: ds.Dataset, moved: Mapping[str, float],
    quiet: Collection[str],
) -> None:  # fmt: skip
    names = [name for name in traits(night.conf.tags) if name in profile.schema.names]
    own = [name for one in found for name in (one.column, *one.numbers, *one.words)]
    table = figures.sampled(profile, list(dict.fromkeys([*own, *names])))
    sizes = figures.sizes(profile, [one.column for one in found])
    value = later_value(night, found)
    fits = Models.of(night).released
    groups = {name: grouped(table[name].combine_chunks()) for name in names}
    rows, described = [], []
    for one in found:
        counted = sizes[one.column]
        segments = sorted(name for name in counted if name is not None)
        codes = figures.coded(table[one.column], segments)
        rows.append(_row(night, one, counted, table, codes, value, fits, moved))
        described += _described(night, one, segments, counted, groups, codes)
    for table, new in ((GOLD_SEGMENTATION, rows), (GOLD_SEGMENT_PROFILE, described)):
        kept = [row for row in night.rows(table) if row["segmentation"] in quiet]
        night.save(pa.Table.from_pylist([*kept, *new], arrow_schema(table)), table)
    night.figure("judged", {row["segmentation"]: row["warnings"] for row in rows})
    for row in rows:
        for line in row["warnings"]:
            night.warn(f"{row['segmentation']}: {line}")


def _tell_moves(night: Night, found: Sequence[Segmentation], moved: Mapping[str, float]) -> None:
    """How many moved without new facts, where the last judgement was on a first night, which could not tell."""
    rows, told = night.rows(GOLD_SEGMENTATION), False
    for row in rows:
        column = row["segmentation"]
        if row["moved_without_facts"] is not None or column not in {one.column for one in found}:
            continue
        share = _without_facts(night, column, row["customers"])
        if share is not None:
            told, row["moved"], row["moved_without_facts"] = True, moved.get(column), share
            if line := moved_too_much(share):
                row["warnings"] = [*row["warnings"], line]
                night.warn(f"{column}: {line}")
    if told:
        night.save(pa.Table.from_pylist(rows, arrow_schema(GOLD_SEGMENTATION)), GOLD_SEGMENTATION)


def _row(
    night: Night, one: Segmentation, sizes: Mapping[str | None, int], table: pa.Table, codes: figures.Codes,
    value: LaterValue | None, fits: Mapping[str, Model], moved: Mapping[str, float],
) -> Row:  # fmt: skip
    customers = sum(sizes.values())
    named = {name: size for name, size in sizes.items() if name is not None}
    quality = fits[one.tag.tag].quality if one.tag.tag in fits else {}
    ari = quality.get("resample_ari")
    if one.tag.kind == "rfm":
        ari = figures.rfm_resample_ari(table, one.numbers, scores=one.tag.scores)
    apart = quality.get("silhouette")
    judged = Judged(
        named, sum(named.values()) / customers if customers else 0.0, one.min_size,
        explained=value.explained(one.column) if value else None,
        silhouette=apart if apart is not None else figures.silhouette(table, one.numbers, codes, words=one.words),
        moved_without_facts=_without_facts(night, one.column, customers),
        resample_ari=ari,
    )  # fmt: skip
    return {
        "segmentation": one.column, "tag": one.tag.tag, "kind": one.tag.kind, "date": night.day,
        "definition": one.definition, "model_version": _version(fits, one), "customers": customers,
        "segments": len(named), "explained": judged.explained,
        "value_from": value.since if value and judged.explained is not None else None,
        "coverage": round(judged.coverage, 6), "smallest": judged.smallest, "min_size": one.min_size,
        "silhouette": judged.silhouette, "moved": moved.get(one.column),
        "moved_without_facts": judged.moved_without_facts, "resample_ari": ari, "warnings": judged.warnings(),
    }  # fmt: skip


def _without_facts(night: Night, column: str, customers: int) -> float | None:
    """Share of customers whose segment changed tonight though nothing new came; None on a first night."""
    changes = dataset(night, GOLD_TAG_CHANGE.name) if night.base else None
    if changes is None or not customers:
        return None
    mine = (ds.field("date") == ds.scalar(night.day)) & (ds.field("tag") == column)
    wanted = mine & ds.field("cause").isin(_WITHOUT_FACTS) & (ds.field("run_id") == night.run_id)
    without: int = changes.count_rows(filter=wanted)
    return round(without / customers, 4)


def _described(
    night: Night, one: Segmentation, segments: Sequence[str], sizes: Mapping[str | None, int],
    groups: Mapping[str, Any], codes: figures.Codes,
) -> list[Row]:  # fmt: skip
    owners = tag_of_column(night.conf.tags)
    least = night.conf.privacy.smallest_group
    tags: list[Compared] = [
        compared(name, found, codes, len(segments), smallest_group=least)
        for name, found in groups.items()
        if found is not None and owners[name].tag != one.tag.tag and {*owners[name].purposes} & {*one.tag.purposes}
    ]
    titles = {name: _titles(name, owners[name].tag, owners[name].title) for name in groups if groups[name] is not None}
    rows = portraits(
        tags, segments, [sizes[name] for name in segments], customers=sum(sizes.values()), titles=titles, segment=codes
    )
    return [{"segmentation": one.column, "date": night.day, **row} for row in rows]


def _titles(column: str, tag: str, title: Mapping[Any, str]) -> tuple[str, str]:
    output = column.removeprefix(tag).replace("_", " ")
    return f"{title['en']}{output}", f"{title.get('zh') or title['en']}{output}"
