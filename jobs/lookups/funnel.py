"""`portrait funnel`: how many customers go from step to step, read from one release without Spark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from jobs.gold import OpenRelease
from jobs.runtime.console import Screen
from jobs.runtime.duck import connect
from transforms.definitions import nearest, seconds
from transforms.errors import DefinitionError
from transforms.funnel import counts_sql, names, reached_sql, touches_sql
from transforms.insight.protection import suppressed
from transforms.profile import NOT_TAGS, PROFILE
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_JOURNEY
from transforms.tags.segmentations import HIDDEN

MOST_VALUES = 50
MOST_STEPS = 10
Told = dict[str, Any]


@dataclass(frozen=True)
class Funnel:
    """What is asked: steps of gold/journey, the time for all of them, by which tag, in which audience, which touch."""

    steps: Sequence[str]
    within: str
    by: str | None = None
    audience: str | None = None
    touch: str | None = None


def show_funnel(gold: OpenRelease, funnel: Funnel, screen: Screen, *, smallest_group: int) -> None:
    """Print the funnel. Counts of fewer customers than the smallest group are withheld, and what would give them away.

    Raises DefinitionError for a step, a tag, an audience or a time that there is not, and a personal or sensitive tag.
    """
    found = conversion(gold, funnel, smallest_group=smallest_group)
    screen.say(f"within {funnel.within} of the first step, in release {gold.release} of {gold.date}")
    screen.say()
    for group in found["groups"]:
        title = f"{funnel.by} = {group['value']}" if funnel.by else "funnel"
        header = ["step", "customers", "% of first", "% of previous", "days (median)"]
        rows = [
            [row["step"], *(_shown(row[key]) for key in ("customers", "of_first", "of_previous", "days"))]
            for row in group["steps"]
        ]
        screen.table(title, header, rows)
    if found["withheld"]:
        screen.say(
            f"{found['withheld']} values of {funnel.by} with fewer than {smallest_group} customers, or that would give "
            "such away, are withheld"
        )
    if funnel.touch:
        touches = [[row["channel"] or "", row["step"], row["customers"]] for row in found["touches"]]
        screen.table(f"{funnel.touch} touch before {funnel.steps[-1]}", ["channel", "step", "customers"], touches)
    screen.result({"release": gold.release, "date": gold.date, **found})


def conversion(gold: OpenRelease, funnel: Funnel, *, smallest_group: int) -> Told:
    """What `portrait funnel --json` gives beside the release."""
    if not 2 <= len(funnel.steps) <= MOST_STEPS:
        raise DefinitionError(f"a funnel has 2 to {MOST_STEPS} steps, not {len(funnel.steps)}")
    try:
        time = seconds(funnel.within)
    except ValueError as error:
        raise DefinitionError(f"--within: {error}") from None
    if funnel.touch not in (None, "first", "last"):
        raise DefinitionError(f"--touch {funnel.touch}: first or last")
    with connect() as duck:
        _prepare(gold, funnel, duck)
        duck.execute(reached_sql(len(funnel.steps), seconds=time))
        counts = duck.execute(counts_sql(len(funnel.steps), by=bool(funnel.by))).fetchall()
        touches: list[tuple[Any, ...]] = []
        if funnel.touch:
            last = funnel.touch == "last"
            touches = duck.execute(touches_sql(len(funnel.steps), last=last, seconds=time)).fetchall()
    groups = _groups(counts, funnel.steps)
    kept, hidden = _protected(groups, smallest_group, by=funnel.by is not None)
    return {
        "steps": list(funnel.steps), "within": funnel.within, "by": funnel.by, "audience": funnel.audience,
        "groups": [_withheld(group, places) for group, places in zip(kept, hidden, strict=True)],
        "withheld": len(groups) - len(kept),
        "touches": _shown_touches(touches, smallest_group),
    }  # fmt: skip


def _shown_touches(touches: Sequence[tuple[str | None, str, int]], smallest_group: int) -> list[Told]:
    """The touches of enough customers. The funnel tells their sum, so one withheld alone takes the next with it."""
    hidden = suppressed(np.array([[count for _, _, count in touches]]), smallest=smallest_group)[0] if touches else []
    return [
        {"channel": channel, "step": step, "customers": count}
        for (channel, step, count), few in zip(touches, hidden, strict=True) if not few
    ]  # fmt: skip


def _prepare(gold: OpenRelease, funnel: Funnel, duck: duckdb.DuckDBPyConnection) -> None:
    """`path`, the journeys that count; `name_1` …, the steps; `told`, what the funnel is told by."""
    tables = [GOLD_JOURNEY.name]
    tables += [PROFILE] if funnel.by else []
    tables += [GOLD_AUDIENCE_MEMBER.name] if funnel.audience else []
    for table in tables:
        gold.known(table)
    gold.show_to(duck, tables)
    if funnel.audience:
        _check_audience(gold, funnel.audience, duck)
    members = "where customer_id in (select customer_id from members)" if funnel.audience else ""
    duck.execute(
        f'create temp table path as select customer_id, "at" as moment, channel, step from gold.journey {members}'
    )
    known = [row[0] for row in duck.execute("select distinct step from gold.journey order by step").fetchall()]
    for step in funnel.steps:
        if step not in known:
            told = nearest(step, known) or f" (there are {', '.join(known)})"
            raise DefinitionError(f"no step '{step}' in gold/journey of release {gold.release}{told}")
    for sql, step in zip(names(funnel.steps), funnel.steps, strict=True):
        duck.execute(sql, [step])
    if funnel.by:
        _tell_by(gold, funnel.by, duck)


def _check_audience(gold: OpenRelease, audience: str, duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(
        "create temp table members as select customer_id from gold.audience_member where audience = ? and date = ?",
        [audience, gold.date],
    )
    if not duck.execute("select count(*) from members").fetchall()[0][0]:
        found = duck.execute(
            "select distinct audience from gold.audience_member where date = ?", [gold.date]
        ).fetchall()
        raise DefinitionError(
            f"--audience {audience}: no members in release {gold.release}{nearest(audience, [row[0] for row in found])}"
        )


def _tell_by(gold: OpenRelease, tag: str, duck: duckdb.DuckDBPyConnection) -> None:
    tags = [name for name in gold.dataset(PROFILE).schema.names if name not in NOT_TAGS]
    if tag not in tags:
        raise DefinitionError(f"--by {tag}: no such column in {PROFILE}{nearest(tag, tags)}")
    told = (gold.dataset(PROFILE).schema.field(tag).metadata or {}).get(b"comment", b"").decode()
    for kind in HIDDEN:
        if told.endswith(f"sensitivity: {kind}"):
            raise DefinitionError(f"--by {tag}: is {kind}; no funnel is told by it")
    duck.execute(
        f"create temp table told as select customer_id, coalesce(\"{tag}\"::varchar, 'unknown') as value "
        "from gold.customer_profile"
    )
    values = duck.execute("select count(distinct value) from told").fetchall()[0][0]
    if values > MOST_VALUES:
        raise DefinitionError(
            f"--by {tag}: has {values} values, at most {MOST_VALUES} can be told; take one with fewer"
        )


def _groups(counts: Sequence[tuple[Any, ...]], steps: Sequence[str]) -> list[Told]:
    """A funnel for each value, the largest first."""
    values = dict.fromkeys(value for _, value, _, _ in counts)
    found = {(place, value): (customers, days) for place, value, customers, days in counts}
    groups = [
        {
            "value": value,
            "steps": [
                dict(zip(("step", "customers", "days"), (step, *found.get((place, value), (0, None))), strict=True))
                for place, step in enumerate(steps, start=1)
            ],
        }
        for value in values
    ]
    return sorted(groups, key=lambda group: (-group["steps"][0]["customers"], str(group["value"])))


def _protected(groups: list[Told], smallest_group: int, *, by: bool) -> tuple[list[Told], list[range]]:
    """The groups that are told, and of each the places of the steps that are not.

    Whoever drops out between two steps is told by their difference, and a withheld group by the funnel of all less the
    groups that are shown: so what is protected is the table of groups (those withheld being one) by where they dropped
    out. Its sums are the funnel of all. Steps are withheld from the first hidden cell to the last, alike in all groups.
    """
    if not groups:
        return [], []
    reached = np.array([[row["customers"] for row in group["steps"]] for group in groups])
    small = suppressed(reached[:, :1], smallest=smallest_group)[:, 0]
    if small.all() and not by:  # the funnel as a whole stays, without a number
        return groups, [range(reached.shape[1])]
    dropped = reached - np.column_stack([reached[:, 1:], np.zeros(len(groups), dtype=reached.dtype)])
    rest = dropped[small].sum(axis=0, keepdims=True)
    hidden = suppressed(np.vstack([dropped[~small], *([rest] if small.any() else [])]), smallest=smallest_group)
    cells = np.flatnonzero(hidden.any(axis=0))
    withheld = range(cells[0] + 1, cells[-1] + 1) if cells.size else range(0)
    kept = [group for group, few in zip(groups, small, strict=True) if not few]
    return kept, [withheld if row.any() else range(0) for row in hidden[: len(kept)]]


def _withheld(group: Told, hidden: range) -> Told:
    """The group with its shares in percent, and None in place of what tells of few customers."""
    steps: list[Told] = []
    for place, row in enumerate(group["steps"]):
        few = place in hidden
        customers = None if few else row["customers"]
        before = [steps[0]["customers"], steps[-1]["customers"]] if steps else [customers, customers]
        of_first, of_previous = (
            round(100 * customers / other, 2) if customers is not None and other else None for other in before
        )
        days = None if few or row["days"] is None else round(row["days"], 2)
        steps.append(
            {
                "step": row["step"],
                "customers": customers,
                "of_first": of_first,
                "of_previous": of_previous,
                "days": days,
            }
        )
    return {"value": group["value"], "steps": steps}


def _shown(value: Any) -> Any:
    return "withheld" if value is None else value
