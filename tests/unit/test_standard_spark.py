"""Standard forms inside Spark: money, times, URLs, texts, and Python rules on distinct values."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.references import currency_rates
from transforms.schemas import TRANSACTION
from transforms.sources.context import Context
from transforms.sources.definition import compile_source, parse_source
from transforms.sources.records import with_ids
from transforms.sources.standard import urls, values
from transforms.sources.standard.answers import with_answers
from transforms.sources.standard.phones import e164
from transforms.sources.standard.rates import parse_rates
from transforms.sources.standard.texts import with_text_features
from transforms.sources.transaction import finish
from transforms.sources.typing import typed

DAY = date(2026, 1, 31)
RATES = """date,currency,rate
2026-01-02,USD,0.85
2026-01-05,USD,0.8612345
2026-01-03,GBP,1.15
"""
LINE = "currency string, amount_local decimal(18,4), amount decimal(18,4), discount decimal(18,4), at string"


def lines(spark: SparkSession, rows: Sequence[tuple[str, str, str | None, str | None, str]]) -> DataFrame:
    numbers = [
        (currency, Decimal(paid), amount and Decimal(amount), discount and Decimal(discount), at)
        for currency, paid, amount, discount, at in rows
    ]
    return spark.createDataFrame(numbers, LINE).withColumns(
        {
            "ordered_at": F.to_timestamp("at"),
            "quantity": F.lit(1).cast("decimal(18,4)"),
            "status": F.lit(None).cast("string"),
        }
    )


def test_money_in_the_base_currency(spark: SparkSession) -> None:
    known = parse_rates(RATES, place="rates.csv", base_currency="EUR")
    context = Context(DAY, "Asia/Shanghai", "EUR", currency_rates(spark, known))

    def half_up(product: str) -> Decimal:
        return Decimal(product).quantize(Decimal("0.0001"), ROUND_HALF_UP)

    cases = [
        (("eur", "9.99", None, "1", "2026-01-10 00:00:00"), ("9.99", "1")),
        (("USD", "10", None, "2", "2026-01-04 15:59:59"), ("8.5", "1.7")),  # the 4th in Shanghai, the last of that rate
        (("USD", "10", None, None, "2026-01-04 16:00:00"), ("8.612345", None)),  # the 5th there
        (("USD", "-0.0001", None, None, "2030-01-01 00:00:00"), ("-0.00008612345", None)),  # the last known one
        (("GBP", "10", None, "1", "2026-01-02 15:59:59"), (None, None)),  # before the first rate
        (("JPY", "10", None, None, "2026-01-04 00:00:00"), (None, None)),
        (("USD", "10", "8.4", None, "2026-01-04 00:00:00"), ("8.4", None)),  # the source knows what it was
    ]
    rows = finish(lines(spark, [case for case, _ in cases]), context=context).orderBy(F.monotonically_increasing_id())
    expected = [tuple(value and half_up(value) for value in told) for _, told in cases]
    assert [(row["amount"], row["discount"]) for row in rows.collect()] == expected


def test_without_rates_only_the_base_currency_counts(spark: SparkSession) -> None:
    rows = finish(
        lines(spark, [("EUR", "5", None, None, "2026-01-10"), ("USD", "5", None, None, "2026-01-10")]),
        context=Context(DAY, "UTC", "EUR"),
    )
    assert {row["currency"]: row["amount"] for row in rows.collect()} == {"EUR": Decimal(5), "USD": None}


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "America/St_Johns")
LOCAL = (
    "2026-01-15 12:00:00", "2026-07-15 12:00:00",
    "2026-03-29 02:30:00", "2026-10-25 02:30:00",  # Berlin: skipped, twice
    "2026-03-08 02:30:00", "2026-11-01 01:30:00",  # New York and St. John's
    "2026-10-04 02:15:00", "2026-04-05 01:45:00",  # Lord Howe moves by half an hour
)  # fmt: skip


def moments(spark: SparkSession, zone: str, expression: str, texts: Sequence[str]) -> list[datetime]:
    source = compile_source(
        parse_source(
            f"""
source: orders
entity: transaction
timezone: {zone}
read: {{format: csv, path: 'x/{{date}}/*.csv'}}
columns: {{order_id: at, line_no: at, ordered_at: {json.dumps(expression)}, quantity: at, amount_local: at,
  currency: at}}
