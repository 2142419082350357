"""From raw rows to silver's: types, times, identifiers, keys, flaws and fates, by hand-worked rows."""

import json
from datetime import date, datetime

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engines import contested as contested_keys
from jobs.engines.contested import contested
from transforms.errors import DefinitionError
from transforms.schemas import CONTACT, TRANSACTION
from transforms.sources import holdings, refine, versions
from transforms.sources.definition import CompiledSource, compile_source, parse_source
from transforms.sources.plain_ids import plain_ids
from transforms.sources.standard.phones import e164
from transforms.sources.typing import typed

DAY = date(2026, 1, 31)
AS_OF = datetime(2026, 1, 31, 22, 59, 59)
ORDERS = """
source: orders
entity: transaction
timezone: Europe/Berlin
country: DE
read: {format: csv, path: 'x/{date}/*.csv'}
columns: {order_id: no, line_no: line, ordered_at: at, quantity: qty, amount_local: paid, currency: "'EUR'"}
ids: {card: card, phone: phone}
where: no <> 'TEST'
checks: [{name: not_too_dear, expect: amount_local < 1000}]
"""
RAW = ("no", "line", "at", "qty", "paid", "card", "phone")


def compiled(text: str = ORDERS, raw: tuple[str, ...] = RAW) -> CompiledSource:
    return compile_source(parse_source(text, place="conf/sources/orders.yml"), dict.fromkeys(raw, "string"))


def refined(
    spark: SparkSession, *rows: tuple[str | None, ...], file: str = "/x/2026-01-31/a.csv", text: str = ORDERS
) -> DataFrame:
    schema = ", ".join(f"{name} string" for name in RAW)
    raw = spark.createDataFrame(list(rows), schema).withColumns(
        {
            "_batch_date": F.lit(DAY),
            "_file": F.lit(file),
            "_ingested_at": F.lit(AS_OF),
            "_corrupt": F.lit(None).cast("string"),
        }
    )
    source = compiled(text)
    return refine.parsed(raw, source, day=DAY, as_of=AS_OF).transform(
        refine.refined, TRANSACTION, [source], day=DAY, as_of=AS_OF, timezone="Europe/Berlin", base_currency="EUR"
    )


def test_a_whole_row(spark: SparkSession) -> None:
    row = refined(spark, ("A:1", "2", "2026-01-31 00:30:00", " 3 ", "9.99", "k7", "030 901820")).collect()[0]
    assert row["reasons"] == []
    assert row["event_at"] == datetime(2026, 1, 30, 23, 30)  # Berlin is one hour ahead of UTC in winter
    assert row["event_date"] == date(2026, 1, 31)
    assert row["record_id"] == r"orders:A\:1:2"
    assert row["ids"] == {"card": ["k7"], "phone": ["+4930901820"]}
    assert row["_node"] == 'orders:{"card":["k7"],"phone":["+4930901820"]}'
    assert (float(row["quantity"]), float(row["amount"]), row["status"]) == (3.0, 9.99, "purchase")


def test_identifiers_as_json_whatever_they_hold(spark: SparkSession) -> None:
    card = ORDERS.replace("{card: card, phone: phone}", """{'the "card"': card}""")
    values = [
        "k7",
        "a b",
        "~|",
        'say "no"',
        "back\\slash",
        "line\n",
        "tab\tin",
        "\u0001",
        "名字",
        "é",
        "",
        " ",
        None,
        "\x7f",
    ]
    rows = [(str(n), "1", "2026-01-31 10:00:00", "1", "5", value, None) for n, value in enumerate(values)]
    told = {row["order_id"]: row for row in refined(spark, *rows, text=card).collect()}
    for n, value in enumerate(values):
        given = (value or "").strip(" ")
        assert told[str(n)]["ids"] == ({'the "card"': [given]} if given else {})
        assert (told[str(n)]["_ids"] is None) == (not given)
        expected = json.dumps({'the "card"': [given]}, ensure_ascii=False, separators=(",", ":")) if given else None
        assert told[str(n)]["_ids"] == expected


def test_every_flaw_is_named(spark: SparkSession) -> None:
    row = refined(spark, (None, "x", "31.01.2026", "1", "2000", None, "none")).collect()[0]
    assert row["reasons"] == ["no_order_id", "no_line_no", "no_ordered_at", "not_too_dear"]
    assert row["ids"] == {}
    assert row["_node"] is None


