"""Recall of recommendations on held-out weeks of the Complete Journey, against popularity.

    python -m tests.bench.recommendations

Strength of confidence and penalty are chosen on CHOICE_CUT; LAST_CUT, four weeks later, is what is reported.
"""

from datetime import date, timedelta

import numpy as np

from jobs.demo.purchases import real_lines
from transforms.models import als
from transforms.models.recommended import Bought, fit_recommender

CHOICE_CUT, LAST_CUT = date(2017, 11, 4), date(2017, 12, 2)
HELD_OUT, LEAVE_OUT = 28, 60


def complete_journey(cut: date) -> tuple[Bought, Bought]:
    """How often the grocer's households bought each product up to the end of a day, and in the four weeks after it."""
    lines = real_lines(until=cut + timedelta(days=HELD_OUT))
    days = lines["sold_at"].to_numpy().astype("datetime64[D]")
    texts = (lines[name].cast("string").to_numpy(zero_copy_only=False) for name in ("household_id", "product_id"))
    households, items = texts
    then = days <= np.datetime64(cut)
    return _bought(households[then], items[then], days[then]), _bought(households[~then], items[~then], days[~then])


def _bought(households: np.ndarray, items: np.ndarray, days: np.ndarray) -> Bought:
    keys = np.char.add(np.char.add(households.astype(str), "\t"), items.astype(str))
    names, place, often = np.unique(keys, return_inverse=True, return_counts=True)
    last = np.full(len(names), days.min())
    np.maximum.at(last, place, days)
    customer, item = np.char.partition(names, "\t")[:, [0, 2]].T.astype(object)
    return Bought(customer, item, often.astype(float), last)


def _recalls(cut: date) -> dict[str, float]:
    before, after = complete_journey(cut)
    found: dict[str, float] = fit_recommender(before, before, after, since=cut, leave_out=LEAVE_OUT)[1]["recall_at_10"]
    return found


if __name__ == "__main__":
    chosen = (als.SURER, als.PENALTY)
    for als.SURER, als.PENALTY in ((1, 5), (2, 5), (2, 20), (5, 10), (20, 10)):
        print(f"up to {CHOICE_CUT}: confidence {als.SURER}, penalty {als.PENALTY}: {_recalls(CHOICE_CUT)}")
    als.SURER, als.PENALTY = chosen
    print(f"up to {LAST_CUT}: confidence {als.SURER}, penalty {als.PENALTY}: {_recalls(LAST_CUT)}")
