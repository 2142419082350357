"""The identity stage: who is who, under ids that stay, and the golden record of everybody known.

Spark reduces silver to one row a node and identifier, on a large night only for the nodes that are not as the last
release saw them. From there on the driver works in integers, on what the news reaches, and carries the rest over; past
limits.driver_edges of conf/identity.yml Spark finds the components.
"""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("identity")

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines.components import components
from jobs.engines.linking import Linked, link
from jobs.engines.minted import minted_before
from jobs.engines.node_rows import seen_of_nodes
from jobs.engines.overrides import by_hand, golden_by_hand
from jobs.engines.spread import on_spark
from jobs.engines.tonights_matches import unlooked
from jobs.engines.tonights_part import Part, tonights_part
from jobs.engines.tonights_ties import rows_in
from jobs.runtime.frames import frame_of
from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.tables import arrow_schema
from transforms.columns import conform
from transforms.errors import DataError
from transforms.identity import stable_ids
from transforms.identity.definition import PLACE, Identity
from transforms.identity.edge_table import GIVES, edge_table
from transforms.identity.graph import NOBODY, Flags, Graph, Ints
from transforms.identity.ledger import carry_forward
from transforms.identity.manual import RECORD
from transforms.identity.pairs import MATCH, Pairs, paired
from transforms.identity.reach import is_in
from transforms.identity.stable_ids import Ids, Past
from transforms.identity.survivorship import OF_CONSENT, OF_CONTACT, disagreements, golden_records
from transforms.overrides import with_golden
from transforms.schemas import (
    CONSENT,
    CONTACT,
    GOLD_CUSTOMER,
    GOLD_OVERRIDE,
    GOLDEN_FIELDS,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    Entity,
    Table,
)  # fmt: skip

_AT_ONCE = 3


@dataclass(frozen=True)
class Tonight:
    """The customers of what is worked out tonight, in the codes of its graph.

    known: of each component. told: all that is not believed tonight, `kind id_type id_value members detail`.
    knew: how many known customers the last release had.
    """

    part: Part
    pairs: Pairs
    past: Past
    linked: Linked
    ids: Ids
    known: Flags
    told: pd.DataFrame
    knew: int

    @property
    def graph(self) -> Graph:
        return self.part.graph


def run(night: Night) -> None:
    """Link tonight's records to customers; each gets an id and, where known, a golden record.

    Raises PortraitError where there are no records, and DataError where more than limits.id_churn of the last
    release's known customers would lose their id.
    """
    part = tonights_part(night)
    tonight = _customers(night, part, _pairs(night, part))
    churn = stable_ids.churn(tonight.ids, tonight.past, known=tonight.knew)
    night.figure("id_churn", round(churn, 6))
    night.figure("id_churn_limit", night.conf.identity.limits.id_churn)
    _check_churn(night, churn, night.conf.identity)
    _save(night, tonight)


def _pairs(night: Night, part: Part) -> Pairs:
    """What ties and parts records beside their identifiers: decisions by hand, and matches."""
    found, decisions = part.matched, night.conf.decisions
    pairs = paired(part.graph, decisions, found.matches, found.contradictions, before=part.pairs, day=night.day)
    if len(pairs.unheard):
        night.warn(
            f"{PLACE}: manual: {len(pairs.unheard)} of the records and identifiers that decisions by hand name are "
            "not among tonight's; identity/conflict names them and the line (kind 'unheard')"
        )
    return replace(pairs, unheard=pd.concat([pairs.unheard, unlooked(found)], ignore_index=True))


def _customers(night: Night, part: Part, pairs: Pairs) -> Tonight:
    identity, graph, believed = night.conf.identity, part.graph, part.believed
    spread = len(believed.tie) > identity.limits.driver_edges
    find = partial(on_spark, night.spark) if spread else components
    linked = link(graph, believed, identity.identifiers, pairs, find=find)
    ledger = part.ledger.rows.filter(pa.array(part.its_ids))
    past = stable_ids.remember(graph, part.record.own, ledger, graph.find(ledger["id_type"], ledger["id_value"]))
    keys = night.conf.privacy.keys.customer
    given = minted_before(night) if len(keys) > 1 else ()
    ids = stable_ids.assign(linked.part, linked.owner, graph, past, keys=keys, day=night.day, given=given)
    makes_known = np.isin(graph.value_type, [graph.type_code(name) for name in identity.known_by])
    known = np.isin(np.arange(len(ids.customer)), linked.owner[makes_known])
    told = _named(graph, pd.concat([believed.conflicts, linked.conflicts], ignore_index=True))
    told = pd.concat([part.told, told, pairs.unheard], ignore_index=True)
    knew = int(past.known.sum()) if part.touched is None else rows_in(night, GOLD_CUSTOMER)
    return Tonight(part, pairs, past, linked, ids, known, told, knew)


