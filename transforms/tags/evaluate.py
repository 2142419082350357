"""Tags over frames: an entity's rows into one row a customer, and what is derived from that."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.expressions import at
from transforms.schemas import Column
from transforms.tags.items import Formula, ended
from transforms.tags.plan import EntityPlan, Result, Scan, ValueScan

_ID = "customer_id"
_Sql = Callable[[str], SparkColumn]


def over_rows(
    rows: DataFrame,
    *,
    customers: DataFrame,
    plan: EntityPlan,
    day: date,
    as_of: datetime,
    withheld: Collection[str] = (),
    together: bool = False,
) -> DataFrame:
    """The columns of `plan`. Grain: each of `customers` (customer_id), with or without rows.

    `rows`: the entity's rows that this night may see, with their customer_id. `day`: windows end with it.
    `withheld`: tags that are NULL for everybody, because their sources never came or have been silent too long.
    `together`: rows and customers are in one partition each, so that nothing need be sent anywhere to be joined.
    """

    found = worked_out(rows, customers=customers, plan=plan, day=day, as_of=as_of, together=together)
    return told(found, plan=plan, day=day, as_of=as_of, withheld=withheld)


def worked_out(
    rows: DataFrame, *, customers: DataFrame, plan: EntityPlan, day: date, as_of: datetime, together: bool = False
) -> DataFrame:
    """What `plan` asks of the rows, as in `over_rows`: its results, of those that the day changes what is kept.

    With the columns of `customers`.
    """

    def sql(text: str) -> SparkColumn:
        return F.expr(at(text, day=day, as_of=as_of))

    needed = prepared(rows, plan=plan, day=day, as_of=as_of)
    parts = [aggregated(needed, scan, day=day, as_of=as_of) for scan in plan.scans]
    wide = side_by_side(customers, parts, together=together)
    return wide.select(
        *customers.columns,
        *(_value(result, sql).alias(result.name) for result in plan.results if not result.kept),
        *(sql(text).alias(name) for result in plan.results for name, text in result.kept.items()),
    )


def told(
    found: DataFrame, *, plan: EntityPlan, day: date, as_of: datetime, withheld: Collection[str] = (),
    keep: bool = False,
) -> DataFrame:  # fmt: skip
    """The columns of `plan` out of what `worked_out` found. keep: with what the next night carries over."""

    def sql(text: str) -> SparkColumn:
        return F.expr(at(text, day=day, as_of=as_of))

    def column(result: Result) -> SparkColumn:
        if result.tag in withheld:
            return F.lit(None).cast(result.type)
        return _value(result, sql) if result.kept else F.col(result.name)

    kept = [name for result in plan.results for name in result.kept] if keep else []
    return found.select(_ID, *(column(result).alias(result.name) for result in plan.results), *kept)


def carried_over(held: DataFrame, fresh: DataFrame, changed: DataFrame, *, plan: EntityPlan) -> DataFrame:
    """What `worked_out` gives for the lasting part of a plan, of which only a part was worked out. Grain: customer.

    held: what was found last night. fresh: what was worked out tonight, with `_reach`: over how many days back, NULL:
    over all; what is of longer windows is as it was held. changed: all customers of whom not everything is.
    """
    names = [name for result in plan.results for name in result.lasting]
    new = fresh.select(_ID, "_reach", F.struct(*names).alias("_fresh"))

    def column(result: Result, name: str) -> SparkColumn:
        reached = F.col("_reach").isNull() | (F.lit(result.window) <= F.col("_reach"))
        return F.when(reached, F.col("_fresh")[name]).otherwise(F.col(name)).alias(name)

    held = held.select(_ID, *names)
    # by itself, because a choice for each of a hundred columns costs more than to read and write them
    same = held.join(changed, _ID, "left_anti")
    both = new.join(held.join(changed, _ID, "left_semi"), _ID, "left")
    other = both.select(_ID, *(column(result, name) for result in plan.results for name in result.lasting))
    return same.union(other)


def side_by_side(customers: DataFrame, frames: Iterable[DataFrame], *, together: bool) -> DataFrame:
    """`customers` with the columns of frames that have one row a customer at most. `together`: as in `over_rows`."""
    hinted = (frame.hint("merge") if together else frame for frame in frames)
    return reduce(lambda left, right: left.join(right, _ID, "left"), hinted, customers)


def prepared(rows: DataFrame, *, plan: EntityPlan, day: date, as_of: datetime) -> DataFrame:
    """The rows within the longest window, with a true-or-false column for each condition of the plan."""
    recent = rows.where(F.col("event_date") > F.date_sub(F.lit(day), plan.reach)) if plan.reach else rows
    conditions = {
        name: F.coalesce(F.expr(at(condition, day=day, as_of=as_of)), F.lit(False))
        for name, condition in plan.conditions.items()
    }
    return recent.withColumns(conditions) if conditions else recent


def nothing(frame: DataFrame, columns: Iterable[Result | Column]) -> DataFrame:
    """`frame` with these columns, all NULL: what they are made from never came, fell silent, or has no model."""
    return frame.withColumns({column.name: F.lit(None).cast(column.type) for column in columns})


def facts(customers: DataFrame, *, facts: Sequence[Formula], day: date, as_of: datetime) -> DataFrame:
    """The facts, from the golden record. Grain: customer."""
    return customers.select(_ID, *(_formula(fact, day, as_of).alias(fact.name) for fact in facts))


def formulas(frame: DataFrame, *, level: Sequence[Formula], day: date, as_of: datetime) -> DataFrame:
    """`frame` (the tags so far, one row a customer) with the columns of one level of derived tags and rules."""
    return frame.withColumns({formula.name: _formula(formula, day, as_of) for formula in level}) if level else frame


def _formula(formula: Formula, day: date, as_of: datetime) -> SparkColumn:
    sql = ended(formula.select.sql, formula.select.type, formula.type, formula.values)
    return F.expr(at(sql, day=day, as_of=as_of)).cast(formula.type)


def aggregated(rows: DataFrame, scan: Scan, *, day: date, as_of: datetime) -> DataFrame:
    """One scan over `prepared` rows. Grain: customer with rows that it counts."""

    def sql(text: str) -> SparkColumn:
        return F.expr(at(text, day=day, as_of=as_of))

    # a filter that joins many conditions by OR takes the optimizer minutes to simplify
    counted = (
        rows.where(f"`{min(scan.conditions)}`") if len(scan.conditions) == 1 and "" not in scan.conditions else rows
    )
    inner = [sql(text).alias(name) for name, text in scan.columns.items()]
    if not isinstance(scan, ValueScan):
        return counted.groupBy(_ID).agg(*inner)
    keys = {f"_v{position}": sql(value) for position, value in enumerate(scan.values)}
    present = " and ".join(f"{key} is not null" for key in keys)
    outer = [sql(text).alias(name) for name, text in scan.outer.items()]
    return counted.withColumns(keys).where(present).groupBy(_ID, *keys).agg(*inner).groupBy(_ID).agg(*outer)


def _value(result: Result, sql: _Sql) -> SparkColumn:
    value = F.when(F.col(result.matched) > 0, sql(result.sql)).otherwise(sql(result.default))
    return value.cast(result.type)
