"""Tags over rows: against DuckDB on generated events, and by hand where the edges are."""
# ruff: noqa: E501  (DuckDB's SQL on one line)

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from transforms.tags import evaluate
from transforms.tags.definition import Tag, parse_tags
from transforms.tags.plan import EntityPlan, plan_tags
from transforms.tags.recompute import settled, value_sql

DAY = date(2016, 3, 31)
ZONE = "America/New_York"
AS_OF = datetime.combine(DAY, time.max, ZoneInfo(ZONE)).astimezone(UTC)
HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"
SCHEMA = (
    "customer_id string, event_date date, event_at timestamp, ordered_at timestamp, order_id string, category string, "
    "brand string, channel string, quantity decimal(18,4), amount decimal(18,4), discount decimal(18,4), "
    "coupon string, store_id string, status string"
)
Row = tuple[Any, ...]


def tags_of(bodies: dict[str, str]) -> dict[str, Tag]:
    return parse_tags({f"tags/{name}.yml": HEAD.format(tag=name) + body + "\n" for name, body in bodies.items()})


def entity_plan(bodies: dict[str, str], timezone: str = ZONE) -> EntityPlan:
    return plan_tags(tags_of(bodies), timezone=timezone).entities[0]


def values(
    spark: SparkSession, bodies: dict[str, str], rows: DataFrame, customers: Sequence[str], **options: Any
) -> dict[str, dict[str, Any]]:
    """Customer -> tag -> value."""
    base = spark.createDataFrame([(c,) for c in customers], "customer_id string")
    plan = entity_plan(bodies, options.pop("timezone", ZONE))
    given = {"day": DAY, "as_of": AS_OF, **options}
    frame = evaluate.over_rows(rows, customers=base, plan=plan, **given)
    return {row.customer_id: {k: v for k, v in row.asDict().items() if k != "customer_id"} for row in frame.collect()}


def purchase(customer: str, when: datetime, **columns: Any) -> Row:
    """A row with the business day that its time falls in; what is not told is NULL."""
    local_day = when.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date()
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    known = {
        "customer_id": customer,
        "event_date": local_day,
        "event_at": when,
        "ordered_at": when,
        "status": "purchase",
    }
    return tuple({**known, **columns}.get(name) for name in names)


def money(text: Any) -> Decimal | None:
    return None if text is None else Decimal(str(text))


