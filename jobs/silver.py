"""Silver: every version of every record, typed and checked. What is not right goes to quarantine with its reasons."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("silver")

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines import quality
from jobs.engines.contested import contested
from jobs.engines.erased_rows import take_out_of_bronze
from jobs.engines.erasures import erased, late
from jobs.engines.purposes import warn_of_unknown
from jobs.engines.retention import check_bronze
from jobs.runtime.clock import end_of
from jobs.runtime.commits import PART, Counted, Written
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.references import currency_rates
from jobs.runtime.stores import remove_folder
from transforms.columns import conform
from transforms.schemas import CONSENT, ENTITIES, OPS_FILE, QUARANTINE, Entity
from transforms.sources import holdings, refine, versions, web_event
from transforms.sources.definition import CompiledSource, compiled_over
from transforms.sources.rules import RULES

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

AT_ONCE = 3
# Of what rows are held against: a key, times and the name of a file, some 300 bytes, of so many 150 MB on the driver.
MOST_SENT = 500_000


@dataclass
class Batch:
    """An entity's new rows of one day, parsed and checked, and what became of them.

    `few`: they are held in memory, for they are looked at several times: judged, counted, written.
    `erases`: there are people on the erasure list.
    `written`: files of rows that meet no other, written as they were read; `rows` are then the others, in `aside`.
    """

    entity: Entity
    day: date
    sources: list[CompiledSource]
    rows: DataFrame
    landed: int
    few: bool
    erases: bool = False
    fates: dict[str, dict[str, int]] = field(default_factory=dict)
    broken: dict[str, dict[str, int]] = field(default_factory=dict)
    keyless: dict[str, int] = field(default_factory=dict)
    closed: int = 0
    written: Written | None = None
    aside: str | None = None

    @property
    def sendable(self) -> bool:
        """Are there so few rows left to judge that what they are held against may be sent to every task?"""
        return self.landed - sum(sum(told.values()) for told in self.fates.values()) <= MOST_SENT

    @property
    def leaves_out(self) -> bool:
        """Is there a row, perhaps, that is whole and yet not wanted?"""
        return self.erases or any(compiled.where for compiled in self.sources)

    @property
    def names(self) -> list[str]:
        return [compiled.source.source for compiled in self.sources]


def run(night: Night) -> None:
    """Take the night's bronze into silver; on a full refresh, each night's in turn.

    Raises DataError where a `stop` check falls, or where rows that landed are not accounted for.
    """
    for erasure in late(night.lakehouse, night.conf.privacy.erasure.proven_within, night.started_at):
        night.warn(f"past its time: {erasure.told}")
    if not night.full_refresh:
        refine_day(night, night.day)
        return
    check_bronze(night)
    for table in [*(entity.table for entity in ENTITIES.values()), QUARANTINE]:
        night.forget(table)
    for day in sorted({night.day, *(row["_batch_date"] for row in night.rows(OPS_FILE))}):
        refine_day(night, day)


def refine_day(night: Night, day: date, *, only: Collection[str] | None = None) -> None:
    """Take into silver what landed on a day, of all sources or of some, upon what silver holds of the days before."""
    landed = _landed(night, day, only)
    by_entity = {name: [source for source in landed if night.conf.sources[source].entity == name] for name in ENTITIES}
    work = [(ENTITIES[name], sources) for name, sources in by_entity.items() if sources]
    most = max(landed.values(), default=0)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        with night.for_rows(most):
            batches = list(pool.map(lambda item: parsed_batch(night, item[0], item[1], day, landed), work))
        little = {batch.entity.name for batch in batches if _meets_little(night, batch)}
        with night.for_rows(0):
            list(pool.map(partial(_refine, night), (batch for batch in batches if batch.entity.name in little)))
        with night.in_one_step(most):
            list(pool.map(partial(_refine, night), (batch for batch in batches if batch.entity.name not in little)))
    reasons = _quarantine(night, batches)
    for folder in (batch.aside for batch in batches if batch.aside):
        remove_folder(folder)
    night.spark.catalog.clearCache()
    take_out_of_bronze(night, {name: told for batch in batches for name, told in batch.fates.items()}, day)
    _account(night, batches, landed, reasons, day, only)
    if day == night.day and any(batch.entity is CONSENT for batch in batches) and night.has_rows(CONSENT.table):
        warn_of_unknown(night, day)


def _landed(night: Night, day: date, only: Collection[str] | None) -> dict[str, int]:
    """Source -> rows it landed on that day, for the sources that landed files."""
    names = {row["source"] for row in night.rows(OPS_FILE) if row["_batch_date"] == day}
    told = night.figures_of("bronze").get("landed", {}) if day == night.day else {}
    return {
        name: told[name] if name in told else _bronze(night, name, day).count()
        for name in night.conf.sources
        if name in names and (only is None or name in only)
    }


def _bronze(night: Night, source: str, day: date) -> DataFrame:
    return night.load(f"bronze/{source}").where(F.col("_batch_date") == F.lit(day))


def parsed_batch(
    night: Night, entity: Entity, names: Sequence[str], day: date, landed: dict[str, int],
    raw: Callable[[Night, str, date], DataFrame] = _bronze,
) -> Batch:  # fmt: skip
    """An entity's new rows, parsed, with their reasons. `raw`: a source's rows of a day, as bronze has them."""
    as_of = end_of(day, night.conf.pipeline.timezone)
    compiled = [_compiled(night, name) for name in names]
    sources = [refine.parsed(raw(night, c.source.source, day), c, day=day, as_of=as_of) for c in compiled]
    count = sum(landed[name] for name in names)
    gone = erased(night.lakehouse, night.conf.privacy.keys.erasure)
    few = count <= FEW_ROWS
    rows = functools.reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), sources).transform(
        refine.refined, entity, compiled, day=day, as_of=as_of,
        timezone=night.conf.pipeline.timezone, base_currency=night.conf.pipeline.base_currency,
        rates=currency_rates(night.spark, night.conf.rates), divisions=night.conf.divisions, few=few,
        erased=gone,
    )  # fmt: skip
    held = rows.coalesce(1).localCheckpoint() if few else rows
    return Batch(entity, day, compiled, held, count, few, erases=gone is not None)


def _refine(night: Night, batch: Batch) -> None:
    """Judge a batch's rows, and write those that are accepted."""
    if _mostly_meet_no_other(night, batch):
        _write_apart(night, batch)
    keys = None
    if not (batch.few or batch.aside):
        keys = contested(refine.compared(batch.rows, batch.sources), landed=batch.landed).persist()
    judged = refine.judged(batch.rows, keys, batch.entity, batch.sources, few=_sendable(keys))
    counts = [*versions.fate_counts(batch.names), *_check_counts(batch, night)]
    if night.has_rows(batch.entity.table):
        _replace(night, batch, judged, counts)
        return
    seen = Observation(f"{batch.entity.name} {batch.day}")
    accepted = judged.observe(seen, *counts).transform(refine.accepted, batch.entity, batch.sources)
    night.save(accepted, batch.entity.table, beside=batch.written)
    _note(batch, seen.get)


