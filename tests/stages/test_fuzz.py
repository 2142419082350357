"""A short part of tests/fuzz: some dozens of mutations in few nights, each in quarantine, refused by name, or right."""

import random
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.fuzz import cases, chance
from tests.fuzz.night import judged
from tests.fuzz.originals import COLUMNS, Case, as_csv, as_json, lines


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


# -- extracts that hypothesis invents: a night holds several

_KEPT = st.sampled_from([place for place, record in enumerate(lines()) if '"' not in as_csv([record]).decode()])
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_LINE = st.one_of(
    st.binary(max_size=30),
    _TEXT.map(str.encode),
    st.lists(st.sampled_from([b'"', b",", b"\\", b"\r", b"{", b"}", b"[", b":", b"x", b"\x00", b"1"]), max_size=12).map(
        b"".join
    ),
)


@st.composite
def extract(draw: st.DrawFn, format_: str) -> Case:
    """Real lines in any order, invented ones between them, and some whose values are invented."""
    kept = [lines()[place] for place in draw(st.lists(_KEPT, min_size=2, max_size=6, unique=True))]
    other = [{**record, draw(st.sampled_from(COLUMNS[2:])): draw(_TEXT)} for record in kept[1:3]]
    write = as_csv if format_ == "csv" else as_json
    ours = write([*kept[:1], *other, *kept[3:]]).splitlines(keepends=True)
    header, rows = (ours[:1], ours[1:]) if format_ == "csv" else ([], ours)
    for line in draw(st.lists(_LINE, max_size=3)):
        rows.insert(draw(st.integers(0, len(rows))), line + b"\n")
    data = b"".join([*header, *rows])
    expect = chance.of_csv(data) if format_ == "csv" else chance.of_json(data)
    return Case(f"invented {format_}", format_, {f"a.{format_}": data}, expect, note=repr(data))


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["csv", "json"]).flatmap(extract), min_size=8, max_size=8))
def test_invented_extracts_end_in_quarantine_refused_or_right(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, cases: list[Case]
) -> None:
    results = judged(lambda: spark, tmp_path_factory.mktemp("invented"), cases)
    assert [(result.case.kind, result.case.note, result.flaws) for result in results if result.flaws] == []
