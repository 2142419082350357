"""Sequences: one thing, then another within a time, or not. How often each happened to a customer.

A sequence begins with each row of its first step. The steps that follow are later rows (at the same moment is neither
before nor after), each within its time of the step before that is not a `not`; a `not` says that no such row lies
between. What is not to happen within a time counts once that time is over. Rows of one moment count once, so the
lines of an order are one event.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression
from transforms.sql import types
from transforms.tags.items import columns_of, no_cancelled, within_window
from transforms.tags.tag import Tag

if TYPE_CHECKING:  # to read the configuration takes no Spark
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_ID, _AT = "customer_id", "_at"
_MICROS = 1_000_000
Condition = tuple[str, str]  # an entity, and SQL over its rows ('' for all of them)


@dataclass(frozen=True)
class Without:
    """Nothing of `what` in the time after a step: `within` so many seconds, or until the next step."""

    what: Condition
    within: int | None


@dataclass(frozen=True)
class Next:
    """A row of `what`, at most `within` seconds after the step before, and what must not follow it."""

    what: Condition
    within: int | None
    without: tuple[Without, ...]


@dataclass(frozen=True)
class Happening:
    """A sequence, compiled. `window`: business days in which it begins. `columns`: entity -> columns that it reads."""

    tag: Tag
    steps: tuple[Next, ...]
    window: int | None
    columns: Mapping[str, frozenset[str]]

    @property
    def entities(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @property
    def conditions(self) -> Iterator[Condition]:
        for step in self.steps:
            yield step.what
            yield from (without.what for without in step.without)


def happening_of(tag: Tag, *, timezone: str) -> Happening:
    """The sequence of a tag. Raises DefinitionError, a line for each step that is wrong."""
    problems: list[str] = []
    steps: list[Next] = []
    columns: dict[str, frozenset[str]] = {}
    for position, step in enumerate(tag.sequence):
        try:
            where = _where(tag, position, timezone)
        except DefinitionError as error:
            problems.extend(error.lines)
            continue
        read = where.columns if where else frozenset[str]()
        window = within_window(tag.window) if position == 0 else []
        parts = [*([where.sql] if where else []), *no_cancelled(step.event, read), *window]
        what = (step.event, " and ".join(parts))
        own = read | ({"status"} if step.event == "transaction" else set())
        columns[step.event] = columns.get(step.event, frozenset()) | own
        if step.not_ and steps:
            steps[-1] = Next(steps[-1].what, steps[-1].within, (*steps[-1].without, Without(what, step.within)))
        else:
            steps.append(Next(what, step.within, ()))
    if problems:
        raise DefinitionError(*problems)
    return Happening(tag, tuple(steps), tag.window, columns)


def _where(tag: Tag, position: int, timezone: str) -> Expression | None:
    step, place = tag.sequence[position], f"{tag.place}: sequence[{position}].where"
    if step.where is None:
        return None
    columns = {name: column.type for name, column in columns_of(step.event).items()}
    where = compile_expression(step.where, place=place, columns=columns, timezone=timezone, what=step.event)
    if where.type not in ("boolean", types.VOID):
        raise DefinitionError(f"{place}: is {types.describe(where.type)}, not a condition")
    return where


def happened(
    rows: "Mapping[str, DataFrame]", *, sequences: Sequence[Happening], as_of: datetime, at: Mapping[Condition, str]
) -> "DataFrame":
    """How often each of `sequences` happened, by its tag's name: NULL for who never began it. Grain: customer.

    `rows`: entity -> its rows with customer_id, event_at, event_date and what the conditions read. `at`: condition ->
    its SQL with the clock set. All sequences are found in one pass over a customer's events in their order.
    """
    from pyspark.sql import functions as F

    flags = {what: f"_f{position}" for position, what in enumerate(at)}
    events = _events(rows, flags, at)
    over = _end(as_of)
    depth = max(len(sequence.steps) for sequence in sequences)
    after: dict[int, SparkColumn] = {}
    absent = {without.what for sequence in sequences for step in sequence.steps for without in step.without}
    events = events.withColumns({f"{flags[what]}_next": _next(F.col(flags[what])) for what in sorted(absent)})
    for back in range(1, depth + 1):
        level = {n: sequence.steps for n, sequence in enumerate(sequences) if back <= len(sequence.steps)}
        met = {
            f"_m{n}": F.col(flags[steps[-back].what]) & _followed(steps, back, after.get(n), flags, over)
            for n, steps in level.items()
        }
        events = events.withColumns(met)
        following = {n: f"_n{n}" for n, steps in level.items() if back < len(steps)}
        if following:
            events = events.withColumns({name: _next(F.col(f"_m{n}")) for n, name in following.items()})
        after = {n: F.col(name) for n, name in following.items()}
    return events.groupBy(_ID).agg(
        *(
            F.when(F.bool_or(flags[s.steps[0].what]), F.count_if(f"_m{n}")).alias(s.tag.tag)
            for n, s in enumerate(sequences)
        )
    )


def _events(
    rows: "Mapping[str, DataFrame]", flags: Mapping[Condition, str], at: Mapping[Condition, str]
) -> "DataFrame":
    """The moments of each customer, with a true-or-false column for each condition."""
    from pyspark.sql import functions as F

    parts: list[DataFrame] = []
    for entity, frame in rows.items():
        own = {
            flag: F.coalesce(F.expr(at[what]), F.lit(False)) if what[1] else F.lit(True)
            for what, flag in flags.items()
            if what[0] == entity
        }
        moment = F.unix_micros("event_at").alias(_AT)
        found = frame.select(_ID, moment, *(rule.alias(name) for name, rule in own.items()))
        met = " or ".join(own)
        others = {flag: F.lit(False) for flag in flags.values() if flag not in own}
        parts.append(found.where(met).withColumns(others))
    events = parts[0]
    for part in parts[1:]:
        events = events.unionByName(part)
    # by customer alone, so that the windows after it need no second exchange
    return events.repartition(_ID).groupBy(_ID, _AT).agg(*(F.bool_or(flag).alias(flag) for flag in flags.values()))


def _next(met: "SparkColumn") -> "SparkColumn":
    """The moment of the next row that meets a condition, later than this one."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # backwards, because a frame that only grows is kept up while one that shrinks is summed up anew for each row
    later = Window.partitionBy(_ID).orderBy(-F.col(_AT)).rangeBetween(Window.unboundedPreceding, -1)
    return F.min(F.when(met, F.col(_AT))).over(later)


