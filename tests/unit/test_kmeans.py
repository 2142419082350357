"""K-Means segments: planted clusters, scikit-learn as the judge of scores, and what must not change a result."""

import json
import math

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from jobs.engines import kmeans as engine
from jobs.engines.kmeans import fit_kmeans, fit_sample
from transforms.errors import ModelError
from transforms.models.kmeans import KMeansSpec, prepare, score_kmeans
from transforms.models.segments import apart, built_name, matched_labels, segment_names

FEATURES = ("recency", "orders", "spend")
PLANTED = [(10, 20, 900), (200, 2, 50), (60, 8, 300), (15, 3, 2000)]


def planted(size: int = 400, centres: list[tuple] = PLANTED, seed: int = 3) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Customers around `centres`, a tenth of each value's size apart, and which centre each belongs to."""
    chance = np.random.default_rng(seed)
    truth = np.arange(size) % len(centres)
    points = np.array(centres, dtype=float)[truth]
    points *= 1 + 0.1 * chance.standard_normal(points.shape)
    return dict(zip(FEATURES, points.T, strict=True)), truth


def spec(**changes) -> KMeansSpec:
    return KMeansSpec(**{"features": FEATURES, "k": (2, 7), "transform": {"spend": "log1p"}, **changes})


def labels_of(raw: dict[str, np.ndarray], parameters: dict) -> np.ndarray:
    """scikit-learn's own nearest centre, as our labels."""
    judge = KMeans(len(parameters["centres"]), n_init=1, max_iter=1)
    judge.fit(np.array(parameters["centres"]))
    judge.cluster_centers_ = np.array(parameters["centres"])
    return np.array(parameters["labels"])[judge.predict(prepare(raw, parameters))]


def frame(spark: SparkSession, raw: dict[str, np.ndarray], *, order=None, partitions: int = 1) -> DataFrame:
    order = range(len(raw[FEATURES[0]])) if order is None else order
    rows = [
        (f"c{i:05d}", *(None if np.isnan(raw[name][i]) else float(raw[name][i]) for name in FEATURES)) for i in order
    ]
    ddl = "customer_id string, " + ", ".join(f"{name} double" for name in FEATURES)
    return spark.createDataFrame(rows, ddl).repartition(partitions)


def test_planted_segments_are_found():
    raw, truth = planted()
    parameters, quality = fit_sample(raw, spec=spec())
    assert quality["k"] == 4
    assert adjusted_rand_score(truth, labels_of(raw, parameters)) > 0.95
    assert [segment["share"] for segment in quality["segments"]] == [0.25] * 4
    assert quality["resample_ari"] > 0.95
    assert [one["k"] for one in quality["candidates"]] == [2, 3, 4, 5, 6, 7]
    assert [one["k"] for one in quality["candidates"] if one["chosen"]] == [4]
    assert json.loads(json.dumps([parameters, quality])) == [parameters, quality]


def test_clusters_are_those_of_scikit_learn_on_the_same_matrix():
    raw, _ = planted(500, seed=12)
    raw["orders"][::9] = np.nan
    parameters, quality = fit_sample(raw, spec=spec())
    theirs = KMeans(quality["k"], n_init=10, random_state=0).fit_predict(prepare(raw, parameters))
    assert adjusted_rand_score(theirs, labels_of(raw, parameters)) > 0.99


def test_spark_scores_as_scikit_learn_does(spark):
    chance = np.random.default_rng(11)
    raw = {name: chance.lognormal(1, 1.5, 600) * chance.choice([-1, 1], 600, p=[0.1, 0.9]) for name in FEATURES}
    raw["orders"][chance.random(600) < 0.2] = np.nan
    parameters, _ = fit_sample(raw, spec=spec(k=(5, 5), transform={"spend": "log1p", "recency": "sqrt"}))
    parameters = json.loads(json.dumps(parameters))
    scored = {row.customer_id: row for row in score_kmeans(frame(spark, raw), parameters=parameters).collect()}
    expected = labels_of(raw, parameters)
    centre_of = dict(zip(parameters["labels"], np.array(parameters["centres"]), strict=True))
    points = prepare(raw, parameters)
    assert len(scored) == 600
    for i, label in enumerate(expected):
        row = scored[f"c{i:05d}"]
        assert row.segment == parameters["names"][str(label)]
        assert row.distance == pytest.approx(float(np.linalg.norm(points[i] - centre_of[label])), abs=1e-9)


