"""The identity stage: who is who, under ids that stay, and the golden record of everybody known.

Spark reduces silver to one row a node and identifier, on a large night only for the nodes that are not as the last
release saw them. From there on the driver works in integers and writes each table once; past limits.driver_edges of
conf/identity.yml Spark finds the components.
"""

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
from jobs.engines.overrides import by_hand, golden_by_hand
from jobs.engines.spread import on_spark
from jobs.engines.tonights_matches import tonights_matches, unlooked
from jobs.engines.tonights_ties import released, tonights_ties
from jobs.runtime.frames import frame_of
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import DataError
from transforms.identity import stable_ids
from transforms.identity.definition import PLACE, Identity
from transforms.identity.edge_table import edge_table
from transforms.identity.graph import NOBODY, Flags, Graph, Ints, coded
from transforms.identity.guards import Believed, guard
from transforms.identity.ledger import carry_forward
from transforms.identity.manual import RECORD
from transforms.identity.pairs import Pairs, paired, standing
from transforms.identity.stable_ids import Ids, Past
from transforms.identity.survivorship import disagreements, golden_records
from transforms.overrides import with_golden
from transforms.schemas import (
    CONTACT,
    GOLD_CUSTOMER,
    GOLDEN_FIELDS,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    Table,
)  # fmt: skip

# Spark does not know how little the driver hands it; about 10 MB are sent to every core rather than shuffled.
BROADCAST_RECORDS = 100_000


@dataclass(frozen=True)
class Tonight:
    """Tonight's customers, in the codes of the graph.

    touched: the nodes that are not as the last release saw them, None: all. known: of each component.
    told: what was not believed.
    """

    graph: Graph
    touched: pa.Array | None
    pairs: Pairs
    linked: Linked
    ids: Ids
    known: Flags
    told: pd.DataFrame


def run(night: Night) -> None:
    """Link tonight's records to customers; each gets an id and, where known, a golden record.

    Raises PortraitError where there are no records, and DataError where more than limits.id_churn of the last
    release's known customers would lose their id.
    """
    identity = night.conf.identity
    tied = tonights_ties(night)
    graph = coded(tied.ties, identity.identifiers)
    believed = guard(graph, identity.identifiers)
    pairs = _pairs(night, graph, believed, tied.pairs)
    ledger = released(night, LEDGER)
    place = graph.find(ledger["id_type"], ledger["id_value"])
    past = stable_ids.remember(graph, released(night, IDENTITY_RECORD), ledger, place)
    tonight = _customers(night, graph, believed, tied.touched, pairs, past)
    _tell(night, tonight, past)
    _check_churn(night, stable_ids.churn(tonight.ids, past), identity)
    _save(night, tonight, past, _ledger(tonight, ledger, place, night.day))


def _pairs(night: Night, graph: Graph, believed: Believed, before: pa.Table) -> Pairs:
    """What ties and parts records beside their identifiers: decisions by hand, and matches."""
    found = tonights_matches(night, graph, believed, standing(before, graph))
    pairs = paired(graph, night.conf.decisions, found.matches, found.contradictions, before=before, day=night.day)
    if len(pairs.unheard):
        night.warn(
            f"{PLACE}: manual: {len(pairs.unheard)} of the records and identifiers that decisions by hand name are "
            "not among tonight's; identity/conflict names them and the line (kind 'unheard')"
        )
    return replace(pairs, unheard=pd.concat([pairs.unheard, unlooked(found)], ignore_index=True))


def _customers(
    night: Night, graph: Graph, believed: Believed, touched: pa.Array | None, pairs: Pairs, past: Past
) -> Tonight:
    identity = night.conf.identity
    spread = len(believed.tie) > identity.limits.driver_edges
    find = partial(on_spark, night.spark) if spread else components
    linked = link(graph, believed, identity.identifiers, pairs, find=find)
    key = night.conf.privacy.keys.customer[0]
    ids = stable_ids.assign(linked.part, linked.owner, graph, past, key=key, day=night.day)
    makes_known = np.isin(graph.value_type, [graph.type_code(name) for name in identity.known_by])
    known = np.isin(np.arange(len(ids.customer)), linked.owner[makes_known])
    told = pd.concat([believed.conflicts, linked.conflicts], ignore_index=True)
    return Tonight(graph, touched, pairs, linked, ids, known, told)


def _tell(night: Night, tonight: Tonight, past: Past) -> None:
    kinds = tonight.ids.changes["kind"].value_counts()
    told = tonight.told["kind"].value_counts()
    figures = {
        "edges": int(tonight.graph.unfit.is_null().to_numpy(zero_copy_only=False)[tonight.graph.tie_value].sum()),
        "matches": (~tonight.pairs.by_hand).sum(),
        "customers": len(tonight.ids.customer),
        "known": tonight.known.sum(),
        "anonymous": (~tonight.known).sum(),
        "records": len(tonight.graph.nodes),
        "new": kinds.get("new", 0),
        "merges": kinds.get("merge", 0),
        "splits": kinds.get("split", 0),
        "retired": kinds.get("retire", 0),
        "cuts": tonight.linked.cuts,
        "hubs": told.get("hub", 0),
        "blocked": told.get("blocked", 0),
    }
    if tonight.touched is not None:
        figures["touched"] = len(tonight.touched)
    for name, value in figures.items():
        night.figure(name, int(value))
    night.figure("id_churn", round(stable_ids.churn(tonight.ids, past), 6))
    night.figure("id_churn_limit", night.conf.identity.limits.id_churn)


