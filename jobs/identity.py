"""The identity stage: who is who, under ids that stay, and the golden record of everybody known.

Spark reduces silver to one row a node and identifier. From there on the driver works in integers, up to
limits.driver_edges of conf/identity.yml, and writes each table once.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines.linking import Linked, link
from jobs.runtime.night import Night
from transforms.errors import DataError, PortraitError
from transforms.identity import edges, stable_ids
from transforms.identity.definition import Identity
from transforms.identity.graph import NOBODY, Flags, Graph, Ints, coded
from transforms.identity.guards import guard
from transforms.identity.ledger import carry_forward
from transforms.identity.stable_ids import Ids, Past
from transforms.identity.survivorship import disagreements, golden_records
from transforms.schemas import (
    CONTACT,
    GOLD_CUSTOMER,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    Table,
)  # fmt: skip

# Spark does not know how little the driver hands it; about 10 MB are sent to every core rather than shuffled.
BROADCAST_RECORDS = 100_000
_TYPES = {"string": pa.string(), "boolean": pa.bool_(), "date": pa.date32()}


@dataclass(frozen=True)
class Tonight:
    """Tonight's customers, in the codes of the graph. known: of each component. told: what was not believed."""

    graph: Graph
    linked: Linked
    ids: Ids
    known: Flags
    told: pd.DataFrame


def run(night: Night) -> None:
    """Link tonight's records to customers; each gets an id and, where known, a golden record.

    Raises PortraitError past limits.driver_edges, and DataError where more than limits.id_churn of the last
    release's known customers would lose their id.
    """
    identity = night.conf.identity
    graph = _graph(night, identity)
    ledger = _released(night, LEDGER)
    place = graph.find(ledger["id_type"], ledger["id_value"])
    past = stable_ids.remember(graph, _released(night, IDENTITY_RECORD), ledger, place)
    tonight = _customers(night, graph, past, identity)
    _tell(night, tonight, past)
    _check_churn(night, stable_ids.churn(tonight.ids, past), identity)
    _save(night, tonight, _ledger(tonight, ledger, place, night.day))


def _graph(night: Night, identity: Identity) -> Graph:
    silver = [(entity, night.load(entity.table)) for entity in edges.LINKING if night.has(entity.table)]
    if not silver:
        raise PortraitError("identity: silver holds no records to link; run the stages before this one first")
    tied = edges.ties(silver, day=night.day, as_of=night.as_of, types=sorted(identity.identifiers)).persist()
    try:
        saved = night.save(edges.edges(tied, identifiers=identity.identifiers), IDENTITY_EDGE)
        night.figure("edges", saved.rows)
        if saved.rows > identity.limits.driver_edges:
            raise PortraitError(
                f"identity: {saved.rows:,} edges are more than this machine is allowed to link "
                f"({identity.limits.driver_edges:,}: limits.driver_edges of conf/identity.yml); "
                "raise the limit where there is memory, about half a GB for a million edges"
            )
        return coded(tied.toArrow(), identity.identifiers)
    finally:
        tied.unpersist()


def _customers(night: Night, graph: Graph, past: Past, identity: Identity) -> Tonight:
    believed = guard(graph, identity.identifiers)
    linked = link(graph, believed, identity.identifiers)
    key = night.conf.privacy.keys.customer[0]
    ids = stable_ids.assign(linked.part, linked.owner, graph, past, key=key, day=night.day)
    makes_known = np.isin(graph.value_type, [graph.type_code(name) for name in identity.known_by])
    known = np.isin(np.arange(len(ids.customer)), linked.owner[makes_known])
    return Tonight(graph, linked, ids, known, pd.concat([believed.conflicts, linked.conflicts], ignore_index=True))


def _tell(night: Night, tonight: Tonight, past: Past) -> None:
    kinds = tonight.ids.changes["kind"].value_counts()
    told = tonight.told["kind"].value_counts()
    figures = {
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


def _save(night: Night, tonight: Tonight, ledger: pa.Table) -> None:
    """A commit a table; what the driver holds is written without Spark."""
    records = _records(tonight)
    changes = tonight.ids.changes.assign(run_id=night.run_id, date=night.day)
    night.save(ledger, LEDGER)
    night.save(records, IDENTITY_RECORD)
    night.save(_table(changes, IDENTITY_CHANGE), IDENTITY_CHANGE, mode="append")
    night.save(_conflicts(tonight, night.day), IDENTITY_CONFLICT, mode="append")
    seen = Observation("what sources say of the same customers")
    night.save(_golden(night, _frame(night, records), len(records), seen), GOLD_CUSTOMER)
    if night.has(CONTACT.table):
        night.figure("disagreements", disagreements(seen.get))


def _golden(night: Night, records: DataFrame, number: int, seen: Observation) -> DataFrame:
    owned = F.broadcast(records) if number <= BROADCAST_RECORDS else records
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
    told = tonight.told
    identifiers = _identifiers(tonight.graph, told["value"].to_numpy(dtype=np.int64))
    texts = {name: column.to_pandas() for name, column in identifiers.items()}
    return _table(told.assign(date=day, **texts), IDENTITY_CONFLICT)


def _of_parts(tonight: Tonight, part: Ints) -> dict[str, pa.Array]:
    places = pa.array(part)
    return {"customer_id": tonight.ids.customer.take(places), "known": pa.array(tonight.known).take(places)}


def _identifiers(graph: Graph, at: Ints) -> dict[str, pa.Array]:
    types = pa.array(graph.types, pa.string()).take(pa.array(graph.value_type[at]))
    return {"id_type": types, "id_value": graph.values.take(pa.array(at))}


def _table(rows: pd.DataFrame, table: Table) -> pa.Table:
    return pa.Table.from_pandas(rows[list(table.names)], schema=_schema(table), preserve_index=False)


def _schema(table: Table) -> pa.Schema:
    types = {**_TYPES, "bigint": pa.int64(), "array<string>": pa.list_(pa.string())}
    return pa.schema([(column.name, types[column.type]) for column in table.columns])


def _released(night: Night, table: Table) -> pa.Table:
    """The table as the last release names it, read without Spark; without rows on the first night."""
    version = night.base.versions.get(table.name) if night.base else None
    found = night.lakehouse.dataset(table.name, version) if version is not None else None
    return found.to_table(columns=list(table.names)) if found else _schema(table).empty_table()


def _frame(night: Night, rows: pa.Table) -> DataFrame:
    """What the driver worked out, as a DataFrame of as many partitions as there are cores."""
    # Spark takes what follows an empty batch for nothing, and makes a partition, so a file, of every 10,000 rows
    batches = [batch for batch in rows.to_batches(max_chunksize=1_000_000) if batch.num_rows]
    frame = night.spark.createDataFrame(pa.Table.from_batches(batches, rows.schema))
    return frame.coalesce(night.spark.sparkContext.defaultParallelism)
