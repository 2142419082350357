"""Churn and purchase intent without Spark: planted effects, scikit-learn and hand arithmetic as judges, bad input."""

import json
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from jobs.engines.classifiers import fit_past, recency_rule
from jobs.engines.learners import learned
from jobs.engines.past import Past, check_finite
from transforms.errors import ModelError
from transforms.models.classifier import coordinates, log_odds, probabilities, pushes, scored
from transforms.models.cut_offs import cut_offs
from transforms.models.judging import area_under_curve, calibration_error, distribution, gain
from transforms.models.spec import ALGORITHMS
from transforms.tags.tag import Tag

DAYS = tuple(date(2017, 3, 1) + timedelta(days=60 * k) for k in range(4))
SIZE = 1200


def tag(**keys) -> Tag:
    label = {"event": "transaction", "within": "60d", "happens": False}
    return Tag(
        tag="churn", title={"en": "t"}, description="d", owner="o", model="churn", label=label,
        features=("spend", "visits"), **keys,
    )  # fmt: skip


def planted(seed: int = 1, *, strength: float = 1.5) -> tuple[Past, np.ndarray]:
    """Customers who leave the likelier the less they spend and, beyond 5 visits, at once less; and the true odds."""
    chance = np.random.default_rng(seed)
    size = SIZE * len(DAYS)
    spend, visits = chance.normal(50, 10, size), chance.poisson(5, size).astype(float)
    odds = -1 - strength * (spend - 50) / 10 - strength * (visits > 5)
    raw = {"spend": spend, "visits": visits, "noise": chance.normal(size=size)}
    label = chance.random(size) < 1 / (1 + np.exp(-odds))
    raw["visits"][chance.random(size) < 0.1] = np.nan
    idle = np.where(chance.random(size) < 0.7, chance.integers(0, 60, size) + 10 * label, np.nan)
    past = Past(
        days=DAYS, cut=np.repeat(np.arange(len(DAYS)), SIZE), raw=raw, label=label, idle=idle,
        fold=np.arange(size) % 4, dropped={"city": "not kept"},
    )  # fmt: skip
    return past, odds


@pytest.mark.parametrize("algorithm", ["auto", *ALGORITHMS])
def test_planted_effects_are_recovered(algorithm: str) -> None:
    past, odds = planted()
    parameters, quality = fit_past(past, tag(algorithm=algorithm))
    test = past.cut == 3
    best = roc_auc_score(past.label[test], odds[test])  # nobody can know more than who made the data
    assert best - 0.05 < quality["auc"] < best + 0.02
    assert quality["low"] < quality["auc"] < quality["high"]
    assert quality["gain"]["low"] > 0.1
    assert quality["calibration_error"] < 0.05
    score = probabilities(past.of(test).raw, parameters)
    assert quality["auc"] == pytest.approx(roc_auc_score(past.label[test], score), abs=1e-4)
    # what moves the scores of those at risk is what was planted
    features = [f["name"] for f in parameters["features"]]
    told = scored(parameters, [pa.array(past.of(test).raw[name], from_pandas=True) for name in features])
    first = [why[0] for row, why in zip(score, told.field("drivers").to_pylist(), strict=True) if row > 0.6]
    assert set(first) <= {"raised by spend below usual", "raised by visits below usual", "raised by visits as usual"}
    assert parameters["dropped"]["city"] == "not kept"
    assert json.loads(json.dumps([parameters, quality])) == [parameters, quality]
    if algorithm == "auto":
        assert set(quality["tried"]) == set(ALGORITHMS)
        assert quality["tried"][parameters["algorithm"]] == max(quality["tried"].values())


