"""Stage `tags`: every tag that is online, each entity's in a few scans, then what is built on those and on models."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("tags")

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines.across import save_across
from jobs.engines.customer_rows import nodes_of, rows_of
from jobs.engines.freshness import freshness
from jobs.engines.kmeans import fit_kmeans
from jobs.engines.overrides import by_hand
from jobs.engines.predictions import predicted
from jobs.engines.reached import carried_over, reached_by_news, rows_reached
from jobs.engines.released_models import Models
from jobs.engines.rfm import fit_rfm
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.releases import last_before
from jobs.runtime.snapshot import read_version
from transforms.errors import DataError
from transforms.expressions import at
from transforms.overrides import beside, settled
from transforms.profile import online
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, IDENTITY_RECORD, Column, Table
from transforms.tags import evaluate
from transforms.tags.across import TABLE as ACROSS_TABLE
from transforms.tags.counts import Count, Failed, by_figure, check_counts, failed_checks, segment_counts
from transforms.tags.foretold import PREDICTIONS, scattered
from transforms.tags.freshness import Freshness
from transforms.tags.items import Formula
from transforms.tags.lifecycle import last_stages, stages_before, stages_of, with_lifecycle
from transforms.tags.plan import EntityPlan, TagPlan, columns_in, plan_tags, tag_table
from transforms.tags.segmentations import HIDDEN
from transforms.tags.segments import rfm_base, segment_names, with_kmeans, with_rfm
from transforms.tags.tag import ACROSS, CUSTOMER, Tag

# Small writes overlap well; more threads than this gain nothing.
_THREADS = 3


def run(night: Night) -> None:
    """Write tag/<entity> for each entity that has tags, tag/across, tag/customer; gold/model where one was fitted."""
    started = time.monotonic()
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone)
    forget_entities_without_tags(night, plan)
    fresh = freshness(night, plan)
    known = night.load(GOLD_CUSTOMER).select("customer_id").persist()
    nodes = nodes_of(night, known).persist()  # for every entity's rows
    spent = dict[str, float]()
    for few in (True, False):
        tasks: dict[str, Callable[[], None]] = {
            entity.entity: partial(save_entity, night, plan, entity, known, nodes, fresh, few)
            for entity in plan.entities
            if are_few(night, entity.entity) == few
        }
        if plan.across.tags and not few:
            tasks[ACROSS_TABLE] = partial(save_across, night, plan, known, nodes, fresh)
        with night.for_rows(0 if few else FEW_ROWS + 1), ThreadPoolExecutor(_THREADS) as pool:
            spent |= dict(zip(tasks, pool.map(timed, tasks.values()), strict=True))
    with night.for_rows(night.count(GOLD_CUSTOMER)):
        spent[CUSTOMER] = timed(partial(save_customer, night, plan, fresh))
    night.figure("costs", costs(online(night.conf.tags), spent))
    night.figure("tags", len(plan.tags))
    night.figure("scans", sum(len(entity.scans) for entity in plan.entities))
    night.figure("plan", plan.lines())
    night.figure("seconds", round(time.monotonic() - started, 1))


def timed(task: Callable[[], None]) -> float:
    """Do it; gives the seconds that took."""
    began = time.monotonic()
    task()
    return round(time.monotonic() - began, 2)


def costs(tags: Sequence[Tag], spent: Mapping[str, float]) -> dict[str, float]:
    """Tag -> seconds: an equal share of what the scans that it is in took together. `spent`: task -> its seconds."""

    def where(tag: Tag) -> str:
        return ACROSS_TABLE if tag.kind in ACROSS else tag.from_ if tag.from_ and tag.from_ in spent else CUSTOMER

    beside = Counter(map(where, tags))
    return {tag.tag: round(spent[where(tag)] / beside[where(tag)], 3) for tag in tags if where(tag) in spent}


def forget_entities_without_tags(night: Night, plan: TagPlan) -> None:
    """What an entity gave last night is not tonight's, if it has no tags any more."""
    planned = {entity.entity for entity in plan.entities}
    for entity in ENTITIES:
        if entity not in planned and night.has(f"tag/{entity}"):
            night.forget(f"tag/{entity}")
    if not plan.across.tags:
        night.forget(f"tag/{ACROSS_TABLE}")


