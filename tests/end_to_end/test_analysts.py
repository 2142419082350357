"""What analysts touch, over the demo's nights: facts beside the profile, and every reader of them."""

import subprocess
import sys

import pandas as pd
import pytest
from deltalake import DeltaTable

from jobs.gold import open_release
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import ROOT


def current(nights: Nights, entity: str) -> pd.DataFrame:
    """The rows of silver that the last night saw, with the customer of each: pandas alone."""
    rows = nights.project.table(f"silver/{entity}")
    day = nights.project.release.date
    open_ended = rows["_valid_to"].isin(["None", "NaT"]) | (rows["_valid_to"].astype(str) > str(day))
    until = pd.Timestamp(nights.runs[-1].as_of)
    rows = rows[open_ended & (pd.to_datetime(rows["event_at"], utc=True, format="mixed") <= until)]
    owner = nights.project.table("identity/record").set_index("record_id")["customer_id"]
    return rows.assign(customer_id=rows["_node"].map(owner))


def test_orders_are_the_lines_of_silver_and_their_days_apart(nights: Nights) -> None:
    lines = current(nights, "transaction").query("status != 'cancelled'")
    by_order = lines.assign(amount=lines["amount"].astype(float)).groupby("order_id")["amount"].sum()
    orders = nights.project.table("gold/order")
    orders = orders.assign(amount=orders["amount"].astype(float), ordered_at=pd.to_datetime(orders["ordered_at"]))
    assert len(orders) == len(by_order) > 100
    assert (orders.set_index("order_id")["amount"].sort_index() - by_order.sort_index()).abs().max() < 1e-6
    bought = orders[(orders["status"] == "purchase") & orders["customer_id"].str.len().eq(32)]
    bought = bought.sort_values(["customer_id", "ordered_at", "source", "order_id"])
    days = pd.to_datetime(bought["event_date"]).groupby(bought["customer_id"]).diff().dt.days
    told = pd.to_numeric(bought["days_since_previous"], errors="coerce")
    assert days.notna().sum() > 100 and days.equals(told.astype("float64"))


def test_visits_and_steps_are_the_hits_of_silver(nights: Nights) -> None:
    hits = current(nights, "web_event").query("is_bot in (False, 'False')")
    in_visits = hits[hits["session_id"].ne("None") & hits["session_id"].notna()]
    visits = nights.project.table("gold/session")
    assert len(visits) == in_visits.groupby(["source", "session_id", "customer_id"], dropna=False).ngroups > 20
    assert visits["pages"].astype(int).sum() == len(in_visits)
    steps = nights.project.table("gold/journey")
    mine = hits.dropna(subset="customer_id").groupby(["customer_id", "event_at", "event_type", "source"]).ngroups
    assert (steps["step"].str.startswith("web_event:")).sum() == mine
    events = current(nights, "campaign_event").dropna(subset="customer_id")
    sent = events[events["event"] == "sent"].drop_duplicates(["customer_id", "event_at", "channel"])
    assert (steps["step"] == "campaign_event:sent").sum() == len(sent) > 0


def test_every_reader_of_a_release_sees_the_same_gold(nights: Nights) -> None:
    gold = open_release(str(nights.project.folder / "lakehouse"))
    for table in ("customer_profile", "order", "session", "journey"):
        names, rows = gold.dataset(table).schema.names, gold.dataset(table).count_rows()
        for found in (gold.pandas(table), gold.polars(table).collect().to_pandas(), gold.spark(table)):
            assert list(found.columns) == names
        assert rows == gold.spark(table).count() == len(gold.polars(table).collect()) > 0
        assert gold.duckdb().sql(f'select count(*) from gold."{table}"').fetchall() == [(rows,)]
    spend = float(gold.duckdb().sql("select sum(amount)::double from gold.order").fetchall()[0][0])
    by_spark = gold.spark("order").selectExpr("cast(sum(amount) as double)").collect()[0][0]
    assert spend == pytest.approx(by_spark) == pytest.approx(float(gold.pandas("order")["amount"].sum()))


def test_columns_of_gold_are_typed_commented_and_in_an_order_that_stays(nights: Nights) -> None:
    profiles = []
    for run in nights.runs:
        assert run.release is not None
        for name, version in run.release.versions.items():
            if name.startswith("gold/"):
                fields = DeltaTable(str(nights.project.folder / "lakehouse" / name), version=version).schema().fields
                assert all("sensitivity: " in field.metadata["comment"] for field in fields), name
                profiles += [[field.name for field in fields]] if name == "gold/customer_profile" else []
    assert profiles[0] == profiles[1] == profiles[2]
    # by hand: the folders of tag_definitions in alphabetical order, and in each its tags
    files = sorted(ROOT.glob("tag_definitions/*/*.yml"), key=lambda file: (file.parent.name, file.stem))
    firsts = [next(c for c in profiles[0] if c == file.stem or c.startswith(f"{file.stem}_")) for file in files]
    assert [profiles[0].index(name) for name in firsts] == sorted(profiles[0].index(name) for name in firsts)


def test_what_commands_show_is_free_of_direct_identifiers_and_of_spark(nights: Nights) -> None:
    """Query and funnel in a process of their own, in which Spark is never started."""
    people = nights.project.table("gold/customer")
    addresses = {address for address in people["email"] if "@" in address}
    told = ""
    for arguments in (
        ["query", "from gold.order", "--csv"], ["query", "from gold.session", "--csv"],
        ["query", "from gold.journey", "--json"],
        ["funnel", "web_event:view", "transaction:purchase", "--within", "30d", "--by", "activity", "--touch", "first"],
    ):  # fmt: skip
        command = [sys.executable, "-m", "jobs.cli", *arguments, "--conf", str(nights.project.conf)]
        environment = {**nights.project.environment, "JAVA_HOME": "/nowhere"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        told += done.stdout
    assert addresses and not any(address in told for address in addresses)
    assert "web_event:view" in told