def generated(seed: int, count: int = 4000) -> list[Row]:
    """Purchases of forty customers over two years, with NULLs, refunds, cancelled lines and many equal times."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        moment = datetime(2014, 4, 1) + timedelta(hours=chance.randrange(24 * 730), minutes=30)
        status = chance.choices(["purchase", "refund", "cancelled"], [8, 1, 1])[0]
        amount = round(chance.uniform(0, 90), chance.choice([0, 2, 4]))
        rows.append(
            purchase(
                f"c{min(int(chance.expovariate(0.08)), 39)}",
                moment,
                order_id=f"o{chance.randrange(600)}",
                category=chance.choice(["BEEF", "CHEESE", "SOFT DRINKS", "BREAD", None]),
                brand=chance.choice(["National", "Private", None]),
                channel=chance.choice(["store", "web"]),
                quantity=money(chance.randrange(1, 9)),
                amount=money(-amount if status == "refund" else amount) if chance.random() > 0.05 else None,
                discount=money(chance.choice([0, 0, 1.5])),
                coupon=chance.choice([None, None, "10%"]),
                store_id=str(chance.randrange(12)),
                status=status,
            )
        )
    return rows


def drawn(seed: int) -> dict[str, tuple[str, str]]:
    """Statistics with conditions and windows drawn by chance: name -> (YAML, DuckDB's aggregate with its filter)."""
    chance = random.Random(seed)
    selects = [
        ("sum(amount)", "sum(amount) filter ({c})"),
        ("count(*)", "count(*) filter ({c})"),
        ("count(amount)", "count(amount) filter ({c})"),
        ("count(distinct order_id)", "count(distinct order_id) filter ({c})"),
        ("count(distinct category)", "count(distinct category) filter ({c})"),
        ("min(amount)", "min(amount) filter ({c})"),
        ("max(category)", "max(category) filter ({c})"),
        ("avg(amount)", "avg(amount) filter ({c})"),
        ("stddev(amount)", "stddev_samp(amount) filter ({c})"),
        ("median(amount)", "median(amount::double) filter ({c})"),
        ("count_if(hour(ordered_at) >= 18)", "count(*) filter ({c} and local_hour >= 18)"),
        ("sum(amount) / nullif(count(distinct order_id), 0)",
         "sum(amount) filter ({c})::double / nullif(count(distinct order_id) filter ({c}), 0)"),
        ("datediff(as_of, max(ordered_at))", f"date_diff('day', max(event_date) filter ({{c}}), date '{DAY}')"),
        ("bool_or(coupon is not null)", "bool_or(coupon is not null) filter ({c})"),
        ("max_by(category, ordered_at)", "max(struct_pack(k := ordered_at, v := coalesce(category, ''))) filter ({c})"),
        ("count(distinct store_id) filter (where brand = 'Private')",
         "count(distinct store_id) filter ({c} and brand = 'Private')"),
    ]  # fmt: skip
    wheres = ["status = 'purchase'", "status in ('purchase', 'refund')", "amount > 20 and status <> 'cancelled'",
              "brand = 'Private' and status = 'purchase'", "coupon is not null", ""]  # fmt: skip
    found = {}
    for place, (select, sql) in enumerate(selects * 2):
        where, window = chance.choice(wheres), chance.choice([None, 1, 7, 30, 90, 365])
        conditions = [where] if where else []
        if "status" not in where:
            conditions.append("status <> 'cancelled'")
        if window:
            conditions.append(f"event_date between date '{DAY - timedelta(days=window - 1)}' and date '{DAY}'")
        body = "from: transaction\n" + f"select: {select}\n"
        body += (f"where: {where}\n" if where else "") + (f"window: {window}d\n" if window else "")
        body += "default: 0\n" if select.startswith("count") else ""
        found[f"t{place}"] = (body, sql.replace("{c}", "where " + " and ".join(conditions)))
    return found


def by_duckdb(rows: list[Row], aggregates: dict[str, str], customers: Sequence[str]) -> dict[str, dict[str, Any]]:
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    frame = pd.DataFrame(rows, columns=names)
    local = frame["ordered_at"].dt.tz_localize("UTC").dt.tz_convert(ZONE)
    frame["local_hour"] = local.dt.hour
    frame["event_date"] = pd.to_datetime(frame["event_date"])
    base = pd.DataFrame({"customer_id": list(customers)})
    con = duckdb.connect()
    con.register("base", base)
    con.register("raw", frame)
    con.execute(
        "create table rows as select * replace (event_date::date as event_date, amount::decimal(18,4) as amount) from raw"
    )
    columns = ", ".join(f"{sql} as {name}" for name, sql in aggregates.items())
    result = con.execute(
        f"select base.customer_id, {columns} from base left join rows using (customer_id) group by all"
    )
    header = [column[0] for column in result.description or []]
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in result.fetchall()}


def plain(value: Any) -> Any:
    """A value as both engines can be compared by."""
    if isinstance(value, dict):
        return value["v"] or None
    return round(float(value), 6) if isinstance(value, Decimal | float) else value


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return generated(3)


def test_statistics_of_any_window_and_condition_are_what_duckdb_computes(spark: SparkSession, rows: list[Row]) -> None:
    wanted = drawn(11)
    customers = [f"c{i}" for i in range(42)]  # the last two have no rows
    frame = spark.createDataFrame(rows, SCHEMA)
    found = values(spark, {name: body for name, (body, _) in wanted.items()}, frame, customers)
    expected = by_duckdb(rows, {name: sql for name, (_, sql) in wanted.items()}, customers)
    wrong = [
        (customer, wanted[name], found[customer][name], value)
        for customer, columns in expected.items()
        for name, value in columns.items()
        if plain(found[customer][name]) != plain(value)
    ]
    assert wrong == []
    assert len(expected) == 42


PREFERENCES = {
    "brands": "from: transaction\nwhere: status = 'purchase'\npreference: {of: brand, weight: amount, top: 5}",
    "hours": "from: transaction\nwindow: 90d\npreference: {of: hour(ordered_at), top: 3}",
    "faded": "from: transaction\npreference: {of: category, weight: quantity, top: 2, half_life: 60d}",
    "first_category": "from: transaction\nfirst: category",
    "last_channel": "from: transaction\nwhere: amount > 20\nlast: channel",
    "orders": "from: transaction\nselect: count(distinct order_id)",
    "spend": "from: transaction\nwindow: 180d\nselect: sum(amount)\nper: 30d\ndefault: 0",
    "spread": "from: transaction\nselect: stddev(amount)",
    "favourite": "from: transaction\nselect: max_by(category, amount)",
}  # fmt: skip


