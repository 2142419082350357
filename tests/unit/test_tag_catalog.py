"""The stage `catalog`: what changed and why, an earlier night rebuilt, the catalogue's figures, drift."""

import json
import math
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import dataset as ds

from jobs.engines.compared import compared
from jobs.gold import open_release
from jobs.runtime.catalog import released_catalog
from jobs.tags import costs
from tests.unit.trusted import FIRST, Nights, Values, yaml_of
from transforms.errors import DataError, DefinitionError
from transforms.schemas import GOLD_TAG_CHANGE
from transforms.tags.counts import failed_checks
from transforms.tags.definition import parse_tags
from transforms.tags.distribution import binned_sql

BODIES = {
    "spend": "from: transaction\nselect: sum(amount)\nmax_age: 2d",
    "city": "from: customer\nselect: city",
    "big": "select: spend > 10",
}
Told = set[tuple[str, str, str | None, str | None, str]]


def changes(nights: Nights, number: int) -> Told:
    rows = nights.lakehouse.rows(GOLD_TAG_CHANGE, nights.base.versions[GOLD_TAG_CHANGE.name])  # type: ignore[union-attr]
    names = ("customer_id", "tag", "old", "new", "cause")
    return {tuple(row[name] for name in names) for row in rows if row["run_id"] == f"run-{number}"}  # type: ignore[misc]


def of(spend: float | None, city: str | None = "Ulm", **more: Any) -> dict[str, Any]:
    return {"spend": spend, "city": city, "big": None if spend is None else spend > 10, **more}


def test_every_change_has_its_cause(tmp_path: Path) -> None:
    nights = Nights(tmp_path, dict(BODIES))
    nights.run(0, {"a": of(5.5), "b": of(7.0), "c": of(3.0), "d": of(4.0)})
    assert changes(nights, 0) == set()
    # a bought something, b's old purchase left the window, c went into d, e is new and f was split off b
    nights.run(
        1,
        {"a": of(20.25), "b": of(6.0), "d": of(7.0), "e": of(None, None), "f": of(1.0, None)},
        landed={"transaction": ["a"], "contact": ["b"]},
        identity=[("merge", "d", ["c"]), ("split", "f", ["g"])],
    )
    assert changes(nights, 1) == {
        ("a", "spend", "5.5", "20.25", "data"), ("a", "big", "false", "true", "data"),
        ("b", "spend", "7.0", "6.0", "time"),
        ("c", "customer_id", "c", None, "merge"), ("c", "spend", "3.0", None, "merge"),
        ("c", "city", "Ulm", None, "merge"), ("c", "big", "false", None, "merge"),
        ("d", "spend", "4.0", "7.0", "merge"),
        ("e", "customer_id", None, "e", "new"),
        ("f", "customer_id", None, "f", "split"), ("f", "spend", None, "1.0", "split"),
        ("f", "big", None, "false", "split"),
    }  # fmt: skip
    # another definition of spend explains what is built on it; city has nothing to do with it
    nights.bodies["spend"] = "from: transaction\nselect: sum(quantity)\nmax_age: 2d\nversion: 2"
    nights.run(2, {"a": of(1.0), "b": of(6.0, "Jena")}, landed={"contact": ["b"], "transaction": ["a"]})
    assert changes(nights, 2) >= {
        ("a", "spend", "20.25", "1.0", "definition"), ("a", "big", "true", "false", "definition"),
        ("b", "city", "Ulm", "Jena", "data"),
    }  # fmt: skip
    # silent for longer than two days: NULL for everybody, and what is built on it too
    nights.run(5, {"a": of(None), "b": of(None, "Jena")}, newest={"transaction": 2})
    assert changes(nights, 5) == {
        ("a", "spend", "1.0", None, "stale"), ("a", "big", "false", None, "stale"),
        ("b", "spend", "6.0", None, "stale"), ("b", "big", "false", None, "stale"),
    }  # fmt: skip
    assert released_catalog(nights.lakehouse, nights.base)["spend"]["stale"] == (
        "transaction has been silent since 2018-03-03, longer than 2d"
    )


KINDS = {
    "spend": "from: transaction\nselect: sum(amount)", "visits": "from: web_event\nselect: count(*)",
    "city": "from: customer\nselect: city", "told": "from: customer\nselect: email is not null",
    "top": "from: transaction\npreference: {of: category}", "seen": "from: transaction\nselect: max(ordered_at)",
    "born": "from: customer\nselect: birth_date",
}  # fmt: skip


