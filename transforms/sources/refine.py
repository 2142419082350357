"""Bronze to silver: one chain for every source and entity."""

from collections.abc import Sequence
from datetime import date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.definitions import seconds
from transforms.schemas import QUARANTINE, Entity
from transforms.sources import RULES
from transforms.sources.context import Context
from transforms.sources.definition import CompiledSource
from transforms.sources.records import with_hash, with_ids, with_keys, with_node, with_reasons, with_time
from transforms.sources.standard.divisions import Divisions
from transforms.sources.standard.money import Rates
from transforms.sources.typing import CARRIED, id_column, typed
from transforms.sources.versions import refused
from transforms.sources.web_event import DEFAULT_GAP_SECONDS


def parsed(raw: DataFrame, compiled: CompiledSource, *, day: date, as_of: datetime) -> DataFrame:
    """One source's raw rows with the entity's columns typed, beside `source`, `_raw` and what bronze carries."""
    source = compiled.source
    ids = [id_column(kind, expression) for kind, expression in compiled.ids.items()]
    gap = seconds(str(source.read.options.get("session_gap", f"{DEFAULT_GAP_SECONDS}s")))
    return typed(raw, compiled, day=day, as_of=as_of).select(
        F.lit(source.source).alias("source"),
        F.lit(source.country).cast("string").alias("_country"),
        F.lit(gap).alias("_session_gap"),
        *source.table.types,
        *ids,
        "_wanted",
        "_raw",
        *CARRIED,
    )


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
) -> DataFrame:
    """Parsed rows of all sources of an entity with everything that silver holds, and the `reasons` against each.

    `rates`, `divisions`, `few`: see `Context`. Grain: a row that landed.
    """
    context = Context(day, timezone, base_currency, rates, divisions, few)
    rules = RULES[entity.name]
    types = {kind for compiled in sources for kind in compiled.ids}
    finished = rules.finish(rows, context=context) if rules.finish else rows
    return (
        finished.transform(with_ids, entity, types, few=few)
        .transform(with_keys, entity)
        .transform(with_node, entity)
        .transform(with_time, entity, timezone=timezone)
        .transform(with_hash, entity)
        .transform(with_reasons, entity, flaws={**rules.flaws(), **own_flaws(sources, day, as_of)}, as_of=as_of)
    )


def own_flaws(sources: Sequence[CompiledSource], day: date, as_of: datetime) -> dict[str, SparkColumn]:
    """The quarantine checks of the sources' YAML: name -> a row of that source violates it."""
    return {name: broken for (name, gate), broken in broken_checks(sources, day, as_of).items() if gate == "quarantine"}


def broken_checks(sources: Sequence[CompiledSource], day: date, as_of: datetime) -> dict[tuple[str, str], SparkColumn]:
    """(check, gate) -> a row violates it. Checks of one name and gate in several sources are one rule."""
    broken: dict[tuple[str, str], SparkColumn] = {}
    for compiled in sources:
        for check in compiled.source.checks:
            expected = compiled.checks[check.name].column(day=day, as_of=as_of)
            here = (F.col("source") == compiled.source.source) & ~F.coalesce(expected, F.lit(True))
            key = (check.name, check.on_fail)
            broken[key] = broken[key] | here if key in broken else here
    return broken


def accepted(rows: DataFrame, entity: Entity) -> DataFrame:
    """The rows that enter silver, complete. Grain: a version of a record."""
    complete = RULES[entity.name].complete
    new = rows.where(F.col("_fate") == "accepted")
    return complete(new) if complete else new


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
