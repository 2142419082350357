"""How a tag's values are distributed, as SQL over a table of profiles, and as what the catalogue keeps. For DuckDB."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transforms.quality.drift import OTHERS, alike, stability_index
from transforms.tags.changes import quoted, text_of

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
DECILES = tuple(step / 10 for step in range(1, 10))
BINS = 20
MOST_VALUES = 20
MISSING = "(none)"
# Fewer customers say nothing of how values are distributed.
LEAST_CUSTOMERS = 100
_NUMBERS = ("DOUBLE", "BIGINT", "INTEGER")


def is_number(kind: str) -> bool:
    return kind in _NUMBERS


def summary_sql(columns: Mapping[str, str], table: str, *, hidden: Collection[str] = ()) -> str:
    """One row: per column the values that there are, how many differ, and of numbers their mean and quantiles.

    Of those that are `hidden` neither: the quantiles of a few customers are their values.
    """
    told = ["count(*) as customers"]
    for name, kind in columns.items():
        value = quoted(name)
        told += [
            f"count({value}) as {quoted(f'known {name}')}",
            f"count(distinct {value}) as {quoted(f'distinct {name}')}",
        ]
        if is_number(kind) and name not in hidden:
            # compensated and rounded: in which order the rows lie must not show in the last digit
            told.append(f"favg({value}) as {quoted(f'mean {name}')}")
            told.append(f"quantile_cont({value}, {list(QUANTILES)}) as {quoted(f'quantiles {name}')}")
    return f"select {', '.join(told)} from {table}"


def bins_sql(name: str, table: str, low: float, high: float) -> str:
    """bin, customers: a number's values in bins of one width between `low` and `high`; the ends hold what is beyond."""
    place = f"floor(({quoted(name)} - {low!r}) / {(high - low) / BINS!r})"
    return (
        f"select cast(least(greatest({place}, 0), {BINS - 1}) as int) as bin, count(*) from {table} "
        f"where {quoted(name)} is not null group by all"
    )


def values_sql(name: str, kind: str, table: str, *, timezone: str) -> str:
    """value, customers: of a list each of its items, of a time its day in the business's `timezone`."""
    value = f"unnest({quoted(name)})" if kind.endswith("[]") else quoted(name)
    if kind.startswith("TIMESTAMP"):
        value = f"cast(timezone({text_of(timezone)}, {value}) as date)"
    return (
        f"select cast(value as varchar) as value, count(*) as customers from (select {value} as value from {table}) "
        "where value is not null group by all order by customers desc, value"
    )


def edges_sql(name: str, table: str) -> str:
    """The deciles of a number, as far as they differ: the bins that its drift is measured in."""
    return f"select list_sort(list_distinct(quantile_disc({quoted(name)}, {list(DECILES)}))) from {table}"


def binned_sql(name: str, table: str, edges: Sequence[float]) -> str:
    """value, customers: the values of a number by the edges that they are above; those missing too."""
    above = " + ".join(f"cast({quoted(name)} > {edge!r} as int)" for edge in edges) or "0"
    # without an edge there is nothing that a missing value would make NULL
    return (
        f"select if({quoted(name)} is null, '{MISSING}', cast({above} as varchar)), count(*) from {table} group by all"
    )


def kept_values(counts: Sequence[tuple[str, int]], smallest_group: int) -> dict[str, int]:
    """The most frequent values; what fewer customers than the smallest group share is not named."""
    named = {value: count for value, count in counts[:MOST_VALUES] if count >= smallest_group}
    others = sum(count for value, count in counts if value not in named)
    return {**named, **({OTHERS: others} if others else {})}


def drift_of(before: Mapping[str, int], now: Mapping[str, int]) -> float | None:
    """The population stability index; None where a side has too few customers to say."""
    if min(sum(before.values()), sum(now.values())) < LEAST_CUSTOMERS:
        return None
    was, is_ = alike([before, now])
    return stability_index(was, is_)


def told(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What one column's part of the summary says."""
    found = {"known": row[f"known {name}"], "distinct": row[f"distinct {name}"]}
    if row.get(f"mean {name}") is not None:
        quantiles = row[f"quantiles {name}"]
        found |= {
            "mean": float(f"{row[f'mean {name}']:.12g}"),
            "quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
        }
    return found
