"""How tags are computed: what can be aggregated together, and in which order.

A single large aggregate is slow: distinct counts multiply its rows, texts make it sort, and a generated method beyond
8,000 bytes is interpreted. So the statistics over an entity are put together by what they need:

    fixed       counts, sums, extremes of fixed width: one hash aggregate for all of them
    values      one for each value column: first by customer and value, then by customer. Distinct counts, first and
                last values, preferences
    sorted      extremes of texts and of structs (max_by), which Spark sorts for
    percentile  medians and percentiles, which keep every value

Each gives one narrow row a customer; they are joined at the end.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from transforms.schemas import Column, Table
from transforms.sql import types
from transforms.sql.aggregates import Measure
from transforms.sql.operands import DAY
from transforms.tags.across import TABLE as ACROSS_TABLE
from transforms.tags.across import AcrossPlan, plan_across
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.formulas import formula_of
from transforms.tags.items import (
    Formula,
    Item,
    Pick,
    Ranking,
    Statistic,
    ended,
    items_of,
    reads_clock,
    time_of,
)
from transforms.tags.tag import ACROSS, CUSTOMER, NOTHING_LEFT, Tag

# stands in an aggregate for the condition of the rows that count
_ROWS = "\0rows\0"
_OVER_ROWS = ("statistic", "first", "last", "preference", "rfm", "lifetime_value", "next_category")
# From this day on half-lives are counted: it is before every row's.
_FIRST_DAY = "date'0001-01-01'"
# Halvings within a half-life have so many digits, in whole numbers.
_HALVED = 1_000_000
_FORMULAS = ("derived", "rule")
_CUSTOMER_ID = Column("customer_id", "string", "the known customer", "normal", True)


@dataclass
class Scan:
    """One aggregate over the rows. `columns`: name -> SQL; `condition`: rows that none of them needs are left out."""

    kind: str
    columns: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, None] = field(default_factory=dict)


@dataclass
class ValueScan(Scan):
    """An aggregate by customer and `values` (SQL, as `_v0` …), and one over it by customer (`outer`: name -> SQL)."""

    values: tuple[str, ...] = ()
    outer: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EntityPlan:
    """All that is computed over one entity's rows. `results`: column -> SQL over the scans' columns, by tag."""

    entity: str
    scans: tuple[Scan, ...]
    conditions: Mapping[str, str]
    results: tuple["Result", ...]
    reach: int | None
    columns: frozenset[str]
    items: tuple[Item, ...]

    @property
    def tags(self) -> list[str]:
        return list(dict.fromkeys(result.tag for result in self.results))

    @cached_property
    def lasting(self) -> "EntityPlan":
        """The part whose rows count the same on any day, but for days that they cross."""
        return plan_entity(self.entity, [item for item in self.items if not item.ages])

    @cached_property
    def ageing(self) -> "EntityPlan":
        """The part for which every row is looked at again each day."""
        return plan_entity(self.entity, [item for item in self.items if item.ages])

    def lines(self) -> list[str]:
        """The plan in words, a line each scan."""
        told = [f"{self.entity}: {len(self.results)} columns in {len(self.scans)} scans"]
        for scan in self.scans:
            by = f" by {', '.join(scan.values)}" if isinstance(scan, ValueScan) else ""
            told.append(f"  {scan.kind}{by}: {len(scan.columns)} aggregates")
        return told


@dataclass(frozen=True)
class Result:
    """A column of a tag table: `sql` where rows matched (`matched` counts them), else `default`.

    Both are over the scans' columns; where the day itself changes what these tell, over `kept`: names for SQL over the
    scans' columns. `columns`: what it reads of the rows. `window`: in days; `crossed`: see `Item`.
    """

    name: str
    tag: str
    sql: str
    matched: str
    default: str
    type: str
    columns: frozenset[str]
    window: int | None
    crossed: frozenset[int]
    kept: Mapping[str, str]

    @property
    def lasting(self) -> list[str]:
        """The columns of a tag table that are the same tomorrow unless rows come, go or leave the window."""
        return [*self.kept] or [self.name]


@dataclass(frozen=True)
class TagPlan:
    """A night's tags: those over entities and across them, then those over the customer level by level."""

    entities: tuple[EntityPlan, ...]
    facts: tuple[Formula, ...]
    steps: tuple[tuple[Tag | Formula, ...], ...]
    tags: tuple[Tag, ...]
    across: AcrossPlan

    def lines(self) -> list[str]:
        names = [", ".join(step.tag for step in level) for level in (self.facts, *self.steps)]
        over_rows = [line for plan in self.entities for line in plan.lines()]
        return [*over_rows, *self.across.lines(), *(f"customer: {level}" for level in names)]