def _check_churn(night: Night, churn: float, identity: Identity) -> None:
    """There is nothing to lose on the first night: its churn is 0."""
    most = identity.limits.id_churn
    if churn > most:
        raise DataError(
            f"identity: {churn:.2%} of the known customers would lose their id, at most {most:.2%} may "
            "(limits.id_churn of conf/identity.yml); look at what came in tonight, or raise the limit"
        )


def _save(night: Night, tonight: Tonight) -> None:
    """A commit a table; what the driver holds is written without Spark."""
    changes = tonight.ids.changes.assign(run_id=night.run_id, date=night.day)
    told = tonight.told.assign(date=night.day)
    edge, record = _edges(tonight), _records(tonight)
    _tell(night, tonight, edge, record)
    ledger = partial(_save_over, night, LEDGER, _ledger(tonight, night.day))
    overridden = night.has(GOLD_OVERRIDE)
    if overridden:  # the ledger tells whom a golden record set by hand is of
        ledger()
    tasks = (
        lambda: _save_golden(night, tonight),
        *(() if overridden else (ledger,)),
        lambda: _save_over(night, IDENTITY_EDGE, edge),
        lambda: _save_over(night, IDENTITY_RECORD, record),
        lambda: night.save(_table(changes, IDENTITY_CHANGE), IDENTITY_CHANGE, mode="append"),
        lambda: night.save(_table(told, IDENTITY_CONFLICT), IDENTITY_CONFLICT, mode="append"),
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for task in [pool.submit(task) for task in tasks]:
            task.result()


@dataclass(frozen=True)
class _Over:
    """A table tonight. stays: the rows of the last release's that it still holds; new: those beside them."""

    rows: pa.Table
    stays: Flags
    new: pa.Table


def _save_over(night: Night, table: Table, over: _Over) -> None:
    """Where no row goes, what is new is appended; else the table is written anew."""
    if len(over.rows) and over.stays.all():
        night.save(over.new, table, mode="append")
        return
    schema = arrow_schema(table)
    kept = over.rows.filter(pa.array(over.stays)).select(table.names)
    night.save(pa.concat_tables([kept.cast(schema), over.new.select(table.names).cast(schema)]), table)


def _save_golden(night: Night, tonight: Tonight) -> None:
    """The golden records; those of customers of whom nothing changed are the last release's."""
    part, nodes = tonight.linked.part, tonight.graph.nodes
    records = pa.table({"record_id": nodes, **_of_parts(tonight, part)})
    seen = Observation("what sources say of the same customers")
    if tonight.part.touched is None:
        with night.for_rows(records.num_rows):
            save_golden(night, golden_of(night, records, seen))
    else:
        before, hand = tonight.part.customers, pa.array(sorted(golden_by_hand(night)), pa.string())
        fresh, ended = stable_ids.changed(part, tonight.ids, tonight.known, tonight.past)
        fresh[part[is_in(nodes, tonight.part.touched)]] = True
        fresh |= is_in(tonight.ids.customer, hand)
        changed = [tonight.ids.customer.filter(pa.array(fresh)), ended, hand.cast(pa.large_string())]
        others = _elsewhere(tonight.part, before["customer_id"].filter(pa.array(is_in(before["customer_id"], hand))))
        records = pa.concat_tables([records.filter(pa.array(fresh[part])), others.cast(records.schema)])
        with night.for_rows(records.num_rows):
            golden = _by_hand(night, golden_of(night, records, seen)).toArrow()
        stays = ~is_in(before["customer_id"], pa.concat_arrays(changed))
        _save_over(night, GOLD_CUSTOMER, _Over(before, stays, golden))
    if night.has(CONTACT.table) and records.num_rows:
        night.figure("disagreements", disagreements(seen.get))


def _elsewhere(part: Part, customers: pa.ChunkedArray) -> pa.Table:
    """The records of some known customers that are not worked out tonight: record_id, customer_id, known."""
    rows = part.record.rows
    own = rows.filter(pa.array(~part.record.part & is_in(rows["customer_id"], customers)))
    return own.append_column("known", pa.array(np.ones(len(own), dtype=bool)))


def save_golden(night: Night, golden: DataFrame) -> None:
    """Write the golden records, with what is set by hand."""
    night.save(_by_hand(night, golden), GOLD_CUSTOMER)


def _by_hand(night: Night, golden: DataFrame) -> DataFrame:
    values = by_hand(night, GOLDEN_FIELDS)
    return conform(with_golden(golden, values) if values else golden, GOLD_CUSTOMER)


def golden_of(night: Night, records: pa.Table, seen: Observation | None = None) -> DataFrame:
    """The golden records of the customers of `records` (record_id, customer_id, known), without what is set by hand."""
    frame, few = frame_of(night.spark, records), len(records) <= FEW_ROWS
    nodes = records["record_id"].combine_chunks()

    def told(entity: Entity, columns: Sequence[str]) -> DataFrame | None:
        return seen_of_nodes(night, entity, nodes, columns) if night.has(entity.table) else None

    return golden_records(
        F.broadcast(frame) if few else frame, told(CONTACT, OF_CONTACT), told(CONSENT, OF_CONSENT),
        identity=night.conf.identity, seen=seen,
    )  # fmt: skip


def _edges(tonight: Tonight) -> _Over:
    before, table = tonight.part.edge, edge_table(tonight.graph, tonight.pairs)
    if tonight.part.touched is not None:
        new = is_in(table["left_value"], tonight.part.touched) | pc.not_equal(table["rule"], GIVES).to_numpy()
        table = table.filter(pa.array(new))
    return _Over(before.rows, ~before.part, table)


def _records(tonight: Tonight) -> _Over:
    """Grain: node."""
    before, node = tonight.part.record, tonight.past.record_node
    same = stable_ids.staying(tonight.linked.part, tonight.ids, tonight.past)
    stays = ~before.part
    stays[before.part] = (node >= 0) & same[node]
    fresh = np.flatnonzero(~same)
    customer = tonight.ids.customer.take(pa.array(tonight.linked.part[fresh]))
    new = pa.table({"record_id": tonight.graph.nodes.take(pa.array(fresh)), "customer_id": customer})
    return _Over(before.rows, stays, new)


def _ledger(tonight: Tonight, day: date) -> _Over:
    """The ledger after tonight."""
    before, graph = tonight.part.ledger, tonight.graph
    owned = np.flatnonzero(tonight.linked.owner >= 0)
    owners = pa.table({**_identifiers(graph, owned), **_of_parts(tonight, tonight.linked.owner[owned])})
    row = np.full(len(graph.values) + 1, NOBODY, dtype=np.int64)
    row[owned] = np.arange(len(owned))
    own = before.own
    kept, new = carry_forward(owners, own, row[graph.find(own["id_type"], own["id_value"])], day=day)
    stays = ~before.part
    stays[before.part] = kept
    return _Over(before.rows, stays, new)


def _tell(night: Night, tonight: Tonight, edge: _Over, record: _Over) -> None:
    """Figures of the whole, whatever part of it was worked out."""
    part, kinds, told = tonight.part, tonight.ids.changes["kind"].value_counts(), tonight.told
    refused = told[told["id_type"].isin([*tonight.graph.types, RECORD])]["kind"].value_counts()
    rules = (edge.rows["rule"].filter(pa.array(edge.stays)), edge.new["rule"])
    before = pc.count_distinct(record.rows["customer_id"]).as_py() - int(tonight.past.in_use.sum())
    customers = before + len(tonight.ids.customer)
    known = tonight.knew - int(tonight.past.known.sum()) + int(tonight.known.sum())
    cuts = part.told["detail"][part.told["kind"] == "cut"].str.extract(r"^(\d+)")[0]
    figures = {
        "edges": _times(GIVES, rules),
        "matches": _times(MATCH, rules),
        "customers": customers,
        "known": known,
        "anonymous": customers - known,
        "records": int(record.stays.sum()) + len(record.new),
        "new": kinds.get("new", 0),
        "merges": kinds.get("merge", 0),
        "splits": kinds.get("split", 0),
        "retired": kinds.get("retire", 0),
        "cuts": tonight.linked.cuts + cuts.astype(int).sum(),
        "hubs": refused.get("hub", 0),
        "blocked": refused.get("blocked", 0),
    }
    if part.touched is not None:
        figures |= {"touched": len(part.touched), "worked_out": len(tonight.graph.nodes)}
    for name, value in figures.items():
        night.figure(name, int(value))


def _times(text: str, among: Iterable[pa.ChunkedArray]) -> int:
    return sum(pc.sum(pc.equal(part, text)).as_py() or 0 for part in among)


def _named(graph: Graph, told: pd.DataFrame) -> pd.DataFrame:
    """What is told of identifiers and nodes by their places, by their names."""
    at = told["value"].to_numpy(dtype=np.int64)
    is_node = at >= len(graph.values)
    of_values = _identifiers(graph, np.where(is_node, 0, at)) if len(graph.values) else {}
    nodes = graph.nodes.take(pa.array(np.where(is_node, at - len(graph.values), 0)))
    names = {"id_type": pa.scalar(RECORD), "id_value": nodes}
    texts = {
        name: pc.if_else(pa.array(is_node), names[name], of_values.get(name, names[name])).to_pandas() for name in names
    }
    return told.assign(**texts).drop(columns="value")


def _of_parts(tonight: Tonight, part: Ints) -> dict[str, pa.Array]:
    places = pa.array(part)
    return {"customer_id": tonight.ids.customer.take(places), "known": pa.array(tonight.known).take(places)}


def _identifiers(graph: Graph, at: Ints) -> dict[str, pa.Array]:
    types = pa.array(graph.types, pa.string()).take(pa.array(graph.value_type[at]))
    return {"id_type": types, "id_value": graph.values.take(pa.array(at))}


def _table(rows: pd.DataFrame, table: Table) -> pa.Table:
    return pa.Table.from_pandas(rows[list(table.names)], schema=arrow_schema(table), preserve_index=False)
