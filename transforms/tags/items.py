"""What a tag asks of the rows: compiled, each with its own condition. The planner puts the like of them together.

An item gives one column of a tag table. NULL, no rows (`default`) and a source that never came stay three things.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, Column
from transforms.sql import types
from transforms.sql.operands import AS_OF, DAY, text_literal
from transforms.tags.tag import COLUMN_TYPES, CUSTOMER, Preference, Tag

_READABLE = ("event_date", "event_at", "source", "ids")
_LARGEST = "1.7976931348623157E308D"
# How a next value is foretold from what is known: the twenty that weigh most, each day's weight halved after 60 days.
KNOWN_VALUES = {"top": 20, "half_life": "60d"}
_UP_TO_TODAY = f"`event_date` <= {DAY}"
# a part of a value, or a value that a function hands over, may have the name too
_SHADOWED = re.compile(r"\.`event_date`|`event_date`[^(]*->")
_CROSSED = re.compile(rf"`event_date` (<=|<|>=|>) date_sub\({DAY}, (\d+)\)")


@dataclass(frozen=True)
class Item:
    """One column over an entity's rows. SQL: `condition` of the rows that count, `default` where there are none."""

    name: str
    tag: str
    entity: str
    condition: str
    window: int | None
    columns: frozenset[str]
    default: str
    type: str
    values: tuple[str, ...]

    @property
    def crossed(self) -> frozenset[int]:
        """Days after which a row counts otherwise: those of the window, and others that its date is compared with."""
        found = [match for sql in (self.condition, *self.of_rows) for match in _CROSSED.findall(sql)]
        # < and >= turn a day later than <= and > do
        return frozenset(int(days) + (sign in ("<", ">=")) for sign, days in found)

    @property
    def ages(self) -> bool:
        """Does a row count otherwise on another day, beside those on which it crosses one of `crossed`?"""
        if any(map(_SHADOWED.search, (self.condition, *self.of_rows))):
            return True
        condition = self.condition.replace(_UP_TO_TODAY, "")
        return any(reads_clock(_CROSSED.sub("", sql)) for sql in (condition, *self.of_rows))

    @property
    def of_rows(self) -> Iterator[str]:
        """SQL over a row, beside the condition."""
        raise NotImplementedError


@dataclass(frozen=True)
class Statistic(Item):
    """An aggregate; `scale`: (days of `per`, days of the window)."""

    select: Expression
    scale: tuple[int, int] | None = None

    @property
    def of_rows(self) -> Iterator[str]:
        for measure in self.select.measures:
            yield from (*measure.values, measure.condition or "")


@dataclass(frozen=True)
class Pick(Item):
    """The first or last value of `of` by time; at the same time the smallest first, the greatest last."""

    of: Expression
    time: str | None
    is_last: bool

    @property
    def of_rows(self) -> Iterator[str]:
        yield self.of.sql


@dataclass(frozen=True)
class Ranking(Item):
    """The values of `of` with the greatest total `weight` (SQL), which halves with each `half_life` days of age.

    A day later all weights are less by one factor: which values are the greatest changes with the rows alone.
    """

    of: Expression
    weight: str
    weight_type: str
    top: int
    half_life: int | None

    @property
    def of_rows(self) -> Iterator[str]:
        yield from (self.of.sql, self.weight)


@dataclass(frozen=True)
class Formula:
    """One column over what is known of a customer: golden record for a fact, tags for derived tags and rules."""

    name: str
    tag: str
    select: Expression
    type: str
    values: tuple[str, ...]


def reads_clock(sql: str) -> bool:
    """Does compiled SQL tell something else on another day?"""
    return AS_OF in sql or DAY in sql


def columns_of(entity: str) -> dict[str, Column]:
    """The columns that a tag over the entity may read; of `customer` the golden record's."""
    if entity == CUSTOMER:
        return {column.name: column for column in GOLD_CUSTOMER.columns if column.name != "provenance"}
    table = ENTITIES[entity].table
    own = {column.name for column in ENTITIES[entity].columns}
    return {column.name: column for column in table.columns if column.name in own or column.name in _READABLE}


def time_of(entity: str) -> str | None:
    """The column that orders an entity's rows: when it happened, or when its record last changed."""
    return "event_at" if ENTITIES[entity].time else ENTITIES[entity].changed


def compile_over(tag: Tag, text: str, key: str, *, timezone: str, aggregates: bool = False) -> Expression:
    """An expression of `tag` over its entity's rows. Raises DefinitionError."""
    assert tag.from_  # noqa: S101  (checked with the tag's keys)
    return compile_expression(
        text,
        place=f"{tag.place}: {key}",
        columns={name: column.type for name, column in columns_of(tag.from_).items()},
        timezone=timezone,
        aggregates=aggregates,
        what=tag.from_,
    )


