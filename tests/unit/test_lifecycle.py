"""The stages of a customer's life: where one is entered, kept and left, night after night."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from transforms.columns import conform
from transforms.errors import DefinitionError
from transforms.overrides import beside, settled
from transforms.tags.definition import parse_tags
from transforms.tags.lifecycle import last_stages, stages_before, stages_of, with_lifecycle
from transforms.tags.plan import columns_in, plan_tags, tag_table
from transforms.tags.tag import CUSTOMER, Tag

HEAD = "title: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\ntag: {0}\n"
STAGES = """model: lifecycle
stages:
  - {value: prospect, when: orders = 0}
  - {value: won back, when: idle <= 30, after: [lapsed], until: idle > 30 or orders >= 9}
  - {value: lapsed, when: idle > 90}
  - {value: loyal, when: orders >= 5, after: [new]}
  - {value: new, when: orders >= 1}
"""


def tags(stages: str = STAGES) -> dict[str, Tag]:
    number = "purposes: [marketing]\nfrom: transaction\nselect: count(*)\n"
    bodies = {"orders": number, "idle": number, "life": stages}
    return parse_tags({f"t/{name}.yml": HEAD.format(name) + body for name, body in bodies.items()})


# customer, orders, days since the last, stage of the night before with its days and the one before that
CASES = [
    ("first seen, nothing bought", 0, None, None, None, None, "prospect", 0, None),
    ("first seen: a stage that is after nothing comes first", 7, 3, None, None, None, "new", 0, None),
    ("first seen, idle", 7, 99, None, None, None, "lapsed", 0, None),
    ("entered from the stage it is after", 5, 3, "new", 40, "prospect", "loyal", 0, "new"),
    ("a stage is not entered from elsewhere", 5, 3, "prospect", 4, None, "new", 0, "prospect"),
    ("a stage that one is in may be stayed in", 6, 3, "loyal", 2, "new", "loyal", 5, "new"),
    ("comes back", 5, 2, "lapsed", 60, "loyal", "won back", 0, "lapsed"),
    ("stays until its end, though it may be new", 6, 20, "won back", 10, "lapsed", "won back", 13, "lapsed"),
    ("its end came: the first other stage", 9, 20, "won back", 10, "lapsed", "new", 0, "won back"),
    ("fades again", 6, 91, "won back", 50, "lapsed", "lapsed", 0, "won back"),
    ("nothing is known any more: stays", None, None, "loyal", 2, "new", "loyal", 5, "new"),
    ("nothing was ever known", None, None, None, None, None, None, None, None),
    ("the stage is none any more", 5, 3, "dormant", 9, "new", "new", 0, None),
]


def test_stages_by_hand(spark: SparkSession) -> None:
    life = tags()["life"]
    stages = stages_of(life, timezone="UTC", columns={"orders": "bigint", "idle": "bigint"})
    frame = spark.createDataFrame([case[:3] for case in CASES], "customer_id string, orders bigint, idle bigint")
    before = [(case[0], *case[3:6]) for case in CASES if case[3]]
    profile = spark.createDataFrame(
        before, "customer_id string, life_stage string, life_days_in_stage bigint, life_previous string"
    )
    day: dict[str, Any] = {"day": date(2017, 6, 3), "as_of": datetime(2017, 6, 3, 23, 59, tzinfo=UTC)}
    last = last_stages(profile, life)
    found = with_lifecycle(frame, life, stages=stages, last=last, elapsed=3, **day)
    told = {row.customer_id: (row.life_stage, row.life_days_in_stage, row.life_previous) for row in found.collect()}
    assert told == {case[0]: case[6:] for case in CASES}
    # the same day once more, when the night before has expired
    same = stages_before(last_stages(found, life))
    anew = with_lifecycle(frame, life, stages=stages, last=same, elapsed=0, **day)
    assert sorted(map(str, anew.collect())) == sorted(map(str, found.collect()))
    # what is set by hand takes the place of the outputs; the next night goes on from what was computed
    ddl = "customer_id string, _set_life_stage string"
    set_by_hand = spark.createDataFrame([(case[0], "lapsed") for case in CASES], ddl)
    table = tag_table(CUSTOMER, columns_in(plan_tags(tags(), timezone="UTC"), CUSTOMER))
    kept = conform(settled(beside(found, set_by_hand)), table)
    assert {row.life_stage for row in kept.collect()} == {"lapsed"}
    again = last_stages(kept, life)
    assert again is not None
    assert {row[0]: tuple(row[1:]) for row in again.collect()} == told
    # a first night: no profile, or one from before there was such a tag
    assert last_stages(profile.select("customer_id"), life) is None
    first = with_lifecycle(frame, life, stages=stages, last=None, elapsed=0, **day)
    assert {row.life_stage for row in first.where("orders = 6").collect()} == {"new", "lapsed"}
    assert [column for column in first.columns if column.startswith("_")] == []


@pytest.mark.parametrize(
    ("stages", "line"),
    [
        (
            "stages: [{value: a, when: orders > 1 and ordres > 1}]",
            "t/life.yml: stages[0].when: no tag 'ordres'; did you mean 'orders'?",
        ),
        ("stages: [{value: a, when: orders}]", "t/life.yml: stages[0].when: is a number, not a condition"),
        ("stages: [{value: a, when: orders > 1, after: [b]}]", "'a' is after 'b', which is none"),
        ("stages: [{value: a, when: orders > 1}, {value: a, when: orders > 2}]", "two of them are 'a'"),
        ("refit: 3d", "refit: a lifecycle tag has no such key"),
    ],
)
def test_mistakes_are_told(stages: str, line: str) -> None:
    with pytest.raises(DefinitionError) as error:
        tags(f"model: lifecycle\n{stages}\n")
    assert line in str(error.value)


def test_a_segmentation_parts_by_named_values() -> None:
    body = "purposes: [marketing]\nfrom: transaction\nselect: count(*)\nsegmentation: {min_size: 5}\n"
    with pytest.raises(DefinitionError, match=r"segmentation: only a tag of few named values .*enum"):
        parse_tags({"t/n.yml": HEAD.format("n") + body})
