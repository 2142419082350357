"""Segments judged and described: against scipy, scikit-learn, DuckDB and hand arithmetic. No Spark."""

import re
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import dataset as ds
from scipy import stats

from jobs.engines import segment_figures as figures
from jobs.pages.segments import page
from transforms.insight.counted import grouped
from transforms.insight.portraits import compared, portraits
from transforms.insight.principles import Judged, explained_variance
from transforms.insight.words import Trait, description, sentence


def test_explained_variance_is_omega_squared() -> None:
    chance = np.random.default_rng(4)
    codes = np.repeat([0, 1, 2], [30, 50, 40])
    values = chance.normal(size=120) + codes * 0.8
    f = stats.f_oneway(*(values[codes == group] for group in range(3))).statistic
    # omega² = (k - 1)(F - 1) / ((k - 1)(F - 1) + n)
    assert explained_variance(values, codes) == pytest.approx(2 * (f - 1) / (2 * (f - 1) + 120))
    assert explained_variance(chance.normal(size=4000), np.arange(4000) % 7) < 0.005
    assert np.isnan(explained_variance(np.ones(9), np.arange(9) % 3))
    assert np.isnan(explained_variance(np.arange(3.0), np.arange(3)))
    assert np.isnan(explained_variance(np.array([]), np.array([], dtype=int)))


def test_columns_are_counted_as_duckdb_counts_them() -> None:
    chance = np.random.default_rng(8)
    size = 3000
    segment = chance.integers(-1, 4, size)
    # more values than are kept; missing ones; a list with a value twice; a number with many equal values
    text = [None if chance.random() < 0.1 else f"v{chance.integers(0, 30) ** 2 // 30}" for _ in range(size)]
    lists = [None if i % 7 == 0 else [f"t{i % 3}", f"t{i % 5}", f"t{i % 3}"] for i in range(size)]
    number = [None if i % 11 == 0 else float(max(i % 50 - 30, 0)) for i in range(size)]
    table = pa.table({"segment": segment, "text": text, "lists": lists, "number": number})
    duck = duckdb.connect()
    duck.register("t", table)
    for column, value in (("text", "text"), ("lists", "unnest(list_distinct(lists))")):
        found = grouped(table[column].combine_chunks())
        assert found is not None
        counts, known = found.counts(segment, 4)
        sql = f"select v, segment, count(*) from (select {value} as v, segment from t) where segment >= 0 group by all"
        expected = {(v, s): n for v, s, n in duck.execute(sql).fetchall()}
        ours = {(label, s): counts[at, s] for at, label in enumerate(found.labels) for s in range(4) if counts[at, s]}
        assert ours == {key: n for key, n in expected.items() if key[0] in found.labels}
        kept = duck.execute(f"select count(*) from t where {column} is not null and segment = 2").fetchone()
        assert known[2] == kept[0]  # type: ignore[index]
    found = grouped(table["number"].combine_chunks())
    assert found is not None and found.labels[0] == "≤ 0"
    zero = duck.execute("select count(*) from t where number <= 0 and segment = 1").fetchone()
    assert found.counts(segment, 4)[0][0, 1] == zero[0]  # type: ignore[index]


def test_what_tells_nothing_is_not_compared() -> None:
    for column in (
        pa.array([date(2017, 1, 1), date(2017, 1, 2)]),
        pa.array(["a", "a"]),
        pa.array([None, None], pa.string()),
        pa.array([float("inf"), 1.0]),
        pa.array([], pa.list_(pa.string())),
    ):
        assert grouped(column) is None
    assert grouped(pa.array([True, False, None])).labels == ["false", "true"]  # type: ignore[union-attr]


def planted() -> tuple[pa.Table, np.ndarray]:
    """Of 1,000 customers 200 keep pets: 90 % of them buy pet food, and 5 % of the others; colours are chance."""
    chance = np.random.default_rng(3)
    codes = (np.arange(1000) >= 200).astype(int)
    buys = chance.random(1000) < np.where(codes == 0, 0.9, 0.05)
    colours = np.array(["red", "green", "blue"])[chance.integers(0, 3, 1000)]
    return pa.table({"pet_food": buys, "colour": colours, "rare": np.arange(1000) < 3}), codes


