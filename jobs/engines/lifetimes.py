"""Lifetime value: BG/NBD with Gamma-Gamma by maximum likelihood, and a learned one where it foretells better."""

from collections.abc import Callable, Mapping
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
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.expressions import at
from transforms.models.classifier import numbers
from transforms.models.cut_offs import cut_offs
from transforms.models.lifetime import foretold, log_likelihood, seen, value_log_likelihood
from transforms.tags.foretold import INTERNAL
from transforms.tags.items import compile_over
from transforms.tags.plan import plan_tags
from transforms.tags.tag import Tag

Numbers = NDArray[np.float64]
Columns = dict[str, Numbers]
Stored = dict[str, Any]
LEAST = 100
_ID = "customer_id"
_STARTS = (1.0, 0.1)
_BOUND = 12.0  # of a parameter's logarithm
_DIGITS = 6
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
    wanted = ["bg_nbd"] if not earlier else ["bg_nbd", "learned"]
    if tag.method != "auto":
        wanted = [name for name in wanted if name == tag.method]
    if not wanted:
        raise ModelError(
            f"method: learned takes {3 * horizon} days of history and {LEAST} buyers in the first {horizon}; bg_nbd "
            f"takes {2 * horizon}"
        )
    base = {"horizon": horizon, **_fitted(test)}
    learnt = _learned(earlier[-1]) if "learned" in wanted else None
    tried = {name: {**base, "method": name} | ({"learned": learnt} if name == "learned" else {}) for name in wanted}
    told = {name: foretold(test, parameters) for name, parameters in tried.items()}
    foretells = {name: columns["value"] for name, columns in told.items() if _is_finite(columns)}
    if not foretells:
        raise ModelError(_OUT_OF_PROPORTION)
    errors = {name: np.abs(value - test["value"]) for name, value in foretells.items()}
    method = min(foretells, key=lambda name: float(errors[name].mean()))
    before = np.abs(np.nan_to_num(test["before"]) - test["value"])
    quality = _quality(foretells[method], test["value"], errors[method], before)
    quality |= {"method": method, "tried": {name: _money(error.mean()) for name, error in errors.items()}}
    _check_gate(quality, horizon, champion=_champion(test, previous))
    parameters = {"horizon": horizon, "method": method, **_fitted(tonight), "tested": tried[method]}
    if method == "learned":
        parameters["learned"] = _learned(test)
    if not _is_finite(foretold(tonight, parameters)):
        raise ModelError(_OUT_OF_PROPORTION)
    return parameters, quality


def _champion(test: Columns, previous: Mapping[str, Any] | None) -> float | None:
    """The error, on the same customers, of what was tested when the released model was fitted; None: it is not kept."""
    tested = previous.get("tested") if previous else None
    return _money(np.abs(foretold(test, tested)["value"] - test["value"]).mean()) if tested else None


def _check_gate(quality: Stored, horizon: int, *, champion: float | None) -> None:
    """Raise ModelError where the value before, or the released model, foretells as well. No number is no better."""
    error, baseline = quality["error"], quality["baseline"]["error"]
    misses = []
    if not error < baseline:
        misses.append(f"the value of the {horizon} days before by {baseline:g}")
    if champion is not None:
        quality["champion"] = champion
        if error > champion:
            misses.append(f"the released model by {champion:g}")
    if misses:
        raise ModelError(f"it is wrong by {error:g} on average, {', '.join(misses)}")


def _is_finite(columns: Columns) -> bool:
    return all(np.isfinite(values).all() for values in columns.values())


def _quality(value: Numbers, came: Numbers, error: Numbers, before: Numbers) -> Stored:
    from scipy.stats import spearmanr

    gained = before - error
    away = 1.96 * float(gained.std(ddof=1)) / len(gained) ** 0.5
    ends = {"low": _money(gained.mean() - away), "high": _money(gained.mean() + away)}
    total = float(came.sum())
    return {
        "error": _money(error.mean()),
        "baseline": {"error": _money(before.mean())},
        "gain": {"gain": _money(gained.mean()), **ends},
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


def fit_bg_nbd(x: Numbers, t_x: Numbers, t: Numbers) -> dict[str, float]:
    """r, alpha, a, b of greatest likelihood, and log_likelihood. Raises ModelError where nobody came again."""
    if len(x) < LEAST or not (x > 0).any():
        raise ModelError(
            f"of {len(x)} customers who bought, {int((x > 0).sum())} came again; it takes {LEAST} and some"
        )
    kinds, often = np.unique(np.column_stack([x, t_x, t]), axis=0, return_counts=True)
    scale = float(t.max()) / 40  # a customer base of forty units of age: where the search is at home

    def likelihood(r: float, alpha: float, a: float, b: float) -> float:
        each = log_likelihood(
            kinds[:, 0], kinds[:, 1] / scale, kinds[:, 2] / scale, {"r": r, "alpha": alpha, "a": a, "b": b}
        )
        return float(each @ often)

    (r, alpha, a, b), reached = _most_likely(likelihood, 4)
    # the density of x moments in time, told in the unit of `t`
    found = {"r": r, "alpha": alpha * scale, "a": a, "b": b}
    told = reached - float(x.sum()) * float(np.log(scale))
    return {**{name: _rounded(value) for name, value in found.items()}, "log_likelihood": round(told, 2)}


def fit_gamma_gamma(n: Numbers, mean: Numbers) -> dict[str, float]:
    """p, q, v of greatest likelihood; q above 1, or everyone's mean would be infinite. Raises ModelError if too few."""
    if len(n) < LEAST:
        raise ModelError(f"{len(n)} customers brought something; it takes {LEAST}")
    scale = float(np.median(mean))

    def likelihood(p: float, beyond: float, v: float) -> float:
        return float(value_log_likelihood(n, mean / scale, {"p": p, "q": 1 + beyond, "v": v}).sum())

    (p, beyond, v), _ = _most_likely(likelihood, 3)
    return {"p": _rounded(p), "q": _rounded(1 + beyond), "v": _rounded(v * scale)}


@one_thread()
def _most_likely(likelihood: Callable[..., float], count: int) -> tuple[Numbers, float]:
    """The parameters, all above 0, of the greatest likelihood, and that. From two starts, so that none hangs."""
    from scipy.optimize import minimize

    def worse(logs: Numbers) -> float:
        return -likelihood(*np.exp(np.clip(logs, -_BOUND, _BOUND)))

    tried = [
        minimize(
            worse, np.full(count, np.log(start)), method="Nelder-Mead",
            options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-7, "adaptive": True},
        )
        for start in _STARTS
    ]  # fmt: skip
    best = min(tried, key=lambda one: one.fun)
    if not np.isfinite(best.fun):
        raise ModelError(
            "no parameters make what the customers did likely; are amounts or dates out of all proportion?"
        )
    return np.exp(np.clip(best.x, -_BOUND, _BOUND)), -float(best.fun)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


@one_thread()
def _learned(state: Columns) -> Stored:
    """Gradient-boosted trees from what a customer had done to what followed."""
    from sklearn.ensemble import GradientBoostingRegressor

    least = max(20, len(state["value"]) // 100)
    model = GradientBoostingRegressor(
        n_estimators=60, learning_rate=0.1, max_depth=3, min_samples_leaf=least, random_state=7
    ).fit(seen(state), state["value"])
    return boosted_trees(model, base=float(state["value"].mean()))


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