def test_parameters_give_what_scikit_learn_gives() -> None:
    past, _ = planted()
    parameters, _ = fit_past(past, tag())
    points = coordinates(past.raw, parameters)
    boosted = learned("gradient_boosted_trees", points, past.label, 7)
    judge = GradientBoostingClassifier(n_estimators=60, min_samples_leaf=len(points) // 100, random_state=7)
    expected = judge.fit(points, past.label).decision_function(points)
    np.testing.assert_allclose(log_odds(pushes(points, boosted), boosted), expected, atol=1e-6)
    linear = learned("logistic_regression", points, past.label, 7)
    expected = LogisticRegression(max_iter=1000).fit(points, past.label).decision_function(points)
    np.testing.assert_allclose(log_odds(pushes(points, linear), linear), expected, atol=1e-6)


def test_a_score_depends_on_nobody_else() -> None:
    past, _ = planted()
    for algorithm in ALGORITHMS:
        parameters, _ = fit_past(past, tag(algorithm=algorithm))
        columns = [pa.array(past.raw[f["name"]], from_pandas=True) for f in parameters["features"]]
        whole = scored(parameters, columns).to_pylist()
        for size in (1, 7, 1000):
            pieces = [
                scored(parameters, [c.slice(at, size) for c in columns]).to_pylist() for at in range(0, 100, size)
            ]
            assert [row for piece in pieces for row in piece][:100] == whole[:100]


def test_bands_and_drivers_by_hand() -> None:
    feature = {"indicator": False, "transform": "none", "centre": 0.0, "scale": 1.0, "low": -3.0, "high": 3.0}
    parameters = {
        "features": [{**feature, "name": "days_idle", "median": 1.0}, {**feature, "name": "spend", "median": 0.0,
                                                                      "indicator": True}],
        "model": {"weights": [1.0, -0.5, 2.0], "means": [0.0, 0.0, 0.0], "base": -1.0},
        "calibration": {"slope": 1.0, "offset": 0.0},
        "bands": [0.3, 0.6],
    }  # fmt: skip
    rows = scored(parameters, [pa.array([3.0, 1.0, 1.0]), pa.array([2.0, None, 2.0])]).to_pylist()
    less = "lowered by spend above usual"
    # odds: -1 + 3 - 1 = 1; -1 + 1 + 0 + 2 = 2; -1 + 1 - 1 = -1
    assert rows == [
        {"score": 0.731059, "band": "high", "drivers": ["raised by days idle above usual", less]},
        {"score": 0.880797, "band": "high", "drivers": ["raised by spend not known", "raised by days idle as usual"]},
        {"score": 0.268941, "band": "low", "drivers": ["raised by days idle as usual", less]},
    ]  # fmt: skip


def test_the_curve_and_its_interval() -> None:
    # of 2 x 3 pairs 0.8 > all three, 0.4 > 0.1, = 0.4, < 0.6: (3 + 1.5) / 6
    score, label = np.array([0.8, 0.4, 0.1, 0.4, 0.6]), np.array([1, 1, 0, 0, 0], bool)
    assert area_under_curve(score, label)["auc"] == 0.75
    chance = np.random.default_rng(2)
    label = chance.random(3000) < 0.3
    score, other = label + chance.normal(0, 1.2, 3000), label + chance.normal(0, 2, 3000)
    found, apart = area_under_curve(score, label), gain(score, other, label)
    assert found["auc"] == pytest.approx(roc_auc_score(label, score), abs=1e-4)
    draws = [chance.integers(0, 3000, 3000) for _ in range(200)]
    resampled = [(roc_auc_score(label[d], score[d]), roc_auc_score(label[d], other[d])) for d in draws]
    low, high = np.quantile([one for one, _ in resampled], [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.007)
    low, high = np.quantile([one - two for one, two in resampled], [0.025, 0.975])
    assert (apart["low"], apart["high"]) == pytest.approx((low, high), abs=0.008)


def test_calibration_and_distribution_by_hand() -> None:
    score, label = np.repeat([0.1, 0.9], 50), np.repeat([False, True], 50)
    assert calibration_error(score, label) == 0.1
    label[:10] = True  # two of the ten groups of ten: 1 instead of 0.1
    assert calibration_error(score, label) == pytest.approx((1 * 0.9 + 4 * 0.1 + 5 * 0.1) / 10)
    found = distribution(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10, np.nan]))
    assert found == {"edges": [1, 2, 3, 4, 5, 6, 7, 8, 9], "counts": {**{str(k): 1 for k in range(10)}, "(none)": 1}}


