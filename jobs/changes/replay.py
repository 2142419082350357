"""`portrait quarantine replay`: what nights refused is tried again with today's YAML.

The refused rows are looked at first. Where some of a source now pass, silver is taken back to the night before the
first of them, and the nights from there on are refined again from bronze, as they would have been: a row that
passes may be an older version of a record, a part of a visit, or what a snapshot was thought not to hold any more, and
only the nights in their order tell. So silver is what `--full-refresh` makes of it.
"""

import os
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from pyarrow import dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import pipeline, release, silver
from jobs.engines.erased_again import bring_to
from jobs.lookups.quarantine import Choice, released
from jobs.lookups.refused import Look, look
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.night import Night
from jobs.runtime.recovery import Begin, time_of
from jobs.runtime.releases import REPLAY
from jobs.runtime.run_notes import noted
from jobs.runtime.tables import Lakehouse
from transforms.columns import data_file
from transforms.errors import PortraitError
from transforms.schemas import (
    CORRUPT,
    ENTITIES,
    GOLD_AUDIENCE,
    GOLD_SEGMENT_MIGRATION,
    GOLD_TAG_CATALOG,
    IDENTITY_CONFLICT,
    OPS_FILE,
    QUARANTINE,
    Entity,
)

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

AFTER_SILVER = (
    "identity", "tags", "profile", "journeys", "catalog", "segments", "recommendations", "audiences",
)  # fmt: skip
# What a stage tells of a night's date beside what earlier nights told.
_OF_DATES = {
    "identity": IDENTITY_CONFLICT,
    "catalog": GOLD_TAG_CATALOG,
    "segments": GOLD_SEGMENT_MIGRATION,
    "audiences": GOLD_AUDIENCE,
}
_A_ROW = ("_batch_date", "source", "_file", "raw")


def replay(
    conf: Configuration, choice: Choice, *, screen: Screen, dry_run: bool = False, local: bool = True,
    session: Any = None,
) -> tuple[Look, Night | None]:  # fmt: skip
    """Try refused rows again; where some pass, refine their sources again from the first of them on and release that.

    Gives how the rows fare, and the run that made the release: None where nothing passes, or on a `dry_run`, which
    holds no lease and writes nothing. `session`: a Spark session to use instead of starting one.
    Raises PortraitError where there is no release yet or a stage fails, LockedError where another run holds the
    lakehouse; what readers see is unchanged then.
    """
    if dry_run:
        night = _opened(conf, screen, None, local, session)
        return look(night, choice), None
    with Lease(conf.lakehouse, f"quarantine replay (process {os.getpid()})") as lease:
        night = _opened(conf, screen, lease, local, session)
        lease.names_run(night.run_id)
        found = look(night, choice)
        if not found.passes:
            return found, None
        told = {"source": choice.source, "reason": choice.reason, "date": choice.day and choice.day.isoformat()}
        with noted(night, {"replay": told}):
            bring_to(night, night.versions, night.base)
            pipeline.run_stages(night, _stages(found), screen, lease.check)
    return found, night


