"""Models that foretell in the stage `tags`: the past as it stood, planted effects, the registry, what goes wrong."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from scipy import stats

from jobs import tags as stage
from jobs.engines import cut_offs
from jobs.engines.classifiers import fit_classifier, fit_past
from jobs.engines.later_value import later_value
from jobs.engines.next_values import fit_next
from jobs.engines.past import past_of
from jobs.engines.registry import registered
from jobs.engines.released_models import Models
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, GOLD_MODEL, IDENTITY_RECORD, TAG_MODEL
from transforms.tags.definition import parse_tags
from transforms.tags.predictions import with_predictions
from transforms.tags.segmentations import segmentations

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"
BODIES = {
    "idle": "from: transaction\nwhere: status = 'purchase'\nselect: datediff(as_of, max(ordered_at))",
    "orders": "from: transaction\nwhere: status = 'purchase'\nselect: count(*)\ndefault: 0",
    "orders_30d": "from: transaction\nwindow: 30d\nwhere: status = 'purchase'\nselect: count(*)\ndefault: 0",
    "points": "sensitivity: sensitive\nfrom: loyalty_account\nselect: max(points)",
    "old": "from: customer\nselect: year(birth_date)",
    "leaving": (
        "model: churn\neligible: orders >= 2\n"
        "label: {event: transaction, where: status = 'purchase', within: 20d, happens: false}\n"
        "features: [idle, orders, orders_30d, points, old]\nalgorithm: logistic_regression"
    ),
    "worth": (
        "model: lifetime_value\nfrom: transaction\nwhere: status = 'purchase'\namount: amount\nhorizon: 30d\n"
        "method: bg_nbd"
    ),
    "pace": (
        "cases: [{value: busy, when: orders_30d >= 6}, {value: calm, when: orders_30d >= 1}, "
        "{value: gone, when: orders >= 1}]\nsegmentation: {}"
    ),
    "age_group": "cases: [{value: old, when: old < 1990}]\nsegmentation: {}",
    "next": "model: next_category\nfrom: transaction\nof: category\nwithin: 20d\ntop: 2",
}
BEGAN, DAY = date(2017, 1, 1), date(2017, 4, 30)  # the days 0 to 119
LENGTH, CUSTOMERS = 120, 400
KINDS = ("bread", "milk", "wine", "cheese", "tea", "soap")
CUTS = (59, 79, 99)


def bought() -> pd.DataFrame:
    """Customers of two paces, who leave one day or do not; each has two favourites. Some lines are cancelled."""
    chance = np.random.default_rng(4)
    rows = []
    for one in range(CUSTOMERS):
        pace, leaves = (0.4, 0.05)[one % 2], chance.integers(0, 200)
        days = np.flatnonzero(chance.random(LENGTH) < pace)
        for day in days[days < leaves]:
            kind = KINDS[(one + chance.integers(0, 2)) % 6] if chance.random() < 0.8 else KINDS[chance.integers(0, 6)]
            rows.append((f"c{one:03d}", int(day), float(chance.integers(5, 50)), kind, "purchase"))
        rows += [(f"c{one:03d}", LENGTH - 1, 99.0, "soap", "cancelled")] if one % 10 == 0 else []
    return pd.DataFrame(rows, columns=["customer", "day", "amount", "category", "status"])


@dataclass
class Shop:
    """A lakehouse with that shop's history, and nights over it."""

    spark: SparkSession
    root: Path
    rows: pd.DataFrame
    base: Release | None = None
    warned: list[str] = field(default_factory=list)

    def opened(self, day: date, **options: Any) -> Night:
        tags = parse_tags({f"tags/{name}.yml": HEAD.format(tag=name) + body + "\n" for name, body in BODIES.items()})
        pipeline = SimpleNamespace(timezone="UTC", spark={}, mlflow="sqlite:///mlflow.db")
        conf: Any = SimpleNamespace(tags=tags, pipeline=pipeline, imports={}, sources={}, root=self.root, hash="f00d")
        self.warned.clear()
        night = Night(
            conf=conf, lakehouse=Lakehouse(str(self.root / "lakehouse")), day=day, run_id=f"run-{day}", base=self.base,
            started_at=datetime(2017, 6, 1, tzinfo=UTC), on_warning=self.warned.append, **options,
        )  # fmt: skip
        night.spark = self.spark  # type: ignore[misc]
        if self.base is None:
            self._write(night)
        return night

    def run(self, day: date, **options: Any) -> Night:
        night = self.opened(day, **options)
        stage.run(night)
        number = self.base.release + 1 if self.base else 1
        at = datetime(2017, 6, 1, tzinfo=UTC)
        self.base = Release(number, night.run_id, day, at, "night", dict(night.versions), "")
        return night

    def _write(self, night: Night) -> None:
        days = [BEGAN + timedelta(days=day) for day in self.rows["day"]]
        at = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
        lines = pa.table(
            {
                # all of it came at once, long after it had happened
                "_batch_date": pa.array([DAY] * len(at), pa.date32()), "event_date": days, "event_at": at,
                "_node": "n:" + self.rows["customer"], "ordered_at": at, "amount": self.rows["amount"],
                "category": self.rows["category"], "status": self.rows["status"],
            }
        )  # fmt: skip
        night.save(self.spark.createDataFrame(lines), ENTITIES["transaction"].table)
        # c000 to c009 are members: 5 points until day 70, 500 from then on
        landed = [(BEGAN + timedelta(days=30), BEGAN + timedelta(days=70), 5), (BEGAN + timedelta(days=70), None, 500)]
        members = [(since, until, f"n:c{one:03d}", points) for one in range(10) for since, until, points in landed]
        ddl = "_batch_date date, _valid_to date, _node string, points bigint"
        night.save(self.spark.createDataFrame(members, ddl), ENTITIES["loyalty_account"].table)
        people = [f"c{one:03d}" for one in range(CUSTOMERS)]
        nodes = self.spark.createDataFrame([(f"n:{c}", c) for c in people], "record_id string, customer_id string")
        night.save(nodes, IDENTITY_RECORD)
        ddl = "customer_id string, birth_date date"
        night.save(self.spark.createDataFrame([(c, date(1980, 1, 1)) for c in people], ddl), GOLD_CUSTOMER)


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(spark, tmp_path_factory.mktemp("shop"), bought())


