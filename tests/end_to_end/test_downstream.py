"""What the merges and splits of the demo's nights mean to those who read: deliveries, consents, audiences, `show`."""

import json
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import pandas as pd
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.engines.tied import tied
from jobs.lookups.audit_customer import show_ties
from jobs.lookups.evaluate import show_evaluation
from jobs.lookups.whose import whose
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from jobs.runtime.tables import dataset_of
from tests.end_to_end.conftest import Nights, three_nights
from tests.end_to_end.project import new_project

_DECISIONS = """
select customer_id, purpose, bool_and(granted) from consent join owner on _node = owner.record_id
where decided_at = (select max(decided_at) from consent c join owner o on c._node = o.record_id
    where o.customer_id = owner.customer_id and c.purpose = consent.purpose)
group by all
"""


@pytest.fixture(scope="module")
def unmatched(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Nights of identifiers alone: matching knows at once most of what these learn of one another, and part, later."""
    folder = tmp_path_factory.mktemp("unmatched")
    project = new_project(folder / "demo")
    identity = project.folder / "conf" / "identity.yml"
    definition = yaml.safe_load(identity.read_text())
    del definition["matching"]
    identity.write_text(yaml.safe_dump(definition, sort_keys=False))
    return three_nights(project, folder, spark)


def at(nights: Nights, name: str, night: int) -> Any:
    release = nights.runs[night].release
    assert release is not None
    return dataset_of(DeltaTable(str(nights.project.folder / "lakehouse" / name), version=release.versions[name]))


def changes(nights: Nights, night: int, kind: str) -> dict[str, list[str]]:
    rows = at(nights, "identity/change", night).to_table().to_pylist()
    return {
        row["customer_id"]: row["from_ids"] or []
        for row in rows
        if row["date"] == nights.runs[night].day and row["kind"] == kind
    }


def known(nights: Nights, night: int) -> set[str]:
    return set(at(nights, "gold/customer_profile", night).to_table(columns=["customer_id"])["customer_id"].to_pylist())


def test_receivers_who_apply_the_changes_follow_every_merge_and_split(unmatched: Nights) -> None:
    held: dict[str, tuple[Any, ...]] = {}
    moved = apart = 0
    for night, run in enumerate(unmatched.runs):
        folder = unmatched.project.folder / "exports" / "warehouse" / str(run.day)
        rows = duckdb.sql(f"from read_parquet('{folder}/*.parquet')").df().set_index("customer_id")
        manifest = json.loads((folder / "manifest.json").read_text())
        held = {} if manifest["mode"] == "full" else held
        for customer, row in rows.iterrows():
            held.pop(str(customer), None)
            if row["change"] in ("added", "changed"):
                held[str(customer)] = tuple(row)
        assert set(held) == known(unmatched, night) and manifest["total"] == len(held)
        if not night:
            continue
        before = known(unmatched, night - 1)
        into = {old: kept for kept, olds in changes(unmatched, night, "merge").items() for old in olds if old in before}
        merged = rows.loc[rows["change"] == "merged", "merged_into"].to_dict()
        assert merged == {old: kept for old, kept in into.items() if kept in held}
        split = [one for one in changes(unmatched, night, "split") if one in held]
        assert set(rows.loc[split, "change"]) <= {"added"}
        moved, apart = moved + len(merged), apart + len(split)
    assert moved and apart, "the nights had no merge and no split of known customers"


def test_consents_are_the_latest_decision_of_whoever_is_one_customer_that_night(unmatched: Nights) -> None:
    for night in range(len(unmatched.runs)):
        with duckdb.connect() as db:
            for view, name in (("consent", "silver/consent"), ("owner", "identity/record")):
                db.register(f"{view}_all", at(unmatched, name, night))
            day = unmatched.runs[night].day
            db.execute(
                "create view consent as select * from consent_all where (_valid_to is null or _valid_to > $day) "
                "and _batch_date <= $day".replace("$day", f"date '{day}'")
            )
            db.execute("create view owner as from owner_all")
            expected = {(customer, purpose): granted for customer, purpose, granted in db.sql(_DECISIONS).fetchall()}
        customers = at(unmatched, "gold/customer", night).to_table(columns=["customer_id", "consents"]).to_pylist()
        found = {
            (row["customer_id"], purpose): granted for row in customers for purpose, granted in row["consents"] or []
        }
        ids = {row["customer_id"] for row in customers}
        assert found == {key: granted for key, granted in expected.items() if key[0] in ids}
        assert found


def test_audiences_hold_customers_of_that_night_who_keep_their_arm(unmatched: Nights) -> None:
    arms: dict[str, str] = {}
    for night, run in enumerate(unmatched.runs):
        members = at(unmatched, "gold/audience_member", night).to_table().to_pandas()
        tonight = members[(members["date"] == run.day) & (members["audience"] == "reachable")]
        assert set(tonight["customer_id"]) <= known(unmatched, night)
        now = dict(zip(tonight["customer_id"], tonight["arm"], strict=True))
        assert {one: arms[one] for one in now if one in arms} == {one: now[one] for one in now if one in arms}
        arms |= now


def test_a_merged_id_leads_to_whom_it_is_a_part_of(unmatched: Nights) -> None:
    conf = unmatched.project.load()
    reader = Reader(conf)
    merges = [
        (old, kept) for night in (1, 2) for kept, olds in changes(unmatched, night, "merge").items() for old in olds
    ]
    records = set(at(unmatched, "identity/record", -1).to_table()["customer_id"].to_pylist())
    gone = [(old, kept) for old, kept in merges if old not in records and kept in records]
    assert gone
    for old, kept in gone:
        found = whose(reader, conf, old)
        assert found.customer_id == kept and old in found.notes[0]


def test_the_ties_that_hold_make_the_customers(unmatched: Nights) -> None:
    """networkx's components over what the audit says holds are the customers of identity/record."""
    conf = unmatched.project.load()
    graph = nx.Graph()
    with tied(Reader(conf), conf.identity.identifiers) as connection:
        owner = dict(connection.execute("from owner").fetchall())
        graph.add_nodes_from(owner)
        graph.add_edges_from(connection.execute("select one_end, other_end from tie where holds").fetchall())
    parts = {frozenset(one for one in part if one in owner) for part in nx.connected_components(graph)}
    expected = pd.Series(list(owner)).groupby(pd.Series(list(owner.values()))).agg(frozenset)
    assert parts == set(expected)


def test_evaluate_and_audit_run_over_a_real_release(
    unmatched: Nights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = unmatched.project.load()
    truth = unmatched.project.folder / "truth" / "truth.csv"
    show_evaluation(conf, truth, Screen(as_json=True), pairs=tmp_path / "pairs.csv", values=False, rows=3)
    found = json.loads(capsys.readouterr().out)
    scores = found["pairs"]
    assert sum(row["right"] for row in found["by_rule"] if row["believed"]) == scores["true"] - scores["misses"]
    assert sum(row["false"] for row in found["by_rule"] if row["believed"]) == scores["false_merges"]
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 1 + scores["false_merges"] + scores["misses"]
    merged = next(iter(changes(unmatched, 1, "merge")))
    show_ties(conf, merged, Screen(as_json=True), clear=False, picture=tmp_path / "one.svg")
    told = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in told["changes"]} >= {"merge"}
    assert (tmp_path / "one.svg").read_text().startswith("<svg")
