"""A night's checks beside the nights before it, the index of drift, and the scorecard: by hand, and by scipy."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from scipy.stats import entropy

from transforms.quality.drift import OTHERS, alike, stability_index
from transforms.quality.findings import Finding, of_rows
from transforms.quality.measures import Measures, latest, usual
from transforms.quality.nightly import of_night
from transforms.quality.scores import judged, overall, scores, sparkline
from transforms.sources.definition import Source, parse_source

DAY = date(2026, 3, 20)
AS_OF = datetime(2026, 3, 20, 23, 59, 59, 999_999, tzinfo=UTC)
_YAML = """
source: till
entity: transaction
read: {format: csv, path: "extracts/{date}/*.csv"}
columns: {order_id: a, line_no: b, ordered_at: c, quantity: d, amount_local: e, currency: f, channel: g}
ids: {card: h}
"""
NIGHT = Measures(
    landed=1000, days=1, accepted=1000, records=1000, newest="2026-03-20T20:00:00+00:00",
    filled={"channel": 900, "amount_local": 1000}, sums={"amount_local": 20_000.0},
    values={"channel": {"web": 600, "store": 400}},
)  # fmt: skip


def till(checks: str = "") -> Source:
    return parse_source(_YAML + (f"checks: [{checks}]\n" if checks else ""), place="till.yml")


def before(nights: int, night: Measures = NIGHT) -> dict[date, Measures]:
    """So many usual nights, and before them the first one, which brought years."""
    first = replace(night, landed=900_000, days=900, accepted=900_000, quarantined=0)
    return {DAY - timedelta(days=nights + 1): first} | {DAY - timedelta(days=n + 1): night for n in range(nights)}


def found(tonight: Measures, nights: Mapping[date, Measures], checks: str = "") -> dict[str, Finding]:
    return {finding.check: finding for finding in of_night(till(checks), tonight, nights, as_of=AS_OF)}


def within(finding: Finding) -> bool:
    low, high = finding.at_least, finding.at_most
    return (low is None or finding.value >= low) and (high is None or finding.value <= high)


def test_the_index_of_drift() -> None:
    was, now = {"a": 50, "b": 30, "c": 20}, {"a": 300, "b": 400, "c": 300}
    # by hand: (0.3-0.5) ln(0.3/0.5) + (0.4-0.3) ln(0.4/0.3) + (0.3-0.2) ln(0.3/0.2)
    by_hand = -0.2 * math.log(0.6) + 0.1 * math.log(4 / 3) + 0.1 * math.log(1.5)
    assert stability_index(was, now) == pytest.approx(by_hand, abs=1e-12)
    # the index is the divergence of Kullback and Leibler there and back
    assert stability_index(was, now) == pytest.approx(entropy([5, 3, 2], [3, 4, 3]) + entropy([3, 4, 3], [5, 3, 2]))
    assert stability_index(was, {"c": 2, "b": 3, "a": 5}) == 0
    # a value never seen before counts as a ten-thousandth: (0.1-0.0001) ln(1000) + (0.9-1) ln(0.9)
    unseen = 0.0999 * math.log(1000) - 0.1 * math.log(0.9)
    assert stability_index({"a": 7}, {"a": 9, "new": 1}) == pytest.approx(unseen)


def test_values_that_are_named_only_here_or_there_have_not_moved() -> None:
    before, now = {"a": 60, "b": 21, OTHERS: 19}, {"a": 60, "c": 20, OTHERS: 20}
    assert alike([before, now]) == [{"a": 60, OTHERS: 40}, {"a": 60, OTHERS: 40}]
    assert alike([{"a": 1}, {"b": 2}]) == [{"a": 1}, {"b": 2}]
    nights = {DAY - timedelta(days=n): replace(NIGHT, values={"channel": before}) for n in (1, 2, 3)}
    tonight = replace(NIGHT, values={"channel": now})
    assert found(tonight, nights, "{drift: channel, at_most: 0.1}")["drift_channel"].value == 0


def test_what_is_usual_leaves_the_first_night_and_silent_ones_out() -> None:
    nights = before(9) | {DAY - timedelta(days=2): Measures(newest="2026-03-01T00:00:00+00:00")}
    assert [night.landed for night in usual(nights)] == [1000] * 7
    assert usual({DAY: NIGHT}) == []


def told(what: str, figure: Any) -> dict[str, Any]:
    """The figure of whatever check is looked at."""
    return {what: dict.fromkeys(("unique_order_id", "known_card", "agrees_channel"), figure)}


def sold(**rows: int) -> dict[str, Any]:
    return {"values": {"channel": rows}}


@pytest.mark.parametrize(
    ("check", "good", "bad", "limits"),
    [
        # half of the median of 1000 to half more; 2000 rows of two days are 1000 a day
        ("{volume: 0.5}", {"landed": 2000, "days": 2}, {"landed": 499}, (500, 1500)),
        ("{volume: 0.5}", {"landed": 1500}, {"landed": 1501}, (500, 1500)),
        ("", {"landed": 250}, {"landed": 249}, (250, 1750)),
        ("{fresh: 2d}", {"newest": "2026-03-19T00:00:00+00:00"}, {"newest": "2026-03-18T20:00:00+00:00"}, (None, 2)),
        ("{unique: [order_id]}", told("distinct", 1000), told("distinct", 999), (None, 0)),
        ("{known: card, in: contact, mostly: 0.9}", told("compared", (50, 5)), told("compared", (50, 6)), (None, 0.1)),
        ("{agrees: channel, by: card, mostly: 0.5}", told("compared", (4, 2)), told("compared", (4, 3)), (None, 0.5)),
        # 0.1 x ln(0.7/0.6) + 0.1 x ln(0.4/0.3) = 0.044; 0.3 x ln(0.9/0.6) + 0.3 x ln(0.4/0.1) = 0.54
        ("{drift: channel, at_most: 0.25}", sold(web=700, store=300), sold(web=900, store=100), (None, 0.25)),
    ],
)  # fmt: skip
def test_each_kind_of_check_fails_on_purpose(
    check: str, good: dict[str, Any], bad: dict[str, Any], limits: tuple[float | None, float]
) -> None:
    name = till(check).checks[0].name if check else "volume"
    whole = {"distinct": {"unique_order_id": 1000}}
    for changed, passes in ((good, True), (bad, False)):
        finding = found(replace(NIGHT, **{**whole, **changed}), before(5), check)[name]
        assert (finding.at_least, finding.at_most) == (limits[0], pytest.approx(limits[1]))
        assert within(finding) is passes


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        ("one_version_a_record", {"records": 999}),
        ("not_in_future", {"future": 11}),
        ("few_quarantined", {"quarantined": 101}),
        ("channel_as_filled", {"filled": {"channel": 699, "amount_local": 1000}}),  # 0.1 were empty, 0.3 may be
        ("amount_local_as_large", {"sums": {"amount_local": 2_000_000.0}}),  # cents for dollars
    ],
)
def test_what_is_checked_without_a_word_in_the_yaml(check: str, bad: dict[str, Any]) -> None:
    assert within(found(NIGHT, before(5))[check])
    failing = found(replace(NIGHT, **bad), before(5))
    assert not within(failing[check])
    assert failing[check].stops is (check == "one_version_a_record")
    assert [name for name, finding in failing.items() if not within(finding)] == [check]


def test_how_new_a_source_is() -> None:
    """Asked by the YAML: by its times. Unasked: by its times or its files. A snapshot: by its files."""
    days = {"newest": "2026-03-10T23:59:59.999999+00:00", "delivered": "2026-03-17T23:59:59.999999+00:00"}
    silent = Measures(**days)
    assert found(silent, {})["fresh"].value == pytest.approx(3)
    assert found(silent, {}, "{fresh: 9d}")["fresh"].value == pytest.approx(10)
    snapshot = parse_source(_YAML + "extract: snapshot\nchecks: [{fresh: 2d}]\n", place="till.yml")
    [finding] = of_night(snapshot, silent, {}, as_of=AS_OF)
    assert (finding.value, finding.at_most) == (pytest.approx(3), 2)
    assert found(Measures(), {}) == {}
    assert latest("2026-03-09", {DAY: silent, DAY - timedelta(days=1): Measures()}, "newest") == days["newest"]
    assert latest(None, {}, "newest") is None


def test_too_little_to_compare_with_is_not_judged() -> None:
    few = replace(NIGHT, landed=99, accepted=99, records=99, values={"channel": {"web": 99}})
    assert set(found(few, before(4), "{drift: channel, at_most: 0.1}")) == {
        "fresh", "one_version_a_record", "not_in_future",
    }  # fmt: skip
    assert set(found(Measures(newest="2026-03-19T20:00:00+00:00"), before(5))) == {"fresh"}


def test_rows_by_what_was_wrong_with_them() -> None:
    source = till(
        "{name: dear, expect: amount_local > 0, mostly: 0.9}, {name: cheap, expect: amount_local < 9, on_fail: warn}"
    )
    fates = {"accepted": 60, "duplicate": 20, "filtered": 100, "quarantined": 20, "unchanged": 0, "superseded": 0}
    reasons = {"no_currency": 4, "unknown_status": 3, "dear": 15}
    told = {f.check: f for f in of_rows(source, 200, fates, reasons, {"dear": 15, "cheap": 2})}
    shares = {name: (f.dimension, f.rows, f.failed) for name, f in told.items() if f.failed}
    assert shares == {
        "no_duplicates": ("uniqueness", 100, 20), "has_currency": ("completeness", 100, 4),
        "unknown_status": ("validity", 100, 3), "dear": ("validity", 100, 15), "cheap": ("validity", 100, 2),
    }  # fmt: skip
    assert {name for name, f in told.items() if not within(f)} == {"has_currency", "unknown_status", "dear", "cheap"}
    assert {name for name, f in told.items() if f.stops} == {"all_rows_accounted_for", "dear"}
    [lost] = [f for f in of_rows(source, 201, fates, reasons, {}) if f.check == "all_rows_accounted_for"]
    assert (lost.failed, within(lost)) == (1, False)


def row(check: str, dimension: str, rows: int, failed: int, **other: Any) -> dict[str, Any]:
    return {
        "run_id": "b", "date": DAY, "at": datetime(2026, 3, 21, 2, tzinfo=UTC), "table": "silver/transaction",
        "source": "till", "check": check, "dimension": dimension, "rows": rows, "failed": failed,
        "share": failed / rows if rows else 0.0, **other,
    }  # fmt: skip


def test_scores_by_hand() -> None:
    told = [
        row("has_a", "completeness", 200, 20), row("has_b", "completeness", 200, 0),
        row("volume", "completeness", 1, 1),
        row("one", "uniqueness", 50, 1), row("fresh", "timeliness", 1, 0),
        row("rows_quarantined", "validity", 200, 90), row("nothing", "accuracy", 0, 0),
        row("schema", "validity", 9, 9, source=None),
    ]  # fmt: skip
    [(day, checks)] = judged(told).items()
    found = scores(checks)
    # completeness: the mean of 90, 100 and 0; validity and accuracy have nothing to go by
    assert day == DAY
    assert found == {"till": {"completeness": pytest.approx(190 / 3), "uniqueness": 98.0, "timeliness": 100.0}}
    assert overall(found["till"]) == pytest.approx((190 / 3 + 98 + 100) / 3)


def test_the_newest_run_that_was_for_a_date_counts() -> None:
    earlier, later = datetime(2026, 3, 21, 1, tzinfo=UTC), datetime(2026, 3, 22, 1, tzinfo=UTC)
    told = [
        row("one", "uniqueness", 50, 5, run_id="a", at=earlier),
        row("gone", "validity", 50, 5, run_id="a", at=earlier),
        row("one", "uniqueness", 50, 2),
        row("one", "uniqueness", 50, 1, at=datetime(2026, 3, 21, 3, tzinfo=UTC)),
        row("one", "uniqueness", 50, 50, run_id="c", at=later),  # a full refresh of the next night
        row("one", "uniqueness", 50, 0, run_id="c", at=later, date=DAY + timedelta(days=1)),
    ]
    assert {day: [r["failed"] for r in rows] for day, rows in judged(told).items()} == {
        DAY: [1], DAY + timedelta(days=1): [0],
    }  # fmt: skip


def test_bars() -> None:
    assert sparkline([90, 95, 100]) == "▁▅█"
    assert sparkline([20, 100]) == "▁█"