def _followed(
    steps: Sequence[Next], back: int, following: "SparkColumn | None", flags: Mapping[Condition, str], over: int
) -> "SparkColumn":
    """Whether what comes after a row of the step so far `back` is as the sequence says.

    `following`: the next row that goes on with it; `over`: the moment after the business day.
    """
    from pyspark.sql import functions as F

    step = steps[-back]
    holds = F.lit(True)
    if following is not None:
        within = steps[len(steps) - back + 1].within
        holds = following.isNotNull()
        if within is not None:
            holds = holds & (following <= F.col(_AT) + F.lit(within * _MICROS))
    for without in step.without:
        hit = F.col(f"{flags[without.what]}_next")
        if without.within is not None:
            end = F.col(_AT) + F.lit(without.within * _MICROS)
            holds = holds & (hit.isNull() | (hit > end)) & (end <= F.lit(over))
        else:
            holds = holds & (hit.isNull() if following is None else (hit.isNull() | (hit >= following)))
    return holds


def _end(as_of: datetime) -> int:
    """The moment after the business day, in microseconds since 1970."""
    whole = int(as_of.timestamp())
    return whole * _MICROS + as_of.microsecond + 1


def reach(sequences: Sequence[Happening]) -> int | None:
    """How many business days back rows are needed; None: all of them."""
    windows = [sequence.window for sequence in sequences]
    return None if None in windows else max(window for window in windows if window is not None)
