"""The earlier days that a model learns from: cut-offs, each followed by the time in which its label came true."""

from collections.abc import Mapping
from datetime import date, timedelta

from transforms.errors import ModelError
from transforms.schemas import ENTITIES
from transforms.tags.items import Formula
from transforms.tags.plan import TagPlan
from transforms.tags.tag import CUSTOMER

MOST = 3


def cut_offs(first: date, last: date, *, ahead: int, least: int, of: str) -> list[date]:
    """The cut-offs, the earliest first, `ahead` days apart, so that no day is in two labels; at most three.

    `first`, `last`: the days of the first and the last row of the entity `of`. The last cut-off's label ends with
    the last row, not later: beyond it nobody knows what happened. Before the first cut-off lies at least as much
    time as after it. Raises ModelError where there are fewer than `least`.
    """
    days = [last - timedelta(days=ahead * step) for step in range(1, MOST + 1)]
    found = [day for day in reversed(days) if day - timedelta(days=ahead) >= first]
    if len(found) < least:
        held, needed = (last - first).days, ahead * (least + 1)
        raise ModelError(
            f"it looks {ahead} days ahead and needs {needed} days of {of} to learn from and to be tested on; there are "
            f"{held} ({first} to {last}); look less far ahead, or wait"
        )
    return found


def not_known_then(plan: TagPlan) -> dict[str, str]:
    """Column -> why it cannot be computed as it stood at a cut-off."""
    found = {fact.name: "the golden record's earlier states are not kept" for fact in plan.facts}
    found |= {tag.tag: "a list from outside is not dated" for tag in plan.across.imports}
    found |= {
        query.tag.tag: "it reads the golden record, whose earlier states are not kept"
        for query in plan.across.queries
        if CUSTOMER in query.query.reads
    }
    found |= _written_later(plan)
    over_rows = {result.name for entity in plan.entities for result in entity.results}
    for level in plan.steps:
        for step in level:
            if isinstance(step, Formula):
                found |= _through(step, found)
            else:
                of_model = [output.name for output in step.outputs if output.name not in over_rows]
                found |= dict.fromkeys(of_model, "a model gives it, and tonight's model has seen what came later")
    return found


def _written_later(plan: TagPlan) -> dict[str, str]:
    """What reads more of a record than that it began, where the record goes on: it may have landed as it ended."""
    reads = [(result.name, entity.entity, result.columns) for entity in plan.entities for result in entity.results]
    for sequence in plan.across.sequences:
        reads += [(sequence.tag.tag, name, columns) for name, columns in sequence.columns.items()]
    for query in plan.across.queries:
        reads += [(query.tag.tag, name, columns) for name, columns in query.query.reads.items()]
    found = {}
    for tag, name, columns in reads:
        entity = ENTITIES.get(name)
        if entity and entity.time and entity.changed not in (None, entity.time):
            began = {*entity.key, entity.time, "event_at", "event_date", "source", "ids", "customer_id"}
            if later := sorted(columns - began):
                found[tag] = f"it reads '{later[0]}' of {name}, which may have been written later"
    return found


def _through(step: Formula, found: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(step.select.columns & found.keys())
    return {step.name: f"it is made from '{unknown[0]}': {found[unknown[0]]}"} if unknown else {}