def plan_tags(tags: Mapping[str, Tag], *, timezone: str, only: Iterable[str] | None = None) -> TagPlan:
    """What to compute for the tags that are online, or for those named in `only` and what they are built on.

    `tags` as `parse_tags` gives them. Calendar functions read `timezone`.
    """
    chosen = _with_needs(tags, only) if only is not None else [tag for tag in tags.values() if tag.status == "online"]
    items = [item for tag in chosen if tag.kind in _OVER_ROWS for item in items_of(tag, timezone=timezone)]
    entities = dict.fromkeys(item.entity for item in items)
    plans = tuple(plan_entity(name, [item for item in items if item.entity == name]) for name in entities)
    facts = tuple(formula_of(tag, timezone=timezone, columns={}) for tag in chosen if tag.kind == "fact")
    across = plan_across(chosen, timezone=timezone)
    return TagPlan(plans, facts, tuple(_steps(chosen, timezone)), tuple(chosen), across)


def _with_needs(tags: Mapping[str, Tag], only: Iterable[str]) -> list[Tag]:
    wanted: set[str] = set()
    waiting = list(only)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(tags[name].depends_on)
    return [tag for name, tag in tags.items() if name in wanted]


def _steps(tags: Sequence[Tag], timezone: str) -> list[tuple[Tag | Formula, ...]]:
    """What is computed from the customer and other tags, each level from those before it.

    Models that foretell stand in the last one, unless something is built on them: all of them are scored in one step.
    """
    columns = {output.name: output.type for tag in tags for output in tag.outputs}
    needed = {need for tag in tags for need in tag.depends_on}
    levels: dict[int, list[Tag | Formula]] = {}
    last: list[Tag] = []
    depth: dict[str, int] = {}
    for tag in tags:
        if tag.kind in ("statistic", "first", "last", "preference", "fact", *ACROSS):
            depth[tag.tag] = 0
            continue
        depth[tag.tag] = 1 + max((depth[need] for need in tag.depends_on), default=-1)
        if tag.kind in PREDICTIONS and tag.tag not in needed:
            last.append(tag)
            continue
        step = formula_of(tag, timezone=timezone, columns=columns) if tag.kind in _FORMULAS else tag
        levels.setdefault(depth[tag.tag], []).append(step)
    if last:
        levels.setdefault(max(depth.values()), []).extend(last)
    return [tuple(levels[level]) for level in sorted(levels)]


def plan_entity(entity: str, items: Sequence[Item]) -> EntityPlan:
    """The scans that serve all `items` of one entity."""
    builder = _Builder()
    results = tuple(builder.result(item) for item in items)
    windows = [item.window for item in items]
    return EntityPlan(
        entity,
        tuple(builder.scans.values()),
        {name: sql for sql, name in builder.conditions.items()},
        results,
        None if None in windows else max((window for window in windows if window), default=None),
        frozenset[str]().union(*(item.columns for item in items), {time_of(entity) or "event_date", "event_date"}),
        tuple(items),
    )


