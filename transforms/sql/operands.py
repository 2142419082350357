"""Operands of an expression: what they are, and how one is made into what an operator or a function needs.

Conversions are written so that a value which does not fit gives NULL. A timestamp is an instant in UTC; where the
calendar is asked (a date, an hour), it is read in the business's time zone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlglot import exp

from transforms.definitions import nearest
from transforms.sql import types

AS_OF, DAY = "\0as_of\0", "\0day\0"
# Beyond these, Java's calendar overflows and would stop the run.
_FIRST, _LAST = "0001-01-03", "9999-12-29"
_INTERVALS = {
    "day": ("DAY", 1), "week": ("DAY", 7), "month": ("MONTH", 1), "quarter": ("MONTH", 3), "year": ("MONTH", 12),
    "hour": ("HOUR", 1), "minute": ("MINUTE", 1), "second": ("SECOND", 1),
}  # fmt: skip
_CALENDAR_UNITS = ("DAY", "MONTH")
_LONGEST = 20_000
_LONGEST_LIST = 10_000
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")


class ExpressionError(ValueError):
    """What is wrong with an expression, without the place where it stands."""


@dataclass(frozen=True)
class Part:
    """A compiled part of an expression. `value`: of a literal; `name`: of a bare column."""

    sql: str
    type: str
    value: Any = None
    name: str = ""
    is_clock: bool = False
    is_lambda: bool = False

    @property
    def told(self) -> str:
        """The part in a message."""
        return (
            f"'{self.name}'"
            if self.name
            else f"'{self.value}'"
            if self.value is not None
            else types.describe(self.type)
        )


def text_literal(text: str) -> str:
    """A text between quotes that it cannot leave: a zero byte begins the marks that are replaced in compiled SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\u0000") + "'"


def bounded(sql: str, kind: str) -> str:
    """A text or a list kept to a size that a row can hold: what is built on it could double it, and so on."""
    if kind == "string":
        return f"left({sql}, {types.TEXT_LENGTH})"
    return f"slice({sql}, 1, {_LONGEST_LIST})" if types.base(kind) == "array" else sql


# conversions


def number(part: Part) -> Part:
    """A number; a text is read as one."""
    if types.is_number(part.type):
        return part
    if part.type == types.VOID:
        return Part("cast(null as double)", "double")
    if isinstance(part.value, str):
        raise ExpressionError(f"'{part.value}' is text where a number is needed")
    if part.type == "string":
        return Part(f"try_cast({part.sql} as double)", "double", name=part.name)
    raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a number is needed{_remedy(part)}")


def _remedy(part: Part) -> str:
    return {"boolean": "; use if(…, 1, 0)", "date": "; use datediff()", "timestamp": "; use unix_timestamp()"}.get(
        part.type, ""
    )


def arithmetic_type(part: Part, other: Part) -> str:
    """A whole number written beside a decimal counts as a decimal of just its digits."""
    if isinstance(part.value, int) and types.is_decimal(other.type):
        return f"decimal({len(str(abs(part.value)))},0)"
    return part.type


def condition(part: Part) -> Part:
    if part.type in ("boolean", types.VOID):
        return part
    raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a condition is needed")


def text(part: Part, timezone: str) -> Part:
    """Text; numbers and times as Spark writes them, timestamps in the business's time zone."""
    if part.type in ("string", types.VOID):
        return part
    if not types.is_atomic(part.type):
        raise ExpressionError(f"{part.told} is {types.describe(part.type)} where text is needed")
    return Part(f"cast({moment(part, timezone).sql if part.type == 'timestamp' else part.sql} as string)", "string")


def moment(part: Part, timezone: str) -> Part:
    """The calendar reading of a time, in the business's time zone. `as_of` is the business day itself."""
    if part.is_clock:
        return Part(f"cast({DAY} as timestamp)", "timestamp")
    match part.type:
        case "timestamp":
            return Part(_local(part.sql, timezone), "timestamp")
        case "date":
            return Part(f"cast({near(part.sql, 'date')} as timestamp)", "timestamp")
        case "string":
            _check_time(part, "timestamp")
            return Part(near(f"try_cast({part.sql} as timestamp)", "timestamp"), "timestamp")
        case types.VOID:
            return Part("cast(null as timestamp)", "timestamp")
    raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a date is needed")


