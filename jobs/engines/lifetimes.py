"""Lifetime value: BG/NBD with Gamma-Gamma, and what learned from earlier days where that foretells better."""

from collections.abc import Callable, Mapping
from contextlib import suppress
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
from jobs.engines.learners import boosted_trees
from jobs.engines.likelihoods import LEAST, fit_bg_nbd, fit_gamma_gamma, rounded
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.expressions import at
from transforms.models.classifier import numbers
from transforms.models.cut_offs import cut_offs
from transforms.models.judging import mean_gain
from transforms.models.lifetime import foretold, parts, seen
from transforms.tags.foretold import INTERNAL
from transforms.tags.items import compile_over
from transforms.tags.plan import plan_tags
from transforms.tags.tag import Tag

Numbers = NDArray[np.float64]
Columns = dict[str, Numbers]
Stored = dict[str, Any]
_ID = "customer_id"
_OUT_OF_PROPORTION = "what it foretells of some is no finite number; are amounts or dates out of all proportion?"


def fit_lifetime(night: Night, tag: Tag, previous: Mapping[str, Any] | None) -> tuple[Stored, Stored]:
    """(parameters for `transforms.models.lifetime`, quality). One Spark job for the past, one for how far it reaches.

    Tested on the last horizon: what a model fitted on the days before it foretells, against what the customers
    brought in the horizon before. The one released is fitted anew with all days. Raises ModelError where there is
    too little history, or last time's value or the released model's test foretells as well.
    """
    return fit_states(_states(night, tag), tag, previous)


def fit_states(states: list[Columns], tag: Tag, previous: Mapping[str, Any] | None = None) -> tuple[Stored, Stored]:
    """`fit_lifetime` on what is on the driver: the customers at each cut-off with the `value` after it, and tonight.

    The parameters keep, as `tested`, those that were tested: the next fit is compared with them. The released ones
    have been fitted with days that the next test foretells, which would be no comparison.
    """
    *earlier, test, tonight = states
    # one row may reach far back to where nobody bought
    earlier = [state for state in earlier if len(state["value"]) >= LEAST]
    horizon = int(tag.horizon or 0)
    wanted = ["bg_nbd", *(_LEARNERS if earlier else ())]
    if tag.method != "auto":
        wanted = [name for name in wanted if name == tag.method]
    if not wanted:
        raise ModelError(
            f"method: {tag.method} takes {3 * horizon} days of history and {LEAST} buyers in the first {horizon}; "
            f"bg_nbd takes {2 * horizon}"
        )
    base = {"horizon": horizon, **_fitted(test)}
    tried = {name: {**base, "method": name, **_taught(name, earlier, horizon)} for name in wanted}
    told = {name: foretold(test, parameters) for name, parameters in tried.items()}
    foretells = {name: columns["value"] for name, columns in told.items() if _is_finite(columns)}
    if not foretells:
        raise ModelError(_OUT_OF_PROPORTION)
    errors = {name: np.abs(value - test["value"]) for name, value in foretells.items()}
    method = min(foretells, key=lambda name: float(errors[name].mean()))
    before = np.abs(np.nan_to_num(test["before"]) - test["value"])
    quality = _quality(foretells[method], test["value"], errors[method], before, tried=len(foretells))
    quality |= {"method": method, "tried": {name: _money(error.mean()) for name, error in errors.items()}}
    _check_gate(quality, horizon, champion=_champion(test, previous))
    parameters = {"horizon": horizon, "method": method, **_fitted(tonight), "tested": tried[method]}
    parameters |= _taught(method, [test], horizon)
    if not _is_finite(foretold(tonight, parameters)):
        raise ModelError(_OUT_OF_PROPORTION)
    return parameters, quality


def _champion(test: Columns, previous: Mapping[str, Any] | None) -> float | None:
    """The error, on the same customers, of what was tested when the released model was fitted; None: it is not kept."""
    tested = previous.get("tested") if previous else None
    return _money(np.abs(foretold(test, tested)["value"] - test["value"]).mean()) if tested else None


def _check_gate(quality: Stored, horizon: int, *, champion: float | None) -> None:
    """Raise ModelError where the value before may foretell as well, or the released model does.

    What may be chance is no win: the whole interval of the gain lies above 0. No number is no better.
    """
    error, baseline, gain = quality["error"], quality["baseline"]["error"], quality["gain"]
    misses = []
    if not gain["low"] > 0:
        told = f"(95 % interval of the gain {gain['low']:g} to {gain['high']:g})"
        misses.append(f"the value of the {horizon} days before by {baseline:g} {told}")
    if champion is not None:
        quality["champion"] = champion
        if error > champion:
            misses.append(f"the released model by {champion:g}")
    if misses:
        raise ModelError(f"it is wrong by {error:g} on average, {', '.join(misses)}")


def _is_finite(columns: Columns) -> bool:
    return all(np.isfinite(values).all() for values in columns.values())


def _quality(value: Numbers, came: Numbers, error: Numbers, before: Numbers, *, tried: int) -> Stored:
    from scipy.stats import spearmanr

    total = float(came.sum())
    return {
        "error": _money(error.mean()),
        "baseline": {"error": _money(before.mean())},
        "gain": mean_gain(before - error, tried=tried),
        "rank_correlation": round(float(spearmanr(value, came).statistic), 4),
        "foretold_of_what_came": round(float(value.sum()) / total, 4) if total else None,
        "customers": {"tested": len(came)},
    }