def test_a_planted_mark_is_found_and_chance_is_not() -> None:
    table, codes = planted()
    tags = [
        compared(name, found, codes, 2, smallest_group=10)
        for name in table.column_names
        if (found := grouped(table[name].combine_chunks()))
    ]
    titles = {name: (f"{name}!", f"{name}？") for name in table.column_names}
    rows = list(portraits(tags, ["pets", "none"], [200, 800], customers=1000, titles=titles, segment=codes))
    assert [(row["segment"], row.get("tag")) for row in rows[:4]] == [
        ("pets", None), ("pets", "pet_food"), ("pets", "colour"), ("pets", "rare"),
    ]  # fmt: skip
    food, colour, rare = rows[1:4]
    bought = np.asarray(table["pet_food"])
    share, base = bought[:200].mean(), bought.mean()
    assert (food["value"], food["count"], food["known"]) == ("true", bought[:200].sum(), 200)
    assert food["index"] == pytest.approx(100 * share / base, abs=1e-5)
    assert food["low"] < food["index"] < food["high"] < 500
    assert food["false_discovery"] < 1e-9 < 0.05 < colour["false_discovery"]
    # 3 customers are fewer than 10, and the other value would give them away
    assert [rare[key] for key in ("count", "share", "index", "false_discovery")] == [None] * 4
    assert rare["sentence_en"] == "rare!: too few customers to be told."
    assert rows[0]["sentence_en"].startswith("200 customers, 20.0% of everyone. More than others: pet_food! yes (")
    assert "pet_food？ 是（" in rows[0]["sentence_zh"]
    assert "colour" not in rows[0]["sentence_en"]


def test_words_by_hand() -> None:
    trait = Trait("t", "City", "城市", "York", 0.5, 0.25, 200.0, 150.4, 260.0, 0.001)
    assert sentence(trait) == (
        "City, York: 50% against 25% of everyone (index 200, 95 % interval 150 to 260).",
        "城市，York：占 50%，总体为 25%（指数 200，95% 区间 150 至 260）。",
    )
    doubtful = Trait("t", "City", "城市", "York", 0.5, 0.4, 125.0, 90.0, 160.0, 0.2)
    assert sentence(doubtful)[0].endswith("; may be chance.")
    assert (
        description(40, 0.04, [doubtful])[0] == "40 customers, 4.0% of everyone. Nothing sets them apart from everyone."
    )


def test_principles_that_fall_short_are_told() -> None:
    sizes = {f"s{place:02}": 100 for place in range(13)} | {"tiny": 3}
    found = Judged(sizes, 0.5, 50, explained=0.001, silhouette=0.02, moved_without_facts=0.3, resample_ari=0.4)
    assert [line.split(":")[0] for line in found.warnings()] == [
        "relevant", "measurable", "actionable", "distinct", "stable", "stable", "too many",
    ]  # fmt: skip
    assert found.warnings()[2] == "actionable: fewer than 50 customers in tiny"
    assert found.shortcomings()[-1][1] == "过多：14 个分群，超过人们能区分的 12 个"
    assert Judged({"a": 60, "b": 70}, 1.0, 50).warnings() == []


def test_moves_spend_and_silhouette() -> None:
    then = pa.table({"customer_id": ["a", "b", "c", "d"], "s": ["x", "x", "y", None]})
    now = pa.table({"customer_id": ["a", "b", "c", "e"], "s": ["x", "y", None, "x"], "new": ["q"] * 4})
    assert figures.moves(ds.dataset(now), ds.dataset(then), ["s", "new"]) == [
        ("s", None, None, 1), ("s", None, "x", 1), ("s", "x", "x", 1), ("s", "x", "y", 1), ("s", "y", None, 1),
    ]  # fmt: skip
    day = date(2017, 12, 30)
    lines = pa.table(
        {
            "_node": ["n1", "n1", "n2", "n3", "n1", "n1"],
            "amount": pa.array([10, -4, 7, 100, 1000, 50], pa.decimal128(18, 4)),
            "status": ["purchase", "refund", "purchase", "cancelled", "purchase", "purchase"],
            # the fifth is of the first day itself, the sixth a version that was replaced
            "event_date": [day, day, day, day, date(2017, 12, 1), day],
            "_batch_date": [day] * 6,
            "_valid_to": pa.array([None] * 5 + [day], pa.date32()),
        }
    )
    owners = pa.table({"record_id": ["n1", "n2", "n3"], "customer_id": ["a", "b", "c"]})
    spent = figures.spent_since(ds.dataset(lines), ds.dataset(owners), date(2017, 12, 1), day)
    assert dict(zip(*spent.sort_by("customer_id").to_pydict().values(), strict=True)) == {"a": 6.0, "b": 7.0}
    assert figures.explained(then, "s", spent) is not None
    apart = pa.table({"n": list(range(50)) + list(range(1000, 1050))})
    parted = figures.silhouette(apart, ["n"], np.repeat([0, 1], 50))
    mixed = figures.silhouette(apart, ["n"], np.arange(100) % 2)
    assert parted is not None and mixed is not None and parted > 0.5 > 0.05 > mixed
    assert figures.silhouette(apart, [], np.repeat([0, 1], 50)) is None