@pytest.fixture(scope="module")
def first(shop: Shop) -> Night:
    """The first night: it fits everything."""
    night = shop.run(DAY)
    night.stage.warnings = list(shop.warned)
    return night


def scores(night: Night) -> pd.DataFrame:
    found = night.lakehouse.dataset("tag/customer", night.versions["tag/customer"])
    assert found is not None
    return found.to_table().to_pandas().set_index("customer_id").sort_index()


def test_the_past_is_as_it_stood(shop: Shop, first: Night) -> None:
    past = past_of(first, first.conf.tags["leaving"])
    expected: Counter[tuple[Any, ...]] = Counter()
    sold = shop.rows[shop.rows["status"] == "purchase"]
    for place, cut in enumerate(CUTS):
        for customer, days in sold.groupby("customer")["day"]:
            then = days[days <= cut]
            if len(then) < 2:
                continue  # not eligible
            left = not ((days > cut) & (days <= cut + 20)).any()
            points = (5 if cut < 70 else 500) if customer < "c010" else -1
            expected[(place, cut - then.max(), len(then), (then > cut - 30).sum(), points, left)] += 1
    raw = {name: np.nan_to_num(column, nan=-1) for name, column in past.raw.items()}
    assert set(raw) == {"idle", "orders", "orders_30d", "points"}
    assert past.dropped == {"old": "the golden record's earlier states are not kept"}
    rows = zip(past.cut, raw["idle"], raw["orders"], raw["orders_30d"], raw["points"], past.label, strict=True)
    assert [str(day) for day in past.days] == ["2017-03-01", "2017-03-21", "2017-04-10"]
    assert Counter(rows) == expected
    np.testing.assert_array_equal(past.idle, past.raw["idle"])


