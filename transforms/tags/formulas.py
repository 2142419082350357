"""Tags over what is known of a customer: facts, derived tags, rules, and the segments that RFM scores fall into."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression
from transforms.sql import types
from transforms.sql.operands import bounded
from transforms.tags.items import Formula, columns_of, compile_over, literal
from transforms.tags.tag import COLUMN_TYPES, Case, Tag

# What the cases of an RFM tag may speak of: its outputs, without the tag's name.
RFM_COLUMNS = {
    "r": "bigint", "f": "bigint", "m": "bigint", "recency_days": "bigint", "frequency": "bigint", "monetary": "double",
}  # fmt: skip


def formula_of(tag: Tag, *, timezone: str, columns: Mapping[str, str]) -> Formula:
    """The formula of a fact, a derived tag or a rule; `columns`: tag columns -> Spark type. Raises DefinitionError."""
    if tag.kind == "fact":
        select = compile_over(tag, str(tag.select), "select", timezone=timezone)
    elif tag.kind == "derived":
        select = compile_expression(
            str(tag.select), place=f"{tag.place}: select", columns=columns, timezone=timezone, noun="tag"
        )
        select = replace(select, sql=bounded(select.sql, select.type))
    else:
        select = cases_of(tag, timezone=timezone, columns=columns, noun="tag")
    ddl = COLUMN_TYPES[tag.type] if tag.type else ""
    return Formula(tag.tag, tag.tag, select, ddl, tag.values if tag.type == "enum" else ())


def rfm_segment(tag: Tag, *, timezone: str) -> Expression:
    """The segment by an RFM tag's cases, over its other outputs. Raises DefinitionError."""
    held = {name: f"{tag.tag}_{name}" for name in RFM_COLUMNS}
    return cases_of(tag, timezone=timezone, columns=RFM_COLUMNS, noun="score", held=held)


def eligible_of(tag: Tag, *, timezone: str, columns: Mapping[str, str]) -> Expression | None:
    """Who gets a model's score, over `columns` (tag columns -> Spark type); None: everybody. Raises DefinitionError."""
    if tag.eligible is None:
        return None
    place = f"{tag.place}: eligible"
    rule = compile_expression(tag.eligible, place=place, columns=columns, timezone=timezone, noun="tag")
    if rule.type not in ("boolean", types.VOID):
        raise DefinitionError(f"{place}: is {types.describe(rule.type)}, not a condition")
    return rule


def label_of(tag: Tag, *, timezone: str) -> Expression | None:
    """The rows that a model's label looks for; None: all of the entity. Raises DefinitionError."""
    assert tag.label  # noqa: S101  (checked with the tag's keys)
    if tag.label.where is None:
        return None
    place, columns = f"{tag.place}: label.where", {n: c.type for n, c in columns_of(tag.label.event).items()}
    rule = compile_expression(tag.label.where, place=place, columns=columns, timezone=timezone, what=tag.label.event)
    if rule.type not in ("boolean", types.VOID):
        raise DefinitionError(f"{place}: is {types.describe(rule.type)}, not a condition")
    return rule


def cases_of(
    tag: Tag, *, timezone: str, columns: Mapping[str, str], noun: str, held: Mapping[str, str] | None = None
) -> Expression:
    """The first case that holds; the default where none does, but NULL where nothing that the cases read is known.

    `held`: as `compile_expression` takes it.
    """
    problems: list[str] = []
    conditions: list[Expression] = []
    for position, case in enumerate(tag.cases):
        place = f"{tag.place}: cases[{position}].when"
        try:
            condition = compile_expression(
                case.when, place=place, columns=columns, timezone=timezone, noun=noun, held=held
            )
        except DefinitionError as error:
            problems.extend(error.lines)
            continue
        if condition.type not in ("boolean", types.VOID):
            problems.append(f"{place}: is {types.describe(condition.type)}, not a condition")
        conditions.append(condition)
    if problems:
        raise DefinitionError(*problems)
    read = sorted(frozenset[str]().union(*(condition.columns for condition in conditions)))
    branches = [f"when {c.sql} then {literal(case.value)}" for c, case in zip(conditions, tag.cases, strict=True)]
    nothing = " and ".join(f"(`{(held or {}).get(name, name)}` is null)" for name in read)
    unknown = [f"when {nothing} then null"] if nothing else []
    sql = f"(case {' '.join([*branches, *unknown])} else {literal(tag.default)} end)"
    return Expression("cases", frozenset(read), value_type(tag.cases, tag.default), sql)


def value_type(cases: Sequence[Case], default: Any) -> str:
    """The Spark type of the values of cases; `void` where they are of several kinds."""
    values = [value for value in (*(case.value for case in cases), default) if value is not None]
    kinds = {bool: "boolean", int: "bigint", float: "double", str: "string"}
    found = {kinds.get(type(value), types.VOID) for value in values}
    if found == {"bigint", "double"}:
        return "double"
    return found.pop() if len(found) == 1 else types.VOID