def test_preferences_first_and_last_are_what_pandas_computes(spark: SparkSession, rows: list[Row]) -> None:
    customers = [f"c{i}" for i in range(40)]
    found = values(spark, PREFERENCES, spark.createDataFrame(rows, SCHEMA), customers)
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    frame = pd.DataFrame(rows, columns=names)
    frame = frame[frame["status"] != "cancelled"]
    for column in ("amount", "quantity"):
        frame[column] = frame[column].astype(float)
    frame["hour"] = frame["ordered_at"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.hour.astype(str)
    frame["age"] = frame["event_date"].map(lambda day: (DAY - day).days)
    frame["faded"] = frame["quantity"] * 0.5 ** (frame["age"] / 60)
    frame["one"] = 1.0
    bought = frame[frame["status"] == "purchase"]

    def best(part: pd.DataFrame, of: str, weight: str, top: int) -> list[str] | None:
        totals = part.dropna(subset=[of]).groupby(of)[weight].sum().round(9)
        ranked = sorted((-total, value) for value, total in totals.items() if total > 0)
        return [value for _, value in ranked[:top]] or None

    for customer in customers:
        mine = frame[frame["customer_id"] == customer]
        known = mine.dropna(subset=["category"]).sort_values(["ordered_at", "category"])
        dear = mine[mine["amount"] > 20].sort_values(["ordered_at", "channel"])
        expected = {
            "brands": best(bought[bought["customer_id"] == customer], "brand", "amount", 5),
            "hours": best(mine[mine["age"] < 90], "hour", "one", 3),
            "faded": best(mine, "category", "faded", 2),
            "first_category": known["category"].iloc[0] if len(known) else None,
            "last_channel": dear["channel"].iloc[-1] if len(dear) else None,
        }
        assert {name: found[customer][name] for name in expected} == expected, customer


def test_nothing_depends_on_the_order_or_the_partitions_of_rows(spark: SparkSession, rows: list[Row]) -> None:
    customers = [f"c{i}" for i in range(40)]
    shuffled = rows[:]
    random.Random(1).shuffle(shuffled)
    one = values(spark, PREFERENCES, spark.createDataFrame(rows, SCHEMA).coalesce(1), customers)
    kept = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    try:
        other = values(spark, PREFERENCES, spark.createDataFrame(shuffled, SCHEMA).repartition(7), customers)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(kept))
    assert one == other


def test_windows_are_whole_business_days_over_leap_days_and_summer_time(spark: SparkSession) -> None:
    """31 March 2016 in New York. Clocks went forward on 13 March; February had 29 days."""
    rows = [
        purchase("edge", datetime(2016, 4, 1, 3, 59), amount=Decimal(1)),  # 23:59 on 31 March
        purchase("edge", datetime(2016, 3, 31, 4, 0), amount=Decimal(10)),  # 00:00 on 31 March
        purchase("edge", datetime(2016, 3, 31, 3, 59), amount=Decimal(100)),  # 23:59 on 30 March
        purchase("edge", datetime(2016, 3, 1, 5, 0), amount=Decimal(1000)),  # 00:00 on 1 March, still winter time
        purchase("edge", datetime(2016, 3, 1, 4, 59), amount=Decimal(10000)),  # 23:59 on 29 February
    ]
    windows = {"d1": 1, "d2": 2, "d31": 31, "d32": 32}
    bodies = {name: f"from: transaction\nwindow: {days}d\nselect: sum(amount)" for name, days in windows.items()}
    bodies["since"] = "from: transaction\nselect: datediff(as_of, min(ordered_at))"
    bodies["night"] = "from: transaction\nselect: count_if(hour(ordered_at) = 23)"
    found = values(spark, bodies, spark.createDataFrame(rows, SCHEMA), ["edge"])["edge"]
    assert found == {"d1": 11.0, "d2": 111.0, "d31": 1111.0, "d32": 11111.0, "since": 31, "night": 3}