def are_few(night: Night, entity: str | None = None) -> bool:
    """Are the known customers few, and the entity's rows too? Then what joins them keeps them where they are."""
    tables = [GOLD_CUSTOMER, IDENTITY_RECORD, *([ENTITIES[entity].table] if entity else [])]
    return all(night.count(table) <= FEW_ROWS for table in tables)


def save_entity(
    night: Night, plan: TagPlan, entity: EntityPlan, known: DataFrame, nodes: DataFrame, fresh: Freshness,
    few: bool = False,
) -> None:  # fmt: skip
    """Compute and write tag/<entity>, with what the next night may carry over.

    An entity whose sources never came has no table: its tags are NULL.

    few: as `are_few` tells.
    """
    table = tag_table(entity.entity, columns_in(plan, entity.entity))
    if entity.entity not in fresh.came:
        night.forget(table)
        night.warn(f"{entity.entity}: no source has ever come; its {len(entity.tags)} tags are NULL")
        return
    reached = None if few else reached_by_news(night, entity)
    if reached is None:
        rows = rows_of(night, entity.entity, entity.columns, nodes, few=few)
        found = evaluate.worked_out(
            rows, customers=known.coalesce(1) if few else known, plan=entity, day=night.day, as_of=night.as_of,
            together=few,
        )  # fmt: skip
    else:
        night.figure(f"reached_{entity.entity}", len(reached.customers))
        # else each scan would read all of silver for a few of its rows
        rows = rows_reached(night, entity, reached).persist()
        found = carried_over(night, entity, known, nodes, rows, reached)
    frame = evaluate.told(found, plan=entity, day=night.day, as_of=night.as_of, withheld=fresh.silent, keep=True)
    told = {column.name: column.sensitivity for column in table.columns}
    kept = (
        Column(name, frame.schema[name].dataType.simpleString(), "kept for the next night", told[result.name])
        for result in entity.results
        for name in result.kept
    )
    night.save(frame, replace(table, columns=(*table.columns, *kept)))
    rows.unpersist()


def save_customer(night: Night, plan: TagPlan, fresh: Freshness) -> None:
    """Compute and write tag/customer: facts, derived tags, rules and models, level by level."""
    models = Models.of(night)
    frame = everything_known(night, plan)
    values = by_hand(night, [output for tag in plan.tags for output in tag.outputs])
    frame = settled(beside(frame, values)) if values else frame
    segments: dict[str, list[str]] = {}
    for level in plan.steps:
        formulas = [step for step in level if isinstance(step, Formula)]
        frame = evaluate.formulas(frame, level=formulas, day=night.day, as_of=night.as_of)
        tags = [step for step in level if isinstance(step, Tag)]
        foretell = [tag for tag in tags if tag.kind in PREDICTIONS]
        # a life cycle's join first, so that all else is one step
        for tag in sorted((tag for tag in tags if tag not in foretell), key=lambda tag: tag.kind != "lifecycle"):
            frame, names = with_segments(night, frame, tag, models, fresh)
            if tag.sensitivity not in HIDDEN:
                segments[tag.outputs[0].name] = names
        frame = predicted(night, frame, foretell, models, fresh.silent)
        frame = settled(frame) if values else frame  # what the next level is built on
    counts = [*segment_counts(segments), *check_counts(plan.tags, timezone=night.conf.pipeline.timezone)]
    table = tag_table(CUSTOMER, columns_in(plan, CUSTOMER), scattered(plan.tags))
    found = save_counted(night, frame, table, counts)
    for column in segments:
        night.figure(column, found.get(column, {}))
        models.note_sizes(column.removesuffix("_segment"), found.get(column, {}))
    models.tell_gone()
    models.save()
    report_checks(night, failed_checks(plan.tags, found))


