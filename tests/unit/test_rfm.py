"""RFM: cut points and scores against tables worked by hand, pandas, and properties that must hold."""

import json
import math
import random
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engines.rfm import fit_rfm
from transforms.errors import ModelError
from transforms.models.rfm import scores_of

DOUBLES = "customer_id string, recency_days bigint, frequency bigint, monetary double"
OFFSETS = ("-0.0001", "-0.00005", "-0.000049", "0", "0.000049", "0.0000499999", "0.00005", "0.000051", "0.0001")
BASE = "customer_id string, recency_days int, frequency bigint, monetary decimal(28,4)"


def base(spark: SparkSession, rows: list[tuple], partitions: int = 1) -> DataFrame:
    exact = [(name, days, count, None if paid is None else Decimal(paid)) for name, days, count, paid in rows]
    return spark.createDataFrame(exact, BASE).repartition(partitions)


def score_rfm(df: DataFrame, *, parameters: dict) -> DataFrame:
    metrics = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary"}
    values = {metric: F.col(column) for metric, column in metrics.items()}
    return df.withColumns(scores_of(parameters, **values))


def scored(df: DataFrame) -> dict[str, tuple]:
    return {row.customer_id: (row.r, row.f, row.m) for row in df.collect()}


# Ten customers, five scores, two customers to a score: c0 is the worst in everything, c9 the best.
LADDER = [(f"c{i}", 100 - 10 * i, i + 1, f"{i}.50") for i in range(10)]


