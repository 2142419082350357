"""The ledger: which customer owned an identifier, and from when until when."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.graph import Flags, Ints

SCHEMA = pa.schema(
    [
        ("id_type", pa.large_string()),
        ("id_value", pa.large_string()),
        ("customer_id", pa.large_string()),
        ("known", pa.bool_()),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
    ]
)


def carry_forward(owners: pa.Table, before: pa.Table, place: Ints, *, day: date) -> tuple[Flags, pa.Table]:
    """identity/customer_id after tonight: which rows of `before` stay, and what comes beside them.

    Grain: identifier × time.

    owners: id_type, id_value, customer_id, known; one row an identifier. before: the ledger of the last release;
    place: for each of its rows the row of `owners` with the same identifier, -1 where there is none.
    Rows that still hold stay as they are; one whose owner changed, became known or is gone closes on `day`, and
    the new one opens on it. What was opened on `day` itself and replaced never held, and leaves no row.
    """
    before = before.select(SCHEMA.names).cast(SCHEMA)
    today = pa.scalar(day, pa.date32())
    held = before["valid_to"].is_null().to_numpy()
    stays = held & _same(owners, before, place)
    moves = held & ~stays
    ended = before.filter(pa.array(moves & pc.less(before["valid_from"], today).to_numpy()))
    fresh = np.ones(len(owners), dtype=bool)
    fresh[place[stays]] = False
    begun = owners.filter(pa.array(fresh))
    new = pa.concat_tables(
        [
            _dated(ended, valid_to=pa.repeat(today, len(ended))),
            _dated(begun, valid_from=pa.repeat(today, len(begun)), valid_to=pa.nulls(len(begun), pa.date32())),
        ]
    )
    return ~moves, new


def _same(owners: pa.Table, before: pa.Table, place: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which rows of the ledger name the owner of tonight."""
    now = owners.select(["customer_id", "known"]).take(pa.array(np.where(place >= 0, place, 0), mask=place < 0))
    customer = pc.equal(before["customer_id"], now["customer_id"].cast(pa.large_string()))
    same = pc.and_(customer, pc.equal(before["known"], now["known"]))
    return np.asarray(same.fill_null(False).to_numpy())


def _dated(rows: pa.Table, **dates: pa.Array) -> pa.Table:
    columns = {name: rows[name] for name in rows.column_names}
    return pa.table({**columns, **dates}).select(SCHEMA.names).cast(SCHEMA)
