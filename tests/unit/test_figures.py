"""What the stages counted, as people see it."""

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

from released import Shown

from jobs.lookups.figures import tables
from jobs.lookups.reading import show_plan, show_status
from jobs.project.starter.project import write_project
from jobs.runtime.configuration import load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.tables import Lakehouse
from transforms.schemas import OPS_RUN, OPS_STAGE

IDENTITY = {
    "customers": 12, "known": 7, "anonymous": 5, "new": 3, "merges": 1, "splits": 2, "retired": 1, "hubs": 4, "cuts": 6,
    "id_churn": 0.00125, "id_churn_limit": 0.01,
    "disagreements": {"city": {"told": 8, "differ": 2}, "gender": {"told": 9, "differ": 0},
                      "email": {"told": 5, "differ": 4}},
}  # fmt: skip


def test_identity_tells_counts_churn_with_its_limit_and_where_sources_differ():
    shown = {table.title: table.rows for table in tables({"identity": IDENTITY})}
    assert shown["Who is who"] == [
        ["customers", 12], ["known", 7], ["anonymous", 5], ["new", 3], ["merges", 1], ["splits", 2], ["retired", 1],
        ["hubs", 4], ["cuts", 6], ["id churn", "0.12% (at most 1.00%)"],
    ]  # fmt: skip
    assert shown["Where sources differ about a customer"] == [["email", 5, 4, "80.0%"], ["city", 8, 2, "25.0%"]]


def test_how_much_of_the_business_the_known_customers_are():
    told = [
        {"what": "spend", "source": "pos", "total": 200.0, "known": 150.0},
        {"what": "average order", "source": "pos", "total": 10.0, "known": 12.0},
    ]
    shown = {table.title: table.rows for table in tables({"identity": IDENTITY, "journeys": {"represented": told}})}
    assert shown["How representative the known customers are"] == [
        ["customers", 12, 7, "58.3%"], ["spend of pos", 200.0, 150.0, "75.0%"],
        ["average order of pos", 10.0, 12.0, "120.0%"],
    ]  # fmt: skip


def test_status_tells_the_churn_of_a_night(tmp_path: Path):
    at = datetime(2026, 3, 3, tzinfo=UTC)
    same = {"run_id": "tonight", "date": date(2026, 3, 2), "status": "done", "at": at, "seconds": 1.0}
    run = {"started_at": at, "configuration": "c", "code_version": "1"}
    Lakehouse(str(tmp_path)).append(OPS_RUN, [{**same, **run}])
    stage = {"stage": "identity", "rows": 1, "inputs": {}, "outputs": {}, "figures": json.dumps(IDENTITY)}
    Lakehouse(str(tmp_path)).append(OPS_STAGE, [{**same, **stage}])
    screen = Shown()
    show_status(SimpleNamespace(lakehouse=str(tmp_path), sources={}), 5, screen)  # type: ignore[arg-type]
    assert "known customers that lost their id: 0.12% (at most 1.00%)" in screen.text


def test_a_plan_without_a_night_to_run_asks_for_no_extract(tmp_path: Path):
    write_project(tmp_path / "shop", Screen(as_json=True))
    shutil.rmtree(tmp_path / "shop" / "extracts")
    screen = Shown()
    show_plan(load_configuration(tmp_path / "shop" / "conf"), None, screen)  # type: ignore[arg-type]
    assert "night of no date: no extract lies there" in screen.text and "would stop" not in screen.text
