from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from transforms.profile import profile, profile_table, tag_of_column
from transforms.schemas import Column

AS_OF = datetime(2026, 3, 1, 22, 59, 59, 999999, tzinfo=UTC)


@dataclass(frozen=True)
class Given:
    """What the profile asks of a tag."""

    tag: str
    place: str
    outputs: tuple[Column, ...]
    status: str = "online"
    kind: str = "statistic"


def given(tag: str, category: str, *outputs: Column, status: str = "online") -> Given:
    return Given(tag, f"tag_definitions/{category}/{tag}.yml", outputs or (Column(tag, "int", f"about {tag}"),), status)


def named(*tags: Given) -> dict[str, Any]:
    return {tag.tag: tag for tag in tags}


TAGS = named(
    given("orders", "value/orders", Column("orders", "bigint", "orders; pieces")),
    given("zeal", "activity"),
    given(
        "rfm", "value", Column("rfm_segment", "string", "segment"), Column("rfm_r", "int", "recency score, 5 is best")
    ),
    given("age", "activity", Column("age", "int", "years", "personal")),
    given("old", "activity", status="offline"),
    given("idea", "activity", status="draft"),
    given("spend", "value", Column("spend", "decimal(18,4)", "EUR")),
)


def test_columns_stand_by_category_then_name_with_a_tags_outputs_together():
    table = profile_table(TAGS)
    assert table.names == (
        "customer_id", "age", "zeal", "rfm_segment", "rfm_r", "spend", "orders", "as_of", "run_id",
    )  # fmt: skip
    assert profile_table(dict(reversed(TAGS.items()))) == table
    assert table.key == ("customer_id",)
    assert all(column.comment for column in table.columns)
    assert table.columns[1].sensitivity == "personal"
    assert {column: tag.tag for column, tag in tag_of_column(TAGS).items()}["rfm_r"] == "rfm"


def test_a_row_a_known_customer_whatever_the_tag_tables_hold(spark: SparkSession):
    known = spark.createDataFrame([("a", "Ann"), ("b", "Bo"), ("c", "陈")], "customer_id string, given_name string")
    of_transaction = spark.createDataFrame(
        [("a", 2, Decimal("10.5"), 9), ("stranger", 7, Decimal("1"), 9)],
        "customer_id string, orders bigint, spend decimal(20,2), old int",
    )
    of_customer = spark.createDataFrame(
        [("c", "champions", 5), ("a", None, 1)], "customer_id string, rfm_segment string, rfm_r int"
    )
    table = profile_table(TAGS)
    wide = profile(known, [of_transaction, of_customer], table=table, as_of=AS_OF, run_id="r1")
    assert [(field.name, field.dataType.simpleString()) for field in wide.schema.fields] == list(table.types.items())
    assert wide.schema["age"].metadata["comment"] == "years; sensitivity: personal"
    rows = sorted(wide.drop("as_of").toPandas().astype(object).where(lambda df: df.notna(), None).values.tolist())
    assert rows == [
        ["a", None, None, None, 1, Decimal("10.5000"), 2, "r1"],
        ["b", None, None, None, None, None, None, "r1"],
        ["c", None, None, "champions", 5, None, None, "r1"],
    ]
    assert wide.selectExpr("count(distinct as_of) = 1 and min(as_of) = timestamp'2026-03-01 22:59:59.999999'").first()[
        0
    ]


def test_without_tag_tables_everybody_is_there(spark: SparkSession):
    known = spark.createDataFrame([("a",), ("b",)], "customer_id string")
    assert profile(known, [], table=profile_table(TAGS), as_of=AS_OF, run_id="r1").count() == 2
