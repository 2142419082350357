"""The figures that DuckDB counts of a night's rows: exact where a night stops for one too many."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.dataset as ds

from jobs.engines.measures import measure
from transforms.schemas import TRANSACTION
from transforms.sources.definition import parse_source

DAY = date(2026, 3, 20)
SOURCE = parse_source(
    """
    source: till
    entity: transaction
    read: {format: csv, path: "extracts/{date}/*.csv"}
    columns: {order_id: a, line_no: b, ordered_at: c, quantity: d, amount_local: e, currency: f}
    checks: [{unique: [order_id]}, {unique: [order_id, coupon]}]
    """,
    place="till.yml",
)


def test_keys_that_look_alike_are_told_apart() -> None:
    """Real keys of a customer and a day, of which DuckDB's hash takes each pair for one."""
    pairs = [
        ("11175-19970214", "18175-19980214"), ("11994-19970411", "18994-19980411"), ("11475-19980306", "18475-19970306")
    ]  # fmt: skip
    orders = [order for pair in pairs for order in pair]
    given = {"order_id": orders, "record_id": [f"cdnow:{order}:1" for order in orders], "source": ["till"] * 6,
             "_batch_date": [DAY] * 6, "ordered_at": [datetime(1997, 2, 14, tzinfo=UTC)] * 6}  # fmt: skip
    types = {"string": pa.string(), "decimal(18,4)": pa.decimal128(18, 4), "timestamp": pa.timestamp("us", "UTC")}
    empty = {
        name: pa.nulls(6, types.get(told, pa.int32())) for name, told in TRANSACTION.types.items() if name not in given
    }
    found = measure(
        ds.dataset(pa.table({**given, **empty})), TRANSACTION, [SOURCE], day=DAY,
        as_of=datetime(2026, 3, 20, 23, 59, tzinfo=UTC), records_of=lambda name: None,
    )["till"]  # fmt: skip
    assert (found["accepted"], found["records"]) == (6, 6)
    assert found["distinct"] == {"unique_order_id": 6, "unique_order_id_coupon": 6}