def test_partitions_order_and_a_bounded_sample_change_nothing(spark, monkeypatch):
    raw, _ = planted(300)
    raw["orders"][::7] = np.nan
    chance = np.random.default_rng(1)
    for most in (200_000, 120):
        monkeypatch.setattr(engine, "CUSTOMERS", most)
        fits = [
            fit_kmeans(frame(spark, raw, order=chance.permutation(300), partitions=n), spec=spec(k=(3, 5)))
            for n in (1, 2, 7)
        ]
        assert fits[0] == fits[1] == fits[2]
        assert fits[0][1]["customers"] == min(most, 300)


# Two features as they stand, so that every number below can be worked out by hand.
BY_HAND = {
    "features": [
        {"name": "a", "median": 4.0, "indicator": True, "transform": "sqrt", "centre": 1.0, "scale": 2.0,
         "low": -3.0, "high": 3.0},
        {"name": "b", "median": 0.0, "indicator": False, "transform": "none", "centre": 0.0, "scale": 1.0,
         "low": -3.0, "high": 3.0},
    ],
    "centres": [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [3.0, 0.0, 0.0], [0.5, 2.0, 1.0]],
    "labels": [1, 2, 4, 7],
    "names": {"1": "up", "2": "down", "4": "far", "7": "unknown"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "segment", "distance"),
    [
        (1.0, 0.0, "up", 1.0),  # (0, 0, 0): one away from `up` and from `down`; the lower label has it
        (9.0, -1.0, "down", 1.0),  # (sqrt(9) - 1) / 2 = 1: (1, -1, 0)
        (1e12, 0.0, "far", 0.0),  # clipped at 3
        (-1e12, -5.0, "down", math.sqrt(13)),  # the sign is kept: (-3, -3, 0); 3² + 2²
        (None, 2.0, "unknown", 0.0),  # the median 4 gives 0.5, and missing is a coordinate
        (math.nan, 2.0, "unknown", 0.0),
        (math.inf, None, "far", 0.0),  # scored tonight, not fitted: clipped like any large value
    ],
)
def test_scores_by_hand(spark, a, b, segment, distance):
    row = score_kmeans(
        spark.createDataFrame([("c", a, b)], "customer_id string, a double, b double"), parameters=BY_HAND
    ).first()
    assert (row.segment, row.distance) == (segment, pytest.approx(distance))


def test_decimals_counts_and_booleans_are_numbers(spark):
    rows = spark.range(200).selectExpr(
        "cast(id as string) as customer_id",
        "cast(id % 2 * 100 as decimal(18,4)) as recency",
        "id % 2 = 0 as orders",
        "cast(id as int) as spend",
    )
    parameters, quality = fit_kmeans(rows, spec=spec(k=(2, 3)))
    assert quality["k"] == 2
    odd_even = score_kmeans(rows, parameters=parameters).collect()
    assert len({(int(row.customer_id) % 2, row.segment) for row in odd_even}) == 2


def test_outliers_own_no_cluster_and_move_no_scale():
    raw, truth = planted(400)
    clean, _ = fit_sample(raw, spec=spec(transform={}))
    # a reseller, a test account and three broken meters, each worse than the last
    extreme = {"recency": [9e9, 5, -8e8, 1, 1], "orders": [1e6, 1e9, 1, 7e7, 1], "spend": [1e12, 3, 1e10, 1, -9e11]}
    spoiled = {name: np.append(raw[name], extreme[name]) for name in FEATURES}
    parameters, quality = fit_sample(spoiled, spec=spec(transform={}))
    assert quality["k"] == 4
    assert adjusted_rand_score(truth, labels_of(spoiled, parameters)[:400]) > 0.95
    assert min(segment["share"] for segment in quality["segments"]) > 0.2
    for before, after in zip(clean["features"], parameters["features"], strict=True):
        assert after["scale"] == pytest.approx(before["scale"], rel=0.15)


def test_missing_values_are_imputed_and_told_apart():
    raw, truth = planted(400)
    gone = (truth == 1) & (np.arange(400) % 8 == 1)
    raw["recency"][gone] = np.nan
    raw["orders"][gone] = np.nan
    parameters, _ = fit_sample(raw, spec=spec())
    by_name = {feature["name"]: feature for feature in parameters["features"]}
    assert by_name["recency"]["median"] == np.nanmedian(raw["recency"])
    # both are missing for the same customers: one coordinate says it for both
    assert [by_name[name]["indicator"] for name in FEATURES] == [True, False, False]
    points = prepare(raw, parameters)
    assert points.shape == (400, 4)
    assert points[:, 3].tolist() == gone.astype(float).tolist()


