"""A tag's value of one customer as DuckDB's SQL: the definition read anew by sqlglot, not by what the night runs.

Two engines that agree on a value are worth more than one that repeats itself. The SQL reads the table `given`: the
customer's rows of the tag's entity, the golden record of a fact, or the tags that a tag is built on. The connection's
time zone is the business's.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from transforms.errors import DefinitionError
from transforms.expressions import AsWritten, canonical_names_in
from transforms.schemas import ENTITIES
from transforms.tags.changes import quoted, text_of
from transforms.tags.items import time_of
from transforms.tags.tag import CUSTOMER, Tag


def value_sql(tag: Tag, *, day: date, as_of: datetime) -> dict[str, str]:
    """Column -> SQL that gives its one value. Of a model only what is counted over rows.

    Raises DefinitionError where sqlglot cannot say it in DuckDB's words.
    """
    clock = _Clock(day, as_of)
    match tag.kind:
        case "statistic":
            return {tag.tag: _over_rows(tag, clock, _statistic(tag, clock), tag.default)}
        case "first" | "last":
            return {tag.tag: _over_rows(tag, clock, _pick(tag, clock), tag.default)}
        case "preference":
            return {tag.tag: _over_rows(tag, clock, _preference(tag, clock), tag.default)}
        case "fact" | "derived":
            return {tag.tag: f"select {clock.said(str(tag.select), tag.place)} from given"}
        case "rule":
            return {tag.tag: f"select {_cases(tag, clock)} from given"}
        case "rfm":
            return _rfm(tag, clock)
        case _:
            return {}


def rows_sql(tag: Tag, *, day: date, as_of: datetime) -> str:
    """The rows of `given` that count: `where`, the window, and no cancelled lines unless asked for."""
    return f"select * from given where {_condition(tag, _Clock(day, as_of))}"


def read_by(tag: Tag) -> frozenset[str]:
    """The columns of the tag's entity that its value is made from."""
    texts = [
        tag.where, tag.select, tag.first, tag.last, tag.recency, tag.frequency, tag.monetary,
        *((tag.preference.of, tag.preference.weight) if tag.preference else ()),
    ]  # fmt: skip
    return frozenset[str]().union(*(canonical_names_in(text) for text in texts if text)) - {"as_of"}


class _Clock:
    """The business day and its end, and Spark's words as DuckDB's."""

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
        if isinstance(node, exp.DayOfWeek):  # 1 is Sunday in Spark, 0 in DuckDB
            return exp.paren(
                exp.Add(this=exp.Anonymous(this="dayofweek", expressions=[node.this]), expression=_number(1))
            )
        if isinstance(node, exp.Quantile):
            return exp.Anonymous(this="quantile_cont", expressions=[node.this, node.args["quantile"]])
        if isinstance(node, exp.MonthsBetween):  # written as a sum without parentheses
            return exp.paren(node)
        rule = next((rule for kind, rule in _OTHERWISE.items() if isinstance(node, kind)), None)
        return rule(node) if rule else node


def _from_below(node: Any, rule: Callable[[Any], Any]) -> Any:
    """The tree with `rule` applied to every node, to those within a node before it: sqlglot leaves these out."""
    for child in list(node.iter_expressions()):
        child.replace(_from_below(child, rule))
    return rule(node)


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
    exp.Round: _rounded, exp.Cast: _whole, exp.Like: _escaped, exp.ILike: _escaped, exp.RegexpReplace: _replaced,
}  # fmt: skip


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _weekday(value: Any) -> exp.Expr:
    """Monday is 0."""
    return exp.paren(exp.Sub(this=exp.Anonymous(this="isodow", expressions=[value]), expression=_number(1)))


_CALLS: dict[str, Callable[..., exp.Expr]] = {
    "weekday": _weekday,
    "any": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "some": lambda value: exp.Anonymous(this="bool_or", expressions=[value]),
    "every": lambda value: exp.Anonymous(this="bool_and", expressions=[value]),
}


def _condition(tag: Tag, clock: _Clock) -> str:
    parts = [f"coalesce({clock.said(tag.where, tag.place)}, false)"] if tag.where else []
    if tag.from_ == "transaction" and "status" not in read_by(tag):
        parts.append("status is distinct from 'cancelled'")
    if tag.window:
        parts.append(f"event_date > {clock.day} - {tag.window} and event_date <= {clock.day}")
    return " and ".join(parts) or "true"


def _over_rows(tag: Tag, clock: _Clock, value: str, default: Any) -> str:
    """The value where rows count, else the default."""
    rows = f"with counted as (select * from given where {_condition(tag, clock)})"
    return f"{rows} select if((select count(*) from counted) > 0, ({value}), {literal(default)})"


def _statistic(tag: Tag, clock: _Clock) -> str:
    value = clock.said(str(tag.select), tag.place)
    scaled = f"cast({value} as double) * {tag.per} / {tag.window}" if tag.per and tag.window else value
    return f"select {scaled} from counted"


