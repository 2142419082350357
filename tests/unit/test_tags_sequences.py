"""Sequences: by hand where the edges are, and against all the ways in which steps can follow each other."""
# ruff: noqa: E501  (YAML on one line)

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from transforms.expressions import at
from transforms.tags.across import AcrossPlan, side_by_side, values
from transforms.tags.definition import parse_tags
from transforms.tags.plan import plan_tags
from transforms.tags.sequences import happened

DAY = date(2017, 6, 30)
AS_OF = datetime(2017, 6, 30, 23, 59, 59, 999999, tzinfo=UTC)
HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"
WEB = "customer_id string, event_at timestamp, event_date date, event_type string"
BOUGHT = "customer_id string, event_at timestamp, event_date date, status string"
VIEW, CART, ORDER, CANCELLED = "view", "cart", "order", "cancelled"
Event = tuple[str, datetime, str]  # customer, moment, what

ABANDONED = "sequence: [{event: web_event, where: event_type = 'cart'}, {event: transaction, within: 2d, not: true}]\n"
BROWSED = "sequence: [{event: web_event, where: event_type = 'view'}, {event: transaction, not: true}]\nat_least: 3\nwindow: 30d\ndefault: false\n"


def plan_of(bodies: dict[str, str]) -> AcrossPlan:
    files = {f"tags/{name}.yml": HEAD.format(tag=name) + body + "\n" for name, body in bodies.items()}
    return plan_tags(parse_tags(files), timezone="UTC").across


def found(
    spark: SparkSession, bodies: dict[str, str], events: Iterable[Event], *, order: int = 1
) -> dict[str, dict[str, Any]]:
    """Customer -> tag -> value. An order has two lines."""
    plan, all_events = plan_of(bodies), list(events)[::order]
    web = [(c, when, when.date(), what) for c, when, what in all_events if what in (VIEW, CART)]
    status = {ORDER: "purchase", CANCELLED: CANCELLED}
    bought = [(c, when, when.date(), status[what]) for c, when, what in all_events if what in status for _ in range(2)]
    frames: dict[str, DataFrame] = {
        "web_event": spark.createDataFrame(web, WEB), "transaction": spark.createDataFrame(bought, BOUGHT),
    }  # fmt: skip
    rows = {entity: frames[entity].repartition(3) for entity in plan.columns()}
    conditions = {what: at(what[1], day=DAY, as_of=AS_OF) for s in plan.sequences for what in s.conditions}
    often = happened(rows, sequences=plan.sequences, as_of=AS_OF, at=conditions)
    everyone = spark.createDataFrame(
        [(c,) for c in sorted({c for c, _, _ in all_events} | {"nobody"})], "customer_id string"
    )
    wide = side_by_side(everyone, sequences=often, others={})
    return {row.customer_id: row.asDict() for row in values(wide, plan, withheld=()).collect()}


def before(**ago: float) -> datetime:
    """A moment before the end of the business day."""
    return datetime(2017, 7, 1, tzinfo=UTC) - timedelta(**ago)


def test_a_cart_without_an_order(spark: SparkSession) -> None:
    events = [
        ("left", before(days=9), CART),
        ("bought", before(days=9), CART), ("bought", before(days=8), ORDER),
        ("too late", before(days=9), CART), ("too late", before(days=6), ORDER),
        ("at the limit", before(days=9), CART), ("at the limit", before(days=7), ORDER),
        ("just past it", before(days=9), CART), ("just past it", before(days=7) + timedelta(microseconds=1), ORDER),
        ("at once", before(days=9), CART), ("at once", before(days=9), ORDER),
        ("not over yet", before(hours=47), CART),
        ("just over", before(hours=48), CART),
        ("no cart", before(days=9), ORDER),
        ("twice", before(days=20), CART), ("twice", before(days=9), CART),
    ]  # fmt: skip
    bodies = {"left": ABANDONED, "often": ABANDONED + "type: integer\ndefault: 0", "twice": ABANDONED + "at_least: 2"}
    told = {c: (row["left"], row["often"], row["twice"]) for c, row in found(spark, bodies, events).items()}
    assert told == {
        "left": (True, 1, False), "bought": (False, 0, False), "too late": (True, 1, False),
        "at the limit": (False, 0, False), "just past it": (True, 1, False), "at once": (True, 1, False),
        "not over yet": (False, 0, False), "just over": (True, 1, False), "no cart": (None, 0, None),
        "twice": (True, 2, True), "nobody": (None, 0, None),
    }  # fmt: skip


