"""Tags over an entity for whom a night's news reaches: for all others, what its rows told last night still holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.customer_rows import owned, rows_of
from jobs.engines.node_rows import seen_of_nodes
from jobs.engines.touched import touched_nodes
from jobs.runtime.frames import frame_of
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.releases import Release
from jobs.runtime.run_notes import code_version
from jobs.runtime.snapshot import read_version
from transforms.schemas import ENTITIES, GOLD_CUSTOMER, IDENTITY_RECORD, OPS_RUN, OPS_STAGE, Table
from transforms.tags import evaluate
from transforms.tags.plan import EntityPlan, tag_table

# Where more than this share of the work is to be done again, all of it costs no more.
MOST = 0.5
_NODE = ("record_id", "customer_id")
_ID = ("customer_id",)
_DAYS = pa.schema({"days": pa.int32(), "reach": pa.int32()})
# NULL days: all that there ever was
_REACHED = """
with owner as (from now semi join known using (customer_id)),
moved as (
    select customer_id from (from now except all from was) union select customer_id from (from was except all from now)
),
found as (
    select customer_id, null::integer as reach from known anti join held using (customer_id)
    union all select customer_id, null from moved semi join known using (customer_id)
    union all select customer_id, null from owner semi join news on record_id = _node
    union all select customer_id, reach from owner join crossing on record_id = _node join days
        on event_date > $before - days::integer and event_date <= $today - days::integer
),
reached as (
    select customer_id, case when bool_or(reach is null) then null else max(reach) end as _reach from found group by all
)
select record_id as _node, customer_id, _reach from owner join reached using (customer_id)
"""
_GONE = "from held anti join known using (customer_id)"


@dataclass(frozen=True)
class Reached:
    """Whom a night's news reaches.

    nodes: those of the known customers that are to be looked at again. Grain: node; `_node`, `customer_id`, `_reach`:
    over so many days back, NULL: over all. gone: customers of whom the last night told, who are not known any more.
    """

    nodes: pa.Table
    gone: pa.Table

    @property
    def customers(self) -> pa.Table:
        return self.nodes.group_by(["customer_id", "_reach"]).aggregate([])


def reached_by_news(night: Night, plan: EntityPlan) -> Reached | None:
    """The known customers whose tags over an entity are not all as the last release has them.

    Reached is whoever is newly known, gained or lost a node, has a row that landed, ended or came of its time, or one
    that crossed the days of a window. None where all is to be worked out: without a release that tells of the last
    night and of nothing else, made by the same configuration and code, or where most would have to be done again.
    """
    base, silver, lasting = night.base, ENTITIES[plan.entity].table, plan.lasting
    news = touched_nodes(night, [silver]) if base and lasting.items and _tells(night, base, lasting) else None
    if base is None or news is None:
        return None
    # no date lies more days back than the calendar has
    reaches = ((days, result.window) for result in lasting.results for days in result.crossed)
    days = sorted({(days, window) for days, window in reaches if days < base.date.toordinal()}, key=str)
    with duckdb.connect() as duck:
        for name, rows in {
            "now": _read(night, IDENTITY_RECORD, night.versions, _NODE),
            "was": _read(night, IDENTITY_RECORD, base.versions, _NODE),
            "known": _read(night, GOLD_CUSTOMER, night.versions, _ID),
            "held": _read(night, tag_table(plan.entity, []), base.versions, _ID),
            "news": pa.table({"_node": news}),
            "crossing": _crossing(night, base, silver, sorted({crossed for crossed, _ in days})),
            "days": pa.Table.from_pylist([{"days": crossed, "reach": reach} for crossed, reach in days], _DAYS),
        }.items():
            duck.register(name, rows)
        nodes = duck.sql(_REACHED, params={"before": base.date, "today": night.day}).to_arrow_table()
        found = Reached(nodes, duck.sql(_GONE).to_arrow_table())
        return found if _share(found, duck, lasting) <= MOST else None


def rows_reached(night: Night, plan: EntityPlan, reached: Reached) -> DataFrame:
    """The rows to look at again, with `_reach`. Grain: row of the entity."""
    nodes, columns = reached.nodes, plan.lasting.columns
    silver = seen_of_nodes(night, ENTITIES[plan.entity], nodes["_node"].combine_chunks(), ["_node", *columns])
    own = frame_of(night.spark, nodes)
    rows = owned(silver, columns, F.broadcast(own) if len(nodes) <= FEW_ROWS else own)
    return rows.where(F.col("_reach").isNull() | (F.col("event_date") > F.date_sub(F.lit(night.day), F.col("_reach"))))


def carried_over(
    night: Night, plan: EntityPlan, known: DataFrame, nodes: DataFrame, rows: DataFrame, reached: Reached
) -> DataFrame:
    """What a plan asks of its rows: worked out of `rows` for whom the news reaches, the last release's for all others.

    What counts a row otherwise each day is worked out for everybody. Grain: `known`. nodes: everybody's.
    """
    assert night.base  # noqa: S101  (there is something to carry over)
    lasting, ageing = plan.lasting, plan.ageing
    own, few = reached.customers, len(reached.nodes) <= FEW_ROWS
    fresh = evaluate.worked_out(
        rows, customers=frame_of(night.spark, own), plan=lasting, day=night.day, as_of=night.as_of
    )
    changed = frame_of(night.spark, pa.concat_tables([own.select(_ID), reached.gone]))
    table = tag_table(plan.entity, []).name
    held = read_version(night.spark, night.lakehouse, table, night.base.versions[table])
    found = evaluate.carried_over(held, fresh, F.broadcast(changed) if few else changed, plan=lasting)
    if not ageing.items:
        return found
    every = rows_of(night, plan.entity, ageing.columns, nodes)
    aged = evaluate.worked_out(every, customers=known, plan=ageing, day=night.day, as_of=night.as_of)
    return found.join(aged, "customer_id")


def _tells(night: Night, base: Release, plan: EntityPlan) -> bool:
    """Does the release's tag table tell of the entity's rows what the same code would, nothing withheld?"""
    table = tag_table(plan.entity, []).name
    if night.landed_by != night.day or table not in base.versions or IDENTITY_RECORD.name not in base.versions:
        return False
    found = night.lakehouse.dataset(table, base.versions[table])
    if found is None or not {name for result in plan.results for name in result.lasting} <= {*found.schema.names}:
        return False
    made = [
        row for row in sorted(night.rows(OPS_STAGE), key=lambda row: row["at"])
        if row["stage"] == "tags" and row["status"] == "done"
        and dict(row["outputs"] or {}).get(table) == base.versions[table]
    ]  # fmt: skip
    # an override may have made it by another configuration than that of the release that it builds on
    alike = {"code_version": code_version(), "configuration": night.conf.hash}
    runs = {row["run_id"] for row in night.rows(OPS_RUN) if alike.items() <= row.items()}
    if not made or made[-1]["run_id"] not in runs:
        return False
    return not json.loads(made[-1]["figures"] or "{}").get("silent", {}).keys() & set(plan.tags)


def _crossing(night: Night, base: Release, table: Table, days: Sequence[int]) -> pa.Table:
    """_node and event_date of the rows that are so many days old since the release."""
    if not days:
        return pa.table({"_node": pa.array([], pa.string()), "event_date": pa.array([], pa.date32())})
    day = ds.field("event_date")
    spans = [
        (day > pa.scalar(base.date - timedelta(crossed))) & (day <= pa.scalar(night.day - timedelta(crossed)))
        for crossed in days
    ]
    return _read(night, table, night.versions, ("_node", "event_date"), reduce(or_, spans))


def _read(
    night: Night, table: Table, versions: Mapping[str, int], columns: Sequence[str], rows: ds.Expression | None = None
) -> pa.Table:
    """Some columns of a table at a release's or the night's version, without Spark."""
    found = night.lakehouse.dataset(table.name, versions[table.name])
    assert found is not None  # noqa: S101  (the version is named, so it is there)
    return found.to_table(columns=list(columns), filter=rows)


def _share(found: Reached, duck: duckdb.DuckDBPyConnection, plan: EntityPlan) -> float:
    """How much of the rows are to be looked at again, if every customer has as many on every day."""
    known = int(duck.sql("select count(*) from known").fetchall()[0][0])
    reach, longest = found.customers["_reach"], max((result.window or 0 for result in plan.results), default=0)
    return float(reach.null_count + (pc.sum(reach).as_py() or 0) / (longest or 1)) / max(known, 1)
