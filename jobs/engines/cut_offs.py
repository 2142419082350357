"""Customers as they stood at earlier days: the same tags, over the rows that had happened by then.

A cut-off sees tonight's release and ledger with `event_at` up to its end. Of each record it takes the version that had
landed by then; of what happened before it and landed later, the first. An entity whose first row is later is not known
at all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from functools import reduce
from typing import TypedDict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.across import answered, in_order, silver_of
from jobs.engines.customer_rows import owned, rows_of
from jobs.runtime.night import Night
from transforms.columns import known_at
from transforms.errors import ModelError
from transforms.schemas import ENTITIES, GOLD_CUSTOMER
from transforms.tags import evaluate
from transforms.tags.across import side_by_side, values
from transforms.tags.items import Formula
from transforms.tags.plan import TagPlan
from transforms.tags.tag import CUSTOMER, Tag

# Fewer customers tell nothing that holds for others.
FEWEST = 200
# The most customers whose past comes to the driver, give or take the chance of a hash: those whose ids hash lowest.
CUSTOMERS = 20_000
_OUT_OF = 1_000_003
_ID = "customer_id"
# What tells which version of a row a cut-off takes.
_VERSION = ("event_at", "_batch_date", "_valid_to", "_first")
First = Mapping[str, date]


class Clock(TypedDict):
    """The business day and its end."""

    day: date
    as_of: datetime


def sampled(night: Night) -> DataFrame:
    """customer_id of the known customers that models learn from; never more of them because there are more.

    Raises ModelError where there are too few.
    """
    dataset = night.lakehouse.dataset(GOLD_CUSTOMER.name, night.versions[GOLD_CUSTOMER.name])
    known = night.load(GOLD_CUSTOMER).select(_ID)
    customers = dataset.count_rows() if dataset else 0
    if customers < FEWEST:
        raise ModelError(f"{customers} known customers are too few to learn from; it takes {FEWEST}")
    if customers <= CUSTOMERS:
        return known
    return known.where(F.pmod(F.xxhash64(_ID), F.lit(_OUT_OF)) < CUSTOMERS * _OUT_OF // customers)


def extents(night: Night, entities: Iterable[str]) -> dict[str, tuple[date, date]]:
    """Entity -> the days of its first and its last row, in one job; of what is overwritten, of its landings."""

    def reach(name: str) -> DataFrame:
        timed = ENTITIES[name].time
        rows = night.view(name) if timed else night.load(ENTITIES[name].table)
        day = F.col("event_date" if timed else "_batch_date")
        return rows.agg(F.lit(name).alias("name"), F.min(day).alias("first"), F.max(day).alias("last"))

    views = [reach(name) for name in sorted(entities) if night.has(ENTITIES[name].table)]
    rows = reduce(DataFrame.unionByName, views).collect() if views else []
    return {row["name"]: (row["first"], row["last"]) for row in rows if row["first"]}


def read_by(plan: TagPlan) -> set[str]:
    """The entities that a plan's tags read."""
    across = {*plan.across.columns()} - {CUSTOMER}
    return {entity.entity for entity in plan.entities} | {name for name in across if not ENTITIES[name].reference}


@contextmanager
def history(night: Night, plan: TagPlan, nodes: DataFrame) -> Iterator[dict[str, DataFrame]]:
    """Entity -> all versions of the rows that the plan's tags read of what happened, held while the block lasts.

    Every cut-off aggregates them several times over.
    """
    held = {
        entity.entity: owned(night.versions_of(entity.entity), {*entity.columns, *_VERSION}, nodes).persist()
        for entity in plan.entities
        if ENTITIES[entity.entity].time and night.has(ENTITIES[entity.entity].table)
    }
    try:
        yield held
    finally:
        for rows in held.values():
            rows.unpersist()


def tags_at(
    cut: Night, plan: TagPlan, *, customers: DataFrame, nodes: DataFrame, held: Mapping[str, DataFrame], first: First,
    facts_of: Night | None = None, scored: Callable[[DataFrame, Tag], DataFrame] = lambda frame, _: frame,
) -> DataFrame:  # fmt: skip
    """The plan's tags as they stood at a cut-off. Grain: each of `customers`. What nobody can know is NULL.

    `cut`: a night as a cut-off sees it; `held`: `history`'s rows; `first`: entity -> the day of its first row.
    `facts_of`: the night whose golden records count as if they had been so then; None: they are not known. `scored`:
    adds what a model gives, where tonight's may be asked; what it does not add is NULL.
    """
    clock: Clock = {"day": cut.day, "as_of": cut.as_of}
    if facts_of is None:
        missing = {fact.name: F.lit(None).cast(fact.type) for fact in plan.facts}
        frame = customers.select(_ID).withColumns(missing) if missing else customers.select(_ID)
    else:
        golden = facts_of.load(GOLD_CUSTOMER).join(customers, _ID, "left_semi")
        frame = evaluate.facts(golden, facts=plan.facts, **clock)
    for entity in plan.entities:
        if entity.entity not in first or first[entity.entity] > cut.day:
            frame = evaluate.nothing(frame, entity.results)
            continue
        if entity.entity in held:
            rows = held[entity.entity].where(known_at(day=cut.day, as_of=cut.as_of))
        else:
            rows = rows_of(cut, entity.entity, entity.columns, nodes)
        frame = frame.join(evaluate.over_rows(rows, customers=customers, plan=entity, **clock), _ID, "left")
    if plan.across.tags:
        frame = frame.join(_across(cut, plan, customers, nodes, first), _ID, "left")
    for level in plan.steps:
        frame = evaluate.formulas(frame, level=[step for step in level if isinstance(step, Formula)], **clock)
        models = [step for step in level if not isinstance(step, Formula)]
        frame = reduce(scored, models, frame)
        outputs = [out for step in models for out in step.outputs]
        lacking = {out.name: F.lit(None).cast(out.type) for out in outputs if out.name not in frame.columns}
        frame = frame.withColumns(lacking) if lacking else frame
    return frame


def _across(cut: Night, plan: TagPlan, customers: DataFrame, nodes: DataFrame, first: First) -> DataFrame:
    """Sequences and queries at a cut-off; one that reads what was not there yet is NULL, and so is a list."""

    def was_there(entities: Iterable[str]) -> bool:
        return all(
            name in first and first[name] <= cut.day
            for name in entities
            if name == CUSTOMER or not ENTITIES[name].reference
        )

    clock: Clock = {"day": cut.day, "as_of": cut.as_of}
    sequences = [sequence for sequence in plan.across.sequences if was_there(sequence.entities)]
    queries = [query for query in plan.across.queries if was_there(query.entities)]
    needed = plan.across.columns(of=sequences)
    rows = {name: rows_of(cut, name, {"event_at", "event_date", *columns}, nodes) for name, columns in needed.items()}
    asked = {name: silver_of(cut, name, nodes) for name in plan.across.columns(of=queries)}
    found = side_by_side(
        customers,
        sequences=in_order(rows, sequences, **clock) if sequences else None,
        others={query.tag.tag: answered(asked, query, **clock) for query in queries},
    )
    return values(found, plan.across, withheld=())
