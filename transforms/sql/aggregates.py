"""Aggregates of an expression, taken apart into measures: sums, counts, extremes that a planner can compute together.

A measure does not depend on the order of rows: sums are exact (whole numbers or decimals), ties are broken by content.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from transforms.sql import types

# Sums of doubles depend on the order of rows, so fractions are summed as decimals of ten digits after the point.
EXACT = "decimal(28,10)"
_WHOLE = "decimal(20,0)"


@dataclass(frozen=True)
class Measure:
    """One aggregate over rows. `values` are SQL over the row's columns; `condition` says which rows count."""

    function: Literal["sum", "count", "min", "max", "distinct", "percentile"]
    values: tuple[str, ...]
    type: str
    condition: str | None = None
    share: str = ""

    def sql(self, values: Sequence[str] | None = None) -> str:
        """The aggregate as Spark SQL, over `values` where they stand in other columns."""
        chosen = [self._where(value) for value in values or self.values]
        match self.function:
            case "sum":
                return f"try_sum({chosen[0]})"
            case "distinct":
                return f"count(distinct {', '.join(chosen)})"
            case "percentile":
                return f"percentile({chosen[0]}, {self.share})"
            case _:
                return f"{self.function}({chosen[0]})"

    def _where(self, value: str) -> str:
        return f"if({self.condition}, {value}, null)" if self.condition else value


@dataclass(frozen=True)
class Argument:
    """A compiled argument of an aggregate: its SQL and its type."""

    sql: str
    type: str


Keep = Callable[[Measure], str]


def taken_apart(name: str, given: Sequence[Argument], condition: str | None, keep: Keep) -> tuple[str, str]:
    """SQL and type of the aggregate `name`, in terms of measures. `keep` takes a measure and says how to write it.

    `count(distinct …)` comes as `distinct`, `count(*)` as `count` of the literal 1.
    """
    first = given[0]
    match name:
        case "sum" | "try_sum":
            measure = _sum(first, condition)
            return keep(measure), measure.type
        case "avg" | "mean" | "try_avg":
            return _average(first, condition, keep)
        case "stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop":
            return _spread(name, first, condition, keep)
        case "count_if":
            return keep(Measure("count", (f"if({first.sql}, 1, null)",), "bigint", condition)), "bigint"
        case "count":
            return keep(Measure("count", (first.sql,), "bigint", condition)), "bigint"
        case "distinct":
            return keep(Measure("distinct", tuple(item.sql for item in given), "bigint", condition)), "bigint"
        case "median" | "percentile":
            share = given[1].sql if name == "percentile" else "0.5"
            return keep(Measure("percentile", (first.sql,), "double", condition, share)), "double"
        case "max_by" | "min_by":
            return _value_by(name.removesuffix("_by"), first, given[1], condition, keep)
        case _:
            function: Literal["min", "max"] = "min" if name in ("min", "every", "bool_and") else "max"
            return keep(Measure(function, (first.sql,), first.type, condition)), first.type


def _exact(value: Argument) -> Argument:
    """The value as a whole number or a decimal, whose sum does not depend on the order of rows."""
    if value.type in types.FRACTIONS:
        return Argument(f"try_cast({value.sql} as {EXACT})", EXACT)
    return value


def _sum(value: Argument, condition: str | None) -> Measure:
    exact = _exact(value)
    if types.is_integer(exact.type):
        return Measure("sum", (exact.sql,), "bigint", condition)
    precision, scale = types.digits(exact.type)
    return Measure("sum", (exact.sql,), f"decimal({min(precision + 10, 38)},{scale})", condition)


def _average(value: Argument, condition: str | None, keep: Keep) -> tuple[str, str]:
    total = _sum(value, condition)
    rows = Measure("count", (value.sql,), "bigint", condition)
    numerator = _WHOLE if total.type == "bigint" else total.type
    sql = f"try_divide(try_cast({keep(total)} as {numerator}), try_cast({keep(rows)} as {_WHOLE}))"
    return sql, types.arithmetic("/", numerator, _WHOLE)


def _spread(name: str, value: Argument, condition: str | None, keep: Keep) -> tuple[str, str]:
    """Variance from exact sums, (n Σx² - (Σx)²) / (n (n - 1)), or / n² for the whole population."""
    exact = Argument(f"try_cast({value.sql} as decimal(18,4))", "decimal(18,4)")
    squared = Argument(f"try_multiply({exact.sql}, {exact.sql})", "decimal(37,8)")
    rows = keep(Measure("count", (exact.sql,), "bigint", condition))
    total, squares = keep(_sum(exact, condition)), keep(_sum(squared, condition))
    # both products fit decimal(38,8) up to sums of 10^15
    above = (
        f"try_cast(try_subtract(try_multiply(try_cast({rows} as decimal(10,0)), {squares}), "
        f"try_multiply({total}, {total})) as double)"
    )
    below = f"try_multiply({rows}, {rows if name.endswith('_pop') else f'try_subtract({rows}, 1)'})"
    sql = f"try_divide({above}, try_cast({below} as double))"
    return (f"sqrt({sql})" if name.startswith("std") else sql), "double"


def _value_by(function: str, value: Argument, order: Argument, condition: str | None, keep: Keep) -> tuple[str, str]:
    """max_by and min_by, ties decided by the greatest (smallest) value: Spark's own take any of them."""
    pair = f"if(({order.sql}) is null, null, named_struct('k', {order.sql}, 'v', {value.sql}))"
    measure = Measure(
        "max" if function == "max" else "min", (pair,), f"struct<k:{order.type},v:{value.type}>", condition
    )
    return f"{keep(measure)}.v", value.type
