"""What sets a group apart: shares, indices, tests and protection against scipy, hand arithmetic and exact coverage."""

import numpy as np
import pytest
from scipy import stats

from transforms.insight.bins import bin_labels, bin_of, cut_points
from transforms.insight.protection import suppressed
from transforms.insight.shares import compare_shares, ratio_interval, wilson
from transforms.insight.significance import false_discovery, rank_test, share_test


def test_share_and_index_by_hand():
    # 30 of the 50 in the group and 60 of all 200 have it: 60 % against 30 %
    found = compare_shares(30, 50, 60, 200)
    assert (found.share, found.base_share, found.index) == (0.6, 0.3, 200.0)
    # the others: 30 of 150 = 20 %, so R = 3 and 100 · 3 / (0.25 · 3 + 0.75) = 200 again
    low, high = ratio_interval(30, 50, 30, 150)
    assert found.low == pytest.approx(100 * low / (0.25 * low + 0.75))
    assert found.high == pytest.approx(100 * high / (0.25 * high + 0.75))
    assert found.low < 200 < found.high < 400


@pytest.mark.parametrize(("count", "size"), [(0, 12), (3, 12), (12, 12), (1, 1), (812, 3000)])
def test_limits_of_a_share_are_wilsons(count, size):
    judge = stats.binomtest(count, size).proportion_ci(method="wilson")
    assert wilson(count, size) == (pytest.approx(judge.low, abs=1e-12), pytest.approx(judge.high, abs=1e-12))


def test_limits_of_a_ratio_are_katzs_where_there_are_many():
    judge = stats.contingency.relative_risk(4200, 12_000, 30_000, 180_000).confidence_interval()
    low, high = ratio_interval(4200, 12_000, 30_000, 180_000)
    assert (low, high) == (pytest.approx(judge.low, rel=1e-3), pytest.approx(judge.high, rel=1e-3))


@pytest.mark.parametrize(("p1", "p2"), [(0.05, 0.05), (0.3, 0.1), (0.5, 0.9), (0.9, 0.2)])
def test_the_interval_holds_the_truth_as_often_as_it_says(p1, p2):
    n, m = 30, 90
    x, y = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
    low, high = ratio_interval(x, n, y, m)
    chance = np.outer(stats.binom.pmf(range(n + 1), n, p1), stats.binom.pmf(range(m + 1), m, p2))
    covered = chance[(low <= p1 / p2) & (p1 / p2 <= high)].sum()  # every outcome weighed: no sampling
    assert 0.93 < covered < 0.985


def test_ends_and_empty_groups():
    found = compare_shares([0, 5, 20, 0, 7], [20, 5, 100, 0, 20], [10, 5, 20, 10, 7], 100)
    assert found.index.tolist()[:3] == [0, 2000, 100]
    assert (found.low[0], found.high[0] > 50) == (0, True)
    assert found.high[1] == 2000  # all who have it are in the group: 100 / 0.05
    assert (found.low[2], found.high[2]) == (100, 100)  # the group is everyone
    assert np.isnan([found.share[3], found.index[3], found.low[3]]).all()
    assert found.high[4] == 500 and found.low[4] > 200
    assert np.isnan(compare_shares(0, 5, 0, 10).index)
    with pytest.raises(ValueError, match="part of everyone"):
        compare_shares(11, 20, 10, 100)


@pytest.mark.parametrize(("a", "b", "c", "d"), [(30, 20, 30, 120), (8, 2, 1, 5), (900_000, 100_000, 850_000, 150_000)])
def test_a_share_is_tested_by_chi_squared(a, b, c, d):
    judge = stats.chi2_contingency([[a, b], [c, d]], correction=False)
    total = a + b + c + d
    expected = stats.chi2.sf(judge.statistic * (total - 1) / total, 1)
    assert share_test(a, a + b, a + c, total) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_few_are_tested_exactly():
    # one of 4 has it and nobody of the 16 others: Fisher's p is 4 / 20
    found = share_test([1, 0, 3, 0], [4, 0, 20, 4], [1, 10, 3, 0], 20)
    assert found.tolist() == pytest.approx([0.2, 1, 1, 1])


def test_ranks_are_those_of_mann_and_whitney():
    chance = np.random.default_rng(5)
    inside, outside = chance.poisson(3.4, 80), chance.poisson(3.0, 300)
    counts = [np.bincount(part, minlength=20) for part in (inside, outside)]
    judge = stats.mannwhitneyu(inside, outside, method="asymptotic")
    superiority, p = rank_test(*counts)
    assert superiority == pytest.approx(judge.statistic / (80 * 300))
    assert p == pytest.approx(judge.pvalue)
    assert rank_test([0, 5], [5, 0]) == (1.0, pytest.approx(stats.mannwhitneyu([2] * 5, [1] * 5).pvalue, rel=0.5))
    assert rank_test([3], [4]) == (0.5, 1.0)  # all equal
    assert rank_test([0, 0], [4, 1])[1] == 1.0


def test_false_discoveries_by_hand():
    # five tests: p · 5 / rank, from the largest down never rising: .01·5, .02·5/2, .03·5/3, .04·5/4, .5
    found = false_discovery([0.04, 0.01, np.nan, 0.5, 0.03, 0.02])
    assert found.tolist() == pytest.approx([0.05, 0.05, np.nan, 0.5, 0.05, 0.05], nan_ok=True)
    assert np.isnan(false_discovery([np.nan])).all()


def test_small_groups_and_what_gives_them_away_are_hidden():
    table = [[3, 40, 57], [50, 30, 20], [47, 30, 23]]
    # the 3 is below 5; its row gives it away, so 40 goes; its column gives it away, so 47 goes; 30 closes the square
    assert suppressed(table, smallest=5).tolist() == [[True, True, False], [False, False, False], [True, True, False]]
    assert not suppressed([[5, 0], [9, 30]], smallest=5).any()  # an empty cell tells of nobody
    assert suppressed([[0, 4]], smallest=5).tolist() == [[True, True]]


def test_no_hidden_cell_can_be_worked_out():
    chance = np.random.default_rng(2)
    for _ in range(60):
        table = chance.poisson(chance.choice([2, 8, 30], size=(5, 4)))
        hidden = suppressed(table, smallest=5)
        assert hidden[(table > 0) & (table < 5)].all()
        for lines, masks in ((table, hidden), (table.T, hidden.T)):
            for line, mask in zip(lines, masks, strict=True):
                assert not mask.any() or mask.all() or (mask.sum() > 1 and line[mask].sum() >= 5)


def test_numbers_in_groups():
    values = [0] * 60 + list(range(1, 41))
    # at 20, 40 and 60 % stands 0; at 80 % the twentieth of the others
    assert cut_points(values) == [0, 20]
    assert cut_points(*np.unique(values, return_counts=True)) == [0, 20]
    assert bin_of([0, 0.5, 20, 21, np.nan, 1e9], [0, 20]).tolist() == [0, 1, 1, 2, -1, 2]
    assert bin_labels([0, 20]) == ["≤ 0", "> 0 … 20", "> 20"]
    assert np.bincount(bin_of(values, cut_points(values))).tolist() == [60, 20, 20]
    assert (cut_points([7, 7, np.nan]), cut_points([]), bin_labels([])) == ([], [], ["any"])
    wide = np.random.default_rng(1).normal(size=999)
    assert cut_points(wide, groups=4) == np.quantile(wide, [0.25, 0.5, 0.75], method="inverted_cdf").tolist()
