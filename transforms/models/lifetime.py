"""How often a customer will come again and what it brings: BG/NBD and Gamma-Gamma, in NumPy and SciPy.

BG/NBD: Fader, Hardie & Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005). A customer buys at a
rate of one's own (gamma: r, alpha) and after each purchase leaves for good with a probability of one's own (beta: a,
b). Gamma-Gamma: Fader & Hardie, The Gamma-Gamma Model of Monetary Value (2013): purchases vary around a mean of
one's own (p; the means by q, v). Times are in any one unit; alpha is in the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.models.classifier import log_odds, numbers, pushes
from transforms.models.kmeans import Matrix

Numbers = NDArray[np.float64]
Parameters = Mapping[str, float]
# What a learned model sees of a customer, in this order.
LEARNED_FROM = ("days since the first order", "days since the last", "days with orders", "mean value", "value before")
_DECIMALS = 6


def log_likelihood(x: Numbers, t_x: Numbers, t: Numbers, parameters: Parameters) -> Numbers:
    """BG/NBD: the log-likelihood of each customer (equation 6). x: repeat purchases; t_x, t: ages at last, and now."""
    from scipy.special import gammaln

    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    buys = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stays = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    alive = -(r + x) * np.log(alpha + t)
    gone = np.where(x > 0, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
    return np.asarray(buys + stays + np.logaddexp(alive, gone))


def p_alive(x: Numbers, t_x: Numbers, t: Numbers, parameters: Parameters) -> Numbers:
    """The probability that a customer has not left (Fader, Hardie & Lee, Computing P(alive), 2008); 1 where x is 0."""
    return np.asarray(1 / (1 + _odds_of_having_left(x, t_x, t, parameters)))


def _odds_of_having_left(x: Numbers, t_x: Numbers, t: Numbers, parameters: Parameters) -> Numbers:
    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    longer = np.minimum((r + x) * (np.log(alpha + t) - np.log(alpha + t_x)), 700.0)
    return np.asarray(np.where(x > 0, a / (b + np.maximum(x, 1) - 1) * np.exp(longer), 0.0))


def expected_purchases(x: Numbers, t_x: Numbers, t: Numbers, ahead: float, parameters: Parameters) -> Numbers:
    """Purchases to be expected in the next `ahead` (equation 10).

    The hypergeometric function is taken after Euler's transformation, whose terms do not overflow for customers who
    buy hundreds of times; where they do, because hardly anybody ever leaves (a in the thousands), before it.
    """
    from scipy.special import hyp2f1

    r, alpha, a, b = (parameters[name] for name in ("r", "alpha", "a", "b"))
    a = a if abs(a - 1) > 1e-6 else 1 + 1e-6  # the formula has a gap at 1, over which its value is steady
    z = ahead / (alpha + t + ahead)
    with np.errstate(invalid="ignore"):
        left = (1 - z) ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
    if not np.isfinite(left).all():
        left = np.where(np.isfinite(left), left, (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z))
    all_alive = (a + b + x - 1) / (a - 1) * (1 - left)
    return np.asarray(all_alive / (1 + _odds_of_having_left(x, t_x, t, parameters)))


def value_log_likelihood(n: Numbers, mean: Numbers, parameters: Parameters) -> Numbers:
    """Gamma-Gamma: the log-likelihood of each customer's mean value over n purchases (equation 1a)."""
    from scipy.special import gammaln

    p, q, v = (parameters[name] for name in ("p", "q", "v"))
    return np.asarray(
        gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v)
        + (p * n - 1) * np.log(mean) + p * n * np.log(n) - (p * n + q) * np.log(n * mean + v)
    )  # fmt: skip


def expected_value(n: Numbers, mean: Numbers, parameters: Parameters) -> Numbers:
    """What a purchase is to be expected to bring (equation 5): the customer's own mean, drawn to everyone's."""
    p, q, v = (parameters[name] for name in ("p", "q", "v"))
    return np.asarray(p * (v + n * mean) / (p * n + q - 1))


def foretold(columns: Mapping[str, Numbers], parameters: Mapping[str, Any]) -> dict[str, Numbers]:
    """value, p_alive and expected_orders within the horizon. `columns`: age, idle, days, total, before; days above 0.

    Purchases are days with an order; x counts those after the first.
    """
    days, age = columns["days"], columns["age"]
    x, t_x = days - 1, age - columns["idle"]
    mean = np.maximum(columns["total"], 0) / days
    ahead = float(parameters["horizon"])
    orders = expected_purchases(x, t_x, age, ahead, parameters["bg_nbd"])
    value = orders * expected_value(days, mean, parameters["gamma_gamma"])
    if parameters["method"] == "combined":
        expected, before = parts(columns, value).T
        weights = parameters["combined"]
        # written out: a product of matrices is summed otherwise from one processor, and one batch, to the next
        value = weights["bg_nbd"] * expected + weights["before"] * before
    elif parameters["method"] == "learned":
        model = parameters["learned"]
        value = np.maximum(log_odds(pushes(seen(columns), model), model), 0)
    alive = p_alive(x, t_x, age, parameters["bg_nbd"])
    return {"value": value, "p_alive": alive, "expected_orders": orders}


def parts(columns: Mapping[str, Numbers], expected: Numbers) -> Matrix:
    """Customers × what a combined value is made of: what BG/NBD with Gamma-Gamma expects, and the value before."""
    return np.column_stack([expected, np.nan_to_num(columns["before"])])


def seen(columns: Mapping[str, Numbers]) -> Matrix:
    """Customers × `LEARNED_FROM`, exact in 32 bits."""
    mean = np.maximum(columns["total"], 0) / columns["days"]
    points = np.column_stack([columns["age"], columns["idle"], columns["days"], mean, np.nan_to_num(columns["before"])])
    return np.asarray(points.astype(np.float32).astype(np.float64))


def scored(parameters: Mapping[str, Any], columns: Sequence[pa.Array]) -> pa.StructArray:
    """The outputs of a batch of customers; NULL for who never bought anything."""
    named = dict(zip(("age", "idle", "days", "total", "before"), map(numbers, columns), strict=True))
    buyers = np.nan_to_num(named["days"]) > 0
    found = foretold({name: values[buyers] for name, values in named.items()}, parameters)
    fields = {}
    for name, values in found.items():
        whole = np.full(len(buyers), np.nan)
        whole[buyers] = np.round(values, _DECIMALS)
        fields[name] = pa.array(whole, from_pandas=True)
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
