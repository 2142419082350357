"""Rows at a cut-off: the version that had landed by then, and what may have been written later is left out."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyspark.sql import SparkSession

from jobs.engines.customer_rows import rows_of
from jobs.engines.cut_offs import history, tags_at
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse
from transforms.models.cut_offs import not_known_then
from transforms.schemas import ENTITIES
from transforms.tags.definition import parse_tags
from transforms.tags.plan import TagPlan, plan_tags

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"


def planned(**bodies: str) -> TagPlan:
    files = {f"tags/{name}.yml": HEAD.format(tag=name) + body + "\n" for name, body in bodies.items()}
    return plan_tags(parse_tags(files), timezone="UTC")


def test_a_cut_off_takes_the_version_that_had_landed(spark: SparkSession, tmp_path: Path) -> None:
    conf: Any = SimpleNamespace(pipeline=SimpleNamespace(timezone="UTC"))
    night = Night(
        conf=conf, lakehouse=Lakehouse(str(tmp_path)), day=date(2017, 3, 30), run_id="r", base=None,
        started_at=datetime(2017, 4, 1, tzinfo=UTC),
    )  # fmt: skip
    night.spark = spark  # type: ignore[misc]
    happened = datetime(2017, 3, 1, 12, tzinfo=UTC)
    rows = [
        # landed, valid until: a cancelled later, b taken out later, c cancelled earlier, d and e landed afterwards
        ("a", 2, 20, "purchase", 1), ("a", 20, None, "cancelled", 1), ("b", 2, 25, "purchase", 10),
        ("c", 2, 5, "purchase", 100), ("c", 5, None, "cancelled", 100),
        ("d", 20, 22, "purchase", 1000), ("d", 22, None, "cancelled", 1000), ("e", 20, None, "purchase", 10000),
    ]  # fmt: skip
    silver = [
        (date(2017, 3, landed), until and date(2017, 3, until), record, "n", happened, happened.date(), status, amount)
        for record, landed, until, status, amount in rows
    ]
    ddl = (
        "_batch_date date, _valid_to date, record_id string, _node string, event_at timestamp, event_date date, "
        "status string, amount int"
    )
    night.save(spark.createDataFrame(silver, ddl), ENTITIES["transaction"].table)
    nodes = spark.createDataFrame([("n", "C")], "_node string, customer_id string")
    plan = planned(spent="from: transaction\nselect: sum(amount)")
    cut = night.at(date(2017, 3, 10))
    with history(night, plan, nodes) as held:
        first = {"transaction": date(2017, 3, 1)}
        known = tags_at(cut, plan, customers=nodes.select("customer_id"), nodes=nodes, held=held, first=first)
        assert [float(row["spent"]) for row in known.collect()] == [1 + 10 + 1000 + 10000]
    sold = rows_of(cut, "transaction", ["status", "amount"], nodes).where("status = 'purchase'")
    assert sorted(float(row["amount"]) for row in sold.collect()) == [1, 10, 1000, 10000]
    assert [float(row["amount"]) for row in night.view("transaction").where("status = 'purchase'").collect()] == [10000]


def test_what_may_have_been_written_after_the_cut_off_is_left_out() -> None:
    plan = planned(
        tickets="from: service_ticket\nwindow: 90d\nselect: count(*)\ndefault: 0",
        rating="from: service_ticket\nselect: avg(satisfaction)",
        not_closed="from: service_ticket\nwhere: closed_at is null\nselect: count(*)\ndefault: 0",
        rated_well="select: rating > 4",
        asked=(
            "type: number\nsql: select customer_id, count(status) as value from {service_ticket} group by customer_id"
        ),
        agreed="from: consent\nselect: count_if(granted)\ndefault: 0",
        orders="from: transaction\nwhere: status = 'purchase'\nselect: count(*)\ndefault: 0",
    )
    later = "of service_ticket, which may have been written later"
    assert not_known_then(plan) == {
        "rating": f"it reads 'satisfaction' {later}",
        "not_closed": f"it reads 'closed_at' {later}",
        "asked": f"it reads 'status' {later}",
        "rated_well": f"it is made from 'rating': it reads 'satisfaction' {later}",
    }
