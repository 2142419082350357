"""The next category: what those with a like history took next, against what is popular with everybody."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.clusters import one_thread
from jobs.engines.customer_rows import nodes_of, rows_that_count, within
from jobs.engines.cut_offs import extents, history, sampled, tags_at
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.expressions import at
from transforms.models.cut_offs import cut_offs
from transforms.models.judging import mean_gain
from transforms.models.next_value import best, places, shares, weight
from transforms.tags.items import compile_over
from transforms.tags.plan import plan_tags
from transforms.tags.tag import Tag

Stored = dict[str, Any]
Matrix = NDArray[np.float64]
# The most values that can be foretold: weights grow with the square.
VALUES = 100
LEAST = 100
# Ridge: a value that a dozen customers have says little.
_RIDGE = 10.0
_DIGITS = 5
_ID = "customer_id"


def fit_next(night: Night, tag: Tag, previous: Mapping[str, Any] | None) -> tuple[Stored, Stored]:
    """(parameters for `transforms.models.next_value`, quality). Two Spark jobs on a bounded sample of customers.

    Learned from the earlier cut-offs, tested on the latest. Raises ModelError where there is too little history, or
    the most popular values are as often right, or the released model is more often.
    """
    return fit_lists(_past(night, tag), tag, previous)


def fit_lists(past: pa.Table, tag: Tag, previous: Mapping[str, Any] | None = None) -> tuple[Stored, Stored]:
    """`fit_next` on what is on the driver: cut, known, took (what followed; a list) of the customers who took some."""
    cut = np.asarray(past["cut"])
    test = cut == cut.max() if len(cut) else cut
    known, took = past["known"].combine_chunks(), past["took"].combine_chunks()
    if min(int(test.sum()), int((~test).sum())) < LEAST:
        raise ModelError(f"{int(test.sum())} customers to be tested on took something, it takes {LEAST}")
    taught, tested = pa.array(~test), pa.array(test)
    parameters = {**_learned(known.filter(taught), took.filter(taught)), "top": tag.top}
    known, took = known.filter(tested), took.filter(tested)
    named = _hits(parameters, known, took)
    popular = _right(took, parameters["values"])[:, : tag.top].mean(axis=1)
    quality: Stored = {
        "right": _share(named.mean()),
        "baseline": {"right": _share(popular.mean())},
        "gain": mean_gain(named - popular),
        "customers": {"taught": int((~test).sum()), "tested": int(test.sum())},
    }
    if not quality["gain"]["low"] > 0:
        raise ModelError(
            f"{quality['right']:.1%} of what it names is taken; of the most popular "
            f"{quality['baseline']['right']:.1%} {_ends(quality['gain'])}"
        )
    if previous:
        quality["champion"] = _share(_hits({**previous, "top": tag.top}, known, took).mean())
        if quality["right"] < quality["champion"]:
            raise ModelError(
                f"{quality['right']:.1%} of what it names is taken; the released model's {quality['champion']:.1%}"
            )
    return parameters, quality


def _hits(parameters: Mapping[str, Any], known: pa.ListArray, took: pa.ListArray) -> Matrix:
    """Of each customer the share of what a model names that was taken."""
    chosen = best(shares(known, parameters), int(parameters["top"]))
    right = _right(took, parameters["values"])
    return np.asarray(right[np.arange(len(right))[:, None], chosen].mean(axis=1))


def _ends(gain: Mapping[str, float]) -> str:
    return f"(95 % interval of the gain {gain['low']:.1%} to {gain['high']:.1%})"


def _share(value: Any) -> float:
    return round(float(value), 4)


@one_thread()
def _learned(known: pa.ListArray, took: pa.ListArray) -> Stored:
    """Ridge regression of what was taken on what weighed most before: one solution, whatever the order of rows."""
    taken, had_before = (Counter(lists.flatten().to_pylist()) for lists in (took, known))
    # what nobody took may still tell of what comes after it
    values = sorted({*taken, *had_before}, key=lambda value: (-taken[value], -had_before[value], value))[:VALUES]
    had = np.zeros((len(known), len(values) + 1))
    found = places(known, values)
    for rank in range(found.shape[1]):
        had[np.arange(len(known)), found[:, rank]] += weight(rank)
    had = had[:, :-1]
    right = _right(took, values)
    mean = had.mean(axis=0)
    centred = had - mean
    weights = np.linalg.solve(
        centred.T @ centred + _RIDGE * np.eye(len(values)), centred.T @ (right - right.mean(axis=0))
    )
    weights = np.round(weights, _DIGITS)
    base = np.round(right.mean(axis=0) - mean @ weights, _DIGITS)
    return {"values": values, "base": base.tolist(), "weights": weights.tolist()}


def _right(took: pa.ListArray, values: list[str]) -> Matrix:
    """Customers × values: 1 where it was taken."""
    found = np.zeros((len(took), len(values) + 1))
    at_ = places(took, values)
    for rank in range(at_.shape[1]):
        found[np.arange(len(took)), at_[:, rank]] = 1
    return found[:, :-1]


# -- the past


def _past(night: Night, tag: Tag) -> pa.Table:
    assert tag.from_ and tag.within  # noqa: S101  (checked with the tag's keys)
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone, only=[tag.tag])
    reach = extents(night, [tag.from_])
    if tag.from_ not in reach:
        raise ModelError(f"no source of {tag.from_} has ever come")
    first, last = reach[tag.from_]
    days = cut_offs(first, last, ahead=tag.within, least=2, of=tag.from_)
    customers = sampled(night)
    nodes = nodes_of(night, customers).persist()
    frames = []
    with history(night, plan, nodes) as held:
        for place, day in enumerate(days):
            known = tags_at(night.at(day), plan, customers=customers, nodes=nodes, held=held, first={tag.from_: first})
            mine = known.select(_ID, F.col(tag.internal[0].name).alias("known"))
            mine = mine.join(_followed(night, tag, day, nodes), _ID).where("known is not null and size(took) > 0")
            frames.append(mine.select(F.lit(place).alias("cut"), F.xxhash64(_ID).alias("hash"), "known", "took"))
        table = reduce(DataFrame.unionByName, frames).toArrow()
    nodes.unpersist()
    return table.sort_by([("cut", "ascending"), ("hash", "ascending")])


def _followed(night: Night, tag: Tag, day: date, nodes: DataFrame) -> DataFrame:
    """The values that each customer took after a cut-off."""
    assert tag.from_ and tag.within  # noqa: S101
    timezone = night.conf.pipeline.timezone
    of = compile_over(tag, f"cast(({tag.of}) as string)", "of", timezone=timezone)
    where = compile_over(tag, tag.where, "where", timezone=timezone) if tag.where else None
    rows = rows_that_count(night, tag.from_, nodes, where=where, reads=of.columns).where(within(day, tag.within))
    value = F.expr(at(of.sql, day=night.day, as_of=night.as_of))
    return rows.groupBy(_ID).agg(F.array_sort(F.collect_set(value)).alias("took"))
