"""The parameters of BG/NBD and of Gamma-Gamma under which what customers did is likeliest."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jobs.engines.clusters import one_thread
from transforms.errors import ModelError
from transforms.models.lifetime import log_likelihood, value_log_likelihood

Numbers = NDArray[np.float64]
# Fewer customers tell nothing that lasts.
LEAST = 100
_STARTS = (1.0, 0.1)
_BOUND = 12.0  # of a parameter's logarithm
_DIGITS = 6


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
    return {**{name: rounded(value) for name, value in found.items()}, "log_likelihood": round(told, 2)}


def fit_gamma_gamma(n: Numbers, mean: Numbers) -> dict[str, float]:
    """p, q, v of greatest likelihood; q above 1, or everyone's mean would be infinite. Raises ModelError if too few."""
    if len(n) < LEAST:
        raise ModelError(f"{len(n)} customers brought something; it takes {LEAST}")
    scale = float(np.median(mean))

    def likelihood(p: float, beyond: float, v: float) -> float:
        return float(value_log_likelihood(n, mean / scale, {"p": p, "q": 1 + beyond, "v": v}).sum())

    (p, beyond, v), _ = _most_likely(likelihood, 3)
    return {"p": rounded(p), "q": rounded(1 + beyond), "v": rounded(v * scale)}


@one_thread("scipy.optimize")
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


def rounded(value: float) -> float:
    """A parameter with the digits that are kept."""
    return float(f"{value:.{_DIGITS}g}")
