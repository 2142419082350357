"""The demo's own tags: every one is sound, and every example in them comes out as it says."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.lookups.examples import check_examples
from transforms.tags import evaluate
from transforms.tags.definition import Tag, parse_tags
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.formulas import formula_of
from transforms.tags.recompute import value_sql
from transforms.tags.tag import KEYS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tags() -> dict[str, Tag]:
    files = sorted((ROOT / "tag_definitions").rglob("*.yml"))
    return parse_tags({str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files})


def test_every_example_comes_out(spark: SparkSession, tags: dict[str, Tag]) -> None:
    assert check_examples(spark, tags, timezone="Asia/Shanghai") == []


@pytest.mark.parametrize(
    ("day", "soon"),
    [
        (date(2017, 2, 14), False), (date(2017, 2, 15), True), (date(2017, 2, 28), True), (date(2017, 3, 1), False),
        (date(2016, 2, 14), False), (date(2016, 2, 15), True), (date(2016, 2, 28), True), (date(2016, 2, 29), False),
        (date(2015, 12, 31), False),
    ],
)  # fmt: skip
def test_a_birthday_of_29_february_comes_every_year(
    spark: SparkSession, tags: dict[str, Tag], day: date, soon: bool
) -> None:
    tag, as_of = tags["birthday_soon"], datetime.combine(day, time.max, UTC)
    born = spark.createDataFrame([("a", date(2000, 2, 29))], "customer_id string, birth_date date")
    fact = formula_of(tag, timezone="UTC", columns={})
    assert [row[1] for row in evaluate.facts(born, facts=[fact], day=day, as_of=as_of).collect()] == [soon]
    duck = duckdb.connect()
    duck.execute("set timezone = 'UTC'; create table given as select date '2000-02-29' as birth_date")
    assert duck.execute(value_sql(tag, day=day, as_of=as_of)["birthday_soon"]).fetchall() == [(soon,)]


def test_an_example_that_is_wrong_is_told(spark: SparkSession, tags: dict[str, Tag]) -> None:
    right = tags["age_band"]
    wrong = right.model_copy(update={"examples": (right.examples[0].model_copy(update={"value": "25-34"}),)})
    assert check_examples(spark, {"age": tags["age"], "age_band": wrong}, timezone="UTC") == [
        "tag_definitions/basic/age_band.yml: examples[0]: the value is 'under 25', not '25-34'"
    ]


def test_a_query_counts_no_cancelled_lines_unless_it_reads_their_status(spark: SparkSession) -> None:
    """As a statistic does; and what it writes between quotes, such as the braces of a pattern, names no entity."""
    head = "title: {en: A tag}\ndescription: d\nowner: o\npurposes: [service]\n"
    given = "[{amount: 5, product_id: '12345'}, {amount: 3, product_id: '12345', status: cancelled}]"
    told = (
        "examples: [{given: {transaction: " + given + "}, value: %s}]\n"
        "sql: select customer_id, sum(amount) as value from { transaction } where product_id rlike '^[0-9]{5}$'%s "
        "group by customer_id\n"
    )
    files = {"spent": told % (5, ""), "void": told % (3, " and status = 'cancelled'")}
    tags = parse_tags({f"tags/{name}.yml": f"tag: {name}\n{head}{body}" for name, body in files.items()})
    assert [tag.reads for tag in tags.values()] == [("transaction",)] * 2
    assert check_examples(spark, tags, timezone="UTC") == []


def test_every_tag_says_what_people_need_to_know(tags: dict[str, Tag]) -> None:
    assert len(tags) >= 120
    for tag in tags.values():
        assert tag.title.get("zh"), tag.tag
        assert tag.purposes, tag.tag
        # what a model is fitted to and what a list from outside holds is no single customer's example
        assert tag.examples or tag.kind in ("rfm", "kmeans", "lifecycle", "import", *PREDICTIONS), tag.tag
        assert tag.description.endswith(".") and tag.owner and tag.checks, tag.tag
        assert tag.unit or tag.type not in ("number", "integer"), tag.tag
    titles = [tag.title[language] for tag in tags.values() for language in ("en", "zh")]
    assert [title for title in set(titles) if titles.count(title) > 1] == []


def test_every_kind_is_there(tags: dict[str, Tag]) -> None:
    assert {tag.kind for tag in tags.values()} == KEYS.keys()


def test_income_is_sensitive_and_not_for_marketing(tags: dict[str, Tag]) -> None:
    assert (tags["income_band"].sensitivity, tags["income_band"].purposes) == ("sensitive", ("service",))
