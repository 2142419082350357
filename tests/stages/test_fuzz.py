"""A short part of tests/fuzz: some dozens of mutations in one night, each in quarantine, refused by name, or right."""

import random
from itertools import chain
from pathlib import Path

from pyspark.sql import SparkSession

from tests.fuzz import cases, chance
from tests.fuzz.night import judged


def test_bad_input_ends_in_quarantine_refused_or_right(spark: SparkSession, tmp_path: Path, seed: int = 7) -> None:
    dice = random.Random(seed)
    rows = [case for case in cases.of_rows() if case.expect.outcome != "gone"]
    by_hand = [
        *dice.sample(rows, 12),
        *(case for case in cases.many_values() if case.format in ("csv", "parquet")),
    ]
    apart = list(chain(cases.of_markup(), cases.of_columnar(), cases.of_packing()))
    others = dice.sample([case for case in apart if case.expect.outcome == "refused" and case.kind != "a bomb"], 6)
    mutations = [*by_hand, *others, *(chance.mutated(dice) for _ in range(6))]
    results = judged(lambda: spark, tmp_path, mutations)
    assert [(result.case.kind, result.case.note, result.flaws) for result in results if result.flaws] == []
    assert len(results) == len(mutations)
    assert {result.outcome for result in results} == {"accepted", "quarantined", "refused"}