def items_of(tag: Tag, *, timezone: str) -> list[Item]:
    """What a tag over an entity asks of its rows. Raises DefinitionError, a line for each mistake."""
    problems: list[str] = []
    found: list[Item] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except DefinitionError as error:
            problems.extend(error.lines)

    attempt(lambda: _check_window(tag))
    attempt(lambda: _condition(tag, timezone, frozenset()))
    attempt(lambda: found.extend(_MAKERS[tag.kind](tag, timezone)))
    if problems:
        raise DefinitionError(*dict.fromkeys(problems))
    return found


def _check_window(tag: Tag) -> None:
    if tag.window and tag.from_ and not ENTITIES[tag.from_].time:
        raise DefinitionError(f"{tag.place}: window: {tag.from_} has no time of its own; remove the window")
    if tag.per and not tag.window:
        raise DefinitionError(f"{tag.place}: per: scales a window's total, so it needs a window: window: 180d")


def _condition(tag: Tag, timezone: str, read: frozenset[str]) -> str:
    """The rows that count: `where`, the window in whole business days, and no cancelled lines unless asked for."""
    parts: list[str] = []
    where = compile_over(tag, tag.where, "where", timezone=timezone) if tag.where is not None else None
    if where:
        if where.type not in ("boolean", types.VOID):
            raise DefinitionError(f"{tag.place}: where: is {types.describe(where.type)}, not a condition")
        parts.append(where.sql)
    parts.extend(no_cancelled(str(tag.from_), (where.columns if where else frozenset()) | read))
    parts.extend(within_window(tag.looks_back))
    return " and ".join(parts)


def no_cancelled(entity: str, read: AbstractSet[str]) -> list[str]:
    """Cancelled order lines do not count, unless an expression reads their status."""
    return ["(not (`status` <=> 'cancelled'))"] if entity == "transaction" and "status" not in read else []


def within_window(days: int | None) -> list[str]:
    """The window in whole business days, up to and with the run's."""
    return [f"(`event_date` > date_sub({DAY}, {days}) and {_UP_TO_TODAY})"] if days else []


def _statistics(tag: Tag, timezone: str) -> Iterator[Item]:
    assert tag.select is not None  # noqa: S101
    select = compile_over(tag, tag.select, "select", timezone=timezone, aggregates=True)
    if not select.is_aggregate:
        raise DefinitionError(f"{tag.place}: select: is no aggregate; say which of the rows: sum(…), max(…), count(*)")
    if tag.per and not types.is_number(select.type):
        raise DefinitionError(f"{tag.place}: per: scales numbers, but the select gives {types.describe(select.type)}")
    scale = (tag.per, tag.window) if tag.per and tag.window else None
    yield Statistic(**_common(tag, timezone, select), select=select, scale=scale)


def _picks(tag: Tag, timezone: str) -> Iterator[Item]:
    key = "first" if tag.first is not None else "last"
    of = compile_over(tag, str(tag.first if tag.first is not None else tag.last), key, timezone=timezone)
    if not types.is_sortable(of.type) or of.type == types.VOID:
        raise DefinitionError(f"{tag.place}: {key}: values of {types.describe(of.type)} have no order")
    assert tag.from_  # noqa: S101
    yield Pick(**_common(tag, timezone, of), of=of, time=time_of(tag.from_), is_last=key == "last")


def _rankings(tag: Tag, timezone: str) -> Iterator[Item]:
    wanted = tag.preference
    assert wanted and tag.from_  # noqa: S101
    of = compile_over(tag, wanted.of, "preference.of", timezone=timezone)
    if not types.is_atomic(of.type) or of.type == types.VOID:
        raise DefinitionError(f"{tag.place}: preference.of: is {types.describe(of.type)}, not a value to rank")
    if of.type != "string":
        of = compile_over(tag, f"cast(({wanted.of}) as string)", "preference.of", timezone=timezone)
    weight = compile_over(tag, wanted.weight or "1", "preference.weight", timezone=timezone)
    if not types.is_number(weight.type):
        raise DefinitionError(f"{tag.place}: preference.weight: is {types.describe(weight.type)}, not a number")
    if wanted.half_life and not ENTITIES[tag.from_].time:
        raise DefinitionError(f"{tag.place}: preference.half_life: {tag.from_} has no time of its own; remove it")
    common = _common(tag, timezone, of, weight)
    common["type"] = "array<string>"
    yield Ranking(
        **common, of=of, weight=weight.sql, weight_type=weight.type, top=wanted.top, half_life=wanted.half_life
    )