def _sendable(keys: DataFrame | None) -> bool:
    """May the keys be sent to every task? `keys`: persisted; to count them is to put them together."""
    return keys is None or keys.count() <= MOST_SENT


def _meets_little(night: Night, batch: Batch) -> bool:
    """Are there few rows, and few in silver that they are held against?"""
    return batch.few and night.count(batch.entity.table) <= FEW_ROWS


def _mostly_meet_no_other(night: Night, batch: Batch) -> bool:
    """Can most of many rows be written as they are read, because nothing in the extract or in silver concerns them?"""
    closing = any(c.source.closes_absent for c in batch.sources)
    return not (
        batch.few
        or RULES[batch.entity.name].complete
        or refine.by(batch.sources) != "record_id"
        or (closing and night.has_rows(batch.entity.table))
    )


def _write_apart(night: Night, batch: Batch) -> None:
    """One pass over many rows: those that meet no other are written where silver will have them, the rest aside."""
    table = batch.entity.table
    sources = refine.defined(batch.sources)
    held = night.load(table).where(holdings.compared(sources, batch.day)) if night.has_rows(table) else None
    keys = contested(batch.rows, held, landed=batch.landed).persist()
    rows, unwanted = batch.rows.transform(versions.met, keys, few=_sendable(keys)), None
    if batch.leaves_out:
        unwanted = Observation(f"unwanted {batch.entity.name} {batch.day}")
        rows = rows.observe(unwanted, *versions.fate_counts(batch.names, ("filtered", "erased")))
        rows = rows.where(F.col("_meets") | (F.col("_fate") == "accepted"))
    seen, accepted = Observation(f"apart {batch.entity.name} {batch.day}"), F.col(PART) == "table"
    counts = [*(versions.count(name, "accepted", accepted) for name in batch.names),
              *_check_counts(batch, night, accepted)]  # fmt: skip
    batch.written, batch.aside = night.write_apart(
        rows.drop("_fate"), table, aside="_meets", counted=Counted(seen, counts)
    )
    for told in filter(None, (seen, unwanted)):
        _note(batch, told.get)
    batch.rows = night.read_aside(batch.aside, table, batch.rows)