def _check_churn(night: Night, churn: float, identity: Identity) -> None:
    """There is nothing to lose on the first night: its churn is 0."""
    most = identity.limits.id_churn
    if churn > most:
        raise DataError(
            f"identity: {churn:.2%} of the known customers would lose their id, at most {most:.2%} may "
            "(limits.id_churn of conf/identity.yml); look at what came in tonight, or raise the limit"
        )


def _save(night: Night, tonight: Tonight, past: Past, ledger: pa.Table) -> None:
    """A commit a table; what the driver holds is written without Spark."""
    records = _records(tonight)
    changes = tonight.ids.changes.assign(run_id=night.run_id, date=night.day)
    night.save(edge_table(tonight.graph, tonight.pairs), IDENTITY_EDGE)
    night.save(ledger, LEDGER)
    night.save(records, IDENTITY_RECORD)
    night.save(_table(changes, IDENTITY_CHANGE), IDENTITY_CHANGE, mode="append")
    night.save(_conflicts(tonight, night.day), IDENTITY_CONFLICT, mode="append")
    seen = Observation("what sources say of the same customers")
    save_golden(night, _golden(night, tonight, past, records, seen))
    if night.has(CONTACT.table):
        night.figure("disagreements", disagreements(seen.get))


def save_golden(night: Night, golden: DataFrame) -> None:
    """Write the golden records, with what is set by hand."""
    values = by_hand(night, GOLDEN_FIELDS)
    night.save(with_golden(golden, values) if values else golden, GOLD_CUSTOMER)


def _golden(night: Night, tonight: Tonight, past: Past, records: pa.Table, seen: Observation) -> DataFrame:
    """The golden records; those of customers of whom nothing changed are the last release's."""
    if tonight.touched is None or not night.has(GOLD_CUSTOMER):
        return golden_of(night, records, seen)
    fresh, ended = stable_ids.changed(tonight.linked.part, tonight.ids, tonight.known, past)
    part, nodes = tonight.linked.part, tonight.graph.nodes
    touched = pc.is_in(nodes, tonight.touched.cast(nodes.type)).to_numpy(zero_copy_only=False)
    fresh[part[touched]] = True
    fresh |= pc.is_in(tonight.ids.customer, pa.array(sorted(golden_by_hand(night)), pa.string())).to_numpy(False)
    changed = pa.concat_arrays([tonight.ids.customer.filter(pa.array(fresh)), ended])
    gone = F.broadcast(frame_of(night.spark, pa.table({"customer_id": changed})))
    kept = night.load(GOLD_CUSTOMER).join(gone, on="customer_id", how="left_anti")
    return kept.unionByName(golden_of(night, records.filter(pa.array(fresh[part])), seen))


def golden_of(night: Night, records: pa.Table, seen: Observation | None = None) -> DataFrame:
    """The golden records of the customers of `records` (record_id, customer_id, known), without what is set by hand."""
    frame = frame_of(night.spark, records)
    owned = F.broadcast(frame) if len(records) <= BROADCAST_RECORDS else frame
    contacts, consents = (
        night.view(entity) if night.has(f"silver/{entity}") else None for entity in ("contact", "consent")
    )
    return golden_records(owned, contacts, consents, identity=night.conf.identity, seen=seen)


def _records(tonight: Tonight) -> pa.Table:
    """record_id, customer_id, known. Grain: node."""
    return pa.table({"record_id": tonight.graph.nodes, **_of_parts(tonight, tonight.linked.part)})


def _ledger(tonight: Tonight, before: pa.Table, place: Ints, day: date) -> pa.Table:
    """The ledger after tonight. place: where the graph holds each row's identifier."""
    owned = np.flatnonzero(tonight.linked.owner >= 0)
    owners = pa.table({**_identifiers(tonight.graph, owned), **_of_parts(tonight, tonight.linked.owner[owned])})
    row = np.full(len(tonight.graph.values) + 1, NOBODY, dtype=np.int64)
    row[owned] = np.arange(len(owned))
    return carry_forward(owners, before, row[place], day=day)


def _conflicts(tonight: Tonight, day: date) -> pa.Table:
    graph, told = tonight.graph, tonight.told
    at = told["value"].to_numpy(dtype=np.int64)
    is_node = at >= len(graph.values)
    of_values = _identifiers(graph, np.where(is_node, 0, at)) if len(graph.values) else {}
    nodes = graph.nodes.take(pa.array(np.where(is_node, at - len(graph.values), 0)))
    names = {"id_type": pa.scalar(RECORD), "id_value": nodes}
    texts = {
        name: pc.if_else(pa.array(is_node), names[name], of_values.get(name, names[name])).to_pandas() for name in names
    }
    rows = pd.concat([told.assign(**texts), tonight.pairs.unheard], ignore_index=True)
    return _table(rows.assign(date=day), IDENTITY_CONFLICT)


def _of_parts(tonight: Tonight, part: Ints) -> dict[str, pa.Array]:
    places = pa.array(part)
    return {"customer_id": tonight.ids.customer.take(places), "known": pa.array(tonight.known).take(places)}


def _identifiers(graph: Graph, at: Ints) -> dict[str, pa.Array]:
    types = pa.array(graph.types, pa.string()).take(pa.array(graph.value_type[at]))
    return {"id_type": types, "id_value": graph.values.take(pa.array(at))}


def _table(rows: pd.DataFrame, table: Table) -> pa.Table:
    return pa.Table.from_pandas(rows[list(table.names)], schema=arrow_schema(table), preserve_index=False)