def test_cut_offs_by_hand() -> None:
    first, last = date(2017, 1, 1), date(2017, 12, 29)  # 362 days
    ends = {"ahead": 60, "least": 2, "of": "transaction"}
    assert [str(day) for day in cut_offs(first, last, **ends)] == [
        "2017-07-02",
        "2017-08-31",
        "2017-10-30",
    ]
    # 180 days are just enough for two: 60 before the first, 60 between, 60 after
    assert [str(d) for d in cut_offs(first, date(2017, 6, 30), **ends)] == ["2017-03-02", "2017-05-01"]
    with pytest.raises(ModelError, match=r"needs 180 days of transaction .* there are 179"):
        cut_offs(first, date(2017, 6, 29), **ends)


def test_who_never_did_is_the_least_likely() -> None:
    assert recency_rule(np.array([3.0, np.nan]), happens=True).tolist() == [-3, -np.inf]
    assert recency_rule(np.array([3.0, np.nan]), happens=False).tolist() == [3, np.inf]


@pytest.mark.parametrize(
    ("change", "keys", "message"),
    [
        ({"label": np.zeros(SIZE * 4, bool)}, {}, "0 have the label and 3600 have not; it takes 30 of each"),
        ({"label": np.arange(SIZE * 4) < 40}, {}, "of the 1200 customers to be tested on, 0 have the label"),
        ({"raw": {"a": np.full(SIZE * 4, 3.0)}}, {}, "none of the features a differs between customers"),
        ({"raw": {"a": np.full(SIZE * 4, np.nan)}}, {}, "none of the features a differs between customers"),
        ({"raw": {}}, {}, "none of its features is known of earlier days .'city': not kept"),
        ({}, {"gate": {"auc": 0.99}}, "is below the gate's 0.99"),
        ({}, {"gate": {"calibration_error": 0.0001}}, "is above the gate's 0.0001"),
    ],
)
def test_what_cannot_be_fitted_is_said(change: dict, keys: dict, message: str) -> None:
    past, _ = planted()
    with pytest.raises(ModelError, match=message):
        fit_past(Past(**{**vars(past), **change}), tag(**keys))


def test_an_infinite_value_is_said() -> None:
    with pytest.raises(ModelError, match="'b' is infinite for 1 customers"):
        check_finite({"a": np.ones(3), "b": np.array([1.0, np.inf, np.nan])})


def test_no_better_than_the_rule_or_the_champion() -> None:
    past, _ = planted()
    champion, quality = fit_past(past, tag())
    # the same again is as good: it takes over; one that learned from mixed-up labels is not
    assert fit_past(past, tag(), champion)[1]["champion"] == quality["auc"]
    mixed = past.label.copy()
    mixed[past.cut < 3] = np.random.default_rng(3).permutation(mixed[past.cut < 3])
    worse = Past(**{**vars(past), "label": mixed})
    with pytest.raises(ModelError, match="is below the released model's"):
        fit_past(worse, tag(), champion)
    known = Past(**{**vars(past), "idle": np.where(past.label, 90.0, 1.0)})
    with pytest.raises(ModelError, match=r"no better than the recency rule's 1\.000"):
        fit_past(known, tag())


def test_better_by_chance_alone_is_not_released() -> None:
    """A rule that ranks as the model does but for chance: the model's AUC is the higher one, by less than its error."""
    past, _ = planted()
    test = past.cut == 3
    parameters, _ = fit_past(past, tag(algorithm="logistic_regression"))
    score = probabilities(past.of(test).raw, parameters)
    idle = np.ones(len(past.label))
    idle[test] = score + np.random.default_rng(5).normal(0, 0.03, SIZE)
    alike = Past(**{**vars(past), "idle": idle})
    mine, rule = (roc_auc_score(past.label[test], told) for told in (score, idle[test]))
    assert mine > rule
    with pytest.raises(ModelError, match=r"no better than the recency rule's 0\.[0-9]+ \(95 % interval of the gain -0"):
        fit_past(alike, tag(algorithm="logistic_regression"))