def test_each_row_has_one_fate(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    at = "2026-01-31 10:00:00"
    rows = refined(
        spark,
        ("A", "1", at, "1", "5", None, None),
        ("A", "1", at, "1", "5", None, None),
        ("A", "1", at, "1", "6", None, None),
        ("B", "1", at, "1", "7", None, None),
        ("TEST", "1", at, "1", "7", None, None),
        ("C", None, at, "1", "7", None, None),
    )
    sorted_out = contested(rows, landed=6)
    monkeypatch.setattr(contested_keys, "MOST_SORTED", 5)
    grouped_out = contested(rows, landed=6)
    assert sorted_out.collect() == grouped_out.collect() and sorted_out.count() == 1  # A's
    for keys in (None, sorted_out, grouped_out):
        judged = versions.judged_within(rows, keys, TRANSACTION, [compiled().source])
        fates = {row["_fate"]: row["count"] for row in judged.groupBy("_fate").count().collect()}
        # of A's three rows one counts; the equal pair is a duplicate if it wins, and superseded if it loses
        assert fates["accepted"] == 2
        assert fates["filtered"] == fates["quarantined"] == 1
        assert fates.get("duplicate", 0) + fates.get("superseded", 0) == 2


def test_what_silver_holds_decides(spark: SparkSession) -> None:
    at = "2026-01-31 10:00:00"
    held = refined(spark, *((no, "1", at, "1", "5", None, None) for no in "AB"), file="/x/2026-01-30/a.csv")
    held = held.withColumn("_valid_to", F.lit(None).cast("date")).localCheckpoint()
    sources = [compiled().source]
    new = [
        ("A", "1", at, "1", "5", None, None),
        ("B", "1", at, "1", "8", None, None),
        ("C", "1", at, "1", "5", None, None),
    ]

    def fates(file: str, *, few: bool) -> dict[str, str]:
        judged = versions.judged_within(refined(spark, *new, file=file).localCheckpoint(), None, TRANSACTION, sources)
        silver = held.withColumn("_path", F.lit("file:/lakehouse/silver/transaction/part-1.parquet"))
        opened = holdings.held_of(silver, judged, TRANSACTION, sources, by="record_id", day=DAY, few=few)
        against = holdings.judged_against(judged, opened, TRANSACTION, sources, by="record_id", few=few)
        plan = against._jdf.queryExecution().executedPlan().toString()
        assert ("Broadcast" in plan) is few
        return {row["order_id"]: row["_fate"] for row in against.collect()}

    # what is many is not sent to every task, for the driver would have to hold it
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        for few in (True, False):
            assert fates("/x/2026-01-31/a.csv", few=few) == {"A": "unchanged", "B": "accepted", "C": "accepted"}
            assert fates("/x/2026-01-29/late.csv", few=few) == {"A": "unchanged", "B": "superseded", "C": "accepted"}
    finally:
        spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")


def test_a_contact_is_a_node_of_its_own(spark: SparkSession) -> None:
    text = """
source: crm
entity: contact
country: CN
read: {format: csv, path: 'x/{date}/*.csv'}
columns: {contact_id: no, full_name: line, email: at, phone: phone, country: qty, birth_date: paid}
ids: {phone: card}
"""
    source = compiled(text)
    raw = spark.createDataFrame(
        [("7", "李\u3000雷 ", "Li.Lei@Example.COM", "France", "1900-01-01", "06 12 34 56 78", "+86 139 1234 5678")],
        ", ".join(f"{name} string" for name in RAW),
    ).withColumns(
        {
            "_batch_date": F.lit(DAY),
            "_file": F.lit("f"),
            "_ingested_at": F.lit(AS_OF),
            "_corrupt": F.lit(None).cast("string"),
        }
    )
    row = (
        refine.parsed(raw, source, day=DAY, as_of=AS_OF)
        .transform(refine.refined, CONTACT, [source], day=DAY, as_of=AS_OF, timezone="UTC", base_currency="EUR")
        .collect()[0]
    )
    assert row["_node"] == row["record_id"] == "crm:7"
    assert (row["full_name"], row["birth_date"]) == ("李雷", None)
    # a number without its country is read by that of the contact, not of the source
    assert row["ids"] == {"email": ["li.lei@example.com"], "phone": ["+33612345678", "+8613912345678"]}
    cells = {"phone": "+86 139 1234 5678", "card": "06 12 34 56 78", "at": None, "qty": "France"}
    told = plain_ids(source)
    assert told and told(cells) == {("phone", "+8613912345678"), ("phone", "+33612345678")}


@pytest.mark.parametrize(
    ("expression", "text", "utc_hour"),
    [
        ("at", "2026-07-01T10:00:00", 8),  # Berlin in summer is two hours ahead
        ("at", "2026-07-01T10:00:00-05:00", 15),
        ("at", "2026-07-01T10:00:00Z", 10),
        ("to_timestamp(at, \"yyyy-MM-dd'T'HH:mm:ssXXX\")", "2026-07-01T10:00:00-05:00", 15),
        ("to_timestamp(at, 'dd/MMM/yyyy:HH:mm:ss Z')", "01/Jul/2026:10:00:00 +0100", 9),
        ("to_timestamp(at, \"yyyy-MM-dd'T'HH:mm:ss'Z'\")", "2026-07-01T10:00:00Z", 10),
        ("to_timestamp(at, 'yyyy-MM-dd HH:mm:ss')", "2026-07-01 10:00:00", 8),
        ("cast(at as bigint)", "1782900000", 10),  # date -u -d @1782900000
    ],
)
def test_a_time_with_an_offset_is_not_local(spark: SparkSession, expression: str, text: str, utc_hour: int) -> None:
    source = compiled(ORDERS.replace("ordered_at: at", f"ordered_at: {json.dumps(expression)}"))
    raw = spark.createDataFrame([("A", "1", text, "1", "5", None, None)], ", ".join(f"{n} string" for n in RAW))
    row = typed(raw, source, day=DAY, as_of=AS_OF).collect()[0]
    assert (row["ordered_at"].day, row["ordered_at"].hour) == (1, utc_hour)


@pytest.mark.parametrize(
    ("changed", "written", "expected"),
    [
        ("registered_at", None, datetime(2026, 7, 1, 8)),
        ("registered_at + interval 1 day", None, datetime(2026, 7, 2, 8)),
        ("coalesce(to_timestamp(qty, 'yyyy-MM-dd HH:mm'), registered_at)", None, datetime(2026, 7, 1, 8)),
        ("coalesce(to_timestamp(qty, 'yyyy-MM-dd HH:mm'), registered_at)", "2026-01-02 10:00", datetime(2026, 1, 2, 9)),
        ("coalesce(to_timestamp(qty, 'yyyy-MM-dd HH:mmXXX'), registered_at)", None, datetime(2026, 7, 1, 8)),
        ("coalesce(timestamp_millis(cast(qty as bigint)), registered_at)", "0", datetime(1970, 1, 1)),
    ],
)
def test_a_time_made_from_another_is_put_into_utc_once(
    spark: SparkSession, changed: str, written: str | None, expected: datetime
) -> None:
    columns = f"{{contact_id: no, registered_at: at, updated_at: {json.dumps(changed)}}}"
    text = f"""
source: crm
entity: contact
timezone: Europe/Berlin
read: {{format: csv, path: 'x/{{date}}/*.csv'}}
columns: {columns}
"""
    raw = spark.createDataFrame([("A", "2026-07-01 10:00:00", written)], "no string, at string, qty string")
    row = typed(raw, compiled(text, ("no", "at", "qty")), day=DAY, as_of=AS_OF).collect()[0]
    assert (row["registered_at"], row["updated_at"]) == (datetime(2026, 7, 1, 8), expected)


def test_a_column_that_nothing_fills_hides_no_raw_one(spark: SparkSession) -> None:
    """A till's own `status` and `coupon` are meant, though a transaction has columns of these names."""
    text = ORDERS.replace("card: card", "card: coupon").replace("no <> 'TEST'", "status <> 'VOID'")
    raw = spark.createDataFrame(
        [("A", "PAID", "k7"), ("B", "VOID", None)], "no string, status string, coupon string"
    ).withColumns({name: F.lit(None).cast("string") for name in RAW if name != "no"})
    rows = typed(raw, compiled(text, (*RAW, "status", "coupon")), day=DAY, as_of=AS_OF).collect()
    assert [(row["order_id"], row["_wanted"], row["_id_card"]) for row in rows] == [
        ("A", True, "k7"),
        ("B", False, None),
    ]
    with pytest.raises(DefinitionError) as error:
        compiled(text)
    assert list(error.value.lines) == [
        "conf/sources/orders.yml: ids.card: no column 'coupon' in the extract or the columns of orders",
        "conf/sources/orders.yml: where: no column 'status' in the extract or the columns of orders",
    ]


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("030 901820", "DE", "+4930901820"),
        ("+1 (202) 555-0123", None, "+12025550123"),
        ("n/a", "US", None),
        ("12", "US", None),
        ("9" * 1000, "US", None),
    ],
)
def test_phones(number: str, country: str | None, expected: str | None) -> None:
    assert e164(number, country) == expected


