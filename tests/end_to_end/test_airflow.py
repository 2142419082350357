"""The DAG of deploy/airflow, parsed and run by a real Airflow that lives in an environment of its own.

That environment is made once and kept in the user's cache, by the pins that deploy/airflow gives to everybody.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.gold import open_release
from jobs.pipeline import STAGES
from jobs.project.starter.extracts import DAY
from jobs.project.starter.project import write_project
from jobs.runtime.configuration import read_env
from jobs.runtime.console import Screen
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.project import ROOT
from transforms.schemas import OPS_EXPORT, OPS_RUN, OPS_STAGE

DEPLOY = ROOT / "deploy" / "airflow"
_PARSED = """
import json
from airflow.dag_processing.dagbag import DagBag

bag = DagBag("{folder}")
dag = bag.dags["portrait"]
print(json.dumps({{
    "errors": bag.import_errors, "dags": sorted(bag.dags), "catchup": dag.catchup, "at_once": dag.max_active_runs,
    "next": {{task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}},
    "retries": sorted({{task.retries for task in dag.tasks}}),
}}))
"""


@dataclass(frozen=True)
class Airflow:
    """An Airflow with its own home, and a project that its DAG runs."""

    python: Path
    home: Path
    project: Path
    code: Path

    def runs(self, *arguments: str) -> str:
        """What a command prints. Fails the test where it fails."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PORTRAIT_", "LAKEHOUSE"))},
            "AIRFLOW_HOME": str(self.home), "AIRFLOW__CORE__DAGS_FOLDER": str(DEPLOY),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PORTRAIT_CODE": str(self.code),
            "PORTRAIT_PROJECT": str(self.project), "PYTHONPATH": str(ROOT),
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1",
        }  # fmt: skip
        for name in ("EXTRACTS", "EXPORTS"):
            environment.pop(name, None)
        done = subprocess.run(
            [self.python, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=600
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout + done.stderr


def environment_of(pins: Path) -> Path:
    """Python of an environment with these packages, made where there is none yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "portrait"
    folder = cache / f"airflow-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "airflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "-r", pins]
            subprocess.run(pip, check=True)
            (folder / ".ready").touch()
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    folder = tmp_path_factory.mktemp("airflow")
    project, code = folder / "our project", folder / "our code"  # blanks in paths must not matter
    write_project(project, Screen(as_json=True))
    code.mkdir()
    for name, place in {"jobs": ROOT / "jobs", "deploy": ROOT / "deploy", ".venv": Path(sys.prefix)}.items():
        (code / name).symlink_to(place)
    found = Airflow(environment_of(DEPLOY / "requirements.txt"), folder / "home", project, code)
    found.runs("-m", "airflow", "db", "migrate")
    return found


def test_it_is_read_as_a_chain_of_the_stages(airflow: Airflow) -> None:
    lines = airflow.runs("-c", _PARSED.format(folder=DEPLOY)).splitlines()
    [told] = [line for line in lines if line.startswith('{"errors"')]
    assert json.loads(told) == {
        "errors": {}, "dags": ["portrait"], "catchup": False, "at_once": 1, "retries": [2],
        "next": {stage: [after] if after else [] for stage, after in zip(STAGES, (*STAGES[1:], None), strict=True)},
    }  # fmt: skip


def test_a_night_is_a_run_of_it(airflow: Airflow) -> None:
    said = airflow.runs("-m", "airflow", "dags", "test", "portrait", "--conf", json.dumps({"date": DAY}))
    with sqlite3.connect(airflow.home / "airflow.db") as db:
        assert dict(db.execute("select task_id, state from task_instance")) == dict.fromkeys(STAGES, "success")
        [run_id] = [row[0] for row in db.execute("select run_id from dag_run")]
    house = Lakehouse(str(airflow.project / "lakehouse"))
    done = sorted(house.rows(OPS_STAGE), key=lambda row: row["at"])
    assert [(row["stage"], row["status"], row["run_id"]) for row in done] == [(name, "done", run_id) for name in STAGES]
    assert [row["status"] for row in house.rows(OPS_RUN)].count("released") == 1
    gold = open_release(house.uri)
    assert (gold.release, gold.run_id, str(gold.date)) == (1, run_id, DAY)
    assert gold.dataset("customer_profile").count_rows() == 15  # fourteen contacts and a guest
    assert [row["export"] for row in house.rows(OPS_EXPORT)] == ["service_desk"]
    keys = read_env((airflow.project / ".env").read_text())
    assert len(keys) == 2 and not [key for key in keys.values() if key in said]