def test_a_first_night_judges_segments_as_they_stood(shop: Shop, first: Night) -> None:
    """Nobody was released 28 days ago: tonight's rules over what had happened by then, and what was spent since."""
    found = segmentations(first.conf.tags, smallest_group=10)
    assert [one.column for one in found] == ["age_group", "pace"]
    value = later_value(first, found)
    assert value is not None and value.since == DAY - timedelta(days=28)
    sold = shop.rows[shop.rows["status"] == "purchase"]
    then, since = sold[sold["day"] <= 91], sold[sold["day"] > 91]
    recent = then[then["day"] > 61].groupby("customer").size().reindex(then["customer"].unique(), fill_value=0)
    expected = {c: "busy" if often >= 6 else "calm" if often else "gone" for c, often in recent.items()}
    # who had not been seen by then is in no segment of then
    assert dict(zip(*value.then.select(["customer_id", "pace"]).to_pydict().values(), strict=True)) == expected
    # the golden record counts as it is tonight
    assert set(value.then["age_group"].to_pylist()) == {"old"}
    spent = since.groupby("customer")["amount"].sum().reindex(list(expected), fill_value=0.0)
    groups = [spent[[c for c in expected if expected[c] == name]] for name in ("busy", "calm", "gone")]
    f, size = stats.f_oneway(*groups).statistic, len(expected)
    assert value.explained("pace") == pytest.approx(2 * (f - 1) / (2 * (f - 1) + size), abs=1e-4)
    assert value.explained("age_group") is None  # one group explains nothing


def test_planted_effects_are_found(shop: Shop, first: Night) -> None:
    assert [line for line in first.stage.warnings if "released model" in line or "NULL" in line] == []
    models = Models(first, {}).of(first).released
    leaving, worth, following = (models[name].quality for name in ("leaving", "worth", "next"))
    # the recency rule takes everybody who buys seldom for lost; the model knows the paces
    assert leaving["gain"]["low"] > 0
    assert worth["gain"]["low"] > 0
    # each buys one of two favourites, chance finds them for two in six
    assert following["right"] > following["baseline"]["right"] + 0.1
    found = scores(first)
    bought_at_all = shop.rows[shop.rows["status"] == "purchase"].groupby("customer")["day"].agg(["count", "max"])
    eligible = set(bought_at_all[bought_at_all["count"] >= 2].index)
    assert set(found["leaving_risk"].dropna().index) == set(found["leaving_band"].dropna().index) == eligible
    assert set(found["worth_value"].dropna().index) == set(bought_at_all.index)
    assert found["leaving_risk"].dropna().between(0, 1).all()
    # frequent buyers who have been silent for two months are gone, those of this week are not: one in ten leaves soon
    often = [f"c{one:03d}" for one in range(0, CUSTOMERS, 2)]
    silent = [c for c in often if c in eligible and bought_at_all["max"][c] < 60]
    active = [c for c in often if c in eligible and bought_at_all["max"][c] > 115]
    assert found["leaving_risk"][silent].min() > 0.8 > 0.4 > found["leaving_risk"][active].max()
    assert found["worth_p_alive"][silent].max() < 0.5 < 0.9 < found["worth_p_alive"][active].min()
    # the favourites of customer n are the kinds n and n + 1
    hits = [len({KINDS[int(c[1:]) % 6], KINDS[(int(c[1:]) + 1) % 6]} & set(found["next"][c])) for c in active]
    assert np.mean(hits) > 1.6  # by chance: two in six, twice