""",
            place="conf/sources/orders.yml",
        ),
        {"at": "string"},
    )
    raw = spark.createDataFrame([(text,) for text in texts], "at string")
    return [row["ordered_at"] for row in typed(raw, source, day=DAY, as_of=datetime(2026, 1, 31)).collect()]


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_are_those_of_the_zone_database(spark: SparkSession, zone: str) -> None:
    def utc(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)

    assert moments(spark, zone, "at", LOCAL) == [utc(text) for text in LOCAL]


def test_times_that_tell_their_place_on_the_time_line(spark: SparkSession) -> None:
    ten = datetime(2026, 7, 1, 10)
    texts = (
        "2026-07-01T10:00:00Z", "2026-07-01T12:00:00+02:00", "2026-07-01 12:00:00.000+0200", "2026-07-01 05:00:00-05",
        "2026-07-01 10:00:00 UTC", "2026-07-01 12:00:00 Europe/Paris",
    )  # fmt: skip
    assert moments(spark, "America/New_York", "at", texts) == [ten] * len(texts)
    seconds = int(ten.replace(tzinfo=UTC).timestamp())
    assert moments(spark, "America/New_York", "timestamp_seconds(at)", [str(seconds)]) == [ten]
    assert moments(spark, "America/New_York", "timestamp_millis(at)", [f"{seconds}000"]) == [ten]


def test_urls(spark: SparkSession) -> None:
    cases = {
        # RFC 3986, 1.1.2 and 6.2.3: its own examples
        "http://Example.COM:80": ("http://example.com", "/", None),
        "HTTPS://example.com:443/a?utm_source=x&b=1#top": (
            "https://example.com/a?utm_source=x&b=1#top", "/a", "utm_source=x&b=1"),
        "https://example.com:8443/?q": ("https://example.com:8443/?q", "/", "q"),
        "http://[2001:DB8::7]:80/c=GB?objectClass?one": (
            "http://[2001:db8::7]/c=GB?objectClass?one", "/c=GB", "objectClass?one"),
        "/caf%C3%A9/a+b?x=%20": ("/caf%C3%A9/a+b?x=%20", "/café/a+b", "x=%20"),
        "/a%2Fb%00": ("/a%2Fb%00", "/a%2Fb%00", None),
        "/%ff%zz": ("/%ff%zz", "/%ff%zz", None),
        "app://shop/cart?id=1": ("app://shop/cart?id=1", "/cart", "id=1"),
        "mailto:John.Doe@example.com?subject=x": ("mailto:John.Doe@example.com?subject=x", None, None),
        "tel:+1-816-555-1212": ("tel:+1-816-555-1212", None, None),
        "//cdn.example.com/x": ("//cdn.example.com/x", "/x", None),
        "http://[bad/x": ("http://[bad/x", "/x", None),
        "?": ("?", None, None),
    }  # fmt: skip
    value = F.col("url")
    rows = spark.createDataFrame([(text,) for text in cases], "url string").select(
        value, urls.url(value).alias("u"), urls.readable(urls.path(value)).alias("p"), urls.query(value).alias("q")
    )
    assert {row["url"]: (row["u"], row["p"], row["q"]) for row in rows.collect()} == cases


def test_genders_births_languages_and_texts(spark: SparkSession) -> None:
    words = {
        "女": "female",
        "Weiblich": "female",
        " M ": "male",
        "先生": "male",
        "1": "male",
        "divers": "other",
        "0": None,
    }
    births = {
        "1990-05-01": True, "1900-01-01": False, "2026-02-01": False, "1905-01-31": False, "9999-12-31": False,
    }  # fmt: skip
    rows = spark.createDataFrame([(word,) for word in words], "word string")
    assert {row["word"]: row["g"] for row in rows.withColumn("g", values.gender(F.col("word"))).collect()} == words
    dates = spark.createDataFrame([(text,) for text in births], "text string")
    kept = dates.where(values.birth_date(F.col("text").cast("date"), today=F.lit(DAY)).isNotNull())
    assert [row["text"] for row in kept.collect()] == [text for text, whole in births.items() if whole]
    texts = spark.createDataFrame(
        [("zh-Hans-CN", "８６号（东门）\u3000ＡＢ座 "), ("EN", "\u00a0")], "code string, text string"
    )
    told = texts.select(values.language(F.col("code")), values.text(F.col("text"))).collect()
    assert [tuple(row) for row in told] == [("zh", "86号（东门） AB座"), ("en", None)]


def test_a_rule_answers_the_same_of_rows_and_of_distinct_values(spark: SparkSession) -> None:
    rows = spark.range(12).select(
        F.expr("case id % 4 when 0 then '030 901820' when 1 then '(202) 555-0123' when 2 then 'none' end").alias(
            "phone"
        ),
        F.expr("case id % 4 when 0 then 'DE' when 1 then 'US' end").alias("country"),
    )
    asked = (F.col("phone"), F.col("country"))
    expected = {("030 901820", "+4930901820"), ("(202) 555-0123", "+12025550123"), ("none", None), (None, None)}
    for repeated in (False, True):
        told = with_answers(rows, "e164", e164, "string", *asked, repeated=repeated)
        found = [(row["phone"], row["e164"]) for row in told.collect()]
        assert (len(found), set(found)) == (12, expected)


def test_identifiers_are_in_standard_form_singly_and_in_arrays(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("A.b+1@gmail.com", ["030 901820", "x"], "DE"), (None, None, None)],
        "_id_email string, _ids_phone array<string>, _country string",
    )
    for few in (True, False):
        told = with_ids(rows, TRANSACTION, ["email", "phone"], few=few).collect()
        assert {json.dumps(row["ids"], sort_keys=True) for row in told} == {
            '{"email": ["ab@gmail.com"], "phone": ["+4930901820"]}',
            "{}",
        }


def test_what_a_source_says_of_a_text_stays(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [
            ("VADER is smart, handsome, and funny.", "en", None),
            ("VADER is smart, handsome, and funny.", "en", -1.0),
            ("Das ist wirklich ein ganz wunderbares Geschäft", None, None),
            (None, None, None),
        ],
        "text string, language string, sentiment double",
    )
    told = [(row["language"], row["sentiment"]) for row in rows.transform(with_text_features, "text").collect()]
    assert told == [("en", 0.8316), ("en", -1.0), ("de", None), (None, None)]
    assert rows.select("text").transform(with_text_features, "text").columns == ["text"]
