"""The ledger: what stays, closes and opens."""

from datetime import date

import numpy as np
import pyarrow as pa

from transforms.identity.ledger import SCHEMA
from transforms.identity.ledger import carry_forward as carried

D1, D2, D3 = (date(2026, 3, day) for day in (1, 2, 3))


def _table(rows: list[tuple], columns: int) -> pa.Table:
    """As Spark or Delta give it: with plain strings."""
    names = SCHEMA.names[:columns]
    types = [(name, pa.string() if "id" in name and "valid" not in name else SCHEMA.field(name).type) for name in names]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], pa.schema(types))


def carry_forward(owners: pa.Table, before: pa.Table, *, day: date) -> pa.Table:
    rows = {(row["id_type"], row["id_value"]): number for number, row in enumerate(owners.to_pylist())}
    place = [rows.get((row["id_type"], row["id_value"]), -1) for row in before.to_pylist()]
    stays, new = carried(owners, before, np.array(place, dtype=np.int64), day=day)
    return pa.concat_tables([before.cast(SCHEMA).filter(pa.array(stays)), new])


def _rows(table: pa.Table) -> list[tuple]:
    assert table.schema.equals(SCHEMA)
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)


def test_the_first_ledger_opens_every_identifier():
    owners = _table([("email", "x", "A", True)], 4)
    assert _rows(carry_forward(owners, SCHEMA.empty_table(), day=D2)) == [("email", "x", "A", True, D2, None)]


def test_the_ledger_keeps_closes_and_opens():
    before = _table(
        [
            ("email", "stays", "A", True, D1, None),
            ("email", "moves", "A", True, D1, None),
            ("email", "goes", "A", True, D1, None),
            ("email", "returns", "A", True, D1, D2),
            ("cookie", "becomes known", "B", False, D1, None),
            ("email", "opened today, moves", "A", True, D3, None),
            ("email", "opened today, goes", "A", True, D3, None),
        ],
        6,
    )
    owners = _table(
        [
            ("email", "stays", "A", True),
            ("email", "moves", "B", True),
            ("email", "returns", "A", True),
            ("email", "comes", "C", True),
            ("phone", "goes", "A", True),
            ("cookie", "becomes known", "B", True),
            ("email", "opened today, moves", "B", True),
        ],
        4,
    )
    found = carry_forward(owners, before, day=D3)
    assert _rows(found) == sorted(
        [
            ("email", "stays", "A", True, D1, None),
            ("email", "moves", "A", True, D1, D3),
            ("email", "moves", "B", True, D3, None),
            ("email", "goes", "A", True, D1, D3),
            ("phone", "goes", "A", True, D3, None),
            ("email", "returns", "A", True, D1, D2),
            ("email", "returns", "A", True, D3, None),
            ("email", "comes", "C", True, D3, None),
            ("cookie", "becomes known", "B", False, D1, D3),
            ("cookie", "becomes known", "B", True, D3, None),
            ("email", "opened today, moves", "B", True, D3, None),
        ],
        key=str,
    )
    # the same night once more, from what it left, changes nothing
    assert _rows(carry_forward(owners, found, day=D3)) == _rows(found)


def test_nobody_owns_anything_any_more():
    before = _table([("email", "x", "A", True, D1, None)], 6)
    assert _rows(carry_forward(_table([], 4), before, day=D3)) == [("email", "x", "A", True, D1, D3)]