def _pick(tag: Tag, clock: _Clock) -> str:
    assert tag.from_  # noqa: S101  (checked with the tag's keys)
    last = tag.last is not None
    time = time_of(tag.from_)
    order, by = ("desc" if last else "asc"), quoted(time) if time else "null"
    value = clock.said(str(tag.last if last else tag.first), tag.place)
    return (
        f"select v from (select {value} as v, {by} as t from counted) where v is not null "
        f"order by t is null, t {order}, v {order} limit 1"
    )


def _preference(tag: Tag, clock: _Clock) -> str:
    wanted = tag.preference
    assert wanted  # noqa: S101  (checked with the tag's keys)
    value, weight = clock.said(wanted.of, tag.place), clock.said(wanted.weight or "1", tag.place)
    halved = f" * round(pow(0.5, date_diff('day', event_date, {clock.day}) / {wanted.half_life}), 12)"
    weighed = f"({weight}){halved if wanted.half_life else ''}"
    total = (
        f"select cast({value} as varchar) as v, sum({weighed}) as w from counted group by 1 "
        f"having w > 0 and v is not null order by w desc, v limit {wanted.top}"
    )
    return f"select nullif(list(v order by w desc, v), []) from ({total})"


def _cases(tag: Tag, clock: _Clock) -> str:
    whens = " ".join(f"when {clock.said(case.when, tag.place)} then {literal(case.value)}" for case in tag.cases)
    read = sorted(frozenset[str]().union(*(canonical_names_in(case.when) for case in tag.cases)) - {"as_of"})
    unknown = f" when {' and '.join(f'{quoted(name)} is null' for name in read)} then null" if read else ""
    return f"case {whens}{unknown} else {literal(tag.default)} end"


def _rfm(tag: Tag, clock: _Clock) -> dict[str, str]:
    end = clock.end.sql(dialect="duckdb")
    recency = clock.said(str(tag.recency), tag.place)
    values = {
        "recency_days": (f"date_diff('day', cast(max({recency}) as date), cast({end} as date))", None),
        "frequency": (clock.said(str(tag.frequency), tag.place), 0),
        "monetary": (clock.said(str(tag.monetary), tag.place), 0),
    }
    return {
        f"{tag.tag}_{name}": _over_rows(tag, clock, f"select {value} from counted", default)
        for name, (value, default) in values.items()
    }


def rfm_scores(figures: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, int | None]:
    """r, f and m: how many cut points the figures lie above; of recency fewer are better. None: bought nothing."""
    scores = int(parameters["scores"])

    def above(name: str, metric: str) -> int | None:
        value = figures[name]
        return None if value is None else sum(Decimal(str(value)) > Decimal(cut) for cut in parameters[metric])

    if not figures["frequency"] or figures["frequency"] <= 0:
        return dict.fromkeys("rfm")
    places = {
        "r": above("recency_days", "recency"),
        "f": above("frequency", "frequency"),
        "m": above("monetary", "monetary"),
    }
    return {
        score: None if place is None else scores - place if score == "r" else 1 + place
        for score, place in places.items()
    }


def rfm_segment_sql(tag: Tag, *, day: date, as_of: datetime) -> str:
    """The segment by the tag's cases, over `given`: r, f, m, recency_days, frequency, monetary."""
    return f"select {_cases(tag, _Clock(day, as_of))} from given"


def literal(value: Any) -> str:
    """A value of the YAML in DuckDB's words."""
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return str(value).lower()
        case date():
            return f"{'timestamptz' if isinstance(value, datetime) else 'date'} '{value.isoformat()}'"
        case list() | tuple():
            return f"[{', '.join(map(literal, value))}]"
        case _:
            return text_of(str(value))


def needed_by(tag: Tag) -> frozenset[str]:
    """The columns of `given`: of the entity, of the golden record, or of the tags that it is built on."""
    if tag.kind == "rule":
        return frozenset[str]().union(*(canonical_names_in(case.when) for case in tag.cases)) - {"as_of"}
    if tag.kind == "derived":
        return canonical_names_in(str(tag.select)) - {"as_of"}
    read = read_by(tag)
    if tag.from_ and tag.from_ != CUSTOMER:
        time = time_of(tag.from_)
        own = {column.name for column in ENTITIES[tag.from_].table.columns}
        by_itself = {"event_date", *([time] if time else []), *(["status"] if tag.from_ == "transaction" else [])}
        return (read | by_itself) & own
    return read


def settled(value: Any, tag: Tag, column: str, *, timezone: str) -> Any:
    """What DuckDB gave, as the profile would hold it: infinite is NULL, and so is an enum off its list.

    `timezone`: the business's. DuckDB's dates become times in it where they are added to.
    """
    kind = next(output.type for output in tag.outputs if output.name == column)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.date() if kind == "date" else value.replace(tzinfo=ZoneInfo(timezone))
    if value is None or kind not in ("double", "bigint", "string"):
        return value
    if kind == "string":
        return value if tag.type != "enum" or value in tag.values else None
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return number if kind == "double" else int(value)


def condition_sql(text: str, *, place: str, day: date, as_of: datetime) -> str:
    """A rule over the profile in DuckDB's words; never NULL. Raises DefinitionError where sqlglot cannot say it."""
    return f"coalesce({_Clock(day, as_of).said(text, place)}, false)"