def test_three_views_and_no_order(spark: SparkSession) -> None:
    three = [before(days=5), before(days=4), before(days=3)]
    events = [
        *(("looked", when, VIEW) for when in three),
        *(("bought in between", when, VIEW) for when in three), ("bought in between", before(days=3.5), ORDER),
        *(("cancelled", when, VIEW) for when in three), ("cancelled", before(days=1), CANCELLED),
        # the window is whole business days: 1 June is in it, 31 May is not
        *(("long ago", when, VIEW) for when in three[:2]), ("long ago", before(days=31), VIEW),
        *(("just in", when, VIEW) for when in three[:2]), ("just in", before(days=30), VIEW),
        *(("one moment", three[0], VIEW) for _ in range(5)),
    ]  # fmt: skip
    told = {c: row["browsed"] for c, row in found(spark, {"browsed": BROWSED}, events).items()}
    assert told == {
        "looked": True, "bought in between": False, "cancelled": True, "long ago": False, "just in": True,
        "one moment": False, "nobody": False,
    }  # fmt: skip


def by_trying_all(events: list[tuple[datetime, str]], steps: list[tuple[str, int | None, bool]]) -> int | None:
    """How often a sequence happened to one customer, by trying every way to choose its rows."""
    over = AS_OF + timedelta(microseconds=1)
    positive = [at for at, (_, _, absent) in enumerate(steps) if not absent]

    def goes_on(at: int, when: datetime) -> bool:
        """From a row of step `at` at `when`: can the rest be found?"""
        absent = steps[at + 1 : next((p for p in positive if p > at), len(steps))]
        rest = [p for p in positive if p > at]
        for what, within, _ in absent:
            if within is not None:
                end = when + timedelta(seconds=within)
                if end > over or any(w == what and when < t <= end for t, w in events):
                    return False
        free = [what for what, within, _ in absent if within is None]
        if not rest:
            return not any(w in free and t > when for t, w in events)
        what, within, _ = steps[rest[0]]
        return any(
            goes_on(rest[0], t)
            for t, w in events
            if w == what and t > when and (within is None or t <= when + timedelta(seconds=within))
            and not any(o in free and when < u < t for u, o in events)
        )  # fmt: skip

    starts = {t for t, w in events if w == steps[0][0]}
    return sum(goes_on(0, t) for t in starts) if starts else None


@pytest.mark.parametrize("seed", [1, 2])
def test_sequences_are_those_that_trying_all_ways_finds(spark: SparkSession, seed: int) -> None:
    chance = random.Random(seed)
    where = {
        VIEW: "event: web_event, where: event_type = 'view'",
        CART: "event: web_event, where: event_type = 'cart'",
        ORDER: "event: transaction",
    }
    drawn: dict[str, list[tuple[str, int | None, bool]]] = {}
    for place in range(10):
        steps: list[tuple[str, int | None, bool]] = [(chance.choice([VIEW, CART, ORDER]), None, False)]
        for _ in range(chance.randrange(1, 4)):
            steps.append((chance.choice([VIEW, CART, ORDER]), chance.choice([None, 6, 24, 50]), chance.random() < 0.4))
        drawn[f"s{place}"] = [(what, within and within * 3600, absent) for what, within, absent in steps]
    bodies = {}
    for name, chosen in drawn.items():
        parts = [
            f"{{{where[what]}{f', within: {within // 3600}h' if within else ''}{', not: true' if absent else ''}}}"
            for what, within, absent in chosen
        ]
        bodies[name] = f"type: integer\nsequence: [{', '.join(parts)}]"
    events = sorted({
        (f"c{chance.randrange(30)}", before(hours=chance.randrange(200)), chance.choice([VIEW, VIEW, CART, ORDER]))
        for _ in range(260)
    })  # fmt: skip
    expected = {
        customer: {
            name: by_trying_all([(t, w) for c, t, w in events if c == customer], steps) for name, steps in drawn.items()
        }
        for customer in {c for c, _, _ in events}
    }
    got = found(spark, bodies, events)
    assert {c: {name: got[c][name] for name in drawn} for c in expected} == expected
    assert any(value for row in expected.values() for value in row.values())
    # neither the order of rows nor what else is computed with it matters
    assert {c: row["s0"] for c, row in found(spark, {"s0": bodies["s0"]}, events, order=-1).items()} == {
        c: row["s0"] for c, row in got.items()
    }
