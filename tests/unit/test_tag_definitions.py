"""The demo's own tags: every one is sound, and every example in them comes out as it says."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engines.across import answered, in_order
from transforms.tags import evaluate
from transforms.tags.across import AcrossPlan, side_by_side, values
from transforms.tags.definition import Tag, parse_tags
from transforms.tags.examples import problems_of, rows_of, schema_of, tag_rows
from transforms.tags.formulas import formula_of
from transforms.tags.plan import plan_tags
from transforms.tags.tag import ACROSS, CUSTOMER, KEYS

ROOT = Path(__file__).parents[2]
DAY = date(2017, 6, 30)


@pytest.fixture(scope="module")
def tags() -> dict[str, Tag]:
    files = sorted((ROOT / "tag_definitions").rglob("*.yml"))
    return parse_tags({str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files})


def check_examples(spark: SparkSession, tags: dict[str, Tag], *, timezone: str) -> list[str]:
    """A line for each example whose value does not come out; one Spark job for each kind of rows."""
    as_of = datetime.combine(DAY, time.max, ZoneInfo(timezone)).astimezone(UTC)
    found: dict[str, dict[str, Any]] = {}

    def take(frame: DataFrame, names: list[str]) -> None:
        for row in frame.select("customer_id", *names).collect():
            for name in names:
                found.setdefault(name, {})[row.customer_id] = row[name]

    plan = plan_tags(tags, timezone=timezone, only=[tag.tag for tag in tags.values() if tag.status != "retired"])
    everyone = [(f"{tag.tag} {at}",) for tag in tags.values() for at in range(len(tag.examples))]
    customers = spark.createDataFrame(everyone, "customer_id string")
    across = {tag.tag: tag for tag in plan.across.tags}
    for entity in plan.entities:
        data = rows_of(alone(tags), entity.entity, day=DAY, timezone=timezone)
        rows = spark.createDataFrame([tuple(row.values()) for row in data], schema_of(entity.entity))
        frame = evaluate.over_rows(rows, customers=customers, plan=entity, day=DAY, as_of=as_of)
        take(frame, [result.name for result in entity.results])
    if across:
        take(_across(spark, plan.across, customers, as_of, timezone), list(across))
    golden = [tuple(row.values()) for row in rows_of(alone(tags), CUSTOMER, day=DAY, timezone=timezone)]
    facts = spark.createDataFrame(golden, schema_of(CUSTOMER))
    take(evaluate.facts(facts, facts=plan.facts, day=DAY, as_of=as_of), [fact.name for fact in plan.facts])
    take(
        _over_tags(spark, tags, as_of, timezone), [tag.tag for tag in tags.values() if tag.kind in ("derived", "rule")]
    )
    checked = [tag for tag in tags.values() if tag.kind not in ("rfm", "kmeans", "import")]
    return [line for tag in checked for line in problems_of(tag, found.get(tag.tag, {}), day=DAY, timezone=timezone)]


def alone(tags: dict[str, Tag]) -> dict[str, Tag]:
    """Those that a single entity gives."""
    return {name: tag for name, tag in tags.items() if tag.kind not in ACROSS}


def _across(spark: SparkSession, plan: AcrossPlan, customers: DataFrame, as_of: datetime, timezone: str) -> DataFrame:
    """The values of sequences and queries over their own examples."""
    chosen = AcrossPlan(plan.sequences, plan.queries)
    rows = {}
    for entity in chosen.columns():
        data = rows_of({tag.tag: tag for tag in chosen.tags}, entity, day=DAY, timezone=timezone)
        rows[entity] = spark.createDataFrame([tuple(row.values()) for row in data], schema_of(entity))
    often = in_order(rows, chosen.sequences, day=DAY, as_of=as_of) if chosen.sequences else None
    others = {query.tag.tag: answered(rows, query, day=DAY, as_of=as_of) for query in chosen.queries}
    return values(side_by_side(customers, sequences=often, others=others), plan, withheld=())


def _over_tags(spark: SparkSession, tags: dict[str, Tag], as_of: datetime, timezone: str) -> DataFrame:
    """The values of all tags on tags, each beside the inputs that its own examples give."""
    columns = {output.name: output.type for tag in tags.values() for output in tag.outputs}
    chosen = [tag for tag in tags.values() if tag.kind in ("derived", "rule")]
    formulas = [formula_of(tag, timezone=timezone, columns=columns) for tag in chosen]
    needs = {name: columns[name] for formula in formulas for name in sorted(formula.select.columns)}
    data = [tuple(row.values()) for tag in chosen for row in tag_rows(tag, needs, day=DAY, timezone=timezone)]
    schema = ", ".join(["customer_id string", *(f"{name} {ddl}" for name, ddl in needs.items())])
    return evaluate.facts(spark.createDataFrame(data, schema), facts=formulas, day=DAY, as_of=as_of)


def test_every_example_comes_out(spark: SparkSession, tags: dict[str, Tag]) -> None:
    assert check_examples(spark, tags, timezone="Asia/Shanghai") == []


def test_an_example_that_is_wrong_is_told(spark: SparkSession, tags: dict[str, Tag]) -> None:
    right = tags["age_band"]
    wrong = right.model_copy(update={"examples": (right.examples[0].model_copy(update={"value": "25-34"}),)})
    assert check_examples(spark, {"age": tags["age"], "age_band": wrong}, timezone="UTC") == [
        "tag_definitions/basic/age_band.yml: examples[0]: the value is 'under 25', not '25-34'"
    ]


def test_every_tag_says_what_people_need_to_know(tags: dict[str, Tag]) -> None:
    assert len(tags) >= 120
    for tag in tags.values():
        assert tag.title.get("zh"), tag.tag
        assert tag.purposes, tag.tag
        assert tag.examples or tag.kind in ("rfm", "kmeans", "import"), tag.tag
        assert tag.unit or tag.type not in ("number", "integer"), tag.tag
    titles = [tag.title[language] for tag in tags.values() for language in ("en", "zh")]
    assert [title for title in set(titles) if titles.count(title) > 1] == []


def test_every_kind_is_there(tags: dict[str, Tag]) -> None:
    assert {tag.kind for tag in tags.values()} == KEYS.keys()


def test_income_is_sensitive_and_not_for_marketing(tags: dict[str, Tag]) -> None:
    assert (tags["income_band"].sensitivity, tags["income_band"].purposes) == ("sensitive", ("service",))
