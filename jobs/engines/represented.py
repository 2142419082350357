"""How much of what happened is of known customers: whether what is told of them is told of the business."""

from typing import Any

import duckdb

from jobs.runtime.night import Night
from transforms.schemas import GOLD_CUSTOMER, GOLD_ORDER, GOLD_SESSION

# Grain: a measure and a source. Purchases alone: a refund has no order of its own to be known by.
_MEASURED = """
    with purchase as (select *, customer_id in (from known) as is_known from placed where status = 'purchase'),
    visited as (select *, customer_id in (from known) as is_known from visit),
    measured as (
        select 1 as place, 'orders' as what, source, count(*) as total, count_if(is_known) as known
            from purchase group by source
        union all select 2, 'spend', source, sum(amount), sum(amount) filter (is_known) from purchase group by source
        union all select 3, 'average order', source, avg(amount), avg(amount) filter (is_known)
            from purchase group by source
        union all select 4, 'visits', source, count(*), count_if(is_known) from visited group by source)
    select what, source, total::double, coalesce(known, 0)::double
    from measured where total > 0 order by place, source"""


def represented(night: Night) -> list[dict[str, Any]]:
    """Orders, spend and average order (base currency) and visits: `total`, of all, and `known`, of known customers.

    Grain: measure × source. Read without Spark, as streams. What came without an identifier counts in `total`.
    """
    views = {"customer": GOLD_CUSTOMER, "placed": GOLD_ORDER, "visit": GOLD_SESSION}
    with duckdb.connect() as duck:
        for view, table in views.items():
            night.stage.inputs[table.name] = night.versions[table.name]
            duck.register(view, night.lakehouse.dataset(table.name, night.versions[table.name]))
        duck.execute("create temp table known as select distinct customer_id from customer")
        rows = duck.sql(_MEASURED).fetchall()
    return [
        {"what": what, "source": source, "total": _plain(what, total), "known": _plain(what, known)}
        for what, source, total, known in rows
    ]


def _plain(what: str, amount: float) -> float:
    """Counts whole, money to the cent: figures go into JSON."""
    return int(amount) if what in ("orders", "visits") else round(amount, 2)
