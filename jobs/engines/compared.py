"""Two sets of values of the same customers, column by column, in DuckDB: how many differ, from what to what."""

from collections.abc import Collection, Mapping
from typing import Any

import duckdb
from pyarrow import dataset as ds

from transforms.tags.changes import as_text, quoted
from transforms.tags.distribution import is_number

MOST_MOVES = 6
OTHERS = "(others)"


def compared(
    before: ds.Dataset, now: ds.Dataset, columns: Mapping[str, str], smallest_group: int, *, timezone: str,
    hidden: Collection[str] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """A dict a column: customers, changed, known and mean before and now, and the most frequent moves.

    `columns`: column -> tag. What fewer customers than the smallest group share is told together with the like.
    A column that `before` lacks was nobody's. Of columns that are `hidden` neither means nor moves are told.
    `timezone`: the business's, in which times are told.
    """
    duck = duckdb.connect()
    duck.execute("set timezone = ?", [timezone])
    duck.register("_before", before)
    duck.register("_now", now)
    old_names = [name for name in columns if name in before.schema.names]
    for table, names in (("before", old_names), ("now", list(columns))):
        chosen = ", ".join(map(quoted, ["customer_id", *names]))
        duck.execute(f"create temp table {table} as select {chosen} from _{table}")
    found = []
    for name, tag in columns.items():
        types = {table: _type(duck, table, name) for table in ("before", "now") if table == "now" or name in old_names}
        found.append({"column": name, "tag": tag, **_column(duck, name, types, smallest_group, name in hidden)})
    return found


def _type(duck: duckdb.DuckDBPyConnection, table: str, name: str) -> str:
    sql = f"select data_type from duckdb_columns() where table_name = '{table}' and column_name = ?"
    row = duck.execute(sql, [name]).fetchone()
    return str(row[0]) if row else "VARCHAR"


def _column(
    duck: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], smallest_group: int, hidden: bool
) -> dict[str, Any]:
    kind = types["now"]
    old = f"b.{quoted(name)}" if "before" in types else f"cast(null as {kind})"
    same = types.get("before", kind) == kind
    left, right = as_text(old, types.get("before", kind)), as_text(f"n.{quoted(name)}", kind)
    # a whole number that is told as any number now is the same number
    as_number = is_number(kind) and is_number(types.get("before", kind))
    another = f"{old} is distinct from n.{quoted(name)}" if same or as_number else f"{left} is distinct from {right}"
    duck.execute(
        f"create or replace temp table pair as select {left} as old, {right} as new, {another} as changed "
        f"from now n left join before b using (customer_id)"
    )
    counts = duck.execute("select count(*), count(*) filter (changed), count(old), count(new) from pair").fetchone()
    assert counts is not None  # noqa: S101  (an aggregate has a row)
    told: dict[str, Any] = dict(zip(("customers", "changed", "known_before", "known_now"), counts, strict=True))
    if hidden:
        return {**told, "moves": []}
    if as_number:
        means = duck.execute(
            "select avg(cast(old as double)), avg(cast(new as double)), count(*) filter (changed and "
            "cast(new as double) > cast(old as double)), count(*) filter (changed and cast(new as double) < "
            "cast(old as double)) from pair"
        ).fetchone()
        assert means is not None  # noqa: S101
        told |= dict(zip(("mean_before", "mean_now", "up", "down"), means, strict=True))
    moves = duck.execute(
        "select old, new, count(*) as customers from pair where changed group by all order by customers desc, old, new"
    ).fetchall()
    told["moves"] = _moves(moves, smallest_group)
    return told


def _moves(moves: list[tuple[Any, ...]], smallest_group: int) -> list[dict[str, Any]]:
    shown = [move for move in moves[:MOST_MOVES] if move[2] >= smallest_group]
    rest = sum(move[2] for move in moves) - sum(move[2] for move in shown)
    kept = shown + ([(OTHERS, OTHERS, rest)] if rest else [])
    return [{"from": old, "to": new, "customers": customers} for old, new, customers in kept]