def test_the_silhouette_of_what_is_built_on_words_by_hand() -> None:
    codes = np.repeat([0, 1], 4)
    table = pa.table({"city": ["a", "a", "b", "b", "c", "c", "d", None], "abroad": [False] * 4 + [True] * 4})
    # within 0: one alike and two 1 apart, so 2/3; to anybody of 1: sqrt(2), as both words differ: 1 - (2/3) / sqrt(2)
    # within 1: two have one alike, two have none (d, and nobody's city, which is a word of its own)
    root = 2**0.5
    expected = (4 * (1 - 2 / 3 / root) + 2 * (1 - 2 / 3 / root) + 2 * (1 - 1 / root)) / 8
    assert figures.silhouette(table, [], codes, words=["city", "abroad"]) == pytest.approx(expected, abs=1e-4)


def test_a_sample_is_bounded_and_the_same_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CUSTOMERS", 40)
    ids = np.array([f"{place:04x}" for place in np.random.default_rng(2).permutation(4000)[:100]])
    found = [
        figures.sampled(ds.dataset(pa.table({"customer_id": ids[order], "v": order})), ["v"])["customer_id"].to_pylist()
        for order in (np.arange(100), np.arange(100)[::-1])
    ]
    assert found[0] == found[1] == sorted(ids)[:40]


def test_rfm_cut_points_of_halves_agree_where_there_are_many() -> None:
    chance = np.random.default_rng(6)

    def ari(size: int) -> float:
        columns = {
            "r": chance.integers(0, 300, size),
            "f": chance.poisson(9, size) + 1,
            "m": chance.lognormal(3, 1, size),
        }
        found = figures.rfm_resample_ari(pa.table(columns), ["r", "f", "m"], scores=5)
        assert found is not None
        return found

    assert ari(20_000) > 0.85 > ari(60)
    nobody = pa.table({"r": [1.0], "f": [0], "m": [0.0]})
    assert figures.rfm_resample_ari(nobody, ["r", "f", "m"], scores=5) is None


def test_the_page_loads_nothing_and_escapes() -> None:
    judged = {
        "segmentation": "s", "tag": "s", "kind": "rule", "date": "2017-12-30", "explained": 0.001, "coverage": 0.5,
        "smallest": 3, "min_size": 50, "silhouette": 0.05, "moved_without_facts": 0.25, "resample_ari": 0.4,
    }  # fmt: skip
    whole = {
        "segmentation": "s", "segment": "<b>", "tag": None, "size": 3, "share": 0.5, "sentence_en": "A & B",
        "sentence_zh": "甲",
    }  # fmt: skip
    trait = {
        **whole, "tag": "t", "value": "v<", "share": 0.5, "base_share": 0.25, "index": 200.0, "low": 150.0,
        "high": 250.0, "false_discovery": 0.0, "sentence_en": "t is v", "sentence_zh": "乙",
    }  # fmt: skip
    moves = [{"segment": "s", "from_value": None, "to_value": "<b>", "customers": 2}]
    moves += [{"segment": "s", "from_value": "<b>", "to_value": None, "customers": None}]
    found = page([judged], [whole, trait], moves, {}, "2017-12-30")
    assert "http" not in found and "src=" not in found and "@import" not in found
    assert "&lt;b&gt;" in found and "<b>" not in found and "v&lt;" in found
    assert found.count("<svg") == 2 and "甲" in found and "prefers-color-scheme:dark" in found
    # what falls short is told in the language that is read
    warned = re.findall(r"<p class=warn><span class=en>(.+?)</span><span class=zh>(.+?)</span></p>", found)
    assert warned == [
        ("relevant: explains 0.1% of what customers spent afterwards", "相关性：仅解释后续消费的 0.1%"),
        ("measurable: 50% of known customers have a segment", "可衡量：仅 50% 的已知客户有分群"),
        ("actionable: fewer than 50 customers in &lt;b&gt;", "可行动：以下分群不足 50 位客户：&lt;b&gt;"),
        ("distinct: has one segment alone", "可区分：只有一个分群"),
        ("distinct: silhouette 0.05: the segments overlap", "可区分：轮廓系数 0.05，分群相互重叠"),
        ("stable: 25% moved without new facts", "稳定性：25% 的客户无新事实而移动"),
        ("stable: fits on two halves agree by 0.40 (ARI)", "稳定性：两半样本各自拟合的一致度仅 0.40 (ARI)"),
    ]
