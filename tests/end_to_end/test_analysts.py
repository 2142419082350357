"""What analysts touch, over the demo's nights: facts beside the profile, and every reader of them."""

import pandas as pd

from tests.end_to_end.conftest import Nights


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