def _rfm(tag: Tag, timezone: str) -> Iterator[Item]:
    """RFM's three figures. Who bought nothing in the window has a frequency and a value of 0 and no recency."""
    recency = compile_over(tag, str(tag.recency), "recency", timezone=timezone)
    if recency.type not in ("timestamp", "date"):
        raise DefinitionError(f"{tag.place}: recency: is {types.describe(recency.type)}, not a time such as ordered_at")
    figures = {
        "recency_days": ("recency", f"datediff(as_of, max({tag.recency}))", "null", "bigint"),
        "frequency": ("frequency", str(tag.frequency), "0", "bigint"),
        "monetary": ("monetary", str(tag.monetary), "0", "double"),
    }
    for name, (key, text, default, ddl) in figures.items():
        select = compile_over(tag, text, key, timezone=timezone, aggregates=True)
        if not select.is_aggregate or not types.is_number(select.type):
            raise DefinitionError(
                f"{tag.place}: {key}: must be a number over the rows, such as count(*) or sum(amount)"
            )
        common = {**_common(tag, timezone, select), "name": f"{tag.tag}_{name}", "default": default, "type": ddl}
        yield Statistic(**common, select=select)


def _lifetime(tag: Tag, timezone: str) -> Iterator[Item]:
    """What a lifetime model scores with: days since the first and the last row, days with rows, and what they brought.

    `_before` is what they brought within the horizon that ends now: the value that a model must foretell better.
    """
    amount = compile_over(tag, str(tag.amount), "amount", timezone=timezone)
    if not types.is_number(amount.type):
        raise DefinitionError(f"{tag.place}: amount: is {types.describe(amount.type)}, not a number such as amount")
    recent = tag.model_copy(update={"window": tag.horizon})
    figures = {
        "_age": (tag, "datediff(as_of, min(event_date))"),
        "_idle": (tag, "datediff(as_of, max(event_date))"),
        "_days": (tag, "count(distinct event_date)"),
        "_total": (tag, f"sum({tag.amount})"),
        "_before": (recent, f"sum({tag.amount})"),
    }
    for column in tag.internal:
        of, text = figures[column.name.removeprefix(f"{tag.tag}_")]
        select = compile_over(of, text, "amount", timezone=timezone, aggregates=True)
        common = {**_common(of, timezone, select), "name": column.name, "default": "null", "type": column.type}
        yield Statistic(**common, select=select)


def _known_values(tag: Tag, timezone: str) -> Iterator[Item]:
    """What a model of the next one starts from: the values that weigh most by now."""
    compile_over(tag, str(tag.of), "of", timezone=timezone)
    ranked = tag.model_copy(update={"preference": Preference.model_validate({"of": tag.of, **KNOWN_VALUES})})
    for item in _rankings(ranked, timezone):
        yield replace(item, name=tag.internal[0].name)


_MAKERS: dict[str, Any] = {
    "statistic": _statistics, "first": _picks, "last": _picks, "preference": _rankings, "rfm": _rfm,
    "lifetime_value": _lifetime, "next_category": _known_values,
}  # fmt: skip


def _common(tag: Tag, timezone: str, *read: Expression) -> dict[str, Any]:
    columns = frozenset[str]().union(*(expression.columns for expression in read))
    where = compile_over(tag, tag.where, "where", timezone=timezone).columns if tag.where else frozenset[str]()
    by_itself = {"status"} if tag.from_ == "transaction" else set()
    return {
        "name": tag.tag,
        "tag": tag.tag,
        "entity": tag.from_,
        "condition": _condition(tag, timezone, columns),
        "window": tag.looks_back,
        "columns": columns | where | by_itself,
        "default": literal(tag.default),
        "type": COLUMN_TYPES[tag.type] if tag.type else "",
        "values": tag.values if tag.type == "enum" else (),
    }


def literal(value: Any) -> str:
    """A value of the YAML as SQL."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime():
            return f"timestamp'{value.isoformat(' ')}'"
        case date():
            return f"date'{value.isoformat()}'"
        case int():
            return str(value)
        case float():
            return f"{value!r}D"
        case list() | tuple():
            return f"array({', '.join(map(literal, value))})"
        case _:
            return text_literal(str(value))


def ended(sql: str, kind: str, ddl: str, values: tuple[str, ...]) -> str:
    """SQL of type `kind` as the tag's own type `ddl`: not a number, infinite, and values off the list become NULL."""
    if ddl == "double" and kind in types.FRACTIONS:
        return f"cast(if(({sql}) between -{_LARGEST} and {_LARGEST}, {sql}, null) as double)"
    if values:
        listed = ", ".join(map(text_literal, values))
        return f"if(({sql}) in ({listed}), {sql}, null)"
    return sql if kind == ddl else f"try_cast({sql} as {ddl})"
