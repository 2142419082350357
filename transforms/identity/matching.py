"""The matching part of conf/identity.yml: which records are compared, on what, and which pairs are looked at.

A blocking rule is a list of expressions over contact's columns, separated by commas: two records are compared where
all of them are equal and none is NULL.
"""

from collections.abc import Collection, Mapping
from typing import Literal

import sqlglot
from pydantic import Field, field_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError

from transforms.definitions import Definition, nearest
from transforms.schemas import ENTITIES

Kind = Literal["name", "date", "text", "postcode", "email", "phone", "code", "category"]
COLUMNS = {column.name: column.type for column in ENTITIES["contact"].columns if column.name != "contact_id"}
_FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Substring: "substr", exp.Left: "left", exp.Right: "right", exp.Lower: "lower", exp.Upper: "upper",
    exp.Trim: "trim", exp.Concat: "concat", exp.ConcatWs: "concat_ws", exp.SplitPart: "split_part",
    exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.DayOfMonth: "dayofmonth", exp.Length: "length",
    exp.RegexpReplace: "regexp_replace", exp.Reverse: "reverse", exp.Least: "least", exp.Greatest: "greatest",
}  # fmt: skip
_PARTS = (exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Cast, exp.DataType, exp.TsOrDsToDate, exp.DPipe)
# a date is compared as the text 1990-12-31: where its parts stand in it
_OF_A_DATE: dict[type[exp.Expression], tuple[int, int]] = {
    exp.Year: (1, 4),
    exp.Month: (6, 2),
    exp.Day: (9, 2),
    exp.DayOfMonth: (9, 2),
}
# people number their e-mail addresses alike
_NUMBER = "regexp_replace(split_part(email, '@', 1), '[^0-9]', '', 'g')"
_DERIVED = (
    ("email",), ("phone",), ("split_part(email, '@', 1)",),
    ("left(given_name, 3)", "left(family_name, 4)"),
    ("least(given_name, family_name)", "greatest(given_name, family_name)"),
    ("full_name",), ("birth_date", "left(full_name, 3)"),
    ("family_name", "birth_date"), ("given_name", "birth_date"), ("birth_date", "left(given_name, 2)"),
    ("birth_date", "left(family_name, 2)"), ("left(given_name, 2)", "left(family_name, 2)", "left(birth_date, 4)"),
    ("postal_code", "given_name"), ("postal_code", "family_name"), ("postal_code", "birth_date"),
    ("left(postal_code, 3)", "birth_date"), ("left(postal_code, 3)", "given_name"),
    ("left(postal_code, 3)", "family_name"), ("postal_code", "city", "left(birth_date, 4)"),
    ("city", "birth_date"), ("city", "given_name"), ("city", "family_name"),
    ("street",), ("street", "birth_date"),
    (_NUMBER, "left(given_name, 1)"), (_NUMBER, "left(family_name, 1)"), (_NUMBER, "left(full_name, 1)"),
)  # fmt: skip


class Matching(Definition):
    """What records are compared on. match_probability: from which on two records are one person.

    blocking_rules: the pairs that are looked at, each a text as the module describes; none given: derived from the
    columns that are compared.
    """

    records: tuple[Literal["contact"], ...] = ("contact",)
    blocking_rules: tuple[str, ...] = ()
    comparisons: dict[str, Kind] = Field(min_length=1)
    match_probability: float = Field(0.95, gt=0.5, lt=1)

    @field_validator("records")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no entity; contact is the one that describes persons")
        return value

    @field_validator("blocking_rules")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = [rule for rule in value if value.count(rule) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is given twice")
        return value


def check_matching(matching: Matching, identifiers: Collection[str]) -> None:
    """Raise ValueError, one line, where a column is unknown or a blocking rule is not one that can be used."""
    known = {*COLUMNS, *identifiers}
    for name, kind in matching.comparisons.items():
        if name not in known:
            raise ValueError(
                f"matching: comparisons: no column or identifier '{name}' in contact{nearest(name, known)}"
            )
        if (kind == "date") != (COLUMNS.get(name) == "date"):
            wanted = "date" if kind != "date" else "text, or another that compares texts"
            raise ValueError(f"matching: comparisons: {name}: cannot be compared as {kind}; say {wanted}")
    if {"full_name", "given_name"} <= matching.comparisons.keys():
        raise ValueError("matching: comparisons: full_name says what given_name says; compare one of them")
    rules(matching, identifiers)


def rules(matching: Matching, identifiers: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The blocking rules by their text, each as expressions of DuckDB over the standardised columns.

    Raises ValueError, one line, where one cannot be used.
    """
    if matching.blocking_rules:
        return {rule: _parsed(rule, {*COLUMNS, *identifiers}) for rule in matching.blocking_rules}
    compared = {name for name in matching.comparisons if name in COLUMNS}
    single = [(name,) for name, kind in matching.comparisons.items() if kind == "code"]
    fitting = [rule for rule in (*single, *_DERIVED) if columns_of(rule) <= compared | {name for (name,) in single}]
    return {", ".join(rule): rule for rule in fitting}


def columns_of(rule: tuple[str, ...]) -> set[str]:
    """The columns that a rule's expressions read."""
    return {column.name for text in rule for column in sqlglot.parse_one(text, read="duckdb").find_all(exp.Column)}


def _parsed(rule: str, known: Collection[str]) -> tuple[str, ...]:
    place = f"matching: blocking_rules: '{rule}'"
    try:
        parsed = sqlglot.parse_one(f"array({rule})", read="spark").expressions
    except SqlglotError:
        raise ValueError(
            f"{place} is not a list of expressions, such as birth_date, substr(family_name, 1, 3)"
        ) from None
    if not parsed or not rule.strip():
        raise ValueError(f"{place} names no column")
    return tuple(_written(node, known, place) for node in parsed)


def _written(node: exp.Expression, known: Collection[str], place: str) -> str:
    if not list(node.find_all(exp.Column)):
        raise ValueError(f"{place}: '{node.sql('spark')}' names no column")
    for part in node.walk():
        if isinstance(part, exp.Column) and part.name not in known:
            raise ValueError(f"{place}: no column '{part.name}' in contact{nearest(part.name, known)}")
        if not isinstance(part, (*_PARTS, *_FUNCTIONS)):
            allowed = ", ".join(sorted(_FUNCTIONS.values()))
            raise ValueError(f"{place}: '{part.sql('spark')}' has no place in a blocking rule; there are {allowed}")
    return str(node.transform(_as_text).sql("duckdb"))


def _as_text(node: exp.Expression) -> exp.Expression:
    """Parts of a date are taken from its text; nothing else is converted, every column being one."""
    if isinstance(node, exp.TsOrDsToDate | exp.Cast):
        inner: exp.Expression = node.this
        return inner
    if type(node) in _OF_A_DATE:
        start, length = _OF_A_DATE[type(node)]
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate | exp.Cast) else node.this
        return exp.Substring(this=inner, start=exp.Literal.number(start), length=exp.Literal.number(length))
    return node


def kinds(matching: Matching) -> Mapping[str, Kind]:
    """How each column that is compared is compared, in the order of their names: the model's own order."""
    return dict(sorted(matching.comparisons.items()))