def test_null_no_rows_and_a_source_that_never_came_are_three_things(spark: SparkSession) -> None:
    old = datetime(2015, 1, 1, 12)
    rows = [
        purchase("unknown", datetime(2016, 3, 30, 12), amount=None),
        purchase("long_ago", old, amount=Decimal(5)),
        purchase("void", datetime(2016, 3, 30, 12), amount=Decimal(5), status="cancelled"),
    ]
    bodies = {
        "spend": "from: transaction\nwindow: 30d\nselect: sum(amount)\ndefault: 0",
        "count": "from: transaction\nwindow: 30d\nselect: count(*)",
        "zero": "from: transaction\nwindow: 30d\nselect: count(*)\ndefault: 0",
        "tops": "from: transaction\nwindow: 30d\npreference: {of: category}\ndefault: [none]",
        "where": "from: transaction\nwindow: 30d\nlast: channel\ndefault: nowhere",
        "cancelled": "from: transaction\nwhere: status = 'cancelled'\nselect: count(*)\ndefault: 0",
    }
    frame = spark.createDataFrame(rows, SCHEMA)
    found = values(spark, bodies, frame, ["unknown", "long_ago", "void", "nobody"])
    nothing = {"spend": 0.0, "count": None, "zero": 0, "tops": ["none"], "where": "nowhere", "cancelled": 0}
    assert found == {
        # a row whose amount, category and channel nobody knows
        "unknown": {"spend": None, "count": 1, "zero": 1, "tops": None, "where": None, "cancelled": 0},
        "long_ago": nothing,
        "void": {**nothing, "cancelled": 1},
        "nobody": nothing,
    }
    never = values(spark, bodies, frame, ["unknown", "nobody"], withheld=set(bodies))
    assert {value for columns in never.values() for value in columns.values()} == {None}


def test_values_off_the_list_and_numbers_that_are_none_become_null(spark: SparkSession) -> None:
    rows = [
        purchase("a", datetime(2016, 3, 1), channel="fax", amount=Decimal(0)),
        purchase("b", datetime(2016, 3, 1), channel="web", amount=Decimal(1)),
    ]
    bodies = {
        "channel": "from: transaction\nlast: channel\ntype: enum\nvalues: [store, web]",
        "log": "from: transaction\nselect: ln(max(amount)) + exp(1000)",
    }
    found = values(spark, bodies, spark.createDataFrame(rows, SCHEMA), ["a", "b"])
    assert found == {"a": {"channel": None, "log": None}, "b": {"channel": "web", "log": None}}


def test_a_weight_halves_with_each_half_life(spark: SparkSession) -> None:
    """2 pieces of yesterday against 5 of 61 days ago: 2 x 0.9885 = 1.98 against 5 x 0.4943 = 2.47."""
    near, far = datetime(2016, 3, 30, 12), datetime(2016, 1, 30, 12)
    rows = [
        purchase("a", near, category="NEW", quantity=Decimal(2)),
        purchase("a", far, category="OLD", quantity=Decimal(5)),
        purchase("b", near, category="NEW", quantity=Decimal(3)),
        purchase("b", far, category="OLD", quantity=Decimal(5)),
        purchase("c", near, category="X", quantity=Decimal(1)),
        purchase("c", near, category="B", quantity=Decimal(1)),
        purchase("c", near, category="BACK", quantity=Decimal(-1)),
    ]
    bodies = {"top": "from: transaction\npreference: {of: category, weight: quantity, half_life: 60d}"}
    found = values(spark, bodies, spark.createDataFrame(rows, SCHEMA), ["a", "b", "c"])
    assert {customer: columns["top"] for customer, columns in found.items()} == {
        "a": ["OLD", "NEW"],
        "b": ["NEW", "OLD"],
        "c": ["B", "X"],
    }


