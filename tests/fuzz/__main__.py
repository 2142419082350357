"""Mutate for a while and say what came of it: python -m tests.fuzz --minutes 10 --seed 7."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

from pyspark import SparkContext
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session
from tests.fuzz import cases, chance
from tests.fuzz.night import judged

_AT_ONCE = 24
_LITTLE = {
    "spark.driver.memory": "2g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="kinds of mutations: a part of the function's name in cases.py")
    parser.add_argument("--match", default="", help="a part of the kind of a mutation")
    parser.add_argument("--product", action="store_true", help="the product's own memory and compilation")
    given = parser.parse_args()
    until, dice = time.monotonic() + given.minutes * 60, random.Random(given.seed)
    came, wrong = Counter[tuple[str, str]](), 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "spark.log"
        waiting = [
            case
            for source in cases.ALL
            if given.only in source.__name__
            for case in source()
            if given.match in case.kind
        ]
        night = 0
        while time.monotonic() < until:
            if not waiting and given.only:
                break
            batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            batch = batch or [chance.mutated(dice) for _ in range(_AT_ONCE)]
            night += 1
            began = time.monotonic()
            for result in judged(
                lambda: _session(log, {} if given.product else _LITTLE), Path(folder) / str(night), batch
            ):
                came[result.case.kind, result.outcome] += 1
                for flaw in result.flaws:
                    wrong += 1
                    print(f"{result.case.format} {result.case.kind} [{result.case.note!r}]: {flaw}", flush=True)
            print(f"-- night {night}: {len(batch)} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    for (kind, outcome), count in sorted(came.items()):
        print(f"{count:6,}  {outcome:12} {kind}")
    print(f"{sum(came.values()):,} mutations, {wrong} flaws")
    return int(wrong > 0)


def _session(log: Path, settings: dict[str, str]) -> SparkSession:
    """The session; another where its JVM has died, which is a finding of its own."""
    if SparkContext._gateway is not None and cast(Any, SparkContext._gateway).proc.poll() is not None:
        told = [line for line in log.read_text().splitlines() if "OutOfMemory" in line]
        print("the JVM died:", *told[:2])
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = None
    session: SparkSession = open_session(settings, log=log, light=bool(settings))
    return session


if __name__ == "__main__":
    sys.exit(main())
