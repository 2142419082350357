"""Recall of recommendations on held-out weeks of the Complete Journey, against popularity.

    python -m tests.bench.recommendations

Strength of confidence and penalty are chosen on CHOICE_CUT; LAST_CUT, four weeks later, is what is reported.
"""

from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from jobs.demo.purchases import real_lines
from jobs.engines.clusters import one_thread
from transforms.models import als
from transforms.models.recommended import Bought, recalls

CHOICE_CUT, LAST_CUT = date(2017, 11, 4), date(2017, 12, 2)
HELD_OUT, LEAVE_OUT = 28, 60


def complete_journey(cut: date) -> tuple[Bought, Bought]:
    """How often the grocer's households bought each product up to the end of a day, and in the four weeks after it."""
    duck = duckdb.connect()
    duck.register("lines", real_lines(until=cut + timedelta(days=HELD_OUT)))
    sql = """
        select household_id::varchar as customer, product_id::varchar as item, count(*)::double as often,
               max(sold_at::date) as last
        from lines where (sold_at::date <= $cut) = $then group by all order by customer, item
    """
    parts = (pa.table(duck.sql(sql, params={"cut": cut, "then": then}).to_arrow_table()) for then in (True, False))
    before, after = (
        Bought(
            np.array(part["customer"].to_pylist(), dtype=object),
            np.array(part["item"].to_pylist(), dtype=object),
            part["often"].to_numpy(),
            part["last"].to_numpy().astype("datetime64[D]"),
        )
        for part in parts
    )
    return before, after


def recalls_at(cut: date) -> dict[str, float]:
    """Recall at 10 of factors and of popularity over the four weeks after a day."""
    before, after = complete_journey(cut)
    with one_thread():
        return recalls(before, after, since=cut, leave_out=LEAVE_OUT)


if __name__ == "__main__":
    chosen = (als.SURER, als.PENALTY)
    for als.SURER, als.PENALTY in ((1, 5), (2, 5), (2, 20), (5, 10), (20, 10)):
        print(f"up to {CHOICE_CUT}: confidence {als.SURER}, penalty {als.PENALTY}: {recalls_at(CHOICE_CUT)}")
    als.SURER, als.PENALTY = chosen
    print(f"up to {LAST_CUT}: confidence {als.SURER}, penalty {als.PENALTY}: {recalls_at(LAST_CUT)}")