def test_ten_different_customers_make_five_pairs(spark):
    parameters = fit_rfm(base(spark, LADDER), scores=5)
    assert parameters == {
        "scores": 5,
        "customers": 10,
        "recency": ["20.0000", "40.0000", "60.0000", "80.0000"],
        "frequency": ["2.0000", "4.0000", "6.0000", "8.0000"],
        "monetary": ["1.5000", "3.5000", "5.5000", "7.5000"],
    }
    result = scored(score_rfm(base(spark, LADDER), parameters=parameters))
    assert result == {f"c{i}": (i // 2 + 1,) * 3 for i in range(10)}


def test_equal_values_share_a_score(spark):
    # 7 of 10 bought once: cuts at 20, 40 and 60 % are all 1, the one at 80 % is 3. So 1 -> 1; 3 lies above three
    # cuts -> 4; 9 lies above four -> 5. Scores 2 and 3 go to nobody.
    frequency = [1, 1, 1, 1, 1, 1, 1, 3, 9, 9]
    # 6 of 10 came today: cuts 0, 0, 0, 30. So 0 -> 5; 30 lies above three -> 2; 90 above four -> 1.
    days = [0, 0, 0, 0, 0, 0, 30, 30, 90, 90]
    rows = [(f"c{i}", days[i], frequency[i], "5") for i in range(10)]
    parameters = fit_rfm(base(spark, rows), scores=5)
    assert [Decimal(cut) for cut in parameters["frequency"]] == [1, 1, 1, 3]
    assert [Decimal(cut) for cut in parameters["recency"]] == [0, 0, 0, 30]
    result = scored(score_rfm(base(spark, rows), parameters=parameters))
    assert [result[f"c{i}"] for i in range(10)] == [
        *[(5, 1, 1)] * 6,
        (2, 1, 1),
        (2, 4, 1),
        (1, 5, 1),
        (1, 5, 1),
    ]


def test_who_bought_nothing_neither_moves_cuts_nor_has_scores(spark):
    idle = [("none", None, 0, "0"), ("unknown", None, None, None), ("returned", 1, 0, "-99999")]
    assert fit_rfm(base(spark, LADDER + idle), scores=5) == fit_rfm(base(spark, LADDER), scores=5)
    result = scored(score_rfm(base(spark, LADDER + idle), parameters=fit_rfm(base(spark, LADDER), scores=5)))
    assert {result[name] for name, *_ in idle} == {(None, None, None)}


def test_a_metric_without_a_value_has_no_score(spark):
    rows = [*LADDER, ("free", 5, 3, None)]
    parameters = fit_rfm(base(spark, rows), scores=5)
    assert parameters["monetary"] == fit_rfm(base(spark, LADDER), scores=5)["monetary"]
    # Of 11 days (0, 5, 10, 20, ...) the third, 10, is the first cut, and 5 does not lie above it. Of 11 counts
    # (1, 2, 3, 3, 4, ...) the first cut is the third, 3, and 3 does not lie above it.
    assert scored(score_rfm(base(spark, rows), parameters=parameters))["free"] == (5, 1, None)


def test_cut_points_of_money_stay_exact(spark):
    # As doubles the first two are the same number, 9007199254740993 not being representable.
    paid = ["900719925474.0992", "900719925474.0993", "900719925474.0994", "900719925474.0995"]
    rows = [(f"c{i}", 1, 1, value) for i, value in enumerate(paid)]
    assert json.loads(json.dumps(fit_rfm(base(spark, rows), scores=4)))["monetary"] == paid[:3]


def test_a_double_is_scored_as_the_decimal_that_it_rounds_to(spark):
    cuts = ["-10.0002", "-0.0001", "0.0000", "7.1000", "52.3500", "123456789.1234"]
    near = [float(Decimal(cut) + step) for cut in cuts for step in map(Decimal, OFFSETS)]
    chance = random.Random(7)
    paid = [*near, *(chance.uniform(-20, 60) for _ in range(500)), math.nan, math.inf, -math.inf, 1e35]
    parameters = {"scores": 7, "recency": cuts, "frequency": cuts, "monetary": cuts}
    frame = spark.createDataFrame([(str(i), 1, 1, value) for i, value in enumerate(paid)], DOUBLES)
    result = scored(score_rfm(frame, parameters=parameters))
    for i, value in enumerate(paid):
        expected = None
        if abs(value) < 1e34:
            exact = Decimal(repr(value)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
            expected = 1 + sum(exact > Decimal(cut) for cut in cuts)
        assert result[str(i)][2] == expected, value


def test_kept_cut_points_score_values_they_never_saw(spark):
    parameters = fit_rfm(base(spark, LADDER), scores=5)
    newcomers = [("best", 0, 1000, "1000000"), ("worst", 5000, 1, "-20"), ("between", 41, 4, "3.5001")]
    result = scored(score_rfm(base(spark, newcomers), parameters=parameters))
    assert result == {"best": (5, 5, 5), "worst": (1, 1, 1), "between": (3, 2, 3)}


def test_cuts_are_pandas_own_quantiles_for_any_partitioning_and_order(spark):
    chance = random.Random(5)
    rows = [
        (f"c{i}", chance.randrange(300), chance.randrange(6), f"{chance.randrange(-500, 90_000) / 100:.2f}")
        for i in range(997)
    ]
    bought = pd.DataFrame([row for row in rows if row[2] > 0], columns=["id", "days", "count", "paid"])
    levels = [0.25, 0.5, 0.75]
    expected = {
        "recency": np.quantile(bought["days"], levels, method="inverted_cdf").tolist(),
        "frequency": np.quantile(bought["count"], levels, method="inverted_cdf").tolist(),
        "monetary": np.quantile(bought["paid"].astype(float), levels, method="inverted_cdf").tolist(),
    }
    fits = []
    for partitions in (1, 2, 7):
        chance.shuffle(rows)
        fits.append(fit_rfm(base(spark, rows, partitions), scores=4))
    assert fits[0] == fits[1] == fits[2]
    assert {metric: [float(cut) for cut in fits[0][metric]] for metric in expected} == expected


@pytest.mark.parametrize(
    ("rows", "scores", "message"),
    [
        ([], 5, "no customer has a frequency above 0"),
        ([("c", None, 0, "0")], 5, "no customer has a frequency above 0"),
        ([("c", 3, 1, None)], 5, "monetary is NULL for every customer"),
        (LADDER, 1, "at least 2 scores"),
    ],
)
def test_what_cannot_be_ranked_is_said(spark, rows, scores, message):
    with pytest.raises(ModelError, match=message):
        fit_rfm(base(spark, rows), scores=scores)


def test_one_customer_is_enough(spark):
    only = base(spark, [("c", 10, 2, "5")])
    assert scored(score_rfm(only, parameters=fit_rfm(only, scores=5))) == {"c": (5, 1, 1)}
