"""What came of the campaigns that audiences name: who was in which arm when one began, and what the arms came to.

DuckDB reads the night's tables; Spark has no job here. Past MOST_LINES of transactions the last results stay.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.engines.erasures import erased
from jobs.runtime.night import Night
from jobs.runtime.reader import visible
from jobs.runtime.releases import Release, all_releases
from jobs.runtime.tables import arrow_schema
from transforms.erasure import CUSTOMER
from transforms.evaluation import campaign_sql as sql
from transforms.evaluation.differences import Sums
from transforms.evaluation.results import Arm, Plan, plan_of, rows_of
from transforms.export_rows import survivors
from transforms.profile import PROFILE
from transforms.schemas import (
    CAMPAIGN,
    CAMPAIGN_EVENT,
    CONTACT,
    GOLD_AUDIENCE_MEMBER,
    GOLD_CAMPAIGN_MEMBER,
    GOLD_CAMPAIGN_RESULT,
    IDENTITY_CHANGE,
    IDENTITY_RECORD,
    TRANSACTION,
    Table,
)

# What one machine sums in a minute or so.
MOST_LINES = 50_000_000
_EVENTS = ["campaign_id", "event", "event_date", "_node"]
_LINES = ["_node", "event_date", "amount", "status"]
_CONTACTS = ["_node", "registered_at"]
_NAMED = pa.schema({"plan": pa.int64(), "campaign_id": pa.string(), "audience": pa.string()})
Key = tuple[str, str]  # campaign, audience


def evaluate(night: Night) -> None:
    """Note the arms of campaigns that have begun, and write gold/campaign_result. Does nothing where none is named."""
    named = [(campaign, name) for name, audience in night.conf.audiences.items() for campaign in audience.campaigns]
    if not named and not night.has(GOLD_CAMPAIGN_RESULT):
        return
    plans = _plans(night, named)
    drawn = _arms_noted(night, plans)
    lines = _size(night)
    if lines > MOST_LINES:
        night.warn(f"campaigns are not evaluated tonight: {lines:,} order lines are more than {MOST_LINES:,}")
        return
    rows = _results(night, plans, drawn)
    if rows or night.has(GOLD_CAMPAIGN_RESULT):
        night.save(pa.Table.from_pylist(rows, arrow_schema(GOLD_CAMPAIGN_RESULT)), GOLD_CAMPAIGN_RESULT)
    for row in rows:
        if row.get("claim"):
            night.figure(
                f"campaign {row['campaign_id']} ({row['audience']})", {"method": row["method"], "claim": row["claim"]}
            )


def _plans(night: Night, named: Iterable[Key]) -> list[Plan]:
    """The campaigns that have begun. A night warns of one that no source knows."""
    told: dict[str, Mapping[str, Any]] = {}
    if (campaigns := _dataset(night, CAMPAIGN.table)) is not None:
        columns = ["campaign_id", "starts_on", "ends_on", "cost", "source"]
        rows = campaigns.to_table(columns, filter=visible(night.day, night.as_of)).to_pylist()
        told = {row["campaign_id"]: row for row in sorted(rows, key=lambda row: row["source"], reverse=True)}
    began: dict[str, date] = {}
    if (events := _dataset(night, CAMPAIGN_EVENT.table)) is not None:
        seen = events.to_table(["campaign_id", "event_date"], filter=visible(night.day, night.as_of))
        first = seen.group_by("campaign_id").aggregate([("event_date", "min")]).to_pylist()
        began = {row["campaign_id"]: row["event_date_min"] for row in first}
    plans = []
    for campaign, audience in named:
        if campaign not in told and campaign not in began:
            night.warn(f"audience {audience}: campaigns: no source tells of a campaign '{campaign}' so far")
            continue
        row = told.get(campaign, {"campaign_id": campaign})
        if plan := plan_of(row, audience, began.get(campaign), night.day):
            plans.append(plan)
    return plans


# -- who was in which arm


def _arms_noted(night: Night, plans: Sequence[Plan]) -> pa.Table:
    """plan (its place), customer_id, arm: the arms as the sender had them, with what is noted tonight.

    They are those of the last night before the campaign's first day, whichever night looks back at it first.
    """
    with duckdb.connect() as duck:
        named = [{"plan": n, "campaign_id": p.campaign_id, "audience": p.audience} for n, p in enumerate(plans)]
        duck.register("named", pa.Table.from_pylist(named, _NAMED))
        known = _dataset(night, GOLD_CAMPAIGN_MEMBER)
        duck.register("member", known if known is not None else arrow_schema(GOLD_CAMPAIGN_MEMBER).empty_table())
        duck.execute(sql.NOTED)
        there = {plan for (plan,) in duck.execute("select distinct plan from noted").fetchall()}
        for number, plan in enumerate(plans):
            if number not in there and (new := _arms_then(night, plan)):
                table = pa.Table.from_pylist(new, arrow_schema(GOLD_CAMPAIGN_MEMBER))
                night.save(table, GOLD_CAMPAIGN_MEMBER, mode="append")
                duck.register("_new", table)
                duck.execute(f"insert into noted select {number}, customer_id, arm, since from _new")
        ((first,),) = duck.execute("select min(since) from noted").fetchall()
        into = _merged(night, first or night.day)
        merged = {"customer_id": [*into], "kept": [*into.values()]}
        duck.register("merged", pa.table(merged, pa.schema(dict.fromkeys(merged, pa.string()))))
        return duck.sql(sql.ARMS).to_arrow_table()


def _arms_then(night: Night, plan: Plan) -> list[dict[str, Any]]:
    release = _last_before(night, plan.starts_on)
    version = release.versions.get(GOLD_AUDIENCE_MEMBER.name) if release else None
    if release is None or version is None or not night.lakehouse.holds(GOLD_AUDIENCE_MEMBER.name, version):
        return []
    members = night.lakehouse.dataset(GOLD_AUDIENCE_MEMBER.name, version)
    assert members is not None  # noqa: S101  (it can be read)
    of_it = members.to_table(["customer_id", "arm"], filter=ds.field("audience") == plan.audience).sort_by(
        "customer_id"
    )
    about = {"campaign_id": plan.campaign_id, "audience": plan.audience, "since": release.date}
    gone = erased(night.lakehouse, night.conf.privacy.keys.erasure)  # the release may be from before that
    rows = of_it.to_pylist()
    return [{**about, **row} for row in rows if gone is None or not gone.holds(CUSTOMER, row["customer_id"])]


def _last_before(night: Night, day: date) -> Release | None:
    """The last release before a day, of those that this night is built on."""
    upto = night.base.release if night.base else 0
    earlier = (one for one in all_releases(night.lakehouse) if one.release <= upto and one.date < day)
    return max(earlier, key=lambda one: one.release, default=None)


def _merged(night: Night, since: date) -> dict[str, str]:
    changes = _dataset(night, IDENTITY_CHANGE)
    if changes is None:
        return {}
    rows = changes.to_table(
        ["date", "run_id", "customer_id", "from_ids"], filter=(ds.field("kind") == "merge") & (ds.field("date") > since)
    ).to_pylist()
    rows.sort(key=lambda row: (row["date"], row["run_id"], row["customer_id"]))
    return survivors([(row["customer_id"], row["from_ids"] or []) for row in rows])


# -- what the arms came to


def _dataset(night: Night, table: Table | str) -> ds.Dataset | None:
    name = table if isinstance(table, str) else table.name
    if name not in night.versions:
        return None
    night.stage.inputs[name] = night.versions[name]
    return night.lakehouse.dataset(name, night.versions[name])


def _size(night: Night) -> int:
    lines = _dataset(night, TRANSACTION.table)
    return lines.count_rows() if lines is not None else 0


def _results(night: Night, plans: list[Plan], drawn: pa.Table) -> list[dict[str, Any]]:
    if not plans:
        return []
    with duckdb.connect() as duck:
        _register(duck, night, plans, drawn)
        for step in (sql.SPEND, sql.HEARD, sql.UNITS, sql.FIGURES):
            duck.execute(step)
        first = duck.execute(sql.FIRST_DAY).fetchone()
        during = _sums(duck, sql.sums_sql("during", "bought", "before"))
        before = _sums(duck, sql.sums_sql("before", "bought_before", "earlier"))
        reached = {
            (plan, arm): (reach, response) for plan, arm, reach, response in duck.execute(sql.REACHED).fetchall()
        }
    rows = []
    for number, plan in enumerate(plans):
        arms = {
            arm: Arm(sums, before[number].get(arm, {}), *reached.get((number, arm), (0, 0)))
            for arm, sums in during[number].items()
        }
        history = bool(first and first[0] and (plan.starts_on - first[0]).days >= 2 * sql.PRE_DAYS)
        rows += rows_of(plan, arms, smallest_group=night.conf.privacy.smallest_group, history=history)
    return rows


def _sums(duck: duckdb.DuckDBPyConnection, query: str) -> dict[int, dict[str, dict[int, Sums]]]:
    found: dict[int, dict[str, dict[int, Sums]]] = defaultdict(lambda: defaultdict(dict))
    for plan, arm, stratum, *sums in duck.execute(query).fetchall():
        found[plan][arm][stratum] = Sums(*sums)
    return found


def _register(duck: duckdb.DuckDBPyConnection, night: Night, plans: list[Plan], drawn: pa.Table) -> None:
    seen = visible(night.day, night.as_of)
    duck.execute("set timezone = ?", [night.conf.pipeline.timezone])
    for name, table, columns in (
        ("_line", TRANSACTION.table, _LINES),
        ("_event", CAMPAIGN_EVENT.table, _EVENTS),
        ("_contact", CONTACT.table, _CONTACTS),
    ):
        found = _dataset(night, table)
        duck.register(
            name,
            found.scanner(columns=columns, filter=seen).to_reader() if found is not None else _empty(table, columns),
        )
    for name, needed in (("owner", IDENTITY_RECORD.name), ("_profile", PROFILE)):
        duck.register(name, _dataset(night, needed))
    duck.execute("create temp table known as select customer_id from _profile")
    duck.execute(
        "create temp view line as select customer_id, event_date as day, amount, status "
        "from _line join owner on _node = record_id"
    )
    duck.execute(
        "create temp table event as select customer_id, event_date as day, campaign_id, event "
        "from _event join owner on _node = record_id"
    )
    duck.execute(
        "create temp table registered as select customer_id, registered_at::date as day "
        "from _contact join owner on _node = record_id"
    )
    told = [{"plan": number, **asdict(plan)} for number, plan in enumerate(plans)]
    duck.register("plan", pa.Table.from_pylist(told))
    duck.register("arm", drawn)


def _empty(table: Table, columns: list[str]) -> pa.Table:
    return arrow_schema(table).empty_table().select(columns)
