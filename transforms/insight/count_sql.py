"""The counts that an insight is made of, as SQL for DuckDB over `compared`: a row a customer, with a (in the group) and
b (in the base), and the profile's columns."""

from collections.abc import Sequence

from transforms.tags.changes import quoted

# Numbers are counted between so many of the base's quantiles: ranks within a hundredth of everyone are ties.
FINE = 100
MOST_VALUES = 200
_EPOCH = "date '1970-01-01'"


def is_number(kind: str) -> bool:
    """Is DuckDB's type one that is compared by its distribution? Dates are: as days."""
    return kind.startswith(("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "DECIMAL", "DATE", "TIMESTAMP"))


def number_of(column: str, kind: str) -> str:
    """A column's value as a double; of a date the days since 1970."""
    value = quoted(column)
    days = f"date_diff('day', {_EPOCH}, cast({value} as date))"
    return f"cast({days if kind.startswith(('DATE', 'TIMESTAMP')) else value} as double)"


def quantiles_sql(numbers: Sequence[str]) -> str:
    """One row; of each number the base's quantiles, the largest of all, both medians, and how many lack it."""
    steps = [step / FINE for step in range(1, FINE)]
    told = [
        f"quantile_disc({number}, {steps}) filter (b), max({number}) filter (a or b), "
        f"median({number}) filter (a), median({number}) filter (b), "
        f"count(*) filter (a and {number} is null), count(*) filter (b and {number} is null)"
        for number in numbers
    ]
    return f"select {', '.join(told)} from compared"


def histograms_sql(numbers: Sequence[tuple[str, Sequence[float]]]) -> str:
    """One row; of each number a map: upper end (it belongs to the bin) -> customers; of the group, of the base."""
    told = [
        f"histogram({number}, {_list(ends)}) filter (a), histogram({number}, {_list(ends)}) filter (b)"
        for number, ends in numbers
    ]
    return f"select {', '.join(told)} from compared"


def _list(ends: Sequence[float]) -> str:
    return f"[{', '.join(f'{end!r}::double' for end in ends)}]"


def values_sql(column: str, kind: str) -> str:
    """value (NULL: none), customers of the group, of the base: the most frequent values; of a list its items."""
    name = quoted(column)
    counts = "count(*) filter (a) as n, count(*) filter (b) as m"
    missing = f"select null as value, {counts} from compared where {name} is null"
    value = f"cast({name} as varchar)"
    rows = "compared"
    if kind.endswith("[]"):
        missing = f"select null as value, {counts} from compared where coalesce(len({name}), 0) = 0"
        value, rows = "cast(value as varchar)", f"(select a, b, unnest(list_distinct({name})) as value from compared)"
    there = (
        f"select {value} as value, {counts} from {rows} where {value} is not null group by all "
        f"having n + m > 0 order by n + m desc, value limit {MOST_VALUES}"
    )
    return f"select * from ({there}) union all ({missing})"
