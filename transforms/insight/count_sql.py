"""The counts that an insight is made of, as SQL for DuckDB over `compared`: a row a customer, with a (in the group),
b (in the base), drawn (in the part of the base by which numbers are parted), and the profile's columns."""

from collections.abc import Sequence

from transforms.tags.changes import quoted

# Numbers are counted between so many of the base's quantiles: ranks within a hundredth of everyone are ties.
FINE = 100
MOST_VALUES = 200
# Of a larger base so many, drawn by a hash, tell where its hundredths lie: exact ones would take longer than all else.
DRAWN = 200_000
_EPOCH = "date '1970-01-01'"


def sides_sql(base: str) -> str:
    """Whose side each customer is on, from `profile`, `_group` and `_other`. `base`: SQL that says who is in it."""
    return (
        f"create temp table side as select p.customer_id, g.customer_id is not null as a, {base} as b "
        "from profile p left join _group g using (customer_id) left join _other o using (customer_id)"
    )


def compared_sql(columns: Sequence[str], base_size: int) -> str:
    """`compared` with some of the profile's columns."""
    one_of = max(base_size // DRAWN, 1)
    values = ", ".join(f"p.{quoted(name)}" for name in columns)
    return (
        f"create or replace temp table compared as select a, b, b and hash(customer_id) % {one_of} = 0 as drawn, "
        f"{values} from profile p join side using (customer_id)"
    )


def is_number(kind: str) -> bool:
    """Is DuckDB's type one that is compared by its distribution? Dates are: as days."""
    return kind.startswith(("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "DECIMAL", "DATE", "TIMESTAMP"))


def number_of(column: str, kind: str) -> str:
    """A column's value as a double; of a date the days since 1970."""
    value = quoted(column)
    days = f"date_diff('day', {_EPOCH}, cast({value} as date))"
    return f"cast({days if kind.startswith(('DATE', 'TIMESTAMP')) else value} as double)"


def quantiles_sql(numbers: Sequence[str]) -> str:
    """One row; of each number the base's quantiles (of those drawn), the largest of all, the medians of the group and
    of those drawn, and how many lack it."""
    steps = [step / FINE for step in range(1, FINE)]
    told = [
        f"quantile_disc({number}, {steps}) filter (drawn), max({number}) filter (a or b), "
        f"median({number}) filter (a), median({number}) filter (drawn), "
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
