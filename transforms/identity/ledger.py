"""The ledger: which customer owned an identifier, and from when until when."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

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
_IDENTIFIER = ["id_type", "id_value"]


def carry_forward(owners: pa.Table, before: pa.Table, *, day: date) -> pa.Table:
    """identity/customer_id after tonight. Grain: identifier × time. Rows are in no particular order.

    owners: id_type, id_value, customer_id, known; one row an identifier. before: the ledger of the last release.
    Rows that still hold stay as they are; one whose owner changed, became known or is gone closes on `day`, and
    the new one opens on it. What was opened on `day` itself and replaced never held, and leaves no row.
    """
    before, today = before.select(SCHEMA.names).cast(SCHEMA), pa.scalar(day, pa.date32())
    tonight = owners.cast(pa.schema([SCHEMA.field(name) for name in owners.schema.names]))
    is_open = pc.is_null(before["valid_to"])
    held = before.filter(is_open)
    joined = held.join(tonight, keys=_IDENTIFIER, join_type="left outer", right_suffix="_now")
    same = pc.and_(
        pc.equal(joined["customer_id"], joined["customer_id_now"]), pc.equal(joined["known"], joined["known_now"])
    ).fill_null(False)
    stays, ends = joined.filter(same).select(SCHEMA.names), joined.filter(pc.invert(same)).select(SCHEMA.names)
    ended = ends.filter(pc.less(ends["valid_from"], today)).drop_columns("valid_to")
    begins = tonight.join(stays.select(_IDENTIFIER), keys=_IDENTIFIER, join_type="left anti")
    return pa.concat_tables(
        [
            before.filter(pc.invert(is_open)),
            stays,
            ended.append_column("valid_to", pa.repeat(today, len(ended))),
            begins.append_column("valid_from", pa.repeat(today, len(begins))).append_column(
                "valid_to", pa.nulls(len(begins), pa.date32())
            ),
        ]
    )
