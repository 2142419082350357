"""BG/NBD and Gamma-Gamma against the figures their authors published, on CDNOW.

Fader, Hardie & Lee, Marketing Science 24 (2005), table 2 and the note on BG/NBD in Excel: 2,357 customers who first
bought in the first quarter of 1997, observed for 39 weeks; the customer of the worked example bought twice again, last
in week 30.43 of 38.86. Fader & Hardie, The Gamma-Gamma Model of Monetary Value (2013): the 946 of them who came
again. Only the data files of the package `lifetimes` are read: its code is older than today's libraries.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.engines.likelihoods import fit_bg_nbd, fit_gamma_gamma
from transforms.models.lifetime import expected_purchases, expected_value, log_likelihood, p_alive

PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    found = find_spec("lifetimes")
    assert found is not None and found.submodule_search_locations
    folder = Path(next(iter(found.submodule_search_locations))) / "datasets"
    frame = pd.read_csv(folder / "cdnow_customers_summary_with_transactions.csv").astype(float)
    assert len(frame) == 2357
    return frame


def columns(frame: pd.DataFrame, *names: str) -> list[np.ndarray]:
    return [frame[name].to_numpy() for name in names]


def test_bg_nbd_is_fitted_as_published(cdnow: pd.DataFrame) -> None:
    found = fit_bg_nbd(*columns(cdnow, "x", "t_x", "T"))
    assert {name: round(found[name], 3) for name in PUBLISHED} == PUBLISHED
    assert round(found["log_likelihood"], 1) == -9582.4
    # told in days, alpha is seven times as large, and nothing else is another
    in_days = fit_bg_nbd(*(part * unit for part, unit in zip(columns(cdnow, "x", "t_x", "T"), (1, 7, 7), strict=True)))
    assert in_days["alpha"] / 7 == pytest.approx(found["alpha"], rel=1e-3)
    assert in_days["r"] == pytest.approx(found["r"], rel=1e-3)


def test_bg_nbd_foretells_as_published(cdnow: pd.DataFrame) -> None:
    customer = [np.array([value]) for value in (2.0, 30.43, 38.86)]
    assert expected_purchases(*customer, 39.0, PUBLISHED)[0] == pytest.approx(1.2260, abs=1e-3)
    assert p_alive(*customer, PUBLISHED)[0] == pytest.approx(0.7266, abs=1e-4)
    fitted = fit_bg_nbd(*columns(cdnow, "x", "t_x", "T"))
    assert round(float(expected_purchases(*customer, 39.0, fitted)[0]), 3) == 1.226
    assert round(float(p_alive(*customer, fitted)[0]), 4) == 0.7266
    assert log_likelihood(*columns(cdnow, "x", "t_x", "T"), PUBLISHED).sum() == pytest.approx(-9582.4, abs=0.1)


def test_gamma_gamma_is_fitted_as_published(cdnow: pd.DataFrame) -> None:
    again = cdnow[cdnow["x"] > 0]
    assert len(again) == 946
    found = fit_gamma_gamma(*columns(again, "x", "zbar"))
    assert {name: round(found[name], 2) for name in "pq"} == {"p": 6.25, "q": 3.74}
    assert found["v"] == pytest.approx(15.44, abs=0.015)  # a spreadsheet's solver found the published ones
    assert found["p"] * found["v"] / (found["q"] - 1) == pytest.approx(35.22, abs=0.1)
    published = {"p": 6.25, "q": 3.74, "v": 15.44}
    # who bought nothing is expected to bring what everybody does; who bought without end, what that one brings
    nobody, always = np.array([0.0]), np.array([1e9])
    assert expected_value(nobody, np.array([0.0]), published)[0] == pytest.approx(35.22, abs=0.005)
    assert expected_value(always, np.array([80.0]), published)[0] == pytest.approx(80, abs=0.01)


def test_customers_who_buy_hundreds_of_times_stay_finite() -> None:
    """Where the textbook's hypergeometric series overflows (Fader & Hardie, the #NUM! note, 2013)."""
    x, t_x, t = np.array([0.0, 300.0, 900.0, 900.0]), np.array([0.0, 99.0, 99.0, 10.0]), np.full(4, 100.0)
    expected = expected_purchases(x, t_x, t, 50.0, PUBLISHED)
    assert np.isfinite(expected).all()
    # Monte Carlo over the customer's own rate and chance of leaving, given what is known of them
    chance = np.random.default_rng(5)
    r, alpha, a, b = PUBLISHED.values()
    for place, bought in ((1, 300), (2, 900)):
        rate, leaves = chance.gamma(r + bought, 1 / (alpha + 100), 200_000), chance.beta(a, b + bought, 200_000)
        alive = p_alive(x, t_x, t, PUBLISHED)[place]
        simulated = alive * ((1 - np.exp(-rate * leaves * 50)) / leaves).mean()
        assert expected[place] == pytest.approx(simulated, rel=0.01)
    assert expected[3] == pytest.approx(0, abs=1e-6)
    assert p_alive(x, t_x, t, PUBLISHED)[3] == pytest.approx(0, abs=1e-9)


def test_planted_customers_are_recovered() -> None:
    """Customers drawn from the model itself, day by day, give back its parameters."""
    chance = np.random.default_rng(11)
    truth = {"r": 0.8, "alpha": 20.0, "a": 0.6, "b": 2.0}
    size, end = 6000, 300.0
    rate = chance.gamma(truth["r"], 1 / truth["alpha"], size)
    leaves = chance.beta(truth["a"], truth["b"], size)
    x, last = np.zeros(size), np.zeros(size)
    for one in range(size):
        time = 0.0
        while (time := time + chance.exponential(1 / rate[one])) <= end:
            x[one], last[one] = x[one] + 1, time
            if chance.random() < leaves[one]:
                break
    found = fit_bg_nbd(x, last, np.full(size, end))
    for name, value in truth.items():
        assert found[name] == pytest.approx(value, rel=0.2), name
