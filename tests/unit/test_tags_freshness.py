"""Which tags are NULL for everybody because of what their sources brought, or did not. No Spark."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from jobs.engines.freshness import came
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse, arrow_schema
from tests.unit.trusted import yaml_of
from transforms.errors import DefinitionError
from transforms.schemas import ENTITIES, OPS_FILE
from transforms.tags.definition import parse_tags
from transforms.tags.freshness import freshness_of

DAY = date(2018, 3, 10)
BODIES = {
    "spend": "from: transaction\nselect: sum(amount)\nmax_age: 2d",
    "orders": "from: transaction\nselect: count(*)",
    "seen": "from: web_event\nselect: count(*)",
    "worth": "select: spend * 2",
    "clusters": "model: kmeans\nfeatures: [worth, orders]",
    "others": "model: kmeans\nfeatures: [orders, seen]",
    "stage": "model: lifecycle\nstages: [{value: buyer, when: spend > 0}]",
    "leaving": (
        "model: churn\nmax_age: 30d\nlabel: {event: transaction, within: 20d, happens: false}\nfeatures: [orders]"
    ),
}


def tags(bodies: dict[str, str]) -> Any:
    return parse_tags({f"tags/{name}.yml": yaml_of(name, body) for name, body in bodies.items()})


def march(day: int) -> date:
    return date(2018, 3, day)


def test_a_model_is_silent_with_whatever_it_is_built_on() -> None:
    found = freshness_of(tags(BODIES), {"transaction": {"pos": march(7)}}, DAY)
    why = "transaction (pos) has been silent since 2018-03-07, longer than 2d"
    # worth follows by itself; others looks at nothing that ages, and a life cycle stays where it is
    assert found.silent == {"spend": why, "clusters": f"spend: {why}"}
    assert found.absent == {"seen": "no source of web_event has ever come"}
    assert freshness_of(tags(BODIES), {"transaction": {"pos": march(8)}}, DAY).silent == {}
    long_ago = freshness_of(tags(BODIES), {"transaction": {"pos": date(2018, 2, 1)}}, DAY).silent
    assert long_ago["leaving"] == "transaction (pos) has been silent since 2018-02-01, longer than 30d"


def test_one_silent_source_of_several_is_silence() -> None:
    several = {"transaction": {"market": DAY, "pos": march(1)}}
    found = freshness_of(tags({"spend": BODIES["spend"]}), several, DAY)
    assert found.silent == {"spend": "transaction (pos) has been silent since 2018-03-01, longer than 2d"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("from: customer\nselect: city", "a fact tag"), ("select: orders * 2", "a derived tag"),
        ("cases: [{value: a, when: orders > 1}]", "a rule tag"), ("model: kmeans\nfeatures: [orders]", "a kmeans tag"),
        ("model: lifecycle\nstages: [{value: a, when: orders > 1}]", "a lifecycle tag"),
        ("import: l.csv\ntype: boolean", "an import tag"),
        ("sql: select customer_id, 1 as value from {customer}", "a sql tag"),
    ],
)  # fmt: skip
def test_an_age_that_would_do_nothing_is_refused(body: str, kind: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        tags({"orders": BODIES["orders"], "idle": f"{body}\nmax_age: 2d"})
    assert caught.value.lines == (
        f"tags/idle.yml: max_age: {kind} reads no source's rows itself; set it on the tags that it is built on, or "
        "remove it",
    )


def test_what_came_is_told_by_deliveries_not_by_new_rows(tmp_path: Path) -> None:
    entities = {"members": "loyalty_account", "pos": "transaction", "market": "transaction"}
    conf: Any = SimpleNamespace(sources={name: SimpleNamespace(entity=of) for name, of in entities.items()})
    conf.pipeline = SimpleNamespace(timezone="UTC")
    night = Night(
        conf=conf, lakehouse=Lakehouse(str(tmp_path)), day=DAY, run_id="r", base=None, started_at=datetime.now(UTC)
    )
    for name in ("loyalty_account", "transaction", "web_event"):  # of each the newest row is of the first of March
        table = ENTITIES[name].table
        row = dict.fromkeys(table.names) | {"_batch_date": march(1)}
        night.save(pa.Table.from_pylist([row], arrow_schema(table)), table)
    taken = [("members", 1), ("members", 9), ("pos", 1), ("market", 10), ("market", 8), ("pos", 11), ("gone", 10)]
    files = [{"source": name, "path": f"{name}{day}", "size": 1, "_batch_date": march(day)} for name, day in taken]
    night.append(OPS_FILE, files)
    found = came(night, ["loyalty_account", "transaction", "web_event", "survey_response"])
    assert found == {
        "loyalty_account": {"members": march(9)},  # it came and brought nothing new
        "transaction": {"pos": march(1), "market": march(10)},  # what a later night took is not known yet
        "web_event": {"": march(1)},  # its source is not configured any more
    }
