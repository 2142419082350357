"""Which pairs of records are looked at: those in one block of a rule, and no block so large that it is a mistake.

A crowded block is split by the columns that tell most apart, one after the other; what is still larger than the
limit is refused, by its rule and size. A record that lacks a part of the key, or a column that splits, is in no block.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

# a block of so many records is half a million pairs: more are split before they are looked at
CROWDED = 1_000
# Blocks of short prefixes grow with the records, so their pairs with the square. All rules together are to give no more
# pairs than these, a record or in all, whichever is more: a rule's largest blocks are split until it keeps its share.
_PAIRS_A_RECORD, _PAIRS = 30, 10_000_000


@dataclass(frozen=True)
class Refused:
    """A block that is not looked at. value: a keyed hash of its key."""

    rule: str
    value: str
    records: int
    split_by: tuple[str, ...]


def block(
    con: duckdb.DuckDBPyConnection, rules: Mapping[str, tuple[str, ...]], *,
    columns: Sequence[str], limit: int, key: bytes, whole: bool,
) -> list[Refused]:  # fmt: skip
    """Make the table `pairs` (l, r: ids of `records`, l < r), each pair once; unless `whole`, of changed records only.

    columns: what splits a crowded block, those that tell most apart first.
    """
    con.execute("create or replace temp table blocks (block ubigint, id integer, changed boolean)").fetchall()
    records = int(con.execute("select count(*) from records").fetchall()[0][0])
    share = max(_PAIRS, _PAIRS_A_RECORD * records) // max(len(rules), 1)
    refused = []
    for rule, expressions in rules.items():
        refused += _of_rule(con, rule, expressions, columns=columns, limit=limit, share=share, key=key)
    con.execute(
        "create or replace temp table pairs as with live as (select block from blocks group by block "
        "having count(*) > 1 and (? or bool_or(changed))), "
        "b as (select distinct block, id, changed from blocks semi join live using (block)) "
        "select distinct l.id as l, r.id as r from b l join b r using (block) "
        "where l.id < r.id and (? or l.changed or r.changed)",
        [whole, whole],
    ).fetchall()
    return refused


def _of_rule(
    con: duckdb.DuckDBPyConnection, rule: str, expressions: Sequence[str], *,
    columns: Sequence[str], limit: int, share: int, key: bytes,
) -> list[Refused]:  # fmt: skip
    """Add the rule's blocks to `blocks`. share: how many pairs the rule may give before its blocks are split."""
    parts = ", ".join(f"{expression} as k{at}" for at, expression in enumerate(expressions))
    filled = " and ".join(f"nullif(k{at}, '') is not null" for at in range(len(expressions)))
    keys = ", ".join(f"k{at}" for at in range(len(expressions)))
    con.execute(
        f"create or replace temp table keyed as with cut as (select *, {parts} from records) "
        f"select id, changed, cast(to_json([{keys}]) as varchar) as key from cut where {filled}"
    ).fetchall()
    splits = [column for column in columns if column not in expressions][:2]
    split_by: tuple[str, ...] = ()
    while True:
        last = len(split_by) == len(splits)
        con.execute(
            "create or replace temp table sized as select key, count(*) as size from keyed group by key "
            "having count(*) > 1"
        ).fetchall()
        fits = limit if last else min(_largest(con, share), CROWDED, limit)
        con.execute(
            "insert into blocks select hash(? || key), id, changed from keyed semi join "
            "(select key from sized where size <= ?) using (key)",
            [f"{rule}\n", fits],
        ).fetchall()
        if last:
            break
        split_by = (*split_by, splits[len(split_by)])
        con.execute(
            f"create or replace temp table keyed as select k.id, k.changed, "
            f"k.key || chr(31) || r.{split_by[-1]} as key from keyed k "
            "semi join (select key from sized where size > ?) using (key) join records r using (id) "
            f"where r.{split_by[-1]} is not null",
            [fits],
        ).fetchall()
    found = con.execute("select key, size from sized where size > ? order by key", [limit]).fetchall()
    return [Refused(rule, _hidden(value, key), size, split_by) for value, size in found]


def _largest(con: duckdb.DuckDBPyConnection, share: int) -> int:
    """The size of the largest block of `sized` that can be looked at while all up to its size give `share` pairs."""
    rows = con.execute(
        "with s as (select size, sum(sum(size * (size - 1) // 2)) over (order by size) as pairs from sized group by "
        "size) select max(size) from s where pairs <= ?",
        [share],
    ).fetchall()
    return int(rows[0][0] or 1)


def _hidden(value: str, key: bytes) -> str:
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:16]
