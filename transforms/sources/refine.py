"""Bronze to silver: one chain for every source and entity."""

from collections.abc import Sequence
from datetime import date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.definitions import seconds
from transforms.erasure import Erased, with_erased
from transforms.schemas import QUARANTINE, WEB_EVENT, Entity
from transforms.sources import versions, wholes
from transforms.sources.context import Context
from transforms.sources.definition import CompiledSource, Source
from transforms.sources.records import with_hash, with_ids, with_keys, with_node, with_reasons, with_time
from transforms.sources.rules import RULES
from transforms.sources.standard.divisions import Divisions
from transforms.sources.standard.money import Rates
from transforms.sources.typing import CARRIED, id_column, typed
from transforms.sources.versions import refused
from transforms.sources.web_event import DEFAULT_GAP_SECONDS


def parsed(raw: DataFrame, compiled: CompiledSource, *, day: date, as_of: datetime) -> DataFrame:
    """One source's raw rows with the entity's columns typed, beside `source`, `_raw` and what bronze carries."""
    source = compiled.source
    ids = [id_column(kind, expression) for kind, expression in compiled.ids.items()]
    return typed(raw, compiled, day=day, as_of=as_of).select(
        F.lit(source.source).alias("source"),
        F.lit(source.country).cast("string").alias("_country"),
        F.lit(_session_gap(source)).alias("_session_gap"),
        *source.table.types,
        *ids,
        "_wanted",
        "_raw",
        *CARRIED,
    )


def _session_gap(source: Source) -> int:
    return seconds(str(source.read.options.get("session_gap", f"{DEFAULT_GAP_SECONDS}s")))


def open_visits(sources: Sequence[CompiledSource]) -> dict[str, int]:
    """Source -> the longest pause within a visit, seconds, for sources of hits that do not tell visits themselves."""
    asked = (compiled.source for compiled in sources if "session_id" not in compiled.columns)
    return {source.source: _session_gap(source) for source in asked if source.entity == WEB_EVENT.name}


def refined(
    rows: DataFrame,
    entity: Entity,
    sources: Sequence[CompiledSource],
    *,
    day: date,
    as_of: datetime,
    timezone: str,
    base_currency: str,
    rates: Rates | None = None,
    divisions: Divisions | None = None,
    few: bool = False,
    erased: Erased | None = None,
) -> DataFrame:
    """Parsed rows of all sources of an entity with everything that silver holds, and the `reasons` against each.

    `rates`, `divisions`, `few`: see `Context`. `erased`: whose rows are not to enter. Grain: a row that landed.
    """
    context = Context(day, timezone, base_currency, rates, divisions, few)
    rules = RULES[entity.name]
    ranking = wholes.ranking(defined(sources))
    return (
        rows.transform(identified, entity, sources, context=context)
        .transform(with_keys, entity, ranking=ranking)
        .transform(with_node, entity)
        .transform(with_time, entity, timezone=timezone)
        .transform(with_hash, entity)
        .transform(
            with_reasons,
            entity,
            flaws=_either(rules.flaws(), own_flaws(sources, day, as_of)),
            as_of=as_of,
            ranking=ranking,
        )
        .transform(with_erased, erased, few=few)
        .transform(grouped, entity, sources)
    )


def identified(rows: DataFrame, entity: Entity, sources: Sequence[CompiledSource], *, context: Context) -> DataFrame:
    """Parsed rows in canonical form, with the identifiers that they give: `ids`, `_ids` as `with_ids` tells them."""
    finish = RULES[entity.name].finish
    types = {kind for compiled in sources for kind in compiled.ids}
    finished = finish(rows, context=context) if finish else rows
    return finished.transform(with_ids, entity, types, few=context.few)


def identifying(compiled: CompiledSource) -> CompiledSource:
    """The source without what its rows' identifiers do not depend on: `identified` tells the same ids of its rows."""
    automatic, rules = compiled.source.table.automatic_ids.values(), RULES[compiled.source.entity]
    asked = {*automatic, *rules.tells_ids}.union(*(expression.columns for expression in compiled.ids.values()))
    for name in reversed(compiled.columns):
        # a column is made from raw ones and from those before it
        asked |= compiled.columns[name].columns if name in asked else set()
    columns = {name: expression for name, expression in compiled.columns.items() if name in asked}
    return compiled.model_copy(update={"columns": columns, "where": None, "checks": {}})


