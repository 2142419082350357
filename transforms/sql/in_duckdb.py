"""Expressions in DuckDB's words: read anew by sqlglot, and mended where the same word means something else there.

The connection's time zone is the business's. The text has been compiled before (transforms/expressions.py): what is
refused there never comes here.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from transforms.errors import DefinitionError
from transforms.expressions import AsWritten


class Clock:
    """The business day and its end, by which expressions are said."""

    def __init__(self, day: date, as_of: datetime) -> None:
        self.day = f"date '{day.isoformat()}'"
        self.end = exp.cast(exp.Literal.string(as_of.isoformat(" ")), "timestamptz")

    def said(self, text: str, place: str) -> str:
        """A Spark expression in DuckDB's words. Raises DefinitionError where that cannot be."""
        try:
            tree = _from_below(parse_one(text, dialect=AsWritten), self._mended)
            return f"({tree.sql(dialect='duckdb', unsupported_level=None)})"
        except SqlglotError:
            raise DefinitionError(f"{place}: cannot be said in DuckDB's words; recompute it with --spark") from None

    def _mended(self, node: Any) -> Any:
        """What means something else in DuckDB than in Spark."""
        if isinstance(node, exp.Column) and node.name.lower() == "as_of" and not node.table:
            return self.end.copy()
        if isinstance(node, exp.Anonymous) and str(node.this).lower() in _CALLS:
            return _CALLS[str(node.this).lower()](*node.expressions)
        rule = _OTHERWISE.get(type(node))
        return rule(node) if rule else node


def _from_below(node: Any, rule: Callable[[Any], Any]) -> Any:
    """The tree with `rule` applied to every node, to those within a node before it: sqlglot leaves these out."""
    for child in list(node.iter_expressions()):
        child.replace(_from_below(child, rule))
    return rule(node)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _weekday(value: Any) -> exp.Expr:
    """Monday is 0."""
    return exp.paren(exp.Sub(this=exp.Anonymous(this="isodow", expressions=[value]), expression=_number(1)))


def _day_of_week(node: Any) -> exp.Expr:
    """Sunday is 1."""
    return exp.paren(exp.Add(this=exp.Anonymous(this="dayofweek", expressions=[node.this]), expression=_number(1)))


def _percentile(node: Any) -> exp.Expr:
    return exp.Anonymous(this="quantile_cont", expressions=[node.this, node.args["quantile"]])


def _rounded(node: Any) -> exp.Expr:
    """Rounded as it is written: 1.005 is just below that in DuckDB, whose divisions give doubles."""
    exact = node.copy()
    exact.set("this", _decimal(node.this))
    return exp.Coalesce(this=exact, expressions=[node.copy()])


def _decimal(value: Any) -> exp.Expr:
    return exp.TryCast(this=value.copy(), to=exp.DataType.build("decimal(38,12)"))


def _whole(node: Any) -> exp.Expr:
    """A cast to a whole number cuts off what DuckDB would round."""
    if node.to.is_type(*exp.DataType.INTEGER_TYPES):
        node.set("this", exp.Anonymous(this="trunc", expressions=[_decimal(node.this)]))
    return node  # type: ignore[no-any-return]


def _escaped(node: Any) -> exp.Expr:
    r"""In a pattern \_ is an underscore."""
    if "\\" not in node.expression.name:
        return node  # type: ignore[no-any-return]
    return exp.paren(exp.Escape(this=node.copy(), expression=exp.Literal.string("\\")))


def _replaced(node: Any) -> exp.Expr:
    """A group is named $1 in Java's words."""
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal):
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    return node  # type: ignore[no-any-return]


_OTHERWISE: dict[type[exp.Expr], Callable[[Any], exp.Expr]] = {
    exp.DayOfWeek: _day_of_week, exp.Quantile: _percentile, exp.Round: _rounded, exp.Cast: _whole, exp.TryCast: _whole,
    exp.Like: _escaped, exp.ILike: _escaped, exp.RegexpReplace: _replaced,
    exp.MonthsBetween: exp.paren,  # sqlglot writes it as a sum without parentheses
}  # fmt: skip
_CALLS: dict[str, Callable[..., exp.Expr]] = {
    "weekday": _weekday,
    "any": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "some": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "every": lambda value: exp.Anonymous(this="bool_and", expressions=[value]),
}


def condition_sql(text: str, *, place: str, day: date, as_of: datetime) -> str:
    """A rule over the profile in DuckDB's words; never NULL. Raises DefinitionError where sqlglot cannot say it."""
    return f"coalesce({Clock(day, as_of).said(text, place)}, false)"