def test_partitions_and_order_change_no_score(first: Night) -> None:
    known = Models.of(first).released
    models = [(first.conf.tags[name], known[name].parameters) for name in ("leaving", "worth", "next")]
    outputs = [output.name for tag, _ in models for output in tag.outputs]
    base = first.load("tag/customer").select("customer_id").join(first.load("tag/transaction"), "customer_id")
    base = base.join(first.load("tag/loyalty_account"), "customer_id")
    clock: dict[str, Any] = {"timezone": "UTC", "day": first.day, "as_of": first.as_of}
    told = []
    for frame in (base.coalesce(1), base.orderBy("customer_id", ascending=False).repartition(7)):
        found = with_predictions(frame, models, **clock)
        plan = found._jdf.queryExecution().executedPlan().toString()  # type: ignore[operator]
        assert plan.count("ArrowEvalPython") == 1, "three models of seven outputs, one pass"
        told.append(sorted(map(tuple, found.select("customer_id", *outputs).collect()), key=lambda row: row[0]))
    assert told[0] == told[1]
    assert [row[1] for row in told[0]] == [None if v != v else v for v in scores(first)["leaving_risk"]]


def test_partitions_change_nothing_that_is_fitted(first: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    known, spark = Models.of(first).released, first.spark
    kept = str(spark.conf.get("spark.sql.shuffle.partitions"))
    assert kept != "5"
    try:
        spark.conf.set("spark.sql.shuffle.partitions", "5")
        for name, fit in (("leaving", fit_classifier), ("next", fit_next)):
            parameters, quality = fit(first, first.conf.tags[name], None)
            assert json.loads(json.dumps([parameters, quality])) == [
                {key: value for key, value in known[name].parameters.items() if key != "asked"}, known[name].quality
            ]  # fmt: skip
        # what comes to the driver is a bounded sample, those with the lowest hashes, at every cut-off
        monkeypatch.setattr(cut_offs, "CUSTOMERS", 250)
        some = past_of(first, first.conf.tags["leaving"])
        assert max(np.bincount(some.cut)) <= 290  # give or take the chance of a hash
        assert 0 < len(some.label) < 0.8 * sum(known["leaving"].quality["customers"].values())
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", kept)


def test_the_registry_names_what_is_released(shop: Shop, first: Night) -> None:
    models = Models.of(first).released
    assert {name: model.mlflow_version for name, model in models.items()} == {"leaving": 1, "worth": 1, "next": 1}
    with sqlite3.connect(shop.root / "mlflow.db") as store:
        runs = dict(store.execute("select name, run_uuid from runs").fetchall())
        params = store.execute("select key, value from params where run_uuid = ?", [runs[models["leaving"].mlflow_run]])
        told = dict(params.fetchall())
        metrics = dict(store.execute("select key, value from metrics").fetchall())
    assert set(runs) == {model.mlflow_run for model in models.values()}
    assert told["configuration"] == "f00d"
    assert told["data/silver/transaction"] == str(first.versions["silver/transaction"])
    assert metrics["baseline/auc"] == models["leaving"].quality["baseline"]["auc"]
    # killed after it had registered and before it had committed: run again it finds its own
    again = registered(first, [models["leaving"]])[0]
    assert (again.mlflow_run, again.mlflow_version) == (models["leaving"].mlflow_run, 1)
    # nothing of a customer in anything that was logged
    files = [path.read_text() for path in (shop.root / "mlartifacts").rglob("*.json")]
    assert len(files) == 6
    assert not any("c00" in text or "n:c" in text for text in [*files, str(told)])


def test_what_is_learned_of_sensitive_tags_is_for_the_pipeline_alone(shop: Shop, first: Night) -> None:
    """The churn model looks at `points`, which are sensitive, and so is the model."""
    known = Models.of(first).released
    assert known["leaving"].parameters["usual"]["features"]["points"]["counts"]
    open_ = {row["tag"]: row for row in first.rows(GOLD_MODEL)}
    assert (open_["leaving"]["parameters"], open_["leaving"]["version"]) == ("{}", 1)
    assert json.loads(open_["worth"]["parameters"]) == known["worth"].parameters
    quality = json.loads(open_["leaving"]["quality"])
    assert (quality["withheld"], quality["auc"]) == ("its tag is sensitive", known["leaving"].quality["auc"])
    assert [row["tag"] for row in first.rows(TAG_MODEL)] == ["leaving"]
    with sqlite3.connect(shop.root / "mlflow.db") as store:
        asked = "select artifact_uri from runs where name = ?"
        [(folder,)] = store.execute(asked, [known["leaving"].mlflow_run]).fetchall()
    logged = Path(folder.removeprefix("file://"))
    assert json.loads((logged / "parameters.json").read_text()) == {}
    assert json.loads((logged / "quality.json").read_text()) == quality


def test_nights_without_a_registry_and_bad_refits(shop: Shop, first: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order: a night with the registry gone, a refit that learns from chance, and the night after that."""
    released = Models.of(first).released
    (shop.root / "mlflow.db").rename(shop.root / "away.db")
    second = shop.run(DAY + timedelta(days=1))
    gone = [line for line in shop.warned if "gone from the registry" in line]
    assert len(gone) == 1
    assert "leaving version 1, next version 1, worth version 1" in gone[0]
    assert second.versions["gold/model"] == first.versions["gold/model"]
    assert scores(second)["leaving_risk"].notna().sum() == scores(first)["leaving_risk"].notna().sum()
    (shop.root / "away.db").rename(shop.root / "mlflow.db")

    tried = []

    def mixed_up(past: Any, tag: Any, previous: Any) -> Any:
        tried.append(tag.tag)
        label, learns = past.label.copy(), past.cut < len(past.days) - 1
        label[learns] = np.random.default_rng(1).permutation(label[learns])
        return fit_past(type(past)(**{**vars(past), "label": label}), tag, previous)

    monkeypatch.setattr("jobs.engines.classifiers.fit_past", mixed_up)
    third = shop.run(DAY + timedelta(days=40))
    assert [line for line in shop.warned if line.startswith("leaving: ") and line.endswith("the released model stays")]
    kept = Models.of(third).released
    assert kept["leaving"].parameters == released["leaving"].parameters
    assert (kept["leaving"].version, kept["leaving"].mlflow_version) == (1, 1)
    assert "AUC" in kept["leaving"].quality["refused"]["why"]
    assert (kept["worth"].version, kept["worth"].mlflow_version) == (2, 2)
    # it is tried again at the next refit, not every night
    shop.run(DAY + timedelta(days=41))
    assert tried == ["leaving"]
    assert shop.warned == []


def test_a_label_past_the_data(shop: Shop, first: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("leaving", "worth", "next"):
        longer = BODIES[name].replace("within: 20d", "within: 90d").replace("horizon: 30d", "horizon: 90d")
        monkeypatch.setitem(BODIES, name, longer)
    young = Shop(shop.spark, shop.root, shop.rows, base=shop.base)
    assert scores_of(shop) > 0
    night = young.run(DAY + timedelta(days=2))
    said = [line for line in young.warned if "of transaction to learn from and to be tested on; there are 119" in line]
    assert sorted(line.split(":")[0] for line in said) == ["leaving", "next", "worth"]
    # the released ones foretell the next 20 and 30 days, which is not what is asked any more
    assert all(line.endswith("is NULL tonight") for line in said)
    assert scores(night)[["leaving_risk", "worth_value", "next"]].isna().all(axis=None)


def scores_of(shop: Shop) -> int:
    assert shop.base is not None
    found = Lakehouse(str(shop.root / "lakehouse")).dataset("tag/customer", shop.base.versions["tag/customer"])
    assert found is not None
    return int(found.to_table(["leaving_risk"]).to_pandas()["leaving_risk"].notna().sum())
