"""What campaigns changed: intervals against published figures and scipy; planted effects found, others not claimed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from transforms.evaluation.differences import Difference, Sums, of_means, of_shares, stratified
from transforms.evaluation.results import Arm, Plan, drawn_claim, looked_back_claim, plan_of, rows_of

Amounts = NDArray[np.float64]
DAY = date(2026, 3, 1)
PLAN = Plan("c1", "vip", date(2026, 2, 1), date(2026, 2, 28), over=True, cost=Decimal(30))


def sums(amounts: Amounts) -> Sums:
    exact = [Decimal(f"{amount:.4f}") for amount in amounts]
    bought = sum(amount > 0 for amount in exact)
    return Sums(len(exact), bought, sum(exact, Decimal(0)), sum((amount * amount for amount in exact), Decimal(0)))


def test_the_interval_of_two_shares_is_newcombes():
    # his example: 56 of 70 against 48 of 80, method 10 (Statistics in Medicine 17, 1998, table II a)
    found = of_shares(Sums(70, 56, Decimal(0), Decimal(0)), Sums(80, 48, Decimal(0), Decimal(0)))
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.2), pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5)
    )  # fmt: skip
    none = of_shares(Sums(10, 0, Decimal(0), Decimal(0)), Sums(10, 0, Decimal(0), Decimal(0)))
    assert none.value == 0 and none.low < 0 < none.high


def test_the_interval_of_two_means_is_welchs():
    chance = np.random.default_rng(3)
    one, other = chance.exponential(20, 80).round(2), chance.exponential(15, 300).round(2)
    judge = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    found = of_means(sums(one), sums(other))
    assert (found.low, found.high) == (pytest.approx(judge.low), pytest.approx(judge.high))
    assert found.value == pytest.approx(one.mean() - other.mean())
    same = of_means(sums(np.full(5, 2.0)), sums(np.full(7, 2.0)))
    assert (same.value, same.low, same.high) == (0, 0, 0) and not same.shown


def test_strata_are_weighed_by_the_first_group():
    ones = {0: sums(np.array([10.0, 12.0])), 1: sums(np.array([100.0, 104.0, 102.0])), 2: sums(np.array([5.0, 5.0]))}
    others = {0: sums(np.array([9.0, 9.0, 9.0])), 1: sums(np.array([90.0, 94.0])), 2: sums(np.array([7.0]))}
    found = stratified(ones, others)
    assert found is not None
    # stratum 2 has one to compare with, which says nothing: 2/5 · (11 − 9) + 3/5 · (102 − 92)
    assert found.means.value == pytest.approx(2 / 5 * 2 + 3 / 5 * 10)
    assert found.covered == pytest.approx(5 / 7)
    # variances of the means: 2/2 and 0; 4/3 and 8/2
    spread = (0.4**2 * (2 / 2 + 0) + 0.6**2 * (4 / 3 + 8 / 2)) ** 0.5
    assert found.means.high - found.means.value == pytest.approx(1.959964 * spread, rel=1e-6)
    assert stratified({0: ones[0]}, {1: others[1]}) is None


def trials(draw: Callable[[np.random.Generator], Difference], number: int = 250) -> list[Difference]:
    chance = np.random.default_rng(11)
    return [draw(chance) for _ in range(number)]


def spending(chance: np.random.Generator, size: int, more: float = 0.0) -> Amounts:
    """Most buy nothing, some much: what customers spend."""
    bought = chance.random(size) < 0.4
    return np.asarray(np.where(bought, chance.lognormal(3, 0.8, size), 0) + more)


@pytest.mark.parametrize("planted", [0.0, 4.0])
def test_a_planted_effect_is_within_its_interval_and_none_is_not_claimed(planted: float):
    found = trials(lambda chance: of_means(sums(spending(chance, 900, planted)), sums(spending(chance, 300))))
    held = np.mean([one.low <= planted <= one.high for one in found])
    claimed = np.mean([one.shown for one in found])
    assert 0.91 < held < 0.985  # 95 % expected, sd 1.4 points
    assert claimed < 0.09 if planted == 0 else claimed > 0.5


def looked_back(chance: np.random.Generator, *, effect: float, hidden: float) -> tuple[Difference, Difference]:
    """Good customers are mailed more. `hidden`: how much more the mailed spend, whatever they spent before."""
    size = 4000
    earlier = chance.gamma(1.5, 30, size)
    mailed = chance.random(size) < 0.1 + 0.5 * (earlier > 40)
    before = earlier * chance.uniform(0.7, 1.3, size) + hidden * mailed
    during = before * chance.uniform(0.7, 1.3, size) + effect * mailed + hidden * mailed

    def arms(outcome: Amounts, parted_by: Amounts) -> tuple[dict[int, Sums], dict[int, Sums]]:
        place = np.searchsorted(np.quantile(parted_by[mailed], np.arange(0.1, 1, 0.1)), parted_by)
        return tuple(
            {number: sums(outcome[who & (place == number)]) for number in range(10)} for who in (mailed, ~mailed)
        )  # type: ignore[return-value]

    found, placebo = stratified(*arms(during, before)), stratified(*arms(before, earlier))
    assert found and placebo
    naive = during[mailed].mean() - during[~mailed].mean()
    assert naive > found.means.value + 5  # what the strata take out
    return found.means, placebo.means


def test_looking_back_takes_out_what_was_spent_before_and_the_placebo_tells_what_it_cannot():
    chance = np.random.default_rng(8)
    fair = [looked_back(chance, effect=6, hidden=0) for _ in range(20)]
    assert np.mean([abs(found.value - 6) < 2.5 for found, _ in fair]) > 0.9
    unfair = [looked_back(chance, effect=0, hidden=12) for _ in range(20)]
    assert all("no effect can be claimed" in looked_back_claim(found, placebo) for found, placebo in unfair)
    assert all(found.shown for found, _ in unfair)  # without the placebo each would have been called an effect


def test_what_may_be_said():
    up, none = Difference(2, 1, 3), Difference(0.5, -1, 2)
    down = Difference(-2, -3, -1)
    assert drawn_claim(up, down, none, over=True) == "it caused more conversion and less revenue"
    assert drawn_claim(none, none, none, over=True) == "no effect is shown"
    assert drawn_claim(up, down, None, over=False).startswith("nothing is claimed while it runs")
    assert drawn_claim(up, up, down, over=True).startswith("no cause can be claimed: the arms differed already")
    assert "cause" in looked_back_claim(up, None) and "too late" in looked_back_claim(up, None)
    assert looked_back_claim(up, none).endswith("that it caused this is not shown")
    assert looked_back_claim(none, none) == "no difference is shown"


def test_rows_of_arms_and_what_is_about_too_few():
    group = sums(np.array([0.0] * 30 + [10.0] * 10))
    arms = {"target": Arm({0: group}, {0: group}, 35, 14), "holdout": Arm({0: group, 1: group}, {0: group})}
    first, second = rows_of(PLAN, arms, smallest_group=10)
    assert (first["arm"], first["customers"], first["reach"], first["response"]) == ("target", 40, 35, 14)
    assert (first["conversion"], first["revenue"], first["cost"]) == (10, 100, 30)
    assert (second["arm"], second["customers"], second["conversion"]) == ("holdout", 80, 20)
    assert (first["uplift_revenue"], first["claim"], first["method"]) == (0, "no effect is shown", "holdout")
    few, _ = rows_of(PLAN, arms | {"holdout": Arm({0: sums(np.array([1.0, 2.0]))}, {})}, smallest_group=10)
    assert few["claim"] == "nothing can be said: too few customers in holdout" and "uplift_revenue" not in few
    alone, _ = rows_of(PLAN, {"sent": Arm({0: group}, {})}, smallest_group=10)
    assert (alone["method"], alone["claim"]) == ("observational", "nothing can be said: too few customers in others")


def test_a_claim_rests_on_both_intervals_and_on_arms_that_were_alike():
    """z of the shares 30 and 15 of 100 is 2.54 (two-sided p 0.011); of 27 and 15 of 100, 2.08 (p 0.037)."""

    def arms(buyers: int, before: float = 0.0) -> dict[str, Arm]:
        spent = sums(np.array([5.0] * buyers + [0.0] * (100 - buyers)))
        earlier = sums(np.array([before, before + 2] * 50))
        rest = sums(np.array([5.0] * 15 + [0.0] * 85))
        return {
            "target": Arm({0: spent}, {0: earlier}),
            "holdout": Arm({0: rest}, {0: sums(np.array([0.0, 2.0] * 50))}),
        }

    def claim(plan: Plan, arms: dict[str, Arm]) -> str:
        return str(rows_of(plan, arms, smallest_group=10)[0]["claim"])

    assert claim(PLAN, arms(30)) == "it caused more conversion and more revenue"
    assert claim(PLAN, arms(27)) == "no effect is shown"  # 0 is out of each 95 % interval, but there are two
    assert "while it runs" in claim(replace(PLAN, over=False), arms(30))
    assert "not 0" in claim(PLAN, arms(30, before=1.0))


def test_purchases_and_answers_of_few_are_withheld():
    one_buyer, many = sums(np.array([0.0] * 11 + [77.0])), sums(np.array([0.0] * 60 + [10.0] * 40))
    arms = {"target": Arm({0: many}, {0: many}, 90, 9), "holdout": Arm({0: one_buyer}, {0: one_buyer})}
    rows = rows_of(PLAN, arms, smallest_group=10)
    assert [row["customers"] for row in rows] == [100, 12]
    for row in rows:  # the other arm's, and the difference, would tell them
        assert not {"conversion", "revenue", "response", "uplift_revenue", "uplift_conversion"} & {
            key for key, value in row.items() if value
        }
    assert rows[0]["reach"] == 90 and rows[0]["claim"]


def test_the_days_that_count():
    told = {"campaign_id": "c1", "starts_on": date(2026, 2, 1), "ends_on": date(2026, 2, 28), "cost": Decimal(30)}
    assert plan_of(told, "vip", None, DAY) == PLAN
    assert plan_of(told, "vip", None, date(2026, 2, 10)) == replace(PLAN, ends_on=date(2026, 2, 10), over=False)
    assert plan_of(told, "vip", None, date(2026, 1, 31)) is None
    open_end = plan_of({"campaign_id": "c2"}, "vip", date(2026, 2, 1), date(2026, 6, 1))
    assert open_end and open_end.ends_on == date(2026, 3, 2)  # thirty days from the first message on
    assert plan_of({"campaign_id": "c3"}, "vip", None, DAY) is None