def everything_known(night: Night, plan: TagPlan) -> DataFrame:
    """The facts and the tags over entities and across them. Grain: known customer."""
    few = are_few(night)

    def held(table: str | Table) -> DataFrame:
        return night.load(table).coalesce(1) if few else night.load(table)

    customers = held(GOLD_CUSTOMER)
    if not few:  # what the driver wrote is one file, so one task's
        customers = customers.repartition(night.spark.sparkContext.defaultParallelism, "customer_id")
    facts = evaluate.facts(customers, facts=plan.facts, day=night.day, as_of=night.as_of)
    tables = {tag_table(entity.entity, []).name: entity for entity in plan.entities}
    frames = [
        held(name).select("customer_id", *(result.name for result in entity.results))
        for name, entity in tables.items() if night.has(name)
    ]  # fmt: skip
    across = f"tag/{ACROSS_TABLE}"
    if plan.across.tags and night.has(across):
        frames.append(held(across))
    frame = evaluate.side_by_side(facts, frames, together=few)
    for name, entity in tables.items():
        frame = frame if night.has(name) else evaluate.nothing(frame, entity.results)
    return frame


def with_segments(
    night: Night, frame: DataFrame, tag: Tag, models: Models, fresh: Freshness
) -> tuple[DataFrame, list[str]]:
    """`frame` with the outputs of a model that parts customers, and the segments that it can give.

    Over a silent source it is NULL and not fitted: a fit would last until the next one is due.
    """
    if tag.tag in fresh.silent:
        return evaluate.nothing(frame, tag.outputs), []
    if tag.kind == "lifecycle":
        return staged(night, frame, tag), [stage.value for stage in tag.stages]
    if tag.kind == "rfm":
        parameters = models.parameters(tag, lambda _: fitted_rfm(frame, tag))
        scored = with_rfm(
            frame, tag, parameters=parameters, timezone=night.conf.pipeline.timezone, day=night.day, as_of=night.as_of
        )
        return scored, segment_names(tag, parameters)
    features = frame.select("customer_id", *tag.features)
    parameters = models.parameters(tag, lambda previous: fit_kmeans(features, spec=tag.kmeans, previous=previous))
    return with_kmeans(frame, tag, parameters=parameters), segment_names(tag, parameters)


def staged(night: Night, frame: DataFrame, tag: Tag) -> DataFrame:
    """`frame` with the stage of each customer's life, told from the stage of the night before."""
    before = last_before(night.lakehouse, night.base, night.day)
    told = before or night.base  # what went before a second state of one day may have expired: its own tells of it
    own = tag_table(CUSTOMER, []).name
    version = told.versions.get(own) if told else None
    known = read_version(night.spark, night.lakehouse, own, version) if version is not None else None
    last = last_stages(known, tag) if known else None
    columns = {output.name: output.type for other in night.conf.tags.values() for output in other.outputs}
    stages = stages_of(tag, timezone=night.conf.pipeline.timezone, columns=columns)
    return with_lifecycle(
        frame, tag, stages=stages, last=last if before or last is None else stages_before(last),
        elapsed=(night.day - before.date).days if before else 0, day=night.day, as_of=night.as_of,
    )  # fmt: skip


def fitted_rfm(frame: DataFrame, tag: Tag) -> tuple[dict[str, Any], dict[str, Any]]:
    parameters = fit_rfm(rfm_base(frame, tag), scores=tag.scores)
    return parameters, {"customers": parameters["customers"]}


def save_counted(night: Night, frame: DataFrame, table: Table, counts: Sequence[Count]) -> dict[str, dict[str, int]]:
    """Write the table; figure -> key -> customers, counted while writing."""
    observation = Observation("tags")
    # what is observed Spark interprets, expression by expression, for each row: so that is to count what is there
    holds = {
        f"_c{place}": F.when(F.expr(at(count.condition, day=night.day, as_of=night.as_of)), True)
        for place, count in enumerate(counts)
    }
    counted = [F.count(name).alias(name.removeprefix("_")) for name in holds]
    frame = frame.withColumns(holds).observe(observation, F.count(F.lit(1)).alias("customers"), *counted)
    night.save(frame.drop(*holds), table)
    return by_figure(counts, observation.get)


def report_checks(night: Night, failed: Sequence[Failed]) -> None:
    """Tell the checks that failed. Raises DataError where one of them stops the night."""
    for check in failed:
        if check.on_fail == "warn":
            night.warn(str(check))
    stopping = [str(check) for check in failed if check.on_fail == "stop"]
    if stopping:
        raise DataError("\n".join(stopping))
