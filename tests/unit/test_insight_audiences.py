"""An audience beside everyone, or another, over a small profile: counted by pandas, tested by scipy."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset as ds
from scipy import stats

from jobs.engines.insight import Compared, apart, compare
from transforms.errors import DefinitionError
from transforms.insight import counts
from transforms.insight.shares import compare_shares
from transforms.insight.tags import MISSING, Cell, TagInsight

SIZE = 1200
COLUMNS = ["spend", "orders", "city", "app", "likes", "seen", "empty"]


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    chance = np.random.default_rng(4)
    group = chance.random(SIZE) < 0.25
    other = ~group & (chance.random(SIZE) < 0.4)
    spend = chance.gamma(2, 50, SIZE) + 30 * group
    likes = [sorted({*chance.choice(["tea", "rye", "米"], 2)}) if chance.random() < 0.8 else None for _ in range(SIZE)]
    return pd.DataFrame(
        {
            "customer_id": [f"c{number:04d}" for number in range(SIZE)],
            "spend": np.where(chance.random(SIZE) < 0.1, np.nan, spend),
            "orders": chance.poisson(3, SIZE),
            "city": np.where(group & (chance.random(SIZE) < 0.5), "Ulm", chance.choice(["Ulm", "北京", "Bonn"], SIZE)),
            "app": chance.random(SIZE) < 0.5,
            "likes": likes,
            "seen": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(chance.integers(0, 50, SIZE), unit="D"),
            "empty": pd.Series([None] * SIZE, dtype="float64"),
            "group": group,
            "other": other,
        }
    )


def insight(
    people: pd.DataFrame, against: str | None = None, columns: list[str] = COLUMNS, timezone: str = "UTC"
) -> Compared:
    table = pa.Table.from_pandas(people[["customer_id", *columns]], preserve_index=False)
    sides = [pa.table({"customer_id": people.loc[people[name], "customer_id"]}) for name in ("group", against) if name]
    return compare(ds.dataset(table), columns, sides[0], sides[1] if against else None, smallest=10, timezone=timezone)


def tag(found: Compared, column: str) -> TagInsight:
    return next(one for one in found.tags if one.column == column)


def cells(found: TagInsight) -> dict[str, Cell]:
    return {cell.value: cell for cell in found.cells}


def test_counts_are_pandas_and_tests_scipys(people: pd.DataFrame) -> None:
    found = insight(people)
    inside = people["group"]
    assert (found.size, found.base_size) == (inside.sum(), SIZE)
    assert [one.column for one in found.tags] == COLUMNS
    for column in ("city", "app"):
        texts = people[column].astype(str).str.replace("True", "true").str.replace("False", "false")
        counts = pd.crosstab(texts, inside)
        told = cells(tag(found, column))
        assert {value: (cell.count, cell.base_count) for value, cell in told.items()} == {
            value: (row[True], row.sum()) for value, row in counts.iterrows()
        }
        for value, row in counts.iterrows():
            a, b = row[True], row[False]
            table = [[a, inside.sum() - a], [b, SIZE - inside.sum() - b]]
            judge = stats.chi2_contingency(table, correction=False).statistic * (SIZE - 1) / SIZE
            assert told[str(value)].p == pytest.approx(stats.chi2.sf(judge, 1))
            shares = compare_shares(a, inside.sum(), row.sum(), SIZE)
            assert told[str(value)].index == pytest.approx(float(shares.index))
    assert cells(tag(found, "city"))["Ulm"].index == pytest.approx(
        100 * (people[inside]["city"] == "Ulm").mean() / (people["city"] == "Ulm").mean()
    )


def test_lists_count_each_item_and_who_has_none(people: pd.DataFrame) -> None:
    told = cells(tag(insight(people), "likes"))
    items = people.explode("likes")
    for item in ("tea", "rye", "米"):
        has = items[items["likes"] == item]
        assert (told[item].count, told[item].base_count) == (has["group"].sum(), len(has))
    assert told[MISSING].base_count == people["likes"].isna().sum()


@pytest.mark.parametrize("longest", [4, 40])
def test_what_a_list_says_twice_counts_once(longest: int) -> None:
    chance = np.random.default_rng(longest)
    lists = [
        None
        if chance.random() < 0.1
        else chance.choice(["tea", "rye", "米", None], chance.integers(0, longest)).tolist()
        for _ in range(500)
    ]
    customers, group = pa.chunked_array([[f"c{n}" for n in range(500)]]), pa.array(range(0, 500, 3))
    who = counts.people(customers, pa.table({"customer_id": customers.take(group)}), None)
    told, missing = counts.by_value(pa.chunked_array([pa.array(lists, pa.list_(pa.string()))]), who)
    holders = {item: [n for n, items in enumerate(lists) if item in (items or [])] for item in ("tea", "rye", "米")}
    assert told == {item: (sum(n % 3 == 0 for n in of), len(of)) for item, of in holders.items()}
    none = [n for n, items in enumerate(lists) if not items]
    assert missing == (sum(n % 3 == 0 for n in none), len(none))


def test_numbers_are_compared_by_ranks_and_shown_in_fifths(people: pd.DataFrame) -> None:
    found = insight(people)
    for column in ("orders", "spend"):
        number = tag(found, column).number
        assert number is not None and number.superiority is not None
        one, rest = (people.loc[mask, column].dropna() for mask in (people["group"], ~people["group"]))
        judge = stats.mannwhitneyu(one, rest, method="asymptotic")
        # values within a hundredth of everyone are ties: of orders only the few largest, of spend all
        near = {"abs": 2e-5} if column == "orders" else {"abs": 0.005}
        assert number.superiority == pytest.approx(judge.statistic / len(one) / len(rest), **near)
        assert np.log10(number.p) == pytest.approx(np.log10(judge.pvalue), abs=0.01 if column == "orders" else 0.3)
        assert number.median == one.median() and number.base_median == people[column].median()
    fifths = cells(tag(found, "spend"))
    known = people["spend"].notna().sum()
    assert [round(cell.base_count / known, 1) for value, cell in fifths.items() if value != MISSING] == [0.2] * 5
    assert sum(cell.base_count for cell in fifths.values()) == SIZE
    assert next(iter(cells(tag(found, "seen")))) == "≤ 2026-01-10"  # the first fifth of fifty days
    # midnight in London is the day before in New York
    there = insight(people, columns=["seen"], timezone="America/New_York")
    assert next(iter(cells(tag(there, "seen")))) == "≤ 2026-01-09"
    assert list(cells(tag(found, "empty"))) == [MISSING]


def test_numbers_up_to_each_end_are_as_many_as_pandas_finds() -> None:
    chance = np.random.default_rng(8)
    size = 70_000
    values = pd.Series(chance.choice([*chance.normal(0, 1, 300), 0, -np.inf, np.inf, np.nan], size))
    customers, group = pa.chunked_array([[f"c{n}" for n in range(size)]]), np.flatnonzero(chance.random(size) < 0.3)
    told = counts.numbers(
        pa.chunked_array([pa.array(values, from_pandas=True)]),
        counts.people(customers, pa.table({"customer_id": customers.take(pa.array(group))}), None),
        timezone="UTC",
    )
    sides = values[group], values
    assert len(told.ends) > 50 and told.ends == sorted({*told.ends}) and told.ends[-1] == np.inf
    up_to = [[(side <= end).sum() for side in sides] for end in told.ends]
    assert np.cumsum(told.counts, axis=0).tolist() == up_to
    assert told.missing == tuple(side.isna().sum() for side in sides)
    assert told.medians == tuple(side.median() for side in sides)


def test_of_a_large_base_a_part_tells_where_its_hundredths_lie(
    people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = insight(people)
    monkeypatch.setattr(counts, "DRAWN", 250)
    part = insight(people)
    one, other = (tag(found, "spend") for found in (whole, part))
    assert one.number and other.number and one.number.base_median != other.number.base_median
    assert other.number.superiority == pytest.approx(one.number.superiority, abs=0.01)
    assert sum(cell.base_count for cell in other.cells) == SIZE  # counts are of all
    assert [cell.p for cell in tag(whole, "city").cells] == [cell.p for cell in tag(part, "city").cells]


def test_false_discoveries_are_controlled_over_all_that_is_told(people: pd.DataFrame) -> None:
    found = insight(people)
    parts = [part for one in found.tags for part in (*one.cells, *([one.number] if one.number else []))]
    judge = stats.false_discovery_control([part.p for part in parts], method="bh")
    assert [part.q for part in parts] == pytest.approx(judge.tolist())
    assert {one.column for one in found.tags if any(cell.differs for cell in one.cells)} == {"spend", "city"}


def test_one_audience_against_another(people: pd.DataFrame) -> None:
    found = insight(people, "other")
    assert (found.size, found.base_size) == (people["group"].sum(), people["other"].sum())
    ulm = cells(tag(found, "city"))["Ulm"]
    one, other = ((people.loc[people[side], "city"] == "Ulm").sum() for side in ("group", "other"))
    judge = stats.contingency.relative_risk(one, found.size, other, found.base_size)
    assert ulm.index == pytest.approx(100 * judge.relative_risk)
    interval = judge.confidence_interval()
    assert (ulm.low, ulm.high) == (
        pytest.approx(100 * interval.low, rel=0.05),
        pytest.approx(100 * interval.high, rel=0.05),
    )
    same = insight(people.assign(other=people["group"]), "other")
    indices = [cell.index for one in same.tags for cell in one.cells if cell.count]
    assert indices == pytest.approx([100] * len(indices))


def members(first: int, end: int) -> pa.Table:
    return pa.table({"customer_id": [f"c{number:04d}" for number in range(first, end)]})


def test_who_is_in_both_audiences_is_on_neither_side(people: pd.DataFrame) -> None:
    one, other, shared = apart(members(0, 700), members(300, 1200), "a against b", smallest=10)
    assert (one["customer_id"].to_pylist(), shared) == (members(0, 300)["customer_id"].to_pylist(), 400)
    profile = ds.dataset(pa.Table.from_pandas(people[["customer_id", "city"]], preserve_index=False))
    ulm = cells(tag(compare(profile, ["city"], one, other, smallest=10, timezone="UTC"), "city"))["Ulm"]
    alone = [(people.loc[part, "city"] == "Ulm").sum() for part in (slice(0, 299), slice(700, 1199))]
    assert [ulm.count, ulm.base_count] == alone
    table = [[alone[0], 300 - alone[0]], [alone[1], 500 - alone[1]]]  # two samples that share nobody
    judge = stats.chi2_contingency(table, correction=False).statistic * 799 / 800
    assert ulm.p == pytest.approx(stats.chi2.sf(judge, 1))


def test_two_audiences_that_differ_by_few_are_not_compared() -> None:
    for other in (members(0, 103), members(0, 100), members(3, 200)):  # three more; the same; three less
        with pytest.raises(DefinitionError, match="a against b: fewer than 10 customers are in one of them"):
            apart(members(0, 100), other, "a against b", smallest=10)
    # those few in both stay on both sides: set against everyone, the audience would tell what is missing here
    one, other, shared = apart(members(0, 100), members(95, 200), "a against b", smallest=10)
    assert (one.num_rows, other.num_rows, shared) == (100, 105, 0)


def test_small_groups_are_not_told_nor_what_gives_them_away(people: pd.DataFrame) -> None:
    rare = people.assign(city=people["city"].mask(people.index < 20, "Hof"))  # some 5 of the group are among them
    few = (rare["group"] & (rare["city"] == "Hof")).sum()
    assert 0 < few < 10
    found = tag(insight(rare, columns=["city"]), "city")
    assert "Hof" not in cells(found) and found.withheld >= 2  # alone it would be what is missing from the sum
    assert len(found.cells) + found.withheld == 4


def test_everybody_is_like_everyone(people: pd.DataFrame) -> None:
    found = insight(people.assign(group=True), columns=["city", "orders"])
    assert {cell.index for one in found.tags for cell in one.cells} == {100}
    assert not any(cell.differs for one in found.tags for cell in one.cells)