def _compiled(night: Night, name: str) -> CompiledSource:
    return compiled_over(night.conf.sources[name], night.load(f"bronze/{name}").schema)


def _replace(night: Night, batch: Batch, judged: DataFrame, counts: list["SparkColumn"]) -> None:
    """New versions beside what silver holds; the files that hold versions which close are written anew. One commit."""
    entity, by, table = batch.entity, refine.by(batch.sources), batch.entity.table
    few = batch.sendable
    silver = night.load(table).withColumn("_path", F.col("_metadata.file_path"))
    grouped, sources = silver.transform(refine.grouped, entity, batch.sources), refine.defined(batch.sources)
    held = holdings.held_of(grouped, judged, entity, sources, by=by, day=batch.day, few=few)
    against = _kept(holdings.judged_against(judged, held, entity, sources, by=by, few=few), batch)
    opened = held.where("_open")
    span = _note(batch, against.agg(*counts, *versions.span()).collect()[0].asDict())
    parts = [holdings.ends(against, day=batch.day)]
    if closing := _closed_by_absence(night, batch):
        parts.append(holdings.gone(grouped, against, by=by, sources=closing, day=batch.day, few=few))
    if any(fates["filtered"] for fates in batch.fates.values()):
        parts.append(holdings.withdrawn(opened, against, sources, by=by, day=batch.day, few=few))
    if by != "record_id" or night.reaches_past(table, "_valid_to", batch.day):
        parts.append(holdings.left_over(opened, against, sources, by=by, day=batch.day, few=few))
    ends = functools.reduce(DataFrame.unionByName, parts).persist()
    told = F.count("_until").alias("versions"), F.count("*").alias("rows"), F.collect_set("_held_in").alias("files")
    ended = ends.agg(*told).collect()[0]
    batch.closed = ended["versions"]
    new = conform(refine.accepted(against, entity, batch.sources, _beside(silver, against, batch, span)), table)
    if ended["files"]:
        rewritten = night.load_files(table, ended["files"])
        new = new.unionByName(rewritten.transform(holdings.closed, ends, few=ended["rows"] <= MOST_SENT))
    if ended["files"] or sum(fates["accepted"] for fates in batch.fates.values()):
        night.save(new, table, mode="append", removed=ended["files"], beside=batch.written)


def _kept(rows: DataFrame, batch: Batch) -> DataFrame:
    """Rows that are looked at several times."""
    return rows.localCheckpoint() if batch.few else rows.persist()


