"""Tags that no single entity gives: sequences, queries and lists from outside, into tag/across."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TypedDict

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.runtime.frames import frame_of
from jobs.runtime.night import Night
from transforms.expressions import at
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, LEDGER
from transforms.sql.relations import view_of
from transforms.tags.across import TABLE, AcrossPlan, Queried, one_each, side_by_side, values
from transforms.tags.freshness import Freshness
from transforms.tags.imports import as_table, imported
from transforms.tags.items import columns_of, no_cancelled
from transforms.tags.plan import TagPlan, columns_in, tag_table
from transforms.tags.sequences import Condition, Happening, happened, reach
from transforms.tags.tag import CUSTOMER


class Clock(TypedDict):
    """The business day and its end."""

    day: date
    as_of: datetime


def save_across(night: Night, plan: TagPlan, known: DataFrame, nodes: DataFrame, fresh: Freshness) -> None:
    """Compute and write tag/across. What reads an entity whose sources never came, or fell silent, is NULL."""
    across = plan.across
    table = tag_table(TABLE, columns_in(plan, TABLE))
    for tag in across.tags:
        if why := fresh.absent.get(tag.tag):
            night.warn(f"{tag.tag}: {why}; it is NULL")
    sequences = [sequence for sequence in across.sequences if sequence.tag.tag not in fresh.absent]
    queries = [query for query in across.queries if query.tag.tag not in fresh.absent]
    rows = {
        entity: silver_of(night, entity, nodes) for entity in AcrossPlan(tuple(sequences), tuple(queries)).columns()
    }
    clock: Clock = {"day": night.day, "as_of": night.as_of}
    others = {query.tag.tag: answered(rows, query, **clock) for query in queries}
    others |= {tag.tag: listed(night, tag.tag) for tag in across.imports}
    often = in_order(rows, sequences, **clock) if sequences else None
    found = side_by_side(known, sequences=often, others=others)
    observation = Observation("across")
    counts = [F.count(F.lit(1)).alias("customers")]
    counts += [F.count_if(F.col(f"{query.tag.tag}_rows") > 1).alias(f"{query.tag.tag}_rows") for query in queries]
    counts += [F.count(F.col(f"{tag.tag}_rows")).alias(tag.tag) for tag in across.imports]
    night.save(values(found.observe(observation, *counts), across, withheld=fresh.silent), table)
    tell(night, across, queries, observation.get)


def tell(night: Night, across: AcrossPlan, queries: Iterable[Queried], counted: Mapping[str, int]) -> None:
    """What people should know of queries that give several rows, and of lists that name nobody."""
    for query in queries:
        if several := counted[f"{query.tag.tag}_rows"]:
            night.warn(f"{query.tag.tag}: sql gives {several} customers several rows: NULL; group by customer_id")
    for tag in across.imports:
        lines = len(night.conf.imports[tag.tag])
        if not counted[tag.tag]:
            night.warn(
                f"{tag.tag}: none of the {lines} identifiers of {tag.import_} is a known customer's as of {night.day}; "
                "are they written as the sources give them?"
            )
        night.figure(f"imported {tag.tag}", {"lines": lines, "customers": counted[tag.tag]})


def in_order(rows: Mapping[str, DataFrame], sequences: Sequence[Happening], *, day: date, as_of: datetime) -> DataFrame:
    """How often each sequence happened. Grain: customer. `rows`: entity -> its rows, with customer_id."""
    conditions: dict[Condition, str] = {
        what: at(what[1], day=day, as_of=as_of) for sequence in sequences for what in sequence.conditions
    }
    days = reach(sequences)
    needed = {}
    for entity, columns in AcrossPlan(tuple(sequences)).columns().items():
        recent = rows[entity].where(F.col("event_date") > F.date_sub(F.lit(day), days)) if days else rows[entity]
        needed[entity] = recent.select("customer_id", *sorted({"event_at", "event_date", *columns}))
    return happened(needed, sequences=sequences, as_of=as_of, at=conditions)


def answered(rows: Mapping[str, DataFrame], query: Queried, *, day: date, as_of: datetime) -> DataFrame:
    """What a query gives, a row a customer. `rows`: entity -> its rows, which are all that it sees.

    Of cancelled order lines it sees none, unless it reads their status.
    """
    for entity, columns in query.query.reads.items():
        seen = " and ".join(no_cancelled(entity, columns)) or "true"
        rows[entity].where(seen).createOrReplaceTempView(view_of(entity))
    spark = rows[query.entities[0]].sparkSession
    try:
        return one_each(spark.sql(at(query.query.sql, day=day, as_of=as_of)))
    finally:
        for entity in query.entities:
            spark.catalog.dropTempView(view_of(entity))


def silver_of(night: Night, entity: str, nodes: DataFrame) -> DataFrame:
    """An entity's rows as a query reads them: with customer_id, unless it describes no person."""
    columns = sorted(columns_of(entity))
    if entity == CUSTOMER:
        return night.load(GOLD_CUSTOMER).select(*columns)
    if ENTITIES[entity].reference:
        return night.view(entity).select(*columns)
    return night.view(entity).select("_node", *columns).join(nodes, "_node").drop("_node")


def listed(night: Night, tag: str) -> DataFrame:
    """The value of each customer whom a list from outside names."""
    held = night.load(LEDGER).where(F.col("valid_to").isNull() & F.col("known"))
    return imported(frame_of(night.spark, as_table(night.conf.imports[tag])), ledger=held)
