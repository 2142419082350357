"""Matching: what its configuration may say, what is estimated, what is looked at, and who is found."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.engines.blocking import Refused, block
from jobs.engines.matching import Matched, match
from jobs.engines.tonights_matches import tonights_matches, unlooked
from tests.bench.linkage import DAY, NOTHING, contacts, febrl, matched, scores
from transforms.definitions import parse
from transforms.errors import DefinitionError
from transforms.identity.agreement import grouped
from transforms.identity.definition import Identity
from transforms.identity.estimation import Patterns, Session, likeness
from transforms.identity.matching import Matching, rules
from transforms.identity.pairs import CONTRADICTIONS, MATCHES

COMPARED = {"given_name": "name", "birth_date": "date"}


@pytest.mark.parametrize(
    ("matching", "told"),
    [
        ({"comparisons": {"famly_name": "name"}}, "did you mean 'family_name'?"),
        ({"comparisons": {"birth_date": "name"}}, "birth_date: cannot be compared as name; say date"),
        ({"comparisons": {"given_name": "nam"}}, "must be 'name', 'date'"),
        ({"comparisons": COMPARED, "blocking_rules": ["birth_dat"]}, "did you mean 'birth_date'?"),
        ({"comparisons": COMPARED, "blocking_rules": ["substr(given_name, 1"]}, "is not a list of expressions"),
        (
            {"comparisons": COMPARED, "blocking_rules": ["coalesce(given_name, city)"]},
            "has no place in a blocking rule",
        ),
        ({"comparisons": COMPARED, "blocking_rules": ["1"]}, "names no column"),
        ({"comparisons": COMPARED, "match_probability": 1.5}, "less than 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(matching: dict[str, object], told: str) -> None:
    text = {"known_by": ["email"], "identifiers": {"email": {"priority": 1}}, "matching": matching}
    with pytest.raises(DefinitionError) as raised:
        parse(Identity, text, place="conf/identity.yml")
    (line,) = raised.value.lines
    assert line.startswith("conf/identity.yml: matching") and told in line


def test_rules_read_the_text_of_a_date() -> None:
    matching = Matching(comparisons=COMPARED, blocking_rules=("year(birth_date), substr(family_name, 1, 3)",))
    (rule,) = rules(matching, ()).values()
    con = duckdb.connect()
    values = con.sql(f"select {', '.join(rule)} from (select '1990-12-31' birth_date, 'smith' family_name)").fetchall()
    assert values == [("1990", "smi")]


def test_the_parameters_of_simulated_pairs_are_found_again() -> None:
    rng = np.random.default_rng(3)
    m, u = [np.array([0.1, 0.9]), np.array([0.2, 0.1, 0.7]), np.array([0.05, 0.95])], [
        np.array([0.98, 0.02]), np.array([0.9, 0.08, 0.02]), np.array([0.95, 0.05]),
    ]  # fmt: skip
    same = rng.random(40_000) < 0.3
    levels = np.stack([np.where(same, rng.choice(len(a), same.size, p=a), rng.choice(len(b), same.size, p=b))
                       for a, b in zip(m, u, strict=True)], axis=1)  # fmt: skip
    seen, count = np.unique(levels, axis=0, return_counts=True)
    session = Session(Patterns(seen, count.astype(float)), frozenset())
    found, matches = likeness([session], u, [2, 3, 2])
    for one, true in zip(found, m, strict=True):
        np.testing.assert_allclose(one, true, atol=0.015)
    assert matches == pytest.approx(same.sum(), rel=0.03)


def test_one_wrong_pair_does_not_make_one_person_of_two() -> None:
    # 0-1-2 and 3-4-5 agree within; 2 and 3 look sure, and the other eight pairs across say no
    within = [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (2, 3)]
    across = [(a, b) for a in (0, 1, 2) for b in (3, 4, 5) if (a, b) != (2, 3)]
    left, right = np.array(within + across).T
    odds = np.array([0.99] * len(within) + [1e-6] * len(across))
    groups = grouped(left, right, odds, sure=0.95, chance=1e-3, together=np.arange(6))
    assert groups.tolist() == [0, 0, 0, 3, 3, 3]
    # without a voice against it the pair joins them
    seven = slice(0, len(within))
    assert len(set(grouped(left[seven], right[seven], odds[seven], sure=0.95, chance=1e-3, together=np.arange(6)))) == 1
    # what stood together before stays so, whatever is said tonight
    before = np.array([0, 1, 2, 0, 4, 5])
    assert grouped(left, right, odds, sure=0.95, chance=1e-3, together=before)[3] == 0


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def _records(con: duckdb.DuckDBPyConnection, rows: list[tuple[str | None, str | None, bool]]) -> None:
    frame = pa.table(
        {"id": pa.array(range(len(rows)), pa.int32()), "zip": pa.array([zip_ for zip_, _, _ in rows], pa.string()),
         "name": pa.array([name for _, name, _ in rows], pa.string()), "changed": [new for _, _, new in rows]}
    )  # fmt: skip
    con.register("given", frame)
    con.execute("create table records as select * from given").fetchall()


def _pairs(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    return [tuple(row) for row in con.execute("select l, r from pairs order by all").fetchall()]


def test_a_crowded_block_is_split_and_what_stays_too_large_refused_by_its_rule(con: duckdb.DuckDBPyConnection) -> None:
    crowd = [("1000", name, True) for name in ("ann", "ann", "ann", "bob", "bob", None)]
    _records(con, [*crowd, ("2000", "cid", True), ("2000", None, True), (None, "dan", True), (None, "dan", True)])
    refused = block(con, {"zip": ("zip",)}, columns=["name"], limit=2, key=b"key", whole=True)
    # the zip 1000 is split by name: ann's three are still too many; NULLs are in no block
    assert _pairs(con) == [(3, 4), (6, 7)]
    assert [(one.rule, one.records, one.split_by) for one in refused] == [("zip", 3, ("name",))]
    assert "1000" not in str(refused) and "ann" not in str(refused)


def test_only_pairs_with_a_changed_record_are_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    _records(con, [("1", "a", False), ("1", "b", False), ("1", "c", True), ("2", "d", False), ("2", "e", False)])
    block(con, {"zip": ("zip",)}, columns=[], limit=10, key=b"key", whole=False)
    assert _pairs(con) == [(0, 2), (1, 2)]


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    from pathlib import Path

    return febrl(1)(Path())


@pytest.fixture(scope="module")
def found(people: pd.DataFrame) -> Matched:
    return matched(people)


def test_febrl_1_is_told_apart_whatever_the_order_of_rows(people: pd.DataFrame, found: Matched) -> None:
    assert scores(people, found)[2] >= 0.998
    again = matched(people.sample(frac=1.0, random_state=5))
    pair = ["left", "right"]
    assert found.model == again.model
    assert found.matches.select(pair).equals(again.matches.select(pair))
    values = {value for name in ("family_name", "tax_id", "street") for value in people[name].dropna()}
    assert found.model is not None and not values & set(json.dumps(found.model.parameters()).split('"'))


def test_a_later_night_scores_what_is_new_and_keeps_what_was_matched(people: pd.DataFrame, found: Matched) -> None:
    first = found
    late = people.sample(10, random_state=2)["record_id"].tolist()
    is_late = people["record_id"].isin(late).to_numpy()
    held = [a not in late and b not in late
            for a, b in zip(*(first.matches[side].to_pylist() for side in ("left", "right")), strict=True)]  # fmt: skip
    former = first.matches.filter(pa.array(held))
    given = contacts(people)
    given = given.set_column(given.column_names.index("changed"), "changed", pa.array(is_late))
    matching = Matching(comparisons={"given_name": "name", "family_name": "name", "birth_date": "date",
                                     "street": "text", "district": "text", "city": "text", "postal_code": "postcode",
                                     "region": "category", "tax_id": "code"})  # fmt: skip
    second = match(
        given, matching, model=first.model, former=former, shared=NOTHING, day=DAY, limit=10_000, key=b"k",
        identifiers=["tax_id"],
    )  # fmt: skip
    pair = ["left", "right"]
    assert second.matches.select(pair).equals(first.matches.select(pair))
    assert 0 < second.scored < 100 and not second.fitted


def test_a_refused_block_is_a_conflict_without_its_value():
    refused = [Refused("postal_code", "0123456789abcdef", 50_000, ("birth_date",))]
    (row,) = unlooked(Matched(MATCHES.empty_table(), CONTRADICTIONS.empty_table(), refused, None, False, 0)).to_dict(
        "records"
    )
    assert (row["kind"], row["id_type"], row["id_value"], row["members"]) == (
        "blocked",
        "block",
        "0123456789abcdef",
        50_000,
    )
    assert "rule 'postal_code'" in row["detail"] and "limits.block" in row["detail"]


@pytest.mark.parametrize("refit", [False, True])
def test_without_matching_what_was_matched_stands_until_a_refit(refit: bool) -> None:
    former = pa.Table.from_pylist(
        [{"left": "crm:1", "right": "crm:2", "rule": "match", "weight": 0.99, "first_seen": DAY, "last_seen": DAY}],
        MATCHES,
    )
    identity = parse(Identity, {"known_by": ["email"], "identifiers": {"email": {"priority": 1}}}, place="")
    night: Any = SimpleNamespace(conf=SimpleNamespace(identity=identity), refit=refit)
    nobody: Any = None
    found = tonights_matches(night, former, shared=nobody, unbelieved=nobody)
    assert found.matches.to_pylist() == ([] if refit else former.to_pylist())
    assert (len(found.contradictions), found.model, found.fitted) == (0, None, False)