def _beside(silver: DataFrame, rows: DataFrame, batch: Batch, span: tuple[int, int] | None) -> DataFrame | None:
    """The hits that silver holds beside the new ones, which span the time from first to last: visits go on."""
    gaps = refine.open_visits(batch.sources)
    if not gaps or span is None:
        return None
    new = rows.where(F.col("_fate") == "accepted")
    return web_event.beside(silver, new, refine.defined(batch.sources), first=span[0], last=span[1], gaps=gaps)


def _closed_by_absence(night: Night, batch: Batch) -> list[str]:
    """The snapshots whose absent records close tonight.

    A row in quarantine whose key cannot be read could be any of them, so then none closes.
    """
    snapshots = [c.source for c in batch.sources if c.source.closes_absent]
    for source in snapshots:
        if batch.keyless.get(source.source):
            night.warn(
                f"source {source.source}: {batch.keyless[source.source]} rows in quarantine have no key that can be "
                "read; no record is closed for being absent tonight"
            )
    return [source.source for source in snapshots if not batch.keyless.get(source.source)]


def _check_counts(batch: Batch, night: Night, among: "SparkColumn | None" = None) -> Iterator["SparkColumn"]:
    """For `observe`: rows that fail each check of the YAMLs, of those that could be read and are not filtered.

    `among`: by which rows are told that are accepted, where the night holds no more of these than that.
    """
    looked_at = F.col("_wanted") & F.col("_corrupt").isNull() if among is None else among
    as_of = end_of(batch.day, night.conf.pipeline.timezone)
    for (source, name), broken in refine.broken_checks(batch.sources, batch.day, as_of).items():
        yield F.sum(F.when(looked_at & broken, 1).otherwise(0)).alias(f"check|{source}|{name}")


def _note(batch: Batch, told: dict[str, Any]) -> tuple[int, int] | None:
    """Take over what was counted; gives the time that new rows span, where it was asked for."""
    first, last = told.pop("first", None), told.pop("last", None)
    for name, count in told.items():
        match name.split("|"):
            case ["check", source, check]:
                _add(batch.broken.setdefault(source, {}), check, count)
            case [source, "keyless"]:
                batch.keyless[source] = count or 0
            case [source, fate]:
                _add(batch.fates.setdefault(source, {}), fate, count)
    return None if first is None else (first, last)


def _add(counts: dict[str, int], name: str, count: int | None) -> None:
    """Rows that were written apart are counted apart."""
    counts[name] = counts.get(name, 0) + (count or 0)


def _quarantine(night: Night, batches: Sequence[Batch]) -> dict[str, dict[str, int]]:
    """All that was refused tonight, in one commit. Gives source -> reason -> how often."""
    refusing = [batch for batch in batches if any(fates["quarantined"] for fates in batch.fates.values())]
    frames = [refine.quarantined(batch.rows, batch.entity) for batch in refusing]
    night.figure("reasons", {})
    if not frames:
        return {}
    night.save(functools.reduce(DataFrame.unionByName, frames), QUARANTINE, mode="append")
    tonight = night.load(QUARANTINE).where(F.col("_batch_date") == F.lit(refusing[0].day))
    counted = (
        tonight.select("source", F.explode("reasons").alias("reason")).groupBy("source", "reason").count().collect()
    )
    reasons: dict[str, dict[str, int]] = {}
    for row in sorted(counted):
        reasons.setdefault(row["source"], {})[row["reason"]] = row["count"]
    night.figure("reasons", reasons)
    return reasons


def _account(
    night: Night, batches: Sequence[Batch], landed: dict[str, int], reasons: dict[str, dict[str, int]], day: date,
    only: Collection[str] | None,
) -> None:  # fmt: skip
    """Every row that landed has one fate, and the checks of the night hold."""
    fates = {source: told for batch in batches for source, told in batch.fates.items()}
    broken = {source: told for batch in batches for source, told in batch.broken.items()}
    night.figure("fates", fates)
    night.figure("closed", {batch.entity.name: batch.closed for batch in batches if batch.closed})
    quality.account(night, day, landed=landed, fates=fates, reasons=reasons, broken=broken, only=only)
