"""A group of customers beside everyone, or beside another group, over the profile's columns: counted by DuckDB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds

from transforms.errors import DefinitionError
from transforms.insight import count_sql as sql
from transforms.insight.tags import MISSING, Sides, TagInsight, corrected, of_numbers, of_values

# So many columns are held at a time: of a million customers some 400 MB.
BATCH = 50


@dataclass(frozen=True)
class Compared:
    """What was found. `other`: customers of the other group; None: everyone is the base."""

    size: int
    base_size: int
    tags: list[TagInsight]


def compare(
    profile: ds.Dataset, columns: Sequence[str], group: pa.Table, other: pa.Table | None, *, smallest: int
) -> Compared:
    """`group`, and `other` where it is not against everyone (see `apart`): tables of customer_id, each known and there
    once."""
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        duck.register("profile", profile)
        duck.register("_group", group)
        duck.register("_other", other if other is not None else group)
        base = "true" if other is None else "o.customer_id is not null"
        duck.execute(sql.sides_sql(base))
        sides = _sides(duck, within=other is None)
        found: list[TagInsight] = []
        for part in _in_parts(columns, BATCH):
            duck.execute(sql.compared_sql(part, sides.base_size))
            found += _tags(duck, part, sides, smallest)
    places = {name: number for number, name in enumerate(columns)}
    found.sort(key=lambda tag: places[tag.column])
    return Compared(sides.size, sides.base_size, corrected(found))


def apart(one: pa.Table, other: pa.Table, named: str, *, smallest: int) -> tuple[pa.Table, pa.Table, int]:
    """Those of one audience alone, those of the other alone, and how many are in both and so tell nothing.

    Where so few are in both that the audiences' own counts would tell of them, they stay on both sides (and 0 are said
    to be in both). Raises DefinitionError where fewer than `smallest` are in one alone.
    """
    in_other, in_one = (
        pc.is_in(group["customer_id"], value_set=rest["customer_id"].combine_chunks())
        for group, rest in ((one, other), (other, one))
    )
    alone = one.filter(pc.invert(in_other)), other.filter(pc.invert(in_one))
    if any(group.num_rows < smallest for group in alone):
        raise DefinitionError(
            f"{named}: fewer than {smallest} customers are in one of them and not in the other: nothing is told of so "
            "few (smallest_group in conf/privacy.yml)"
        )
    shared = one.num_rows - alone[0].num_rows
    return (*alone, shared) if shared >= smallest else (one, other, 0)


def _sides(duck: duckdb.DuckDBPyConnection, *, within: bool) -> Sides:
    row = duck.execute("select count(*) filter (a), count(*) filter (b) from side").fetchone()
    assert row  # noqa: S101  (an aggregate gives one row)
    return Sides(row[0], row[1], within)


def _tags(duck: duckdb.DuckDBPyConnection, columns: Sequence[str], sides: Sides, smallest: int) -> Iterator[TagInsight]:
    kinds = {row[0]: row[1] for row in duck.execute("describe compared").fetchall()}
    numbers = [name for name in columns if sql.is_number(kinds[name]) and not kinds[name].endswith("[]")]
    yield from _numbers(duck, {name: kinds[name] for name in numbers}, sides, smallest)
    for name in columns:
        if name not in numbers:
            rows = duck.execute(sql.values_sql(name, kinds[name])).fetchall()
            counts = {MISSING if value is None else value: (n, m) for value, n, m in rows}
            exclusive = not kinds[name].endswith("[]")
            yield of_values(name, kinds[name].lower(), counts, sides, smallest=smallest, exclusive=exclusive)


def _numbers(
    duck: duckdb.DuckDBPyConnection, kinds: dict[str, str], sides: Sides, smallest: int
) -> Iterator[TagInsight]:
    if not kinds:
        return
    said = {name: sql.number_of(name, kind) for name, kind in kinds.items()}
    told = duck.execute(sql.quantiles_sql(list(said.values()))).fetchone()
    assert told  # noqa: S101  (an aggregate gives one row)
    facts: dict[str, Sequence[Any]] = dict(zip(said, _in_parts(told, 6), strict=True))
    ends = {name: sorted({*(fact[0] or []), fact[1]}) for name, fact in facts.items() if fact[1] is not None}
    counted: tuple[Any, ...] = ()
    if ends:
        counted = duck.execute(sql.histograms_sql([(said[name], e) for name, e in ends.items()])).fetchone() or ()
    bins = dict(zip(ends, _in_parts(counted, 2), strict=True))
    for name, fact in facts.items():
        _, _, median, base_median, lacking, base_lacking = fact
        inside, base = ({} if one is None else one for one in bins.get(name, ({}, {})))
        values = ends.get(name, [])
        counts = [(inside.get(end, 0), base.get(end, 0)) for end in values]
        yield of_numbers(
            name, kinds[name].lower(), values, counts, (lacking, base_lacking), (median, base_median), sides,
            smallest=smallest,
        )  # fmt: skip


def _in_parts(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