def test_features_that_tell_nothing_are_dropped_and_said():
    raw, _ = planted(400)
    alone, _ = fit_sample(raw, spec=spec())
    raw |= {"constant": np.full(400, 3.0), "never": np.full(400, np.nan), "once": np.eye(1, 400)[0]}
    more = spec(features=(*FEATURES, "constant", "never", "once"))
    parameters, quality = fit_sample(raw, spec=more)
    assert parameters["centres"] == alone["centres"]
    assert quality["notes"] == [
        "feature 'constant' is not used: the same for (nearly) every customer",
        "feature 'never' is not used: no customer has a value",
        "feature 'once' is not used: the same for (nearly) every customer",
    ]


def test_refit_keeps_labels_and_names():
    raw, truth = planted(400)
    first, _ = fit_sample(raw, spec=spec())
    # a month later: other customers of the same kinds in another order, everybody spending 8 % more
    later, later_truth = planted(500, centres=[PLANTED[i] for i in (2, 3, 1, 0)], seed=99)
    later["spend"] *= 1.08
    second, quality = fit_sample(later, spec=spec(), previous=json.loads(json.dumps(first)))
    assert second["labels"] == first["labels"] == [1, 2, 3, 4]
    assert second["names"] == first["names"]
    label_of = dict(zip(truth, labels_of(raw, first), strict=True))
    expected = [label_of[(2, 3, 1, 0)[kind]] for kind in later_truth]
    assert np.mean(labels_of(later, second) == expected) > 0.98
    assert quality["moved"] < 0.02
    again, quality = fit_sample(raw, spec=spec(), previous=first)
    assert (again, quality["moved"]) == (first, 0.0)


def test_a_refit_keeps_its_k_unless_another_is_better_beyond_chance():
    """One cloud has no clusters: any k is as good as the next, and which one the halvings like best is luck."""
    cloud = dict(zip("ab", np.random.default_rng(1).normal(10, 2, (2, 400)), strict=True))
    one, other = (KMeansSpec(("a", "b"), k=(3, 6), seed=seed) for seed in (1, 3))
    first, by_luck = fit_sample(cloud, spec=one)
    _, by_other_luck = fit_sample(cloud, spec=other)
    assert by_luck["k"] != by_other_luck["k"]
    _, refit = fit_sample(cloud, spec=other, previous=first)
    assert refit["k"] == by_luck["k"]
    assert refit["moved"] < 0.05
    # other features: nothing is kept of what others were parted into
    four, _ = planted(400)
    twice, _ = fit_sample(four, spec=spec(k=(2, 2)))
    assert fit_sample(four, spec=spec(), previous=twice)[1]["k"] == 4  # and four planted ones beat two that were kept


def test_a_new_kind_of_customer_gets_a_new_label_and_old_labels_are_not_used_again():
    raw, _ = planted(300, centres=PLANTED[:3])
    first, _ = fit_sample(raw, spec=spec())
    assert first["labels"] == [1, 2, 3]
    grown, truth = planted(400)
    second, quality = fit_sample(grown, spec=spec(), previous=first)
    assert second["labels"] == [1, 2, 3, 4]
    assert {label for label, kind in zip(labels_of(grown, second), truth, strict=True) if kind == 3} == {4}
    assert {label: second["names"][label] for label in "123"} == first["names"]
    assert quality["notes"] == ["segment 4 is new"]
    # the third and the fourth kind leave, a fifth comes
    changed, truth = planted(300, centres=[*PLANTED[:2], (400, 40, 5)])
    third, quality = fit_sample(changed, spec=spec(), previous=second)
    assert len(third["labels"]) == 3
    assert set(third["labels"]) - set(second["labels"]) <= {5}
    back, _ = fit_sample(grown, spec=spec(), previous=third)
    assert max(back["labels"]) >= third["next_label"]
    assert set(back["labels"]).isdisjoint({3, 4} - set(third["labels"]))


def test_other_features_start_with_labels_never_used():
    raw, _ = planted(300, centres=PLANTED[:3])
    first, _ = fit_sample(raw, spec=spec())
    other = {"recency": raw["recency"], "orders": raw["orders"]}
    second, quality = fit_sample(other, spec=spec(features=("recency", "orders")), previous=first)
    assert min(second["labels"]) == 4
    assert quality["moved"] is None