def grouped(rows: DataFrame, entity: Entity, sources: Sequence[CompiledSource]) -> DataFrame:
    """New rows, or silver's, with what tells which are restated together, where a source has such."""
    return rows if by(sources) == "record_id" else rows.transform(wholes.with_group, entity, defined(sources))


def defined(sources: Sequence[CompiledSource]) -> list[Source]:
    return [compiled.source for compiled in sources]


def by(sources: Sequence[CompiledSource]) -> str:
    """The column that tells which rows of these sources are restated together."""
    return "_group" if any(compiled.source.whole for compiled in sources) else "record_id"


def judged(
    rows: DataFrame, keys: DataFrame | None, entity: Entity, sources: Sequence[CompiledSource], *, few: bool
) -> DataFrame:
    """The rows with their `_fate` as far as the extract alone decides it; `keys`, `few`: as for
    `versions.judged_within`."""
    whole = [compiled.source for compiled in sources if compiled.source.whole]
    if not whole:
        return rows.transform(versions.judged_within, keys, entity, defined(sources), few=few)
    together = F.col("source").isin(*(source.source for source in whole))
    judged = rows.where(together).transform(wholes.judged_within, entity, whole)
    if len(whole) == len(sources):
        return judged
    others = rows.where(~together).transform(versions.judged_within, keys, entity, defined(sources), few=few)
    return judged.unionByName(others)


def compared(rows: DataFrame, sources: Sequence[CompiledSource]) -> DataFrame:
    """The rows of records that are not restated together with others."""
    whole = [compiled.source.source for compiled in sources if compiled.source.whole]
    return rows.where(~F.col("source").isin(*whole)) if whole else rows


def _either(always: dict[str, SparkColumn], own: dict[str, SparkColumn]) -> dict[str, SparkColumn]:
    """The entity's rules and the user's: of one name they are one rule, which either violates."""
    return {**always, **{name: always[name] | broken if name in always else broken for name, broken in own.items()}}


def own_flaws(sources: Sequence[CompiledSource], day: date, as_of: datetime) -> dict[str, SparkColumn]:
    """The quarantine checks of the sources' YAML: name -> a row of a source that has it violates it."""
    flaws: dict[str, SparkColumn] = {}
    broken = broken_checks(sources, day, as_of)
    for compiled in sources:
        for check in compiled.source.row_checks:
            if check.on_fail == "quarantine":
                here = broken[compiled.source.source, check.name]
                flaws[check.name] = flaws[check.name] | here if check.name in flaws else here
    return flaws


def broken_checks(sources: Sequence[CompiledSource], day: date, as_of: datetime) -> dict[tuple[str, str], SparkColumn]:
    """(source, check of its YAML) -> a row of that source violates it."""
    return {
        (compiled.source.source, check.name): (F.col("source") == compiled.source.source)
        & ~F.coalesce(compiled.checks[check.name].column(day=day, as_of=as_of), F.lit(True))
        for compiled in sources
        for check in compiled.source.row_checks
    }


def accepted(
    rows: DataFrame, entity: Entity, sources: Sequence[CompiledSource], beside: DataFrame | None = None
) -> DataFrame:
    """The rows that enter silver, complete. Grain: a version of a record.

    `beside`: what silver holds of the same visitors, for an entity whose rows are looked at together.
    """
    complete = RULES[entity.name].complete
    new = rows.where(F.col("_fate") == "accepted")
    return complete(new, beside, defined(sources)) if complete else new


def quarantined(rows: DataFrame, entity: Entity) -> DataFrame:
    """The rows that were refused, raw, with every reason. Grain: a row that landed."""
    return (
        rows.where(refused())
        .select(
            "_batch_date",
            "source",
            F.lit(entity.name).alias("entity"),
            "_file",
            "reasons",
            F.coalesce("_corrupt", "_raw").alias("raw"),
        )
        .select(*QUARANTINE.names)
    )
