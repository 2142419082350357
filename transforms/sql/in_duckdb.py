"""Expressions in DuckDB's words: read anew by sqlglot, and mended where the same word means something else there.

The connection's time zone is the business's. The text has been compiled before (transforms/expressions.py): what is
refused there never comes here.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import cache, partial
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from transforms.errors import DefinitionError
from transforms.expressions import AsWritten


class Clock:
    """The business day and its end, by which expressions are said."""

    def __init__(self, day: date, as_of: datetime) -> None:
        self.day = f"date '{day.isoformat()}'"
        self.begin = exp.cast(exp.Literal.string(day.isoformat()), "timestamptz")
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
        if isinstance(node, _CALENDAR) or _is_text_cast(node):
            # where the calendar is asked, as_of is the business day itself
            for part in [part for part in node.iter_expressions() if part == self.end]:
                part.replace(self.begin.copy())
        if isinstance(node, exp.Anonymous) and str(node.this).lower() in _CALLS:
            return _CALLS[str(node.this).lower()](*node.expressions)
        rule = _OTHERWISE.get(type(node))
        return rule(node) if rule else node


def _from_below(node: Any, rule: Callable[[Any], Any]) -> Any:
    """The tree with `rule` applied to every node, to those within a node before it: sqlglot leaves these out."""
    for child in list(node.iter_expressions()):
        child.replace(_from_below(child, rule))
    return rule(node)


@cache
def _read(sql: str) -> exp.Expr:
    return parse_one(sql, dialect="duckdb")


def _words(sql: str, **parts: Any) -> exp.Expr:
    """DuckDB's SQL with `parts` in place of its `:names`."""
    filled = exp.replace_placeholders(_read(sql), **{name: part.copy() for name, part in parts.items()})
    return exp.paren(filled)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


_TEXT = """case when typeof(:x) = 'TIMESTAMP WITH TIME ZONE' then cast(try_cast(:x as timestamp) as varchar)
    else cast(:x as varchar) end"""
_WHOLE = """case typeof(:x)
    when 'VARCHAR' then try_cast(regexp_extract(cast(:x as varchar), '^\\s*[+-]?[0-9]+\\s*$') as decimal(38,12))
    when 'TIMESTAMP WITH TIME ZONE' then cast(floor(epoch(try_cast(:x as timestamptz))) as decimal(38,12))
    else trunc(try_cast(:x as decimal(38,12))) end"""
# From the first moment of a month to that of another, and the seconds beyond, 31 days a month; on the same day of the
# month, or on the last of both, whole months. As Spark has it: DateTimeUtils.monthsBetween.
_MONTHS = """case when :a is null or :b is null then null
    when day(:a) = day(:b) or (day(:a) = day(last_day(:a)) and day(:b) = day(last_day(:b))) then :months
    else round(:months + (floor(epoch(:a - date_trunc('month', :a))) - floor(epoch(:b - date_trunc('month', :b))))
        / (31 * 86400), 8) end"""


def _weekday(value: Any) -> exp.Expr:
    """Monday is 0."""
    return exp.paren(exp.Sub(this=exp.Anonymous(this="isodow", expressions=[value]), expression=_number(1)))


def _day(*parts: Any) -> exp.Expr:
    """A day that there is not is NULL; try() takes no aggregate."""
    made = exp.Anonymous(this="make_date", expressions=list(parts))
    return made if made.find(exp.AggFunc) else exp.Anonymous(this="try", expressions=[made])


def _day_of_week(node: Any) -> exp.Expr:
    """Sunday is 1."""
    return exp.paren(exp.Add(this=exp.Anonymous(this="dayofweek", expressions=[node.this]), expression=_number(1)))


def _months_between(node: Any) -> exp.Expr:
    a, b = (_words("try_cast(:x as timestamp)", x=side) for side in (node.this, node.expression))
    months = _words("(year(:a) - year(:b)) * 12 + month(:a) - month(:b)", a=a, b=b)
    return _words(_MONTHS, a=a, b=b, months=months)


def _percentile(node: Any) -> exp.Expr:
    """Of doubles: between two decimals DuckDB cuts off what lies between their last digits."""
    share = node.args.get("quantile") or exp.Literal.number("0.5")
    return exp.Anonymous(this="quantile_cont", expressions=[exp.cast(node.this, "double"), share])


def _rounded(node: Any) -> exp.Expr:
    """Rounded as it is written: 1.005 is just below that in DuckDB, whose divisions give doubles."""
    exact = node.copy()
    exact.set("this", _decimal(node.this))
    return exp.Coalesce(this=exact, expressions=[node.copy()])


def _decimal(value: Any) -> exp.Expr:
    return exp.TryCast(this=value.copy(), to=exp.DataType.build("decimal(38,12)"))


def _is_text_cast(node: Any) -> bool:
    return isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.TEXT_TYPES)


