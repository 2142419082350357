"""Recommendations: planted tastes, the closed form of a sweep, reasons, the Complete Journey, and baskets by hand."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import csr_matrix

from jobs.engines import baskets
from tests.bench.recommendations import LAST_CUT, recalls_at
from transforms.errors import DefinitionError, ModelError
from transforms.models import als
from transforms.models.basket_rules import basket_recalls
from transforms.models.recommended import Bought, fit_recommender, most_bought, recommend
from transforms.recommendations import Association, parse_recommendations

DAY = date(2017, 12, 30)


def bought(rows: list[tuple[str, str, float, int]]) -> Bought:
    """Rows of customer, item, weight, days ago; in the order of customers and items, as Spark's come."""
    customer, item, weight, ago = zip(*sorted(rows), strict=True)
    days = np.array([np.datetime64(DAY) - np.timedelta64(days, "D") for days in ago])
    return Bought(np.array(customer, dtype=object), np.array(item, dtype=object), np.array(weight, dtype=float), days)


def tastes(customers: int = 60, seed: int = 1) -> list[tuple[str, str, float, int]]:
    """Two tastes of ten items each; a customer bought six of those of one taste, and of everything `milk`."""
    chance = np.random.default_rng(seed)
    rows = []
    for place in range(customers):
        mine = chance.permutation(10)[:6]
        rows += [(f"c{place:03}", f"{'ab'[place % 2]}{item}", float(chance.integers(1, 4)), 90) for item in mine]
        rows.append((f"c{place:03}", "milk", 1.0, 1))
    return rows


def test_a_sweep_is_the_closed_form() -> None:
    known = csr_matrix(np.array([[3.0, 0, 1], [0, 0, 0]]))
    others = np.array([[1.0, 0.5], [0.2, -1], [0.3, 0.8]])
    sure = np.diag(1 + als.SURER * np.log1p([3.0, 0, 1]))
    wanted = np.array([1.0, 0, 1])
    # Hu, Koren & Volinsky (2008), equation 4: (Yᵀ C Y + λ I)⁻¹ Yᵀ C p
    expected = np.linalg.inv(others.T @ sure @ others + als.PENALTY * np.eye(2)) @ others.T @ sure @ wanted
    found = als.solved(als.sureness(known), others)
    assert found[0] == pytest.approx(expected)
    assert found[1].tolist() == [0, 0]


def test_planted_tastes_are_found_with_reasons() -> None:
    rows = bought(tastes())
    later = bought([(c, f"{'ab'[int(c[1:]) % 2]}{i}", 1.0, 0) for c in np.unique(rows.customer) for i in range(10)])
    rows = bought([*tastes(), ("c900", "what nobody else bought", 1.0, 90)])
    parameters, quality = fit_recommender(rows, rows, later, since=DAY, leave_out=60)
    assert parameters["method"] == "als"
    assert quality["recall_at_10"]["als"] > quality["recall_at_10"]["popularity"]
    found = list(recommend(rows, parameters, day=DAY, leave_out=60, top=4))
    # of whom nothing is known that others tell of: what most customers bought
    assert [(row["item"], row["because"]) for row in found[-4:]] == [(i, None) for i in most_bought(rows)[0][:4]]
    found = found[:-4]
    owned = {(c, i) for c, i in zip(rows.customer, rows.item, strict=True)}
    new = [row for row in found if (row["customer_id"], row["item"]) not in owned]
    taste = {row["customer_id"]: "ab"[int(row["customer_id"][1:]) % 2] for row in found}
    assert sum(row["item"][0] == taste[row["customer_id"]] for row in new) > 0.95 * len(new)
    # milk was bought yesterday; what was bought 90 days ago may come again
    assert "milk" not in {row["item"] for row in found}
    assert {row["rank"] for row in found} == {1, 2, 3, 4}
    assert all((row["customer_id"], row["because"]) in owned for row in found if row["because"])
    reasons = [row for row in new if row["because"]]
    assert sum(row["because"][0] == row["item"][0] for row in reasons) > 0.9 * len(reasons) > 0


def test_factors_that_do_not_win_leave_it_to_popularity() -> None:
    rows = bought(tastes())
    # everybody goes on to buy the one thing that most have bought: nothing beats popularity then
    later = bought([(c, "milk", 1.0, 0) for c in np.unique(rows.customer)])
    parameters, quality = fit_recommender(rows, rows, later, since=DAY, leave_out=None)
    assert (parameters["method"], quality["recall_at_10"]["popularity"]) == ("popularity", 1.0)
    found = list(recommend(rows, parameters, day=DAY, leave_out=60, top=3))
    items, buyers = most_bought(rows)
    assert items[0] == "milk" and buyers[0] == 60
    assert [row["item"] for row in found[:3]] == items[1:4]
    assert {row["because"] for row in found} == {None}


def test_too_little_is_said_and_nothing_fails() -> None:
    few = bought([("c1", "a", 1.0, 3), ("c2", "b", 1.0, 3)])
    with pytest.raises(ModelError, match="0 items that at least 5 customers bought"):
        fit_recommender(few, few, few, since=DAY, leave_out=None)


def test_what_fewer_than_the_smallest_group_bought_is_in_no_model() -> None:
    rows = bought(
        [(f"c{n:02}", item, 1.0, 3) for item, often in (("a", 12), ("b", 11), ("c", 9)) for n in range(often)]
    )
    parameters, _ = fit_recommender(rows, rows, rows, since=DAY, leave_out=None, fewest=10)
    assert (parameters["items"], parameters["buyers"]) == (["a", "b"], [12, 11])


