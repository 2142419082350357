"""Tags over frames: an entity's rows into one row a customer, and what is derived from that."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.expressions import at
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
) -> DataFrame:
    """The columns of `plan`. Grain: each of `customers` (customer_id), with or without rows.

    `rows`: the entity's rows that this night may see, with their customer_id. `day`: windows end with it.
    `withheld`: tags that are NULL for everybody, because their sources never came or have been silent too long.
    """

    def sql(text: str) -> SparkColumn:
        return F.expr(at(text, day=day, as_of=as_of))

    needed = prepared(rows, plan=plan, day=day, as_of=as_of)
    parts = [_aggregated(needed, scan, sql) for scan in plan.scans]
    wide = reduce(lambda left, right: left.join(right, _ID, "left"), parts, customers.select(_ID))
    return wide.select(
        _ID, *(_value(result, result.tag in withheld, sql).alias(result.name) for result in plan.results)
    )


def prepared(rows: DataFrame, *, plan: EntityPlan, day: date, as_of: datetime) -> DataFrame:
    """The rows within the longest window, with a true-or-false column for each condition of the plan."""
    recent = rows.where(F.col("event_date") > F.date_sub(F.lit(day), plan.reach)) if plan.reach else rows
    conditions = {
        name: F.coalesce(F.expr(at(condition, day=day, as_of=as_of)), F.lit(False))
        for name, condition in plan.conditions.items()
    }
    return recent.withColumns(conditions) if conditions else recent


def nothing(customers: DataFrame, *, plan: EntityPlan) -> DataFrame:
    """The columns of `plan`, all NULL: the entity's sources never came."""
    missing = [F.lit(None).cast(result.type).alias(result.name) for result in plan.results]
    return customers.select(_ID, *missing)


def formulas(frame: DataFrame, *, level: Sequence[Formula], day: date, as_of: datetime) -> DataFrame:
    """`frame` (golden record and tags so far, one row a customer) with the columns of one level of formulas."""
    return frame.withColumns(
        {
            formula.name: F.expr(
                at(ended(formula.select.sql, formula.select.type, formula.type, formula.values), day=day, as_of=as_of)
            )
            for formula in level
        }
    )


def _aggregated(rows: DataFrame, scan: Scan, sql: _Sql) -> DataFrame:
    counted = rows if "" in scan.conditions else rows.where(" or ".join(f"`{name}`" for name in scan.conditions))
    inner = [sql(text).alias(name) for name, text in scan.columns.items()]
    if not isinstance(scan, ValueScan):
        return counted.groupBy(_ID).agg(*inner)
    keys = {f"_v{position}": sql(value) for position, value in enumerate(scan.values)}
    present = " and ".join(f"{key} is not null" for key in keys)
    outer = [sql(text).alias(name) for name, text in scan.outer.items()]
    return counted.withColumns(keys).where(present).groupBy(_ID, *keys).agg(*inner).groupBy(_ID).agg(*outer)


def _value(result: Result, withheld: bool, sql: _Sql) -> SparkColumn:
    if withheld:
        return F.lit(None).cast(result.type)
    value = F.when(F.col(result.matched) > 0, sql(result.sql)).otherwise(sql(result.default))
    return value.cast(result.type)