def _cast(node: Any) -> exp.Expr:
    """Of a number a cast to a whole one cuts off what DuckDB would round, of a text it takes only that; of a time it
    gives the seconds."""
    if _is_text_cast(node):
        return _text(node.this)
    if node.to.is_type(*exp.DataType.INTEGER_TYPES):
        node.set("this", _words(_WHOLE, x=node.this))
    return node  # type: ignore[no-any-return]


def _text(value: Any) -> exp.Expr:
    """A time as text is what the business's clock says, without the zone."""
    return value if isinstance(value, exp.Literal) and value.is_string else _words(_TEXT, x=value)


def _joined(node: Any) -> exp.Expr:
    """Texts put together."""
    for part in list(node.iter_expressions()):
        part.replace(_text(part))
    return node  # type: ignore[no-any-return]


def _positive(node: Any) -> exp.Expr:
    """A logarithm is of what is greater than nothing."""
    return _words("case when :x > 0 then :log end", x=node.expression or node.this, log=node)


def _divided(node: Any) -> exp.Expr:
    """By nothing nothing is divided."""
    node.set("expression", exp.Nullif(this=node.expression, expression=_number(0)))
    return node  # type: ignore[no-any-return]


def _from_first(node: Any) -> exp.Expr:
    """Position 0 is the first."""
    if node.args.get("start") == _number(0):
        node.set("start", _number(1))
    return node  # type: ignore[no-any-return]


def _by(node: Any, extreme: str) -> exp.Expr:
    """Of equal ones the greatest (smallest) value, NULL the smallest of all."""
    by = _words(
        "case when :o is not null then {'o': :o, 'k': :v is not null, 'v': :v} end", o=node.expression, v=node.this
    )
    return exp.Anonymous(this=f"arg_{extreme}_null", expressions=[node.this, by])


def _any(node: Any) -> exp.Expr:
    """exists(list, x -> …), which is no subquery: NULL where it holds for none and for some it cannot be told."""
    if not node.expression:
        return node  # type: ignore[no-any-return]
    unknown = node.expression.copy()
    unknown.set("this", exp.Is(this=exp.paren(unknown.this), expression=exp.Null()))
    sql = """case when len(list_filter(:l, :holds)) > 0 then true
        when :l is null or len(list_filter(:l, :unknown)) > 0 then null else false end"""
    return _words(sql, l=node.this, holds=node.expression, unknown=unknown)


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


_CALENDAR = (
    exp.Hour, exp.Minute, exp.Second, exp.TimeStrToTime, exp.TimestampTrunc, exp.MonthsBetween, exp.DPipe, exp.Concat,
)  # fmt: skip
_OTHERWISE: dict[type[exp.Expr], Callable[[Any], exp.Expr]] = {
    exp.DayOfWeek: _day_of_week, exp.Quantile: _percentile, exp.Median: _percentile, exp.Round: _rounded,
    exp.Cast: _cast, exp.TryCast: _cast,
    exp.Like: _escaped, exp.ILike: _escaped, exp.RegexpReplace: _replaced, exp.MonthsBetween: _months_between,
    exp.DPipe: _joined, exp.Concat: _joined, exp.Ln: _positive, exp.Log: _positive, exp.Mod: _divided,
    exp.IntDiv: _divided, exp.Substring: _from_first, exp.Exists: _any,
    exp.ArgMax: partial(_by, extreme="max"), exp.ArgMin: partial(_by, extreme="min"),
    exp.IsNan: lambda node: _words("coalesce(isnan(:x), false)", x=node.this),
    exp.StrToUnix: lambda node: _words("cast(floor(epoch(cast(:x as timestamptz))) as bigint)", x=node.this),
    exp.ArrayPosition: lambda node: _words(
        "case when :l is not null and :e is not null then coalesce(list_position(:l, :e), 0) end",
        l=node.this, e=node.expression,
    ),
    exp.ArrayDistinct: lambda node: _words("list_filter(:l, lambda _u, _i: list_position(:l, _u) = _i)", l=node.this),
    exp.ArrayRemove: lambda node: _words(
        "case when :e is not null then list_filter(:l, lambda _u: _u is distinct from :e) end",
        l=node.this, e=node.expression,
    ),
    exp.MapContainsKey: lambda node: _words("list_contains(map_keys(:m), :k)", m=node.this, k=node.args["key"]),
}  # fmt: skip
_CALLS: dict[str, Callable[..., exp.Expr]] = {
    "weekday": _weekday,
    "any": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "some": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "every": lambda value: exp.Anonymous(this="bool_and", expressions=[value]),
    "make_date": _day,
    "isnull": lambda value: _words(":x is null", x=value),
    "isnotnull": lambda value: _words(":x is not null", x=value),
    "log1p": lambda value: _words("case when :x > -1 then ln(1 + :x) end", x=value),
    "get": lambda list_, place: _words("case when :n >= 0 then list_extract(:l, :n + 1) end", l=list_, n=place),
}


def condition_sql(text: str, *, place: str, day: date, as_of: datetime) -> str:
    """A rule over the profile in DuckDB's words; never NULL. Raises DefinitionError where sqlglot cannot say it."""
    return f"coalesce({Clock(day, as_of).said(text, place)}, false)"