@pytest.mark.parametrize(
    ("case", "new", "old", "expected"),
    [
        ("numbers swapped", [0, 0, 1, 1], [2, 2, 1, 1], [2, 1]),
        ("one splits: the larger part keeps the label", [0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [1, 9]),
        ("two merge: the label of more customers stays", [0, 0, 0, 0, 0], [1, 1, 2, 2, 2], [2]),
        ("most agreement in all, not the nearest first", [0, 0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 2, 2, 1, 1, 1, 1],
         [2, 1]),
        ("few in common is no kinship", [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 2, 1, 1, 1], [1, 9]),
    ],
)  # fmt: skip
def test_labels_by_hand(case, new, old, expected):
    # in the fourth, 0 shares 3 with label 1 and 2 with label 2, 1 shares 4 with label 1: 2 + 4 beats 3 + 0.
    # in the fifth, cluster 1 (4 customers) has all of label 2 (1 customer): 1 is less than half of their mean 2.5.
    found = matched_labels(np.array(new), np.array(old), clusters=max(new) + 1, next_label=9)
    assert found == expected, case


def test_names_are_short_unlike_and_the_users_own_win():
    coordinates = ["spend", "orders", "missing recency"]
    assert apart([0.2, -0.4, 0.0], coordinates) == []
    traits = apart([0.6, -1.5, 0.9], coordinates)
    assert [(trait["feature"], trait["level"]) for trait in traits] == [
        ("orders", "low"),
        ("missing recency", "high"),
        ("spend", "high"),
    ]
    assert built_name([], label=1, taken=set()) == "average"
    assert built_name([], label=2, taken={"average"}) == "average (2)"
    short, longer = "low orders, no recency", "low orders, no recency, high spend"
    assert built_name(traits, label=3, taken=set()) == short
    assert built_name(traits, label=3, taken={short}) == longer
    assert built_name(traits, label=3, taken={short, longer}) == f"{short} (3)"
    assert segment_names({"1": "average", "2": short}, {"1": "Regulars", short: "Sleepers", "8": "Nobody"}) == {
        "1": "Regulars",
        "2": "Sleepers",
    }


def test_names_that_fit_no_segment_are_said():
    raw, _ = planted(200)
    parameters, quality = fit_sample(raw, spec=spec(names={"1": "Best", "12": "Ghosts"}))
    assert parameters["names"]["1"] == "Best"
    assert len(set(parameters["names"].values())) == 4
    assert quality["notes"] == ["names: there is no segment '12'"]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ("(1.0, 1.0, 1.0), (2.0, 2.0, 2.0)", {"k": (3, 5)}, "2 customers are too few for 3 clusters"),
        ("(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (2.0, 2.0, 2.0)", {"k": (3, 5)}, "2 different customers"),
        ("(1.0, 1.0, 1.0), (1.0, 1.0, 1.0)", {"k": (2, 3)}, "none of the features recency, orders, spend differs"),
        ("(null, null, null), (null, null, null)", {"k": (2, 3)}, "none of the features"),
        ("(double('inf'), 1.0, 1.0), (2.0, 2.0, 2.0)", {"k": (2, 3)}, "'recency' is infinite for 1 customers"),
        ("(1.0, 1.0, 1.0)", {"features": ("recency", "ordres")}, "no feature 'ordres'; did you mean 'orders'"),
        ("(1.0, 1.0, 1.0)", {"features": ("recency", "customer_id")}, "'customer_id' is a string"),
        ("(1.0, 1.0, 1.0)", {"k": (1, 3)}, "k must run from 2"),
    ],
)
def test_what_cannot_be_fitted_is_said(spark, rows, changes, message):
    features = spark.sql(
        "select cast(monotonically_increasing_id() as string) as customer_id, cast(col1 as double) as recency, "
        f"cast(col2 as double) as orders, cast(col3 as double) as spend from values {rows}"
    )
    with pytest.raises(ModelError, match=message):
        fit_kmeans(features, spec=spec(**changes))


def test_no_customers_at_all(spark):
    with pytest.raises(ModelError, match="none of the features"):
        fit_kmeans(frame(spark, {name: np.array([]) for name in FEATURES}), spec=spec())


def test_as_many_clusters_as_customers():
    raw = {"a": np.array([1.0, 2.0, 3.0, 50.0])}
    parameters, quality = fit_sample(raw, spec=KMeansSpec(("a",), k=(4, 9)))
    assert (quality["k"], quality["silhouette"]) == (4, 0.0)
    assert sorted(labels_of(raw, parameters)) == [1, 2, 3, 4]