def test_factors_beat_popularity_on_the_held_out_weeks_of_complete_journey() -> None:
    recall = recalls_at(LAST_CUT)
    assert recall["als"] > 1.3 * recall["popularity"] > 0.04


BASKETS = [
    ("1", ["bread", "milk"]), ("2", ["bread", "butter", "jam"]), ("3", ["milk", "butter"]),
    ("4", ["bread", "milk", "butter"]), ("5", ["bread", "milk"]),
]  # fmt: skip


NODES = {"1": "a1", "2": None, "3": "a2", "4": "a2", "5": "b"}  # nobody is known of the second
OWNERS = [("a1", "A"), ("a2", "A"), ("b", "B")]


def little_night(spark: SparkSession) -> tuple[Any, Association]:
    """A night that sees these baskets, and what is looked for in them."""
    rows = [
        (NODES[basket], DAY - timedelta(days=ago), basket, item)
        for ago, (basket, items) in enumerate(BASKETS)
        for item in [*items, items[0]]  # a line twice counts once
    ]
    rows += [("n", DAY - timedelta(days=40), "old", "jam"), ("n", DAY, None, "bread"), ("n", DAY, "6", None)]
    view = spark.createDataFrame(rows, "_node string, event_date date, order_id string, category string").selectExpr(
        "*", "'purchase' as status"
    )
    conf = SimpleNamespace(pipeline=SimpleNamespace(timezone="UTC"))
    owners = spark.createDataFrame(OWNERS, "record_id string, customer_id string")
    night: Any = SimpleNamespace(
        day=DAY, as_of=datetime(2017, 12, 30, 23, 59, tzinfo=UTC), conf=conf, view=lambda entity: view.repartition(3),
        load=lambda _: owners,
    )  # fmt: skip
    part = parse_recommendations(
        "association: {from: transaction, basket: order_id, of: category, window: 30d, min_support: 0.4, "
        "min_confidence: 0.6}"
    ).association
    assert part
    return night, part


def test_supports_of_baskets_by_hand(spark: SparkSession) -> None:
    night, part = little_night(spark)
    rules, judged = baskets.rules(night, part, cut=DAY - timedelta(days=3), least=1)
    found = {(tuple(row["antecedent"]), row["consequent"]): row for row in rules}
    # of 5 baskets bread is in 4, milk in 4, butter in 3; bread and milk in 3, milk and butter, bread and butter in 2
    assert {key: row["baskets"] for key, row in found.items()} == {
        (("bread",), "milk"): 3, (("milk",), "bread"): 3, (("butter",), "milk"): 2, (("butter",), "bread"): 2,
    }  # fmt: skip
    told = found[("bread",), "milk"]
    assert (told["support"], told["confidence"], told["lift"]) == pytest.approx((3 / 5, 3 / 4, 3 / 4 / (4 / 5)))

    # the two oldest baskets teach bread, milk and butter; of the seven things in the three others only jam is not found
    assert judged == {"rules": 6 / 7, "popularity": 6 / 7}


def test_a_rule_of_one_household_is_none(spark: SparkSession) -> None:
    night, part = little_night(spark)
    rules, _ = baskets.rules(night, part, cut=DAY - timedelta(days=3), least=2)
    # butter and milk are in two baskets, both of A; butter and bread in one of A's and one of nobody known
    found = {(tuple(row["antecedent"]), row["consequent"]) for row in rules}
    assert found == {(("bread",), "milk"), (("milk",), "bread"), (("butter",), "bread")}


def test_too_few_baskets_are_said(spark: SparkSession) -> None:
    night, part = little_night(spark)
    with pytest.raises(ModelError, match="association: 5 baskets in the window, fewer than the 10 of a rule"):
        baskets.rules(night, part, cut=DAY, least=10)


def test_rules_foretell_what_else_is_in_a_basket() -> None:
    rules = [
        {"antecedent": ["a"], "consequent": "b", "confidence": 0.5},
        {"antecedent": ["a", "c"], "consequent": "d", "confidence": 0.9},
        {"antecedent": ["x"], "consequent": "y", "confidence": 1.0},
    ]
    baskets_ = [["a", "b"], ["d", "c", "a"], ["p"]]
    # one guess each. {a, b}: hidden a: b calls nothing, p is guessed; hidden b: a calls b, a hit.
    # {a, c, d}: hidden a or c: p is guessed; hidden d: a and c call d before b, a hit. 2 of 5; p is never hidden.
    assert basket_recalls(rules, ["p", "a"], baskets_, top=1) == {"rules": 0.4, "popularity": 0.0}
    # two guesses: popularity finds a twice, wherever it is hidden; rules find it too, after what they call
    assert basket_recalls(rules, ["p", "a"], baskets_, top=2) == {"rules": 0.8, "popularity": 0.4}
    assert np.isnan(basket_recalls(rules, ["p"], [["p"], []], top=3)["rules"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("recommendation: {from: transaction, of: prodct_id}",
         "conf/recommendations.yml: recommendation.of: no column 'prodct_id' in transaction; did you mean 'product"),
        ("recommendation: {from: service_ticket, of: text}", "recommendation.of: 'text' is personal, and items"),
        ("recommendation: {from: contact, of: city}", "no entity 'contact' with a time"),
        ("recommendation: {from: transaction, of: brand, weight: brand}", "recommendation.weight: is text, not a"),
        ("association: {from: transaction, of: category}", "association.basket: this key is required"),
        ("recommendation: {from: transaction, of: product_id, leave_out: 3d}", "unknown key"),
        ("association: {from: transaction, of: category, basket: order_id, where: amount}",
         "association.where: is a number, not a condition"),
    ],
)  # fmt: skip
def test_mistakes_are_told(text: str, line: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parse_recommendations(text)
    assert line in str(error.value)