def _opened(conf: Configuration, screen: Screen, lease: Lease | None, local: bool, session: Any) -> Night:
    """A run upon the newest release, for that one's date."""
    lakehouse = Lakehouse(conf.lakehouse)
    now, base = time_of(lakehouse), released(lakehouse)
    start = Begin(f"{REPLAY}{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now, base)
    return pipeline.opened(conf, base.date, start, screen=screen, lease=lease, local=local, session=session)


def _stages(found: Look) -> list[pipeline.Stage]:
    """Silver of the sources of which rows pass, what follows from it, and the release. Deliveries are the next night's:
    their folders are named by the date, and what lies there may have been taken in."""
    again = pipeline.Stage("silver", partial(_again, found=found), reads="bronze", writes="silver")
    after = [told_anew(stage) for stage in pipeline.NIGHT if stage.name in AFTER_SILVER]
    publish = pipeline.Stage("release", partial(release.run, cause="replay"), reads="", writes="ops/release")
    return [again, *after, publish]


def told_anew(stage: pipeline.Stage) -> pipeline.Stage:
    """The stage, that what it tells of its date comes in place of what the night told, not beside it."""
    table = _OF_DATES.get(stage.name)

    def run(night: Night) -> None:
        if table and night.has(table) and (told := night.lakehouse.dataset(table.name, night.versions[table.name])):
            night.save(told.to_table(filter=ds.field("date") != ds.scalar(night.day)), table)
        stage.run(night)

    return replace(stage, run=run)


def _again(night: Night, *, found: Look) -> None:
    """Stage `silver` of a replay: back to the night before the first row that passes, and on from there."""
    landed = {(row["_batch_date"], row["source"]) for row in night.rows(OPS_FILE) if row["source"] in found.since}
    # late files: what a later night confirmed stands in older versions too, so all of such a source is refined again
    since = {
        name: min(at for at, source in landed if source == name) if night.conf.sources[name].read.lookback else day
        for name, day in found.since.items()
    }
    _check_bronze(night, since)
    before = night.load(QUARANTINE)
    for entity in ENTITIES.values():
        of_entity = {name: day for name, day in since.items() if night.conf.sources[name].entity == entity.name}
        if of_entity and night.has_rows(entity.table):
            _take_back(night, entity, of_entity)
    night.save(before.where(~_from_on("_batch_date", since)), QUARANTINE)
    for day in sorted({day for day, source in landed if day >= since[source]}):
        silver.refine_day(night, day, only={source for source, first in since.items() if first <= day})
    _tell(night, before, found)


def _check_bronze(night: Night, since: Mapping[str, date]) -> None:
    """Raise PortraitError where bronze does not hold any more what silver and the quarantine hold of a first night."""
    for source, day in since.items():
        of_day = ds.field("_batch_date") == ds.scalar(day)
        of_source = of_day & (ds.field("source") == source)
        landed = _count(night, f"bronze/{source}", of_day)
        held = sum(
            _count(night, table.name, of_source) for table in (night.conf.sources[source].table.table, QUARANTINE)
        )
        if landed < held:
            raise PortraitError(
                f"source {source}: bronze holds {landed} rows of {day} and silver {held}: what landed then has expired "
                f"and cannot be refined again; replay a later night alone: --source {source} --date …"
            )


def _count(night: Night, table: str, where: ds.Expression) -> int:
    opened = night.lakehouse.dataset(table, night.versions[table]) if night.has(table) else None
    return int(opened.count_rows(filter=where)) if opened else 0


def _take_back(night: Night, entity: Entity, since: Mapping[str, date]) -> None:
    """Silver of an entity as it was before those nights of those sources: their versions out, what they closed open."""
    undone, reopened = _from_on("_batch_date", since), _from_on("_valid_to", since)
    rows = night.load(entity.table).withColumn("_path", F.col("_metadata.file_path"))
    touched = rows.where(undone | reopened).select(data_file("_path").alias("file")).distinct().collect()
    files = [row["file"] for row in touched]
    kept = night.load_files(entity.table, files).where(~undone)
    until = _ends_that_stay(kept.where(reopened), rows.where(~undone))
    opened = kept.join(until, ["record_id", "_batch_date"], "left").withColumn(
        "_valid_to", F.when(reopened, F.col("_until")).otherwise(F.col("_valid_to"))
    )
    night.save(opened.drop("_until"), entity.table, mode="append", removed=files)


def _ends_that_stay(opened: DataFrame, kept: DataFrame) -> DataFrame:
    """When versions end all the same, for one that came later and is kept. Grain: a version that ends (`_until`)."""
    begins = F.greatest("_batch_date", "event_date").alias("_from")
    later = kept.select("record_id", F.col("_batch_date").alias("_later"), begins)
    both = opened.select("record_id", "_batch_date").join(later, "record_id", "inner")
    met = both.where(F.col("_later") > F.col("_batch_date"))
    return met.groupBy("record_id", "_batch_date").agg(F.min("_from").alias("_until"))


def _from_on(column: str, since: Mapping[str, date]) -> "SparkColumn":
    """Is a row of one of the sources, and its date the source's first night or later? Never NULL."""
    rows = ((F.col("source") == source) & (F.col(column) >= F.lit(day)) for source, day in since.items())
    return F.coalesce(reduce(lambda left, right: left | right, rows), F.lit(False))


def _tell(night: Night, before: DataFrame, found: Look) -> None:
    """What became of the rows; and a warning where today's YAML refuses rows that were accepted."""
    night.figure("since", {source: str(day) for source, day in found.since.items()})
    night.figure("passed", {source: nights.total() for source, nights in found.passes.items()})
    newly = night.load(QUARANTINE).select(*_A_ROW).exceptAll(before.select(*_A_ROW)).groupBy("source").count()
    for row in sorted(newly.collect()):
        night.warn(f"source {row['source']}: today's YAML refuses {row['count']} rows that were accepted before")


def show_replay(found: Look, night: Night | None, screen: Screen, *, dry_run: bool = False) -> None:
    """How the rows fared, and what was released."""
    passed = {source: found.passes.get(source, Counter()).total() for source in found.chosen}
    rows = [
        [name, number, passed[name], number - passed[name], found.since.get(name)]
        for name, number in found.chosen.items()
    ]
    if rows:
        screen.table("With today's YAML", ["source", "refused", "pass", "stay", "first night that changes"], rows)
    stay = [[name, reason, count] for name, told in found.reasons.items() for reason, count in sorted(told.items())]
    if stay:
        screen.table("What stays, and why", ["source", "reason", "rows"], stay)
    for why in found.untried.values():
        screen.warn(f"{why}: its rows stay")
    if any(CORRUPT in told for told in found.reasons.values()):
        screen.warn(
            "records that could not be split into columns when they landed stay as they are: bronze holds them whole; "
            "deliver them again, mended, in a new file"
        )
    screen.say(_outcome(found, night, dry_run=dry_run))
    screen.result(
        {
            "dry_run": dry_run, "chosen": found.chosen, "passed": passed, "reasons": found.reasons,
            "since": found.since, "untried": found.untried,
            "run_id": night.run_id if night else None,
            "release": night.release.release if night and night.release else None,
            "warnings": [line for told in night.finished.values() for line in told.warnings] if night else [],
        }
    )  # fmt: skip


def _outcome(found: Look, night: Night | None, *, dry_run: bool) -> str:
    if not found.chosen:
        return "no such row is in quarantine; nothing was written"
    if night is None or night.release is None:
        return "a dry run: nothing was written" if dry_run else "no row passes; nothing was written"
    return (
        f"release {night.release.release} of {night.day} is what readers see now (run {night.run_id}); "
        "the next night delivers what changed"
    )