def day(part: Part, timezone: str) -> Part:
    """A date: of a timestamp its day in the business's time zone; a text is read as one."""
    if part.is_clock:
        return Part(DAY, "date")
    match part.type:
        case "date":
            return part
        case "timestamp":
            return Part(f"to_date({_local(part.sql, timezone)})", "date")
        case "string":
            _check_time(part, "date")
            return Part(f"try_cast({part.sql} as date)", "date")
        case types.VOID:
            return Part("cast(null as date)", "date")
    raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a date is needed")


def instant(part: Part, timezone: str) -> Part:
    """A timestamp in UTC. A date is its midnight, a written time without a zone itself, in the business's time zone."""
    match part.type:
        case "timestamp":
            return part
        case "date":
            return Part(from_local(f"cast({near(part.sql, 'date')} as timestamp)", timezone), "timestamp")
        case "string":
            _check_time(part, "timestamp")
            read = f"try_cast({part.sql} as timestamp)"
            local = isinstance(part.value, str) and not _ZONE.search(part.value)
            return Part(from_local(read, timezone) if local else read, "timestamp")
        case types.VOID:
            return Part("cast(null as timestamp)", "timestamp")
    raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a time is needed")


def _local(sql: str, timezone: str) -> str:
    guarded = near(sql, "timestamp")
    return guarded if timezone == "UTC" else f"from_utc_timestamp({guarded}, {text_literal(timezone)})"


def from_local(sql: str, timezone: str) -> str:
    return sql if timezone == "UTC" else f"to_utc_timestamp({sql}, {text_literal(timezone)})"


def near(sql: str, kind: str) -> str:
    """NULL in years where the calendar's arithmetic would overflow. Raises ExpressionError where nested too deeply."""
    if len(sql) > _LONGEST:
        raise ExpressionError("is nested too deeply")
    return f"if({sql} between {kind}'{_FIRST}' and {kind}'{_LAST}', {sql}, null)"


def _check_time(part: Part, kind: str) -> None:
    """A written date must be one."""
    if not isinstance(part.value, str):
        return
    try:
        if not _WRITTEN.fullmatch(part.value):
            raise ValueError(part.value)
        datetime.fromisoformat(part.value)
    except ValueError:
        raise ExpressionError(
            f"'{part.value}' is not a {kind}; write it as 2024-12-31{' 18:30:00' * (kind == 'timestamp')}"
        ) from None


# casts


def cast(part: Part, target: str, timezone: str) -> Part:
    """`try_cast`, with the business's time zone between timestamps and calendar values."""
    source = part.type
    if types.VOID in target:
        raise ExpressionError("cast: void is not a type to convert to")
    if source == types.VOID or source == target:
        return Part(f"cast({part.sql} as {target})", target)
    if target == "string" and source == "timestamp":
        return text(part, timezone)
    if target == "date" and source in ("timestamp", "string"):
        return day(part, timezone)
    if target == "timestamp" and source in ("date", "string"):
        return instant(part, timezone)
    if not _castable(source, target):
        raise ExpressionError(f"cast: {part.told} is {types.describe(source)}, which has no value of type {target}")
    return Part(f"try_cast({part.sql} as {target})", target)


def _castable(source: str, target: str) -> bool:
    if types.base(source) == types.base(target) == "array":
        return _castable(types.element(source), types.element(target))
    # between a day and a moment lies a time zone
    atomic = types.is_atomic(source) and types.is_atomic(target) and {source, target} != {"date", "timestamp"}
    return source == target or (atomic and types.becomes(source, target))


# two or more operands together


def comparable(left: Part, right: Part, timezone: str) -> tuple[str, str]:
    """Both sides of a comparison as SQL of one type. Raises ExpressionError where text, numbers and times are mixed."""
    if types.VOID in (left.type, right.type):
        return left.sql, right.sql
    kinds = {left.type, right.type}
    if not (types.is_sortable(left.type) and types.is_sortable(right.type)):
        raise ExpressionError("maps cannot be compared; compare a value of it: ids['email']")
    if kinds & {"timestamp"} and kinds <= {"timestamp", "date", "string"}:
        return instant(left, timezone).sql, instant(right, timezone).sql
    if kinds == {"date", "string"}:
        return day(left, timezone).sql, day(right, timezone).sql
    numbers = [types.is_number(part.type) for part in (left, right)]
    if all(numbers) or left.type == right.type:
        return left.sql, right.sql
    if any(numbers) and "string" in kinds:
        return number(left).sql, number(right).sql
    found = f"{left.told} is {types.describe(left.type)}, {right.told} is {types.describe(right.type)}"
    raise ExpressionError(f"{found}: they cannot be compared")


