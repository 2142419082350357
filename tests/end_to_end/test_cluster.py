"""A night by spark-submit on a Spark standalone cluster of a master and two workers, with the lakehouse on S3."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.runtime.jars import S3_FOLDER
from tests.end_to_end.project import ROOT
from tests.end_to_end.servers import Cluster, cluster, submit
from tests.end_to_end.shops import FIRST, Shop, assert_same_night, new_shop
from transforms.schemas import OPS_STAGE

BY_EXECUTORS = ("bronze", "silver", "identity", "tags", "profile", "audiences", "exports")


@dataclass(frozen=True)
class Submitted:
    """A night that was submitted: its first stage by the stage's own file, then all the rest at once."""

    shop: Shop
    cluster: Cluster
    events: Path


@pytest.fixture(scope="module")
def submitted(s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Submitted]:
    folder = tmp_path_factory.mktemp("cluster")
    shop = new_shop(folder / "shop", {**s3, "LAKEHOUSE": "s3a://portrait/lakes/cluster"})
    events = folder / "events"
    same = ["--date", f"{FIRST}", "--run-id", "submitted", "--conf", str(shop.conf)]
    with cluster(folder) as running:
        for command in ([str(ROOT / "jobs/bronze.py")], [str(ROOT / "jobs/cli.py"), "run"]):
            submit(running, shop.environment, events, *command, *same, jars=f"{S3_FOLDER}/*.jar")
        yield Submitted(shop, running, events)


def test_the_same_tables_as_on_one_machine(submitted: Submitted, shop: Shop) -> None:
    assert submitted.shop.release.run_id == "submitted"
    assert_same_night(submitted.shop, shop, 1)


def test_the_executors_of_both_workers_did_the_work(submitted: Submitted) -> None:
    """Every stage that Spark has a part in had tasks on executors, and each worker's executor had some."""
    for work in submitted.cluster.workers:
        assert len(list(work.glob("app-*"))) == 2, "an executor for either of the two submissions"
    ran = defaultdict(set)
    stages = [row for row in submitted.shop.lakehouse.rows(OPS_STAGE) if row["status"] == "done"]
    for executor, at in tasks(submitted.events):
        for row in stages:
            if (row["at"] - timedelta(seconds=row["seconds"])).timestamp() <= at <= row["at"].timestamp():
                ran[row["stage"]].add(executor)
    assert set(BY_EXECUTORS) <= set(ran)
    assert set.union(*ran.values()) == {"0", "1"}


def tasks(events: Path) -> Iterator[tuple[str, float]]:
    """Of each task: its executor, and when it was over."""
    for log in events.glob("*/events_*"):
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerTaskEnd":
                yield event["Task Info"]["Executor ID"], event["Task Info"]["Finish Time"] / 1000