def drawn(chance: random.Random) -> Values:
    """Customers who come and go, with values of every type; many are missing."""

    def maybe(value: Any) -> Any:
        return value if chance.random() > 0.3 else None

    def one() -> dict[str, Any]:
        return {
            "spend": maybe(chance.choice([0.1 + 0.2, -0.0, 1e300, 1 / 3, 12345678.9])),
            "visits": maybe(chance.randrange(3)),
            "city": maybe(chance.choice(["Ulm", "it's", 'a"b', "北京", "\\n", ""])),
            "told": maybe(chance.random() > 0.5),
            "top": maybe(chance.sample(['x"', "y,z", "", "[w]"], chance.randrange(4))),
            "seen": maybe(datetime(2018, 1, 1, 23, 59, 59, chance.randrange(10**6), tzinfo=UTC)),
            "born": maybe(date(1970, 1, 1) + timedelta(days=chance.randrange(3))),
        }  # fmt: skip

    return {name: one() for name in "abcdefgh" if chance.random() > 0.25}


@pytest.mark.parametrize("seed", range(3))
def test_any_earlier_night_is_rebuilt_from_the_changes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    nights, kept = Nights(tmp_path, dict(KINDS)), []
    for number in range(5):
        kept.append(drawn(chance))
        if number == 3:  # one tag goes, another changes its type
            del nights.bodies["born"]
            nights.bodies |= {"told": "from: customer\nselect: city\nversion: 2"}
        if number >= 3:
            for row in kept[-1].values():
                del row["born"]
                row["told"] = None if row["told"] is None else str(row["told"])
        nights.run(number, kept[-1])
    release = open_release(str(tmp_path))
    for number, profile in enumerate(kept):
        found = release.earlier_profile(FIRST + timedelta(days=number)).to_pylist()
        assert {row.pop("customer_id"): row for row in found} == profile
    with pytest.raises(DefinitionError, match=r"^2018-03-09: no night that this release is built on; there are 2018-"):
        release.earlier_profile(date(2018, 3, 9))


def test_the_catalogue_counts_and_hides(tmp_path: Path) -> None:
    mail = "from: customer\nselect: email"
    paid = "sensitivity: sensitive\nfrom: transaction\nselect: max(amount)"
    bodies = {**BODIES, "mail": mail, "paid": paid, "idea": "status: draft\nselect: spend * 2"}
    bodies["seen"] = "from: transaction\nselect: max(ordered_at)"
    nights = Nights(tmp_path, bodies, timezone="Asia/Shanghai")
    cities = ["Ulm"] * 4 + ["Jena"] * 2 + ["Bonn", "Kiel"] + [None] * 32
    evening = datetime(2018, 2, 28, 20, tzinfo=UTC)  # early morning in Shanghai
    profile = {
        f"c{n}": of(float(n), cities[n], mail="x@y.org", paid=n * 1.5, seen=evening + timedelta(minutes=n))
        for n in range(40)
    }
    nights.run(0, profile)
    nights.run(1, {**profile, "c1": of(99.0, "Bonn", mail="x@y.org", paid=1.5)}, landed={"transaction": ["c1"]})
    rows = released_catalog(nights.lakehouse, nights.base)
    spend, city = rows["spend"], rows["city"]
    assert (spend["customers"], spend["known"], spend["coverage"], spend["distinct_values"]) == (40, 40, 1.0, 40)
    assert (spend["changed"], spend["used_by"], spend["reads"]) == (1, ["tag:big", "tag:idea"], ["transaction"])
    assert (spend["fresh_as_of"], spend["title_zh"]) == (date(2018, 3, 2), "标签")
    assert (rows["big"]["depends_on"], rows["big"]["changed"], rows["idea"]["customers"]) == (["spend"], 1, None)
    assert spend["yaml"].startswith("tag: spend\n") and spend["columns"] == {"spend": "double"}
    told = json.loads(spend["distribution"])["spend"]
    # 0, 2 … 39 and 99: the middle of forty is between the 20th and the 21st
    assert told["quantiles"]["0.5"] == 20.5 and told["mean"] == (sum(range(40)) - 1 + 99) / 40
    assert sum(told["bins"]) == 40 and len(told["bins"]) == 20
    # what a single customer has is not named, and of what is personal no value is
    assert (city["known"], city["distinct_values"]) == (8, 4)
    assert json.loads(city["distribution"])["city"]["values"] == {"Ulm": 3, "Bonn": 2, "Jena": 2, "(others)": 1}
    assert rows["mail"]["sensitivity"] == "personal"
    assert json.loads(rows["mail"]["distribution"])["mail"] == {"known": 40, "distinct": 1}
    assert json.loads(rows["paid"]["distribution"])["paid"] == {"known": 40, "distinct": 40}
    assert json.loads(rows["big"]["distribution"])["big"]["values"] == {"true": 30, "false": 10}
    # a time counts for the business's day
    assert json.loads(rows["seen"]["distribution"])["seen"]["values"] == {"2018-03-01": 39}


