"""Spark's types as their DDL text: what they are, what two of them have in common. No Spark here.

The rules for decimals are Spark's own (`DecimalPrecisionTypeCoercion`, with precision loss allowed).
"""

import re
from collections.abc import Iterator
from functools import cache

VOID = "void"
INTEGERS = ("tinyint", "smallint", "int", "bigint")
FRACTIONS = ("float", "double")
TEXT_LENGTH = 1_000_000

_ALIASES = {
    "integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint", "real": "float", "bool": "boolean",
    "text": "string", "varchar": "string", "char": "string", "numeric": "decimal", "dec": "decimal",
    "decimal": "decimal(10,0)", "timestamp_ltz": "timestamp",
}  # fmt: skip
_ATOMIC = {*INTEGERS, *FRACTIONS, "string", "boolean", "date", "timestamp", VOID}
_AS_DECIMAL = {"tinyint": (3, 0), "smallint": (5, 0), "int": (10, 0), "bigint": (20, 0)}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_MOST_DIGITS = 38
_KEPT_SCALE = 6


@cache
def normal(ddl: str) -> str:
    """A type in the one spelling used here: lower case, no blanks, no aliases. Raises ValueError for no type."""
    stripped = re.sub(r"\s+", "", ddl)
    text = stripped.lower()
    text = _ALIASES.get(text, text)
    text = re.sub(r"^(numeric|dec)\(", "decimal(", text)
    text = re.sub(r"^decimal\((\d+)\)$", r"decimal(\1,0)", text)
    text = re.sub(r"^(varchar|char)\(\d+\)$", "string", text)
    if match := _DECIMAL.fullmatch(text):
        if not int(match[2]) <= int(match[1]) <= _MOST_DIGITS:
            raise ValueError(f"'{ddl}' is not a type; a decimal has at most {_MOST_DIGITS} digits")
        return text
    if text in _ATOMIC:
        return text
    return _nested(stripped, ddl)


def _nested(text: str, ddl: str) -> str:
    match base(text).lower(), parts(text):
        case "array", [element]:
            return f"array<{normal(element)}>"
        case "map", [key, value]:
            return f"map<{normal(key)},{normal(value)}>"
        case "struct", [_, *_] as fields:
            named = (field.partition(":") for field in fields)
            return f"struct<{','.join(f'{name}:{normal(type_)}' for name, _, type_ in named)}>"
        case _:
            raise ValueError(
                f"'{ddl}' is not a type; write string, int, bigint, double, decimal(18,4), date, timestamp …"
            )


def base(ddl: str) -> str:
    """`map` of map<string,int>, `decimal` of decimal(18,4), the type itself where it has no parts."""
    return re.split(r"[<(]", ddl, maxsplit=1)[0]


def parts(ddl: str) -> list[str]:
    """What stands between the outer angle brackets: [string, array<int>] of map<string,array<int>>."""
    if "<" not in ddl or not ddl.endswith(">"):
        return []
    return list(_split(ddl[ddl.index("<") + 1 : -1]))


def _split(inner: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(inner):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield inner[start:at]
            start = at + 1
    yield inner[start:]


def fields(ddl: str) -> dict[str, str]:
    """Name -> type of a struct's fields; empty for anything else."""
    return dict(field.split(":", 1) for field in parts(ddl)) if base(ddl) == "struct" else {}


def element(ddl: str) -> str:
    """The element type of an array, the value type of a map."""
    return parts(ddl)[-1]


def is_decimal(ddl: str) -> bool:
    return ddl.startswith("decimal(")


def is_integer(ddl: str) -> bool:
    return ddl in INTEGERS


def is_number(ddl: str) -> bool:
    return is_integer(ddl) or ddl in FRACTIONS or is_decimal(ddl)


def is_atomic(ddl: str) -> bool:
    return ddl in _ATOMIC or is_decimal(ddl)


def is_sortable(ddl: str) -> bool:
    """Whether values of the type have an order (and equality): all but those that hold a map."""
    return "map<" not in ddl


def digits(ddl: str) -> tuple[int, int]:
    """Precision and scale of a decimal, or of the decimal that holds an integer type."""
    if ddl in _AS_DECIMAL:
        return _AS_DECIMAL[ddl]
    match = _DECIMAL.fullmatch(ddl)
    assert match, ddl  # noqa: S101  (callers ask is_decimal or is_integer first)
    return int(match[1]), int(match[2])


def decimal(precision: int, scale: int) -> str:
    """The decimal that Spark makes of a result: where 38 digits are not enough, fraction digits beyond six go first."""
    if precision <= _MOST_DIGITS:
        return f"decimal({precision},{scale})"
    whole = precision - scale
    return f"decimal({_MOST_DIGITS},{max(_MOST_DIGITS - whole, min(scale, _KEPT_SCALE))})"


def arithmetic(operator: str, left: str, right: str) -> str:
    """The type of `left operator right` (one of + - * / %) for two number types."""
    if left in FRACTIONS or right in FRACTIONS:
        return "float" if {left, right} == {"float"} and operator != "/" else "double"
    if is_integer(left) and is_integer(right):
        return "double" if operator == "/" else max(left, right, key=INTEGERS.index)
    (p1, s1), (p2, s2) = digits(left), digits(right)
    match operator:
        case "*":
            return decimal(p1 + p2 + 1, s1 + s2)
        case "/":
            scale = max(_KEPT_SCALE, s1 + p2 + 1)
            return decimal(p1 - s1 + s2 + scale, scale)
        case "%":
            return decimal(min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2))
        case _:
            scale = max(s1, s2)
            return decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)


def common(left: str, right: str) -> str | None:
    """The type that two alternatives (of a CASE, say) have together; None where texts, numbers and times are mixed."""
    if left == right or right == VOID:
        return left
    if left == VOID:
        return right
    if {left, right} == {"date", "timestamp"}:
        return "timestamp"
    if not (is_number(left) and is_number(right)):
        return None
    if left in FRACTIONS or right in FRACTIONS:
        return "float" if {left, right} == {"float"} else "double"
    if is_integer(left) and is_integer(right):
        return max(left, right, key=INTEGERS.index)
    (p1, s1), (p2, s2) = digits(left), digits(right)
    scale, whole = max(s1, s2), max(p1 - s1, p2 - s2)
    return f"decimal({min(whole + scale, _MOST_DIGITS)},{min(scale, _MOST_DIGITS)})"


def becomes(source: str, target: str) -> bool:
    """Can Spark make the one type of the other? Of a value that does not fit it then makes NULL."""
    if source in (VOID, target) or target == "string":
        return True
    if base(target) in ("array", "map"):
        return base(source) == base(target) and all(map(becomes, parts(source), parts(target)))
    both = {source, target}
    if not is_atomic(source) or "string" in both:
        return is_atomic(source)
    if "date" in both:
        return both == {"date", "timestamp"}
    return "timestamp" not in both or any(map(is_number, both))


def describe(ddl: str) -> str:
    """A type in an analyst's words."""
    if is_number(ddl):
        return "a number"
    words = {"string": "text", "boolean": "a condition", "array": "a list", "map": "a map", "struct": "a struct"}
    return words.get(base(ddl), f"a {base(ddl)}")