def test_a_country_is_known_by_its_code() -> None:
    """Phones are read by `GB` and nothing else: by any other word for it every one would be dropped."""
    codes = {"uk": "GB", "gb": "GB", "DEU": "DE"}
    for written, code in codes.items():
        assert compiled(ORDERS.replace("country: DE", f"country: {written}")).source.country == code


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            ("columns: {order_id: no", "columns: {order_idd: no"),
            "columns: no column 'order_idd' in transaction; did you mean 'order_id'?",
        ),
        (
            ("entity: transaction", "entity: transactions"),
            "entity: no entity 'transactions'; did you mean 'transaction'?",
        ),
        (("{date}/", ""), "read.path: must hold {date} once"),
        (
            ("'x/", "'gs://x/"),
            "read.path: gs://x/{date}/*.csv: is not reached; name a folder of this machine or s3a://",
        ),
        (
            ("timezone: Europe/Berlin", "timezone: Europe/Berln"),
            "timezone: no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        ),
        (("ids:", "idss:"), "unknown key 'idss'; did you mean 'ids'?"),
        (("country: DE", "country: Germany"), "country: no country 'Germany': give its code of ISO 3166-1, such as DE"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], line: str) -> None:
    with pytest.raises(DefinitionError) as error:
        compiled(ORDERS.replace(*change))
    assert any(line in told and told.startswith("conf/sources/orders.yml: ") for told in error.value.lines)