def test_a_retired_tag_is_remembered_after_its_file_has_gone(tmp_path: Path) -> None:
    nights = Nights(
        tmp_path, {**BODIES, "old": "status: retired\nselect: spend * 2", "idea": "status: draft\nselect: spend"}
    )
    nights.run(0, {"a": of(1.0)})
    for name in ("old", "idea"):
        del nights.bodies[name]
    nights.run(1, {"a": of(1.0)})
    nights.run(2, {"a": of(1.0)})
    rows = released_catalog(nights.lakehouse, nights.base)
    assert (rows["old"]["status"], rows["old"]["gone_since"]) == ("retired", date(2018, 3, 2))
    assert "idea" not in rows


def drifting(checks: str, folder: Path) -> Nights:
    nights = Nights(folder, {"spend": f"from: transaction\nselect: sum(amount)\nchecks: [{checks}]"})
    nights.run(0, {f"c{n}": {"spend": float(n % 2)} for n in range(200)})
    return nights


def test_drift_is_judged(tmp_path: Path) -> None:
    # one half 0 and one half 1; then one fifth 0: 0.3 x ln(0.8 / 0.5) + (-0.3) x ln(0.2 / 0.5) = 0.4159
    moved = {f"c{n}": {"spend": 0.0 if n < 40 else 1.0} for n in range(200)}
    index = 0.3 * math.log(1.6) - 0.3 * math.log(0.4)
    nights = drifting("{drift: 0.41, on_fail: warn}", tmp_path / "warn")
    nights.run(1, moved)
    assert nights.warned == ["spend: its values moved by 0.42 since the last release (0.41 may be)"]
    assert released_catalog(nights.lakehouse, nights.base)["spend"]["drift"] == pytest.approx(index)
    nights = drifting("{drift: 0.42, on_fail: warn}", tmp_path / "calm")
    nights.run(1, moved)
    assert nights.warned == []
    nights = drifting("{drift: 0.41, on_fail: stop}", tmp_path / "stop")
    with pytest.raises(DataError, match=r"^spend: its values moved by 0\.42 since"):
        nights.run(1, moved)
    nights.roll_back()
    # what means something else is not held against what it was
    nights.bodies["spend"] = nights.bodies["spend"].replace("amount", "quantity")
    nights.run(1, moved)


@pytest.mark.parametrize(
    ("edges", "counts"), [([], {"(none)": 2, "0": 3}), ([1.0, 2.0], {"(none)": 2, "0": 1, "1": 1, "2": 1})]
)
def test_a_missing_number_is_never_taken_for_the_least(edges: list[float], counts: dict[str, int]) -> None:
    duck = duckdb.connect()
    duck.execute("create table t as select unnest([null, null, 1.0, 2.0, 3.0]) as x")
    assert dict(duck.execute(binned_sql("x", "t", edges)).fetchall()) == counts


def test_tags_share_what_their_scans_cost() -> None:
    tags = parse_tags({f"tags/{name}.yml": yaml_of(name, body) for name, body in BODIES.items()})
    assert costs(list(tags.values()), {"transaction": 4.0, "customer": 1.0}) == {"spend": 4.0, "city": 0.5, "big": 0.5}


def test_a_change_tells_times_by_the_business_day_and_nothing_of_what_is_hidden() -> None:
    late = datetime(2018, 2, 28, 20, tzinfo=UTC)  # 4 o'clock of the next day in Shanghai
    before = pa.table({"customer_id": ["a", "b"], "income": [1.0, 2.0], "born": ["x", "x"], "seen": [late, late]})
    now = pa.table({"customer_id": ["a", "b"], "income": [3.0, 5.0], "born": ["y", "y"], "seen": [None, None]})
    now = now.set_column(3, "seen", pa.array([None, None], before["seen"].type))
    columns = {name: name for name in ("income", "born", "seen")}
    income, born, seen = compared(
        ds.dataset(before), ds.dataset(now), columns, 2, timezone="Asia/Shanghai", hidden={"income", "born"}
    )
    known = {"customers": 2, "changed": 2, "known_before": 2, "known_now": 2, "moves": []}
    assert income == {"column": "income", "tag": "income", **known}
    assert born == {"column": "born", "tag": "born", **known}
    assert seen["moves"] == [{"from": "2018-03-01 04:00:00+08", "to": None, "customers": 2}]


def test_a_share_that_is_just_reached_is_reached() -> None:
    """Of 10 values 9 are a share of 0.9, though 1 - 0.9 is less than 0.1 to a computer; of 100 are 93 of 0.93."""
    checks = "\nchecks: [{expect: value > 0, mostly: 0.9}, {expect: value > 1, mostly: 0.93}]"
    tag = parse_tags({"tags/spend.yml": yaml_of("spend", BODIES["spend"] + checks)})["spend"]
    counts = {"spend 0": {"known": 10, "failed": 1}, "spend 1": {"known": 100, "failed": 7}}
    assert failed_checks([tag], counts) == []
    counts["spend 1"]["failed"] = 8
    assert [failed.expect for failed in failed_checks([tag], counts)] == ["value > 1"]
