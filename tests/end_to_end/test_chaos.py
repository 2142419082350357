"""A sample of the chaos run (`make chaos`): a fault of each kind that needs no process of its own."""

import pytest
from pyspark.sql import SparkSession

from tests.chaos.plan import Fault, planned, suffered
from tests.chaos.world import World

# on the commands that take least, and one night
SAMPLE = [
    ("power", "run", 1), ("power", "restore", 2), ("store", "backup", 3), ("store", "restore", 4),
    ("full", "restore", 5), ("table", "restore", 6), ("stall", "restore", 7), ("clock", "restore", 8),
    ("race", "restore", 9),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> World:
    return World(tmp_path_factory.mktemp("chaos"), spark)


@pytest.mark.parametrize(("kind", "trial", "number"), SAMPLE, ids=[f"{kind} {trial}" for kind, trial, _ in SAMPLE])
def test_nothing_is_lost_or_doubled(world: World, kind: str, trial: str, number: int) -> None:
    note, flaws = suffered(world, Fault(seed=7, number=number, kind=kind, trial=trial, follow=False))
    assert flaws == [], note


def test_a_fault_can_be_repeated() -> None:
    assert [planned(7, number) for number in range(1, 201)] == [planned(7, number) for number in range(1, 201)]
    assert len({(fault.kind, fault.trial) for fault in (planned(7, number) for number in range(1, 201))}) > 40
