"""Tonight's ties: worked out from silver whole, or for those nodes only that are not as the last release saw them."""

from dataclasses import dataclass
from datetime import date
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds
from pyspark.sql import functions as F

from jobs.engines.touched import touched_nodes
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import PortraitError
from transforms.identity import edges
from transforms.identity.edge_table import GIVES
from transforms.identity.pairs import RULES
from transforms.schemas import ENTITIES, IDENTITY_CONFLICT, IDENTITY_EDGE, IDENTITY_RECORD, Table

# Up to so many nodes the whole is worked out sooner than what is new.
FEW_NODES = 100_000
# Past such a share of new ones too.
_MOST_TOUCHED = 0.25
_TEXTS = ("node", "id_type", "id_value", "unfit")
_SCHEMA = pa.schema(
    {"node": pa.large_string(), "person": pa.bool_(), "id_type": pa.large_string(), "id_value": pa.large_string()}
    | {"unfit": pa.large_string(), "first_seen": pa.date32(), "last_seen": pa.date32()}
)
_LONG_AGO = date(1970, 1, 1)


@dataclass(frozen=True)
class Tied:
    """ties: as transforms.identity.edges.ties gives them. pairs: those of the last release's identity/edge.

    touched: the nodes that were worked out anew; None where all were.
    """

    ties: pa.Table
    pairs: pa.Table
    touched: pa.Array | None


def tonights_ties(night: Night) -> Tied:
    """What ties the nodes of this night's silver to identifiers. The result is the same whichever way it is come by.

    Raises PortraitError where silver holds no records to link.
    """
    tables = [entity.table for entity in edges.LINKING if night.has(entity.table)]
    if not tables:
        raise PortraitError("identity: silver holds no records to link; run the stages before this one first")
    touched = touched_nodes(night, tables) if _remembers(night) else None
    if touched is not None and len(touched) <= _MOST_TOUCHED * _nodes(night):
        before = released(night, IDENTITY_EDGE)
        pairs = before.filter(pc.is_in(before["rule"], pa.array(RULES)))
        new = _worked_out(night, touched).select(_SCHEMA.names).cast(_SCHEMA)
        return Tied(pa.concat_tables([*_kept(night, before, touched), new]), pairs, touched)
    return Tied(_worked_out(night), released(night, IDENTITY_EDGE, ds.field("rule").isin(RULES)), None)


def released(night: Night, table: Table, where: ds.Expression | None = None) -> pa.Table:
    """The table, or some of its rows, as the last release names it, read without Spark; empty on the first night."""
    version = night.base.versions.get(table.name) if night.base else None
    found = night.lakehouse.dataset(table.name, version) if version is not None else None
    if found is None:
        return arrow_schema(table).empty_table()
    return found.to_table(columns=list(table.names), filter=where)


def _worked_out(night: Night, nodes: pa.Array | None = None) -> pa.Table:
    """By Spark from silver: the ties of all nodes, or of some."""
    silver = [(entity, night.load(entity.table)) for entity in edges.LINKING if night.has(entity.table)]
    if nodes is not None:
        own = F.broadcast(night.spark.createDataFrame(pa.table({"_node": nodes})))
        silver = [(entity, rows.join(own, on="_node", how="left_semi")) for entity, rows in silver]
    types = sorted(night.conf.identity.identifiers)
    return edges.ties(silver, day=night.day, as_of=night.as_of, types=types).toArrow()


def _remembers(night: Night) -> bool:
    """Does the last release tell every tie of many nodes? Identifiers that cannot link are not among its edges."""
    if night.base is None or _nodes(night) <= FEW_NODES:
        return False
    unfit = (ds.field("kind") == "blocked") & ds.field("detail").isin([edges.EMPTY, edges.OVERLONG])
    return not released(night, IDENTITY_CONFLICT, unfit & (ds.field("date") == pa.scalar(night.base.date))).num_rows


def _nodes(night: Night) -> int:
    version = night.base.versions.get(IDENTITY_RECORD.name) if night.base else None
    opened = night.lakehouse.open(IDENTITY_RECORD.name, version) if version is not None else None
    return sum(pa.table(opened.get_add_actions())["num_records"].to_pylist()) if opened else 0


def _kept(night: Night, before: pa.Table, touched: pa.Array) -> list[pa.Table]:
    """The ties of the nodes that are as the last release saw them, and those among them that have none."""
    known = pc.and_not(pc.equal(before["rule"], GIVES), pc.is_in(before["left_value"], touched))
    gives = before.select(["left_value", "right_type", "right_value", "first_seen", "last_seen"]).filter(known)
    node = gives["left_value"]
    tied = pa.table(
        {
            "node": node,
            "person": _is_person(night, node),
            "id_type": gives["right_type"],
            "id_value": gives["right_value"],
            "unfit": pa.nulls(len(gives), pa.large_string()),
            "first_seen": gives["first_seen"],
            "last_seen": gives["last_seen"],
        }
    )
    every = released(night, IDENTITY_RECORD)["record_id"]
    named = pa.concat_arrays([node.unique(), touched.cast(node.type)])
    bare = every.filter(pc.invert(pc.is_in(every, named)))
    untied = pa.table(
        {"node": bare, "person": _is_person(night, bare)}
        | {name: pa.nulls(len(bare), pa.large_string()) for name in _TEXTS[1:]}
        # when they last landed nobody asks of nodes that are as they were
        | {name: pa.repeat(pa.scalar(_LONG_AGO), len(bare)) for name in ("first_seen", "last_seen")}
    )
    return [part.select(_SCHEMA.names).cast(_SCHEMA) for part in (tied, untied)]


def _is_person(night: Night, node: pa.ChunkedArray) -> pa.ChunkedArray:
    """A node begins with the name of its source, and a source tells of one entity."""
    sources = [name for name, source in night.conf.sources.items() if ENTITIES[source.entity].person]
    nobody = pa.chunked_array([pa.repeat(False, len(node))])
    return reduce(pc.or_, (pc.starts_with(node, f"{name}:") for name in sources), nobody)
