"""The same segments, models and scores on one core and on four, whatever threads the libraries would like to use."""

import json
import os
import subprocess
import sys
from pathlib import Path

from transforms.models.spec import ALGORITHMS

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def test_cores_threads_and_partitions_change_nothing() -> None:
    """To the last digit, in two whole processes, each with a JVM and Python's workers of its own."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.on_cores", cores, partitions], cwd=ROOT,
            env={**os.environ, **dict.fromkeys(THREADS, cores)}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for cores, partitions in (("1", "1"), ("4", "7"))
    ]  # fmt: skip
    ended = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    one, four = (json.loads(told) for told, _ in ended)
    assert (one["cores"], four["cores"]) == (1, 4)
    # fits are on one thread though four are offered: a library that loads too late would take them
    assert one["threads"] == four["threads"] == [1]
    told = one["told"]
    assert told["items"]["method"] == "als"
    assert len(told["scores"]) == 600 and all(None not in row[:4] for row in told["scores"])
    assert {*ALGORITHMS, "rfm", "kinds", "worth", "next"} == {*told["quality"]}
    for name, value in told.items():
        assert value == four["told"][name], name