class _Builder:
    """Collects the scans of an entity; asks for the same twice give the same column."""

    def __init__(self) -> None:
        self.scans: dict[tuple[str, ...], Scan] = {}
        self.conditions: dict[str, str] = {}
        self.known: dict[tuple[str, ...], str] = {}

    def result(self, item: Item) -> Result:
        matched = self._column(("fixed",), f"count(if({_ROWS}, 1, null))", item.condition, "count(1)")
        kept: dict[str, str] = {}
        if isinstance(item, Statistic):
            sql, kind, kept = self._statistic(item)
        elif isinstance(item, Pick):
            sql, kind = f"{self._pick(item)}.v", item.of.type
        else:
            assert isinstance(item, Ranking)  # noqa: S101  (there is no other kind of item)
            sql, kind = self._ranking(item), "array<string>"
        value = ended(sql, kind, item.type, item.values)
        if kept:
            rows = f"_{item.name}_rows"
            kept, matched = {**kept, rows: f"`{matched}`"}, rows
        return Result(
            item.name, item.tag, value, matched, item.default, item.type, item.columns, item.window, item.crossed, kept
        )

    def _statistic(self, item: Statistic) -> tuple[str, str, dict[str, str]]:
        """SQL, its type, and the aggregates in it that are kept for other days."""
        measures = [self._measure(measure, item.condition) for measure in item.select.measures]
        kept: dict[str, str] = {}
        if reads_clock(item.select.sql):
            kept = {f"_{item.name}_{place}": measure for place, measure in enumerate(measures)}
            measures = [f"`{name}`" for name in kept]
        sql = item.select.over(measures)
        if not item.scale:
            return sql, item.select.type, kept
        per, window = item.scale
        return f"(cast({sql} as double) * {per}D / {window}D)", "double", kept

    def _measure(self, measure: Measure, condition: str) -> str:
        condition = " and ".join(part for part in (condition, measure.condition) if part)
        if measure.function == "distinct":
            flag = self._inner(measure.values, condition)
            name = self._outer(measure.values, f"count(if(`{flag}`, 1, null))")
            return f"coalesce(`{name}`, 0)"
        scan = _scan_of(measure)
        plain = Measure(measure.function, measure.values, measure.type, share=measure.share)
        guarded = Measure(measure.function, measure.values, measure.type, condition=_ROWS, share=measure.share)
        return f"`{self._column((scan,), guarded.sql(), condition, plain.sql())}`"

    def _pick(self, item: Pick) -> str:
        """The extreme of (time, value): by customer and value the extreme time, then over these."""
        values = (item.of.sql,)
        flag = self._inner(values, item.condition)
        extreme = "max" if item.is_last else "min"
        time = "cast(null as timestamp)"
        if item.time:
            guarded = f"{extreme}(if({_ROWS}, `{item.time}`, null))"
            time = f"`{self._column(('values', *values), guarded, item.condition, f'{extreme}(`{item.time}`)')}`"
        # a missing time is neither first nor last
        order = f"'n', {time} is {'not ' if item.is_last else ''}null, 't', {time}, 'v', `_v0`"
        return f"`{self._outer(values, f'{extreme}(if(`{flag}`, named_struct({order}), null))')}`"

    def _ranking(self, item: Ranking) -> str:
        values = (item.of.sql,)
        exact = f"try_cast({item.weight} as decimal(38,10))" if item.weight_type in types.FRACTIONS else item.weight
        exact = _aged(item.weight, item.half_life) if item.half_life else exact
        total = self._column(
            ("values", *values), f"try_sum(if({_ROWS}, {exact}, null))", item.condition, f"try_sum({exact})"
        )
        pairs = f"collect_list(if(`{total}` > 0, named_struct('w', -`{total}`, 'v', `_v0`), null))"
        best = f"slice(transform(array_sort({pairs}), x -> x.v), 1, {item.top})"
        name = self._outer(values, best)
        return f"if(array_size(`{name}`) > 0, `{name}`, null)"

    # columns

    def _inner(self, values: tuple[str, ...], condition: str) -> str:
        """Of a value of a customer: did it occur in a row that counts?"""
        return self._column(("values", *values), f"max({_ROWS})", condition, "max(true)")

    def _outer(self, values: tuple[str, ...], sql: str) -> str:
        scan = self._scan(("values", *values))
        assert isinstance(scan, ValueScan)  # noqa: S101
        key = ("outer", *values, sql)
        if key not in self.known:
            self.known[key] = f"_a{len(self.known)}"
            scan.outer[self.known[key]] = sql
        return self.known[key]

    def _column(self, scan: tuple[str, ...], guarded: str, condition: str, plain: str) -> str:
        sql = guarded.replace(_ROWS, f"`{self._condition(condition)}`") if condition else plain
        key = (*scan, sql)
        if key not in self.known:
            self.known[key] = f"_a{len(self.known)}"
            target = self._scan(scan)
            target.columns[self.known[key]] = sql
            target.conditions[self._condition(condition) if condition else ""] = None
        return self.known[key]

    def _condition(self, sql: str) -> str:
        return self.conditions.setdefault(sql, f"_c{len(self.conditions)}")

    def _scan(self, key: tuple[str, ...]) -> Scan:
        if key not in self.scans:
            self.scans[key] = ValueScan("values", values=key[1:]) if key[0] == "values" else Scan(key[0])
        return self.scans[key]