def test_a_path_between_braces_needs_no_quotes() -> None:
    bare = ORDERS.replace("'x/{date}/*.csv'", "x/{date}/*.csv, lookback: 7d")
    assert parse_source(bare, place="x.yml").read.path == "x/{date}/*.csv"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("{order_id: no", "{order_id: upper(no"), "columns.order_id: cannot be read near 'no'"),
        (("ordered_at: at", "ordered_at: \"to_date(at, 'YYYY')\""), "columns.ordered_at: to_date: 'YYYY' has 'YYYY'"),
        (("phone: phone", "phone: uper(phone)"), "ids.phone: no function 'uper'; did you mean 'upper'?"),
        (("no <> 'TEST'", "no <>"), "where: cannot be read"),
        (
            ("ordered_at: at", "ordered_at: at = ''"),
            "columns.ordered_at: is a condition, and ordered_at is a timestamp",
        ),
        (("quantity: qty", "quantity: to_date(qty)"), "columns.quantity: is a date, and quantity is a number"),
    ],
)
def test_what_is_wrong_whatever_the_columns_is_named_without_them(change: tuple[str, str], line: str) -> None:
    parse_source(ORDERS, place="conf/sources/orders.yml")
    with pytest.raises(DefinitionError) as error:
        parse_source(ORDERS.replace(*change), place="conf/sources/orders.yml")
    [told] = error.value.lines
    assert told.startswith(f"conf/sources/orders.yml: {line}")


def test_what_an_access_log_has_is_known() -> None:
    """`is_bot` is told after the filter has looked at the row."""
    text = """
source: site
entity: web_event
read: {format: access_log, path: 'x/{date}/*.log', options: {extra: [cookie]}}
ids: {cookie: cookie, account: user}
where: not is_bot and agent <> '-'
"""
    with pytest.raises(DefinitionError) as error:
        parse_source(text, place="site.yml")
    assert list(error.value.lines) == ["site.yml: where: no column 'is_bot' in the extract or the columns of site"]


def test_a_list_is_not_a_text() -> None:
    text = """
source: posts
entity: social_activity
read: {format: json, path: 'x/{date}/*.jsonl'}
columns: {activity_id: no, occurred_at: at, topics: tags, counts: "map('likes', likes)"}
"""
    with pytest.raises(DefinitionError) as error:
        parse_source(text, place="posts.yml")
    [told] = error.value.lines
    assert told == "posts.yml: columns.topics: is text, and topics is a list; write from_json(tags, 'array<string>')"


def test_a_column_that_the_extract_lacks_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"orders.yml: columns.amount_local: .*'paid'"):
        compiled(raw=tuple(name for name in RAW if name != "paid"))
