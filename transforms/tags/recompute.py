"""A tag's value of one customer as DuckDB's SQL: the definition read anew by sqlglot, not by what the night runs.

Two engines that agree on a value are worth more than one that repeats itself. The SQL reads the table `given`: the
customer's rows of the tag's entity, the golden record of a fact, or the tags that a tag is built on. The connection's
time zone is the business's.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from transforms.expressions import canonical_names_in
from transforms.schemas import ENTITIES
from transforms.sql.in_duckdb import Clock
from transforms.tags.changes import quoted, text_of
from transforms.tags.items import time_of
from transforms.tags.tag import CUSTOMER, Tag


def value_sql(tag: Tag, *, day: date, as_of: datetime) -> dict[str, str]:
    """Column -> SQL that gives its one value. Of a model only what is counted over rows.

    Raises DefinitionError where sqlglot cannot say it in DuckDB's words.
    """
    clock = Clock(day, as_of)
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
    return f"select * from given where {_condition(tag, Clock(day, as_of))}"


def read_by(tag: Tag) -> frozenset[str]:
    """The columns of the tag's entity that its value is made from."""
    texts = [
        tag.where, tag.select, tag.first, tag.last, tag.recency, tag.frequency, tag.monetary,
        *((tag.preference.of, tag.preference.weight) if tag.preference else ()),
    ]  # fmt: skip
    return frozenset[str]().union(*(canonical_names_in(text) for text in texts if text)) - {"as_of"}


def _condition(tag: Tag, clock: Clock) -> str:
    parts = [f"coalesce({clock.said(tag.where, tag.place)}, false)"] if tag.where else []
    if tag.from_ == "transaction" and "status" not in read_by(tag):
        parts.append("status is distinct from 'cancelled'")
    if days := tag.looks_back:
        parts.append(f"event_date > {clock.day} - {days} and event_date <= {clock.day}")
    return " and ".join(parts) or "true"


def _over_rows(tag: Tag, clock: Clock, value: str, default: Any) -> str:
    """The value where rows count, else the default."""
    rows = f"with counted as (select * from given where {_condition(tag, clock)})"
    return f"{rows} select if((select count(*) from counted) > 0, ({value}), {literal(default)})"


def _statistic(tag: Tag, clock: Clock) -> str:
    value = clock.said(str(tag.select), tag.place)
    scaled = f"cast({value} as double) * {tag.per} / {tag.window}" if tag.per and tag.window else value
    return f"select {scaled} from counted"


def _pick(tag: Tag, clock: Clock) -> str:
    assert tag.from_  # noqa: S101  (checked with the tag's keys)
    last = tag.last is not None
    time = time_of(tag.from_)
    order, by = ("desc" if last else "asc"), quoted(time) if time else "null"
    value = clock.said(str(tag.last if last else tag.first), tag.place)
    return (
        f"select v from (select {value} as v, {by} as t from counted) where v is not null "
        f"order by t is null, t {order}, v {order} limit 1"
    )


def _preference(tag: Tag, clock: Clock) -> str:
    wanted = tag.preference
    assert wanted  # noqa: S101  (checked with the tag's keys)
    value = clock.said(f"cast(({wanted.of}) as string)", tag.place)
    weight = clock.said(wanted.weight or "1", tag.place)
    weighed = f"({weight})"
    if days := wanted.half_life:
        since, today = (f"date_diff('day', date '0001-01-01', {at})" for at in ("event_date", clock.day))
        weighed += f" * round(pow(2, ({since} % {days}) / {days}), 6) * pow(2, {since} // {days} - {today} // {days})"
    total = (
        f"select {value} as v, sum({weighed}) as w from counted group by 1 "
        f"having w > 0 and v is not null order by w desc, v limit {wanted.top}"
    )
    return f"select nullif(list(v order by w desc, v), []) from ({total})"


def _cases(tag: Tag, clock: Clock) -> str:
    whens = " ".join(f"when {clock.said(case.when, tag.place)} then {literal(case.value)}" for case in tag.cases)
    read = sorted(frozenset[str]().union(*(canonical_names_in(case.when) for case in tag.cases)) - {"as_of"})
    unknown = f" when {' and '.join(f'{quoted(name)} is null' for name in read)} then null" if read else ""
    return f"case {whens}{unknown} else {literal(tag.default)} end"


def _rfm(tag: Tag, clock: Clock) -> dict[str, str]:
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
    return f"select {_cases(tag, Clock(day, as_of))} from given"


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
