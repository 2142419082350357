"""Tags that no single entity gives: sequences, queries and lists from outside, into tag/across."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.runtime.frames import frame_of
from jobs.runtime.night import Night
from transforms.expressions import at
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, LEDGER
from transforms.sql.relations import view_of
from transforms.tags.across import TABLE, AcrossPlan, Queried, one_each, side_by_side, values
from transforms.tags.imports import as_table, imported
from transforms.tags.items import columns_of
from transforms.tags.plan import TagPlan, columns_in, tag_table
from transforms.tags.sequences import Condition, Happening, happened, reach
from transforms.tags.tag import CUSTOMER


def save_across(
    night: Night, plan: TagPlan, known: DataFrame, nodes: DataFrame, newest: Mapping[str, Any], silent: Collection[str]
) -> None:
    """Compute and write tag/across. What reads an entity whose sources never came is NULL, and so is `silent`."""
    across = plan.across
    table = tag_table(TABLE, columns_in(plan, TABLE))
    lacking = {tag.tag: missing_of(across.entities_of(tag), newest) for tag in across.tags}
    for name, entities in lacking.items():
        if entities:
            night.warn(f"{name}: no source of {', '.join(entities)} has ever come; it is NULL")
    sequences = [sequence for sequence in across.sequences if not lacking[sequence.tag.tag]]
    queries = [query for query in across.queries if not lacking[query.tag.tag]]
    others = {query.tag.tag: answered(night, query, nodes) for query in queries}
    others |= {tag.tag: listed(night, tag.tag) for tag in across.imports}
    found = side_by_side(known, sequences=in_order(night, sequences, nodes) if sequences else None, others=others)
    observation = Observation("across")
    counts = [F.count(F.lit(1)).alias("customers")]
    counts += [F.count_if(F.col(f"{query.tag.tag}_rows") > 1).alias(f"{query.tag.tag}_rows") for query in queries]
    counts += [F.count(F.col(f"{tag.tag}_rows")).alias(tag.tag) for tag in across.imports]
    night.save(values(found.observe(observation, *counts), across, withheld=silent), table)
    tell(night, across, queries, observation.get)


def missing_of(entities: Iterable[str], newest: Mapping[str, Any]) -> list[str]:
    return [entity for entity in entities if entity != CUSTOMER and entity not in newest]


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


def in_order(night: Night, sequences: list[Happening], nodes: DataFrame) -> DataFrame:
    """How often each sequence happened. Grain: customer."""
    conditions: dict[Condition, str] = {
        what: at(what[1], day=night.day, as_of=night.as_of) for sequence in sequences for what in sequence.conditions
    }
    read = AcrossPlan(tuple(sequences)).columns()
    rows = {entity: _rows(night, entity, columns, nodes, reach(sequences)) for entity, columns in read.items()}
    return happened(rows, sequences=sequences, as_of=night.as_of, at=conditions)


def _rows(night: Night, entity: str, columns: Collection[str], nodes: DataFrame, days: int | None) -> DataFrame:
    view = night.view(entity)
    recent = view.where(F.col("event_date") > F.date_sub(F.lit(night.day), days)) if days else view
    return recent.select("_node", *sorted({"event_at", "event_date", *columns})).join(nodes, "_node").drop("_node")


def answered(night: Night, query: Queried, nodes: DataFrame) -> DataFrame:
    """What a query gives, a row a customer. It sees known customers' rows alone, as this night may see them."""
    views = [view_of(entity) for entity in query.entities]
    for entity in query.entities:
        silver_of(night, entity, nodes).createOrReplaceTempView(view_of(entity))
    try:
        return one_each(night.spark.sql(at(query.query.sql, day=night.day, as_of=night.as_of)))
    finally:
        for view in views:
            night.spark.catalog.dropTempView(view)


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


def silent_since(entities: Iterable[str], newest: Mapping[str, Any]) -> date | None:
    """The newest day of the entity that has been silent longest."""
    return min((newest[entity] for entity in entities if entity in newest), default=None)
