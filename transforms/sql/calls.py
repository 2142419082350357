"""Calls of allowed functions: their arguments made into what the function needs, literals checked before they raise."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from transforms.sql import operands, patterns, types
from transforms.sql.functions import AGGREGATES, UNITS, WEEKDAYS, Function
from transforms.sql.operands import ExpressionError, Part, text_literal

_LONGEST_TEXT = 100
_LONGEST_PAD = 1_000
_MONTHS = 12_000
_POSITIONS = 1_000_000
_SHA2 = (0, 224, 256, 384, 512)
_DATED = ("last_day", "next_day", "add_months", "trunc")


def called(name: str, function: Function, arguments: Sequence[Part], timezone: str) -> Part:
    """The call as SQL with its type. Raises ExpressionError naming the argument that does not fit."""
    if name in _SPECIAL:
        return _SPECIAL[name](name, list(arguments), timezone)
    kinds = [function.kind(position) for position in range(len(arguments))]
    if any(part.is_lambda != (kind == "lambda") for part, kind in zip(arguments, kinds, strict=True)):
        raise ExpressionError(f"{name}: a lambda (x -> …) is misplaced")
    given = _same_type(name, kinds, arguments, timezone)
    fitted: list[Part] = []
    for kind, part in zip(kinds, given, strict=True):
        fitted.append(_fitted(name, kind, part, fitted, timezone))
    argument_types = [part.type for part in fitted]
    return Part(
        function.written(name, [part.sql for part in fitted], argument_types), function.result_type(argument_types)
    )


def aggregated(name: str, arguments: Sequence[Part], timezone: str) -> list[Part]:
    """The arguments of an aggregate. Raises ExpressionError where their number or kind is wrong."""
    kinds = [kind.strip() for kind in AGGREGATES[name].split(",")]
    if len(arguments) != len(kinds):
        raise ExpressionError(
            f"{name} takes {len(kinds)} argument{'s' if len(kinds) > 1 else ''}, not {len(arguments)}"
        )
    fitted = [_fitted(name, kind, part, [], timezone) for kind, part in zip(kinds, arguments, strict=True)]
    return [operands.sortable(part, name) for part in fitted] if "any" in kinds and name != "count" else fitted


def checked_literal(part: Part, kind: str, name: str) -> Part:
    """A pattern (`regex`, `like`), date format (`read`, `write`) or other literal that was written and can be used."""
    _literal(name, kind, part, [])
    return part


def _same_type(name: str, kinds: Sequence[str], arguments: Sequence[Part], timezone: str) -> list[Part]:
    same = iter(operands.alike([p for p, kind in zip(arguments, kinds, strict=True) if kind == "same"], name, timezone))
    return [next(same) if kind == "same" else part for part, kind in zip(arguments, kinds, strict=True)]


def _fitted(name: str, kind: str, part: Part, before: Sequence[Part], timezone: str) -> Part:
    if kind.startswith("'"):
        _literal(name, kind[1:], part, before)
        return part
    try:
        fitted = _KINDS[kind](part, before, timezone)
    except ExpressionError as problem:
        raise ExpressionError(f"{name}: {problem}") from None
    if name in ("greatest", "least", "array_sort", "sort_array", "array_distinct"):
        operands.sortable(fitted, name)
    # in these, years far away would overflow
    return replace(fitted, sql=operands.near(fitted.sql, "date")) if name in _DATED and kind == "date" else fitted


def _whole(part: Part) -> Part:
    if types.is_integer(part.type):
        return part
    return Part(f"try_cast({operands.number(part).sql} as int)", "int")


def _list(part: Part) -> Part:
    if types.base(part.type) != "array":
        raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a list is needed")
    return part


def _list_or_map(part: Part) -> Part:
    if types.base(part.type) not in ("array", "map"):
        raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a list or a map is needed")
    return part


def _map(part: Part) -> Part:
    if types.base(part.type) != "map":
        raise ExpressionError(f"{part.told} is {types.describe(part.type)} where a map is needed")
    return part


def _element(part: Part, before: Sequence[Part]) -> Part:
    wanted = types.element(before[0].type)
    if part.type == types.VOID or part.type == wanted:
        return part
    if types.is_number(part.type) and types.is_number(wanted):
        return Part(f"try_cast({part.sql} as {wanted})", wanted)
    raise ExpressionError(f"the list holds {types.describe(wanted)}, {part.told} is {types.describe(part.type)}")


def _same_list(part: Part, before: Sequence[Part]) -> Part:
    if _list(part).type != before[0].type:
        raise ExpressionError("both lists must be of one type")
    return part


def _key(part: Part, before: Sequence[Part]) -> Part:
    if types.base(before[0].type) == "array":
        # position 0 raises, and the smallest int reads memory that is not the list's
        if not isinstance(part.value, int) or not 0 < abs(part.value) <= _POSITIONS:
            raise ExpressionError("the position must be written, 1 is the first and -1 the last; or use list[n]")
        return part
    return replace(part, sql=operands.key(before[0], part))


def _text_or_list(part: Part, timezone: str) -> Part:
    if types.base(part.type) == "array" and types.element(part.type) == "string":
        return part
    return operands.text(part, timezone)


_KINDS: dict[str, Callable[[Part, Sequence[Part], str], Part]] = {
    "any": lambda part, before, zone: part,
    "same": lambda part, before, zone: part,
    "lambda": lambda part, before, zone: part,
    "text": lambda part, before, zone: operands.text(part, zone),
    "number": lambda part, before, zone: operands.number(part),
    "int": lambda part, before, zone: _whole(part),
    "boolean": lambda part, before, zone: operands.condition(part),
    "date": lambda part, before, zone: operands.day(part, zone),
    "moment": lambda part, before, zone: operands.moment(part, zone),
    "instant": lambda part, before, zone: operands.instant(part, zone),
    "list": lambda part, before, zone: _list(part),
    "map": lambda part, before, zone: _map(part),
    "list or map": lambda part, before, zone: _list_or_map(part),
    "text or list": lambda part, before, zone: _text_or_list(part, zone),
    "element": lambda part, before, zone: _element(part, before),
    "element list": lambda part, before, zone: _same_list(part, before),
    "key": lambda part, before, zone: _key(part, before),
}


# literals


def _literal(name: str, kind: str, part: Part, before: Sequence[Part]) -> None:
    wanted: Any = {"share": (int, float), "boolean": bool}.get(kind, int if kind in _NUMBERS else str)
    value = (
        float(part.value) if kind == "share" and types.is_number(part.type) and part.value is not None else part.value
    )
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        words = {int: "a whole number", str: "a text", bool: "true or false"}.get(wanted, "a number")
        raise ExpressionError(f"{name}: {words} must be written here, between quotes if it is a text, not computed")
    problem = _literal_problem(kind, value, before)
    if problem:
        raise ExpressionError(f"{name}: {value!r} {problem}")


_NUMBERS = ("int", "short", "position", "months", "group")


def _literal_problem(kind: str, value: Any, before: Sequence[Part]) -> str | None:
    match kind:
        case "regex":
            return patterns.regex_problem(value)
        case "like":
            return patterns.like_problem(value)
        case "read" | "write":
            return patterns.date_format_problem(value, reading=kind == "read")
        case "text":
            return None if len(value) <= _LONGEST_TEXT else f"is longer than {_LONGEST_TEXT} characters"
        case "short":
            return None if 0 <= value <= _LONGEST_PAD else f"must be 0 to {_LONGEST_PAD}"
        case "position":
            return None if value and abs(value) <= _POSITIONS else "must not be 0: positions count from 1"
        case "months":
            return None if abs(value) <= _MONTHS else f"is more than {_MONTHS} months"
        case "int":
            return None if abs(value) <= _POSITIONS else "is too large"
        case "share":
            return None if 0 <= value <= 1 else "must be between 0 and 1"
        case "unit":
            return None if value.lower() in UNITS else f"is not one of {', '.join(UNITS)}"
        case "weekday":
            return None if value.lower()[:2] in WEEKDAYS and value.isalpha() else "is not a weekday such as 'MO'"
        case "group":
            most = patterns.groups(before[1].value)
            return None if 0 <= value <= most else f"is not one of the pattern's groups (0 to {most})"
        case "replacement":
            return _replacement_problem(value, patterns.groups(before[1].value))
    return None


def _replacement_problem(text: str, groups: int) -> str | None:
    if len(text) > _LONGEST_TEXT:
        return f"is longer than {_LONGEST_TEXT} characters"
    if not re.fullmatch(r"(?:[^\\$]|\$\d|\\[\\$])*", text, re.DOTALL):
        return "has a $ without the number of a group, or a lone backslash"
    if any(int(number) > groups for number in re.findall(r"\$(\d)", text)):
        return f"names a group that the pattern does not have (it has {groups})"
    return None


# functions whose arguments depend on each other


_USUAL_TIME = "yyyy-MM-dd HH:mm:ss"
_USUALLY_WRITTEN = r"^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\z"


def _read_time(name: str, arguments: list[Part], timezone: str) -> Part:
    """to_date and to_timestamp: with a format of a text, without one of anything that has a time."""
    kind = "date" if name == "to_date" else "timestamp"
    if len(arguments) == 1:
        try:
            return (operands.day if kind == "date" else operands.instant)(arguments[0], timezone)
        except ExpressionError as problem:
            raise ExpressionError(f"{name}: {problem}") from None
    if arguments[0].type in ("date", "timestamp"):
        raise ExpressionError(f"{name}: {arguments[0].told} is a {arguments[0].type} already; remove the format")
    read = operands.text(arguments[0], timezone)
    _literal(name, "read", arguments[1], [])
    told = f"try_to_{kind}({read.sql}, {arguments[1].sql})"
    if kind == "timestamp" and arguments[1].value == _USUAL_TIME:
        # a cast reads such a text in a fifth of the time that a pattern takes, and says the same of it
        usual = f"{read.sql} rlike '{_USUALLY_WRITTEN}'"
        told = f"case when {usual} then try_cast({read.sql} as timestamp) else {told} end"
    return Part(told, kind)


def _rounded(name: str, arguments: list[Part], timezone: str) -> Part:
    """round and bround: a decimal keeps no more fraction digits than it is rounded to."""
    value = operands.number(arguments[0])
    places = 0
    if len(arguments) == 2:
        _literal(name, "int", arguments[1], [])
        places = arguments[1].value
        if abs(places) > 18:
            raise ExpressionError(f"{name}: {places} places are too many")
    kind = value.type
    if types.is_decimal(kind):
        precision, scale = types.digits(kind)
        kept = min(scale, max(places, 0))
        whole = precision - scale + 1
        kind = f"decimal({min(max(whole, 1 - places) + kept, 38)},{kept})"
    return Part(f"{name}({value.sql}, {places})", kind)


def _map_of(name: str, arguments: list[Part], timezone: str) -> Part:
    """map('a', x, 'b', y): written keys only, because a repeated or missing key raises."""
    if len(arguments) % 2:
        raise ExpressionError("map takes keys and values in turn")
    keys, values = arguments[::2], operands.alike(arguments[1::2], "map", timezone)
    _check_keys(keys)
    pairs = ", ".join(f"{key.sql}, {value.sql}" for key, value in zip(keys, values, strict=True))
    return Part(f"map({pairs})", f"map<string,{values[0].type}>")


def _map_from_arrays(name: str, arguments: list[Part], timezone: str) -> Part:
    keys, values = (part.value for part in arguments)
    if not (isinstance(keys, tuple) and isinstance(values, tuple) and len(keys) == len(values)):
        raise ExpressionError("map_from_arrays takes array('a', …) of written keys and array(x, …) of as many values")
    return _map_of(name, [part for pair in zip(keys, values, strict=True) for part in pair], timezone)


def _check_keys(keys: Sequence[Part]) -> None:
    written = [key.value for key in keys]
    if not all(isinstance(key, str) for key in written) or len(set(written)) < len(written):
        raise ExpressionError("the keys of a map must be written texts, each once")


def _array(name: str, arguments: list[Part], timezone: str) -> Part:
    values = operands.alike(arguments, "array", timezone)
    # the elements are kept for map_from_arrays
    return Part(
        f"array({', '.join(value.sql for value in values)})", f"array<{values[0].type}>", value=tuple(arguments)
    )


def _from_json(name: str, arguments: list[Part], timezone: str) -> Part:
    text, schema = arguments
    if text.type != "string":
        raise ExpressionError(f"from_json: {text.told} is {types.describe(text.type)} where text is needed")
    if not isinstance(schema.value, str):
        raise ExpressionError("from_json: the schema must be written: 'array<string>'")
    try:
        kind = types.normal(schema.value)
    except ValueError as error:
        raise ExpressionError(f"from_json: {error}") from None
    if types.is_atomic(kind) or not re.fullmatch(r"[\w<>,:()]+", kind):
        raise ExpressionError(
            "from_json: the schema is a list, a map or a struct: 'struct<name:string,tags:array<string>>'"
        )
    return Part(f"from_json({text.sql}, {text_literal(kind)})", kind)


def _sha2(name: str, arguments: list[Part], timezone: str) -> Part:
    if arguments[1].value not in _SHA2:
        raise ExpressionError(f"sha2: the second argument is one of {', '.join(map(str, _SHA2))}")
    return Part(f"sha2({operands.text(arguments[0], timezone).sql}, {arguments[1].sql})", "string")


def _date_trunc(name: str, arguments: list[Part], timezone: str) -> Part:
    """The start of the business's day, month …, as an instant again."""
    _literal(name, "unit", arguments[0], [])
    local = operands.moment(arguments[1], timezone)
    return Part(operands.from_local(f"date_trunc({arguments[0].sql}, {local.sql})", timezone), "timestamp")


_SPECIAL: dict[str, Callable[[str, list[Part], str], Part]] = {
    "to_date": _read_time,
    "to_timestamp": _read_time,
    "try_to_timestamp": _read_time,
    "round": _rounded,
    "bround": _rounded,
    "array": _array,
    "map": _map_of,
    "map_from_arrays": _map_from_arrays,
    "from_json": _from_json,
    "sha2": _sha2,
    "date_trunc": _date_trunc,
}