def _money(value: Any) -> float:
    return round(float(value), 4)


# -- fitting


def _fitted(state: Columns) -> Stored:
    x, age = state["days"] - 1, state["age"]
    bought = state["total"] > 0
    return {
        "bg_nbd": fit_bg_nbd(x, age - state["idle"], age),
        "gamma_gamma": fit_gamma_gamma(state["days"][bought], (state["total"] / state["days"])[bought]),
    }


def _taught(method: str, earlier: list[Columns], horizon: int) -> Stored:
    """What a method learns from the latest of the earlier cut-offs, by its name; nothing where it is BG/NBD alone."""
    return {method: _LEARNERS[method](earlier[-1], horizon)} if method in _LEARNERS else {}


@one_thread("scipy.optimize")
def _combined(state: Columns, horizon: int) -> Stored:
    """How much what BG/NBD foretold and the value before each count for: by least squares, none below 0.

    Forecasts that err in different ways err less together (Bates & Granger 1969; the weights by regression, Granger &
    Ramanathan 1984): BG/NBD takes a customer's pace for steady, the value before knows the last horizon alone.
    """
    from scipy.optimize import nnls

    weights = np.full(2, np.nan)  # foretells nothing, and is not chosen
    with suppress(ModelError):
        model = {"horizon": horizon, "method": "bg_nbd", **_fitted(state)}
        points = parts(state, foretold(state, model)["value"])
        weights = nnls(points, state["value"])[0] if np.isfinite(points).all() else weights
    return {"bg_nbd": rounded(weights[0]), "before": rounded(weights[1])}


@one_thread("sklearn.ensemble")
def _learned(state: Columns, horizon: int) -> Stored:
    """Gradient-boosted trees from what a customer had done to what followed."""
    from sklearn.ensemble import GradientBoostingRegressor

    least = max(20, len(state["value"]) // 100)
    model = GradientBoostingRegressor(
        n_estimators=60, learning_rate=0.1, max_depth=3, min_samples_leaf=least, random_state=7
    ).fit(seen(state), state["value"])
    return boosted_trees(model, base=float(state["value"].mean()))


_LEARNERS: dict[str, Callable[[Columns, int], Stored]] = {"combined": _combined, "learned": _learned}


# -- the past


def _states(night: Night, tag: Tag) -> list[Columns]:
    """The buyers at up to two cut-offs, with the `value` that followed, and tonight."""
    assert tag.from_ and tag.horizon  # noqa: S101  (checked with the tag's keys)
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone, only=[tag.tag])
    reach = extents(night, [tag.from_])
    if tag.from_ not in reach:
        raise ModelError(f"no source of {tag.from_} has ever come")
    first, last = reach[tag.from_]
    days = cut_offs(first, last, ahead=tag.horizon, least=1, of=tag.from_)[-2:]
    customers = sampled(night)
    nodes = nodes_of(night, customers).persist()
    frames = []
    with history(night, plan, nodes) as held:
        for place, day in enumerate([*days, night.day]):
            known = tags_at(night.at(day), plan, customers=customers, nodes=nodes, held=held, first={tag.from_: first})
            mine = [F.col(column.name).cast("double").alias(column.name) for column in tag.internal]
            known = known.where(F.col(tag.internal[2].name) > 0).select(_ID, *mine)
            if day in days:
                known = known.join(_followed(night, tag, day, nodes), _ID, "left")
            else:
                known = known.withColumn("value", F.lit(None).cast("double"))
            frames.append(
                known.select(F.lit(place).alias("cut"), F.xxhash64(_ID).alias("hash"), "value", *known.columns[1:-1])
            )
        table = reduce(DataFrame.unionByName, frames).toArrow()
    nodes.unpersist()
    table = table.sort_by([("cut", "ascending"), ("hash", "ascending")])
    return _columns(table, tag, len(frames))


def _columns(table: pa.Table, tag: Tag, states: int) -> list[Columns]:
    named = {name.removeprefix("_"): f"{tag.tag}_{name}" for name in INTERNAL["lifetime_value"]}
    whole = {name: numbers(table[column].combine_chunks()) for name, column in named.items()}
    whole["value"] = np.nan_to_num(numbers(table["value"].combine_chunks()))
    cut = np.asarray(table["cut"])
    return [{name: values[cut == place] for name, values in whole.items()} for place in range(states)]


def _followed(night: Night, tag: Tag, day: date, nodes: DataFrame) -> DataFrame:
    """What each customer brought within the horizon after a cut-off."""
    assert tag.from_ and tag.horizon  # noqa: S101
    timezone = night.conf.pipeline.timezone
    amount = compile_over(tag, str(tag.amount), "amount", timezone=timezone)
    where = compile_over(tag, tag.where, "where", timezone=timezone) if tag.where else None
    rows = rows_that_count(night, tag.from_, nodes, where=where, reads=amount.columns).where(within(day, tag.horizon))
    exact = F.expr(at(amount.sql, day=night.day, as_of=night.as_of)).try_cast("decimal(38,6)")
    return rows.groupBy(_ID).agg(F.try_sum(exact).cast("double").alias("value"))