def _scan_of(measure: Measure) -> str:
    """The kind of aggregate; one whose buffers have a fixed width is hashed, which is fastest."""
    if measure.function == "percentile":
        return "percentile"
    fixed = measure.function in ("sum", "count") or (types.is_atomic(measure.type) and measure.type != "string")
    return "fixed" if fixed else "sorted"


def _aged(weight: str, half_life: int) -> str:
    """A weight that halves with every `half_life` days, times 2 ** NOTHING_LEFT: a number without rounding.

    Half-lives are counted from one day on for all rows, so that whole ones are exact powers of two on whatever day it
    is asked: what weighs the same today weighs the same tomorrow, to the last digit. The rows are within NOTHING_LEFT
    half-lives. decimal(18,6) times 19 digits are the 38 that there are.
    """
    within = ", ".join(f"{round(2 ** (days / half_life) * _HALVED)}L" for days in range(half_life))
    since, today = (f"datediff({at}, {_FIRST_DAY})" for at in ("`event_date`", DAY))
    doubled = f"cast({NOTHING_LEFT} + {since} div {half_life} - {today} div {half_life} as int)"
    factor = f"shiftleft(element_at(array({within}), {since} % {half_life} + 1), {doubled})"
    return f"try_multiply(try_cast({weight} as decimal(18,6)), cast({factor} as decimal(19,0)))"


def meaning(tag: Tag, tags: Mapping[str, Tag]) -> str:
    """A hash that changes with the tag's definition and with that of any tag that it is built on."""
    chosen = sorted(_with_needs(tags, [tag.tag]), key=lambda need: need.tag)
    return hashlib.sha256("".join(need.definition_hash for need in chosen).encode()).hexdigest()


def tag_table(entity: str, columns: Iterable[Column], scattered: Iterable[str] = ()) -> Table:
    """tag/<entity>: one row a known customer, one column an output of the tags over the entity. Internal."""
    return Table(f"tag/{entity}", (_CUSTOMER_ID, *columns), key=("customer_id",), scattered=tuple(scattered))


def columns_in(plan: TagPlan, entity: str) -> list[Column]:
    """The columns of tag/<entity>; for `customer` those of facts, derived tags, rules and models.

    For `across` those of sequences, queries and imports.
    """
    outputs = {output.name: output for tag in plan.tags for output in tag.outputs}
    outputs |= {column.name: column for tag in plan.tags for column in tag.internal}
    over_rows = {result.name for entity_plan in plan.entities for result in entity_plan.results}
    across = {tag.tag for tag in plan.across.tags}
    if entity == CUSTOMER:
        return [column for name, column in outputs.items() if name not in over_rows | across]
    if entity == ACROSS_TABLE:
        return [outputs[tag.tag] for tag in plan.across.tags]
    chosen = next(entity_plan for entity_plan in plan.entities if entity_plan.entity == entity)
    return [outputs[result.name] for result in chosen.results]