def alike(parts: Sequence[Part], what: str, timezone: str) -> list[Part]:
    """The parts in the one type that they have in common. Raises ExpressionError where they have none."""
    kind: str | None = types.VOID
    for part in parts:
        kind = types.common(kind, part.type) if kind else None
        if kind is None:
            listed = " and ".join(dict.fromkeys(types.describe(part.type) for part in parts))
            raise ExpressionError(f"{what}: its values are {listed}; cast them to one type")
    if kind == "timestamp":
        return [instant(part, timezone) for part in parts]
    return [replace(part, type=kind or types.VOID) for part in parts]


def shifted(left: Part, operator: str, interval: exp.Interval, timezone: str) -> Part:
    """A date or a time moved by `interval 3 days`; whole days, months and years by the business's calendar."""
    unit = str(interval.args.get("unit") or "").lower().rstrip("s")
    amount = interval.this.name if isinstance(interval.this, exp.Literal) else ""
    if unit not in _INTERVALS or not re.fullmatch(r"\d{1,5}", amount):
        raise ExpressionError("an interval is a whole number and a unit: interval 3 days")
    field, factor = _INTERVALS[unit]
    length = f"interval '{int(amount) * factor}' {field}"
    function = "try_add" if operator == "+" else "try_subtract"
    if left.type == "date" and field in _CALENDAR_UNITS:
        return Part(f"{function}({near(left.sql, 'date')}, {length})", "date")
    if left.type not in ("date", "timestamp"):
        raise ExpressionError(f"{left.told} is {types.describe(left.type)}: an interval is added to a date or a time")
    if field in _CALENDAR_UNITS:
        local = _local(left.sql, timezone)
        return Part(from_local(f"{function}({local}, {length})", timezone), "timestamp")
    return Part(f"{function}({instant(left, timezone).sql}, {length})", "timestamp")


def days_later(left: Part, operator: str, right: Part) -> Part:
    """date + 3, date - 3."""
    if right.type in ("date", "timestamp"):
        raise ExpressionError("dates are not subtracted from each other; use datediff(later, earlier)")
    if left.type == "timestamp":
        raise ExpressionError(
            f"{left.told} is a timestamp; add an interval: {left.name or 'time'} {operator} interval 3 days"
        )
    if not types.is_integer(right.type):
        raise ExpressionError("to a date, a whole number of days is added")
    return Part(f"{'date_add' if operator == '+' else 'date_sub'}({left.sql}, {right.sql})", "date")


# parts of nested values


def member(part: Part, name: str) -> Part:
    """`struct.field`, `list_of_structs.field` (a list), `map.key`."""
    owner = part.type
    listed = types.base(owner) == "array"
    inner = types.element(owner) if listed else owner
    if types.base(inner) == "struct":
        known = types.fields(inner)
        if name not in known:
            raise ExpressionError(f"no field '{name}' in {part.told}{nearest(name, known)}")
        return Part(f"{part.sql}.`{name}`", f"array<{known[name]}>" if listed else known[name])
    if types.base(owner) == "map":
        return item(part, Part(text_literal(name), "string", value=name))
    raise ExpressionError(f"{part.told} is {types.describe(owner)} and has no field '{name}'")


def item(part: Part, asked: Part) -> Part:
    """`list[0]` (the first is 0), `map['key']`; NULL where there is none."""
    match types.base(part.type):
        case "array":
            if not types.is_integer(asked.type):
                raise ExpressionError("between [ ] after a list stands a whole number; 0 is the first")
            return Part(f"get({part.sql}, {asked.sql})", types.element(part.type))
        case "map":
            return Part(f"try_element_at({part.sql}, {key(part, asked)})", types.element(part.type))
    raise ExpressionError(f"{part.told} is {types.describe(part.type)}, not a list or a map")


def key(part: Part, asked: Part) -> str:
    """SQL of a key that a map is asked for."""
    kind = types.parts(part.type)[0]
    if kind != asked.type and not (types.is_number(kind) and types.is_number(asked.type)):
        raise ExpressionError(f"the keys of {part.told} are {types.describe(kind)}, not {types.describe(asked.type)}")
    return asked.sql


def listed(part: Part, name: str) -> Part:
    if types.base(part.type) != "array":
        raise ExpressionError(f"{name}: {part.told} is {types.describe(part.type)} where a list is needed")
    return part


def sortable(part: Part, name: str) -> Part:
    if part.type == types.VOID or not types.is_sortable(part.type):
        raise ExpressionError(f"{name}: values of {types.describe(part.type)} have no order")
    return part
