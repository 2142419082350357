"""The tills' extract: every real line unchanged, the shoppers' cards and phones beside it, and what goes wrong."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.demo.chance import Floats, Ints, generator
from jobs.demo.damage import Damage, damaged, put, too_long, too_short, twice
from jobs.demo.files import as_lines, place, write_gz
from jobs.demo.purchases import MONEY, Purchases
from jobs.demo.shoppers import RECEIPT_STEP, Shoppers

HEADER = (
    "receipt_id", "line_no", "store_id", "sold_at", "card_no", "phone", "product_id", "product", "category",
    "department", "brand", "quantity", *MONEY, "coupon", "type",
)  # fmt: skip
_SALES_VALUE = HEADER.index("sales_value")
_NO_TIMES = (b"00/00/0000", b"2017-02-30 10:15:00", b"2017-13-04 18:40:11", b"", b"12/28/2017 5:10 PM", b"NULL")
_NO_NUMBERS = (b"N/A", b"--", b"1O", b"two", b"")
DAMAGES = (
    Damage("exact_duplicate", 0.006, twice),
    Damage("missing_key", 0.004, put(b",", 0, (b"",))),
    Damage("wrong_date", 0.004, put(b",", HEADER.index("sold_at"), _NO_TIMES)),
    Damage("wrong_number", 0.003, put(b",", HEADER.index("quantity"), _NO_NUMBERS)),
    Damage("too_few_columns", 0.002, too_short(b",")),
    Damage("too_many_columns", 0.002, too_long(b",")),
)
RESTATED_DAY, RESTATED_BY, RESTATED = date(2017, 12, 29), date(2017, 12, 30), 12
RESENT_DAY, RESENT = date(2017, 12, 29), 20  # that day's file also holds lines of the day before, as they were

Restated = tuple[str, str, str, str]  # receipt, line, the wrong value, the real one


def write_day(
    folder: Path, day: date, purchases: Purchases, copies: list[Shoppers], *, seed: int
) -> tuple[Counter[str], list[Restated]]:
    """One day's file with the lines of all copies. Gives what was spoilt, and the values told wrong at first."""
    till = Till(day, purchases)
    lines: list[bytes] = []
    restated: list[Restated] = []
    for shoppers in copies:
        good = till.lines(shoppers)
        if day == RESTATED_DAY:
            good, changes = _told_wrong(good, seed=seed, copy=shoppers.copy)
            restated += changes
        if day == RESENT_DAY:
            good += Till(day - timedelta(days=1), purchases).lines(shoppers)[:RESENT]
        if day == RESTATED_BY:
            good += _corrections(Till(RESTATED_DAY, purchases).lines(shoppers), seed=seed, copy=shoppers.copy)
        lines += good
    spoilt, counts = damaged(lines, DAMAGES, generator(seed, "pos damage", day))
    if day == RESENT_DAY:
        counts["sent_again"] += len(copies) * min(RESENT, len(lines))
    write_gz(place(folder, "pos", day, "transactions.csv.gz"), [",".join(HEADER).encode(), *spoilt])
    return counts, restated


class Till:
    """A business day's real lines as text; what is the same in every copy is printed once."""

    def __init__(self, day: date, purchases: Purchases) -> None:
        at = purchases.on(day)
        self.receipt, self.household = purchases.receipt[at], purchases.household[at]
        product = purchases.products.take(_rows(purchases.product[at])).combine_chunks()
        money = [column.dictionary.take(column.indices[at.start : at.stop]) for column in purchases.money.values()]
        coupon = pc.if_else(pc.equal(money[MONEY.index("coupon_disc")], "0.00"), "", "Y")
        sold_at = pa.array(purchases.sold_at[at], pa.timestamp("s"))
        self.before = _joined(purchases.line_no[at], purchases.store[at], sold_at)
        self.after = _joined(
            purchases.product_id[at], product["product_type"], product["product_category"], product["department"],
            product["brand"], purchases.quantity[at], *money, coupon, pa.repeat("SALE", len(self.receipt)),
        )  # fmt: skip

    def lines(self, shoppers: Shoppers) -> list[bytes]:
        """The lines as one copy's rows, with its shoppers' cards and phones."""
        shopper = shoppers.of(self.household, self.receipt)
        card = shoppers.cards.take(pa.array(shopper))
        phone = shoppers.phones.take(_rows(shoppers.phone_at_till(shopper, self.receipt)))
        return as_lines(_joined(self.receipt + RECEIPT_STEP * shoppers.copy, self.before, card, phone, self.after))


def _joined(*columns: Any) -> pa.Array:
    """Columns as delimited text, empty where they are NULL. None of the package's texts holds a comma or a quote."""
    arrays = [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns]
    texts = [array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array for array in arrays]
    texts = [pc.cast(text, pa.string()) for text in texts]
    return pc.binary_join_element_wise(*texts, ",", null_handling="replace", null_replacement="")


def _rows(positions: Ints) -> pa.Array:
    """Positions to take, NULL where they are below 0."""
    return pa.array(positions, mask=positions < 0)


def _chosen(lines: list[bytes], *, seed: int, copy: int) -> list[int]:
    chosen = generator(seed, "restated", copy).permutation(len(lines))[:RESTATED]
    return sorted(chosen.tolist())


def _told_wrong(lines: list[bytes], *, seed: int, copy: int) -> tuple[list[bytes], list[Restated]]:
    """A till slipped a digit: ten dollars too much on some lines."""
    changes: list[Restated] = []
    told = list(lines)
    for index in _chosen(lines, seed=seed, copy=copy):
        fields = lines[index].split(b",")
        real = fields[_SALES_VALUE]
        fields[_SALES_VALUE] = f"{float(real) + 10:.2f}".encode()
        told[index] = b",".join(fields)
        changes.append((fields[0].decode(), fields[1].decode(), fields[_SALES_VALUE].decode(), real.decode()))
    return told, changes


def _corrections(lines: list[bytes], *, seed: int, copy: int) -> list[bytes]:
    return [lines[index] for index in _chosen(lines, seed=seed, copy=copy)]


def spent_by(night: date, purchases: Purchases, shoppers: Shoppers) -> Floats:
    """What each shopper of a copy had spent by the end of a night's day, USD."""
    upto = slice(0, purchases.on(night).stop)
    shopper = shoppers.of(purchases.household[upto], purchases.receipt[upto])
    spent: Floats = np.bincount(shopper, purchases.sales_value[upto], len(shoppers.card)).astype(np.float64)
    return spent
