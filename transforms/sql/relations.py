"""What a query reads from, and what each of its parts may hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from transforms.sql.compiler import MEASURE, ExpressionError

LATER = "its value depends on the order of rows"
_REFUSED = {
    "limit": LATER + "; use rank() over (…) in a query in from",
    "order": "rows have no order here; remove it",
    "sort": "rows have no order here; remove it",
    "cluster": "rows have no order here; remove it",
    "distribute": "rows have no order here; remove it",
    "offset": LATER,
    "qualify": "put the rank into a query in from, and a where around it",
    "laterals": "it multiplies rows; use exists(list, x -> …) or transform()",
    "sample": "it gives other rows at each run",
}


def view_of(entity: str) -> str:
    """The name under which a query finds the rows of an entity."""
    return f"_silver_{entity}"


@dataclass(frozen=True)
class Relation:
    """A query, or an entity's rows: SQL and the types of its columns."""

    sql: str
    columns: Mapping[str, str]


def inlined(sql: str, measures: Sequence[str]) -> str:
    """SQL with its aggregates in their places."""
    for position, measure in enumerate(measures):
        sql = sql.replace(MEASURE.format(position), measure)
    return sql


def only(node: exp.Expr, allowed: set[str], word: str = "") -> None:
    """Raise ExpressionError where a part of the query is given that has no place here."""
    for name, value in node.args.items():
        if value and name not in allowed:
            raise ExpressionError(
                f"{word or name.rstrip('_')} is refused: {_REFUSED.get(name, 'it has no place in the sql of a tag')}"
            )


def told(node: exp.Expr) -> str:
    """A part of a query in a message."""
    text = node.sql(dialect="spark")
    return text if len(text) <= 40 else f"{text[:39]}…"
