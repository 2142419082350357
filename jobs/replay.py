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
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from pyarrow import dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import pipeline, silver
from jobs.quarantine import Choice, ask, check_source, released
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.night import Night
from jobs.runtime.recovery import Begin
from jobs.runtime.releases import REPLAY, named_tables
from jobs.runtime.tables import Lakehouse
from transforms.columns import data_file
from transforms.errors import PortraitError
from transforms.schemas import BRONZE_COLUMNS, CORRUPT, ENTITIES, OPS_FILE, QUARANTINE, Entity
from transforms.sources.versions import refused

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

AT_ONCE = 3
AFTER_SILVER = ("identity", "tags", "profile", "audiences")
_PLACES = f"""
select source, entity, _batch_date, count(*), count_if(list_contains(reasons, '{CORRUPT}')) from chosen
group by all order by all
"""
_A_ROW = ("_batch_date", "source", "_file", "raw")


@dataclass
class Look:
    """How refused rows fare by today's YAML.

    `chosen`: source -> rows; `passes`: source -> night -> rows that it would not refuse any more; `reasons`: source ->
    reason -> rows that it would refuse for it; `untried`: source -> why its rows cannot be tried.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    passes: dict[str, Counter[date]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    untried: dict[str, str] = field(default_factory=dict)

    @property
    def since(self) -> dict[str, date]:
        """Source -> the first night of which rows pass."""
        return {source: min(nights) for source, nights in self.passes.items()}


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
        with pipeline.noted(night, {"replay": told}):
            night.versions = night.lakehouse.roll_back(night.versions, keep=named_tables(night.lakehouse))
            pipeline.run_stages(night, _stages(found), screen, lease.check)
    return found, night


def _opened(conf: Configuration, screen: Screen, lease: Lease | None, local: bool, session: Any) -> Night:
    """A run upon the newest release, for that one's date."""
    now = datetime.now(UTC)
    base = released(Lakehouse(conf.lakehouse))
    start = Begin(f"{REPLAY}{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now, base)
    return pipeline.opened(conf, base.date, start, screen=screen, lease=lease, local=local, session=session)


def _stages(found: Look) -> list[pipeline.Stage]:
    """Silver of the sources of which rows pass, what follows from it, and the release. Deliveries are the next night's:
    their folders are named by the date, and what lies there may have been taken in."""
    again = pipeline.Stage("silver", partial(_again, found=found), reads="bronze", writes="silver")
    release = pipeline.Stage("release", partial(pipeline.release, cause="replay"), reads="", writes="ops/release")
    return [again, *(stage for stage in pipeline.NIGHT if stage.name in AFTER_SILVER), release]


# -- looking


def look(night: Night, choice: Choice) -> Look:
    """Refine the chosen rows of the quarantine with today's YAML, and count; nothing is written."""
    assert night.base  # noqa: S101
    check_source(night.conf, night.lakehouse, night.base, choice)
    found, work = Look(), []
    for source, entity, day, rows, corrupt in ask(night.lakehouse, night.base, choice, _PLACES):
        found.chosen[source] += rows
        if why := _untried(night, source, entity):
            found.untried[source] = why
            continue
        if corrupt:
            found.reasons.setdefault(source, Counter())[CORRUPT] += corrupt
        if rows > corrupt:
            work.append((source, day, rows - corrupt))
    with (
        pipeline.shown_errors(night),
        night.for_rows(max((rows for *_, rows in work), default=0)) if work else nullcontext(),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        for source, day, told in pool.map(lambda item: _tried(night, choice, *item), work):
            for reasons, count in told:
                if reasons is None:
                    found.passes.setdefault(source, Counter())[day] += count
                found.reasons.setdefault(source, Counter()).update(dict.fromkeys(reasons or (), count))
    return found


def _untried(night: Night, source: str, entity: str) -> str | None:
    if source not in night.conf.sources:
        return f"source {source} has no YAML any more"
    now = night.conf.sources[source].entity
    if now != entity:
        return f"source {source} was a {entity} when they were refused and is a {now} now"
    return None


def _tried(
    night: Night, choice: Choice, source: str, day: date, rows: int
) -> tuple[str, date, list[tuple[list[str] | None, int]]]:
    """A source's chosen rows of a night by the reasons that today's YAML has against them; None: it has none."""
    raw = partial(_raw_again, choice=choice)
    entity = night.conf.sources[source].table
    batch = silver.parsed_batch(night, entity, [source], day, {source: rows}, raw=raw)
    counted = batch.rows.groupBy(F.when(refused(), F.col("reasons")).alias("reasons")).count().collect()
    return source, day, [(row["reasons"], row["count"]) for row in counted]


def _raw_again(night: Night, source: str, day: date, *, choice: Choice) -> DataFrame:
    """A source's chosen rows of a night as bronze has them, but for records that could not be split into columns."""
    rows = night.load(QUARANTINE).where(
        (F.col("source") == source) & (F.col("_batch_date") == F.lit(day)) & ~F.array_contains("reasons", CORRUPT)
    )
    if choice.reason is not None:
        rows = rows.where(F.array_contains("reasons", choice.reason))
    raw_names = [name for name in night.load(f"bronze/{source}").columns if not name.startswith("_")]
    carried = {column.name: column.type for column in BRONZE_COLUMNS}
    return rows.withColumn("_fields", F.from_json("raw", "map<string,string>")).select(
        *(F.col("_fields")[name].alias(name) for name in raw_names),
        *(
            (F.col(name) if name in rows.columns else F.lit(None).cast(type_)).alias(name)
            for name, type_ in carried.items()
        ),
    )


# -- doing


def _again(night: Night, *, found: Look) -> None:
    """Stage `silver` of a replay: back to the night before the first row that passes, and on from there."""
    since = found.since
    _check_bronze(night, since)
    before = night.load(QUARANTINE)
    for entity in ENTITIES.values():
        of_entity = {name: day for name, day in since.items() if night.conf.sources[name].entity == entity.name}
        if of_entity and night.has(entity.table):
            _take_back(night, entity, of_entity)
    night.save(before.where(~_from_on("_batch_date", since)), QUARANTINE)
    landed = {(row["_batch_date"], row["source"]) for row in night.rows(OPS_FILE) if row["source"] in since}
    for day in sorted({day for day, source in landed if day >= since[source]}):
        silver.refine_day(night, day, only={source for source, first in since.items() if first <= day})
    _tell(night, before, found)


def _check_bronze(night: Night, since: Mapping[str, date]) -> None:
    """Raise PortraitError where bronze does not hold any more what silver and the quarantine hold of a first night."""
    for source, day in since.items():
        there, held = (
            sum(_count(night, name, source, day) for name in names)
            for names in ([f"bronze/{source}"], [night.conf.sources[source].table.table.name, QUARANTINE.name])
        )
        if there < held:
            raise PortraitError(
                f"source {source}: bronze holds {there} rows of {day} and silver {held}: what landed then has expired "
                f"and cannot be refined again; replay later nights alone: --source {source} --date …"
            )


def _count(night: Night, table: str, source: str, day: date) -> int:
    opened = night.lakehouse.dataset(table, night.versions[table]) if night.has(table) else None
    if opened is None:
        return 0
    of_source = (
        (ds.field("source") == source) if "source" in opened.schema.names and table.startswith("silver/") else True
    )
    return int(opened.count_rows(filter=(ds.field("_batch_date") == day) & of_source))


def _take_back(night: Night, entity: Entity, since: Mapping[str, date]) -> None:
    """Silver of an entity as it was before those nights of those sources: their versions out, what they closed open."""
    undone, reopened = _from_on("_batch_date", since), _from_on("_valid_to", since)
    rows = night.load(entity.table).withColumn("_path", F.col("_metadata.file_path"))
    touched = rows.where(undone | reopened).select(data_file("_path").alias("file")).distinct().collect()
    files = [row["file"] for row in touched]
    kept = night.load_files(entity.table, files).where(~undone)
    saved = night.save(
        kept.withColumn("_valid_to", F.when(~reopened, F.col("_valid_to"))), entity.table, mode="append", removed=files
    )
    opened = night.lakehouse.open(entity.table.name, saved.version)
    if opened is None or not opened.file_uris():
        night.forget(entity.table)  # it begins anew, as on a first night


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


# -- showing


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
