"""`portrait tags test`: the examples that stand in tags, run through the engine that the night runs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from transforms.definitions import nearest
from transforms.errors import DataError, DefinitionError
from transforms.tags.examples import problems_of, rows_of, schema_of, tag_rows
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.formulas import formula_of
from transforms.tags.plan import plan_tags
from transforms.tags.tag import ACROSS, CUSTOMER, Tag

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from transforms.tags.across import AcrossPlan

# The business day that examples are told from; a day of June meets no change of the clocks.
DAY = date(2017, 6, 30)
# What they give is not of a few rows alone.
_WITHOUT = ("rfm", "kmeans", "lifecycle", "import", *PREDICTIONS)


def run_examples(conf: Configuration, names: Sequence[str], screen: Screen, *, local: bool) -> None:
    """Run the examples of the named tags, or of all. Raises DataError with a line for each that does not come out."""
    from jobs.runtime.session import open_session

    unknown = [name for name in names if name not in conf.tags]
    if unknown:
        raise DefinitionError(f"{unknown[0]}: no such tag{nearest(unknown[0], conf.tags)}")
    chosen = {name: tag for name, tag in conf.tags.items() if not names or name in names}
    counted = {name: len(tag.examples) for name, tag in chosen.items() if tag.kind not in _WITHOUT}
    without = [name for name, count in counted.items() if not count]
    spark = open_session(conf.pipeline.spark, local=local, light=True)
    found = check_examples(spark, conf.tags, timezone=conf.pipeline.timezone, only=chosen)
    for name in without:
        screen.warn(f"{chosen[name].place}: has no examples")
    if found:
        raise DataError("\n".join(found))
    screen.say(f"{sum(counted.values())} examples of {len(counted) - len(without)} tags come out as they say")
    screen.result({"examples": sum(counted.values()), "tags": len(counted), "without_examples": without})


def check_examples(
    spark: "SparkSession", tags: Mapping[str, Tag], *, timezone: str, only: Mapping[str, Tag] | None = None
) -> list[str]:
    """A line for each example whose value does not come out; one Spark job for each kind of rows.

    `only`: those of `tags` whose examples are run.
    """
    from transforms.tags import evaluate

    checked = {
        name: tag
        for name, tag in (tags if only is None else only).items()
        if tag.kind not in _WITHOUT and tag.status != "retired" and tag.examples
    }
    as_of = datetime.combine(DAY, time.max, ZoneInfo(timezone)).astimezone(UTC)
    found: dict[str, dict[str, Any]] = {}

    def take(frame: "DataFrame", names: list[str]) -> None:
        for row in frame.select("customer_id", *names).collect():
            for name in names:
                found.setdefault(name, {})[row.customer_id] = row[name]

    over_rows = {name: tag for name, tag in checked.items() if tag.kind not in ("derived", "rule")}
    plan = plan_tags(tags, timezone=timezone, only=over_rows)
    everyone = [(f"{tag.tag} {at}",) for tag in checked.values() for at in range(len(tag.examples))]
    customers = spark.createDataFrame(everyone, "customer_id string")
    if plan.across.tags:
        take(_across(spark, plan.across, customers, as_of, timezone), [tag.tag for tag in plan.across.tags])
    alone = {name: tag for name, tag in checked.items() if tag.kind not in ACROSS}
    for entity in plan.entities:
        data = rows_of(alone, entity.entity, day=DAY, timezone=timezone)
        rows = spark.createDataFrame([tuple(row.values()) for row in data], schema_of(entity.entity))
        frame = evaluate.over_rows(rows, customers=customers, plan=entity, day=DAY, as_of=as_of)
        take(frame, [result.name for result in entity.results])
    golden = [tuple(row.values()) for row in rows_of(alone, CUSTOMER, day=DAY, timezone=timezone)]
    facts = spark.createDataFrame(golden, schema_of(CUSTOMER))
    take(evaluate.facts(facts, facts=plan.facts, day=DAY, as_of=as_of), [fact.name for fact in plan.facts])
    on_tags = [tag for tag in checked.values() if tag.kind in ("derived", "rule")]
    take(_over_tags(spark, on_tags, tags, as_of, timezone), [tag.tag for tag in on_tags])
    return [
        line
        for tag in checked.values()
        for line in problems_of(tag, found.get(tag.tag, {}), day=DAY, timezone=timezone)
    ]


def _across(
    spark: "SparkSession", plan: "AcrossPlan", customers: "DataFrame", as_of: datetime, timezone: str
) -> "DataFrame":
    """The values of sequences and queries over their own examples."""
    from jobs.engines.across import answered, in_order
    from transforms.tags.across import side_by_side, values

    rows = {}
    for entity in plan.columns():
        data = rows_of({tag.tag: tag for tag in plan.tags}, entity, day=DAY, timezone=timezone)
        rows[entity] = spark.createDataFrame([tuple(row.values()) for row in data], schema_of(entity))
    often = in_order(rows, plan.sequences, day=DAY, as_of=as_of) if plan.sequences else None
    others = {query.tag.tag: answered(rows, query, day=DAY, as_of=as_of) for query in plan.queries}
    return values(side_by_side(customers, sequences=often, others=others), plan, withheld=())


def _over_tags(
    spark: "SparkSession", chosen: Sequence[Tag], tags: Mapping[str, Tag], as_of: datetime, timezone: str
) -> "DataFrame":
    """The values of tags on tags, each beside the inputs that its own examples give."""
    from transforms.tags import evaluate

    columns = {output.name: output.type for tag in tags.values() for output in tag.outputs}
    formulas = [formula_of(tag, timezone=timezone, columns=columns) for tag in chosen]
    needs = {name: columns[name] for formula in formulas for name in sorted(formula.select.columns)}
    data = [tuple(row.values()) for tag in chosen for row in tag_rows(tag, needs, day=DAY, timezone=timezone)]
    schema = ", ".join(["customer_id string", *(f"{name} {ddl}" for name, ddl in needs.items())])
    return evaluate.facts(spark.createDataFrame(data, schema), facts=formulas, day=DAY, as_of=as_of)