@pytest.mark.parametrize("day", [date(2016, 3, 8) + timedelta(days=later) for later in (0, 3, 7, 272, 273, 280, 287)])
def test_what_weighs_the_same_does_so_on_every_day(spark: SparkSession, day: date) -> None:
    """Two of a week before weigh what one weighs, three of two weeks before less; nothing is left after 41 weeks."""
    rows = [
        purchase("a", datetime(2016, 3, 1, 12), category="TWICE", quantity=Decimal(2)),
        purchase("a", datetime(2016, 3, 8, 12), category="ONCE", quantity=Decimal(1)),
        purchase("a", datetime(2016, 2, 23, 12), category="OLD", quantity=Decimal(3)),
    ]
    bodies = {"top": "from: transaction\npreference: {of: category, weight: quantity, half_life: 7d}"}
    found = values(spark, bodies, spark.createDataFrame(rows, SCHEMA), ["a"], day=day)["a"]["top"]
    # 287 days after 1 March is 13 December, a week earlier the oldest goes, a week later the newest
    left = {"OLD": date(2016, 12, 6), "TWICE": date(2016, 12, 13), "ONCE": date(2016, 12, 20)}
    assert (found or []) == [value for value in ("ONCE", "TWICE", "OLD") if day < left[value]]


def test_another_engine_is_told_the_same() -> None:
    """A Thursday; a half that is rounded up: 2.01 / 2 = 1.005, of which the nearest double is less; what is cut off."""
    bodies = {
        "rounded": "from: transaction\nselect: round(sum(amount) / count(*), 2)",
        "thursday": "from: transaction\nselect: count_if(weekday(as_of) = 3 and dayofweek(As_Of) = 5)",
        "huge": "from: transaction\nselect: round(sum(power(10, 30)), 1)",
        "cut": "from: transaction\nselect: cast(sum(amount) * 1.4 as int) + max(cast(category as int))",
        "quote": "from: transaction\nselect: count_if(brand = 'it''s' and brand = 'it\\'s')",
        "under": "from: transaction\nselect: count_if(channel like 'a\\\\_%')",
        "group": "from: transaction\nselect: max(regexp_replace(channel, '(b)', '<$1>'))",
        "day": "from: transaction\nselect: date_add(max(event_date), 1)",
        "moment": "from: transaction\nselect: max(date_trunc('month', event_date))",
        "tie": "from: transaction\nselect: max_by(channel, event_date)",
        "least": "from: transaction\nselect: min_by(if(channel = 'ab', null, channel), event_date) is null",
        "middle": "from: transaction\nselect: median(amount * 0.0001BD) + percentile(amount * 0.0001BD, 0.5)",
        "when": "from: transaction\npreference: {of: to_timestamp(event_date)}",
    }
    duck = duckdb.connect()
    duck.execute(f"set timezone = '{ZONE}'")
    duck.execute(
        "create table given as select 'purchase' as status, unnest([2.0, 0.01])::decimal(18,4) as amount, "
        "'40' as category, 'it''s' as brand, unnest(['a_b', 'ab']) as channel, date '2016-03-30' as event_date"
    )
    found = {
        name: settled(
            duck.execute(value_sql(tag, day=DAY, as_of=AS_OF)[name]).fetchall()[0][0], tag, name, timezone=ZONE
        )
        for name, tag in tags_of(bodies).items()
    }
    assert found == {
        "rounded": pytest.approx(1.01, abs=1e-9), "thursday": 2, "huge": pytest.approx(2e30), "cut": 42, "quote": 2,
        "under": 1, "group": "a_<b>", "day": date(2016, 3, 31),
        "moment": datetime(2016, 3, 1, tzinfo=ZoneInfo(ZONE)), "tie": "ab", "least": True, "middle": pytest.approx(2.01e-4, abs=1e-9), "when": ["2016-03-30 00:00:00"],
    }  # fmt: skip


def test_the_like_of_statistics_are_computed_together() -> None:
    bodies = {f"spend_{days}d": f"from: transaction\nwindow: {days}d\nselect: sum(amount)" for days in range(1, 41)}
    bodies |= {
        f"orders_{d}d": f"from: transaction\nwindow: {d}d\nselect: count(distinct order_id)" for d in range(1, 21)
    }
    bodies |= {
        "category": "from: transaction\nlast: category",
        "types": "from: transaction\nselect: count(distinct category)",
    }
    bodies |= {"middle": "from: transaction\nselect: median(amount)", "name": "from: transaction\nselect: max(brand)"}
    plan = entity_plan(bodies)
    # one aggregate of fixed width, one by order, one by category, one with a percentile, one that sorts
    assert sorted(scan.kind for scan in plan.scans) == ["fixed", "percentile", "sorted", "values", "values"]
    assert plan.reach is None
    assert entity_plan({"a": bodies["spend_30d"], "b": bodies["spend_7d"] + "\nwhere: amount > 3"}).reach == 30
