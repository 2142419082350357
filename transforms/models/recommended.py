"""Fitting a recommender on what customers bought, judging it on what they bought later, and recommending by it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from transforms.errors import ModelError
from transforms.models.als import Matrix, Ranked, because, best, item_factors, recalled, solved, sureness
from transforms.models.judging import mean_gain

# The items that most customers bought; what fewer than five bought says nothing of anybody else.
ITEMS, FEWEST_BUYERS = 2_000, 5
# The most customers that factors are fitted on: those with the lowest ids, which are keyed hashes.
CUSTOMERS = 50_000
# Customers scored together.
CHUNK = 5_000
RECALL_AT = 10
_TOLD = ("als", "popularity", "gain", "low", "high")

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Bought:
    """What customers bought, a row a customer and item: how much, and the day it was bought last."""

    customer: Texts
    item: Texts
    weight: Matrix
    last: NDArray[np.datetime64]

    def where(self, chosen: NDArray[np.bool_]) -> "Bought":
        return Bought(self.customer[chosen], self.item[chosen], self.weight[chosen], self.last[chosen])

    def customers(self) -> Texts:
        """Everybody, in the order of their ids."""
        return np.array(sorted(set(self.customer.tolist())), dtype=object)

    def matrix(self, customers: Texts, items: Sequence[str], values: Matrix | None = None) -> csr_matrix:
        """Customers × items, both sorted or ordered as given; rows of others are left out."""
        places = {name: place for place, name in enumerate(items)}
        columns = np.array([places.get(name, -1) for name in self.item], dtype=np.intp)
        rows = np.minimum(np.searchsorted(customers, self.customer), max(len(customers) - 1, 0))
        known = (columns >= 0) & (customers[rows] == self.customer) if len(customers) else columns >= len(items)
        data = self.weight if values is None else values
        found = csr_matrix((data[known], (rows[known], columns[known])), shape=(len(customers), len(items)))
        found.sort_indices()
        return found


def most_bought(bought: Bought, fewest: int = FEWEST_BUYERS) -> tuple[list[str], list[int]]:
    """The items that are recommended, those of most customers first (equal ones by name), and how many bought each."""
    often = Counter(bought.item.tolist())
    order = sorted((item for item, count in often.items() if count >= fewest), key=lambda item: (-often[item], item))
    return order[:ITEMS], [often[item] for item in order[:ITEMS]]


def fit_recommender(
    everything: Bought,
    before: Bought,
    after: Bought,
    *,
    since: date,
    leave_out: int | None,
    fewest: int = FEWEST_BUYERS,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What recommends best, both JSON-able: (parameters for `recommend`, quality).

    `everything`: what the last fit is made from; `before` and `after`: the same parted at the end of the day `since`,
    so that a fit on one is judged by its recall on the other, against recommending what most customers buy. Where
    factors do not win, popularity recommends. `leave_out`: days for which what was bought is not recommended. `fewest`:
    customers that must have bought an item.
    Raises ModelError where there is too little to fit.
    """
    judged = recalls(before, after, since=since, leave_out=leave_out, fewest=fewest)
    items, buyers = most_bought(everything, fewest)
    if len(items) < 2:
        raise ModelError(f"recommendation: {len(items)} items that at least {fewest} customers bought")
    customers = everything.customers()[:CUSTOMERS]
    wins = judged["low"] > 0
    parameters: dict[str, Any] = {"items": items, "buyers": buyers, "method": "als" if wins else "popularity"}
    if wins:
        parameters["factors"] = item_factors(everything.matrix(customers, items)).tolist()
    return parameters, {
        "customers": len(customers), "items": len(items), "held_out_from": str(since),
        "recall_at_10": judged_or_none(judged),
    }  # fmt: skip


def judged_or_none(recalled: Mapping[str, float]) -> dict[str, float | None]:
    """Recalls for JSON: None where nothing could be told."""
    return {name: None if np.isnan(value) else round(value, 4) for name, value in recalled.items()}


def recalls(
    before: Bought, after: Bought, *, since: date, leave_out: int | None, fewest: int = FEWEST_BUYERS
) -> dict[str, float]:
    """Mean recall at 10 of factors and of popularity (als, popularity) over what customers went on to buy.

    And how much higher that of factors is on the same customers: gain, low, high, as `judging.mean_gain` tells it. NaN
    where nothing can be told.
    """
    items, buyers = most_bought(before, fewest)
    customers = before.customers()[:CUSTOMERS]
    if len(items) < 2 or not len(after.customer):
        return dict.fromkeys(_TOLD, float("nan"))
    known = before.matrix(customers, items)
    barred = _barred(before, customers, items, since, leave_out)
    wanted = after.matrix(customers, items, np.ones(len(after.item)))
    wanted = csr_matrix(wanted - wanted.multiply(barred.sign()))
    wanted.eliminate_zeros()
    factors = item_factors(known)
    liked = solved(sureness(known), factors) @ factors.T
    popular = np.tile(np.array(buyers, dtype=float), (len(customers), 1))
    found, usual = (recalled(best(scores, barred, top=RECALL_AT), wanted) for scores in (liked, popular))
    if len(found) < 2:
        return dict.fromkeys(_TOLD, float("nan"))
    return {"als": float(found.mean()), "popularity": float(usual.mean()), **mean_gain(found - usual)}


def _barred(bought: Bought, customers: Texts, items: Sequence[str], day: date, leave_out: int | None) -> csr_matrix:
    """What was bought within so many days up to `day`; nothing without `leave_out`."""
    if leave_out is None:
        return csr_matrix((len(customers), len(items)))
    recent = bought.where(bought.last > np.datetime64(day) - np.timedelta64(leave_out, "D"))
    return recent.matrix(customers, items, np.ones(len(recent.item)))


def recommend(
    bought: Bought, parameters: Mapping[str, Any], *, day: date, leave_out: int | None, top: int
) -> Iterator[dict[str, Any]]:
    """Customer × rank: customer_id, rank, item, score, method, because (an item; None: it is popular).

    Of everybody who bought something, in the order of their ids.
    """
    items, method = parameters["items"], parameters["method"]
    everybody = bought.customers()
    for start in range(0, len(everybody), CHUNK):
        customers = everybody[start : start + CHUNK]
        chosen = bought.where((bought.customer >= customers[0]) & (bought.customer <= customers[-1]))
        barred = _barred(chosen, customers, items, day, leave_out)
        if method == "als":
            known, factors = chosen.matrix(customers, items), np.array(parameters["factors"])
            ranked = best(solved(sureness(known), factors) @ factors.T, barred, top=top)
            reasons = because(known, factors, ranked.items.tolist())
        else:
            popular = np.tile(np.array(parameters["buyers"], dtype=float), (len(customers), 1))
            ranked = best(popular, barred, top=top)
            reasons = [[-1] * top] * len(customers)
        yield from _rows(customers, ranked, reasons, items, method)


def _rows(
    customers: Texts, ranked: Ranked, reasons: Sequence[Sequence[int]], items: Sequence[str], method: str
) -> Iterator[dict[str, Any]]:
    for place, customer in enumerate(customers):
        for rank, (item, score) in enumerate(zip(ranked.items[place], ranked.scores[place], strict=True), start=1):
            if item >= 0:
                reason = reasons[place][rank - 1]
                yield {
                    "customer_id": customer, "rank": rank, "item": items[item], "score": float(score),
                    "method": method, "because": items[reason] if reason >= 0 else None,
                }  # fmt: skip
