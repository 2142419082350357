"""Tonight's ties: worked out from silver whole, or for those nodes only that are not as the last release saw them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds

from jobs.engines.node_rows import rows_of_nodes, versions_of_nodes
from jobs.engines.state_rows import state_rows
from jobs.engines.touched import touched_nodes
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import DataError, PortraitError
from transforms.identity import edges
from transforms.schemas import GOLD_CUSTOMER, IDENTITY_CONFLICT, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, Table

# Up to so many nodes the whole is worked out sooner than what is new.
FEW_NODES = 100_000
# Past such a share of new ones too.
_MOST_TOUCHED = 0.25
LAST = (IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, GOLD_CUSTOMER)
_AT_ONCE = 2


@dataclass(frozen=True)
class News:
    """touched: the nodes that are not as the last release saw them. ties: what they give now, as
    transforms.identity.edges.ties tells it. edges, record, ledger, customers: the last release's tables `LAST`."""

    touched: pa.Array
    ties: pa.Table
    edges: pa.Table
    record: pa.Table
    ledger: pa.Table
    customers: pa.Table


def tonights_ties(night: Night) -> News | pa.Table:
    """What ties the nodes of this night's silver to identifiers: all, or what is new beside the last release's.

    Raises PortraitError where silver holds no records to link, DataError past limits.driver_ties of conf/identity.yml.
    """
    tables = [entity.table for entity in edges.LINKING if night.has(entity.table)]
    if not tables:
        raise PortraitError("identity: silver holds no records to link; run the stages before this one first")
    touched = touched_nodes(night, tables) if rows_in(night, IDENTITY_RECORD) > FEW_NODES else None
    most = _MOST_TOUCHED * rows_in(night, IDENTITY_RECORD)
    if touched is None or len(touched) > most or not _remembers(night, touched):
        ties = _worked_out(night)
        _check_held(night, len(ties))
        return ties
    with ThreadPoolExecutor(_AT_ONCE) as pool, night.for_rows(len(touched)):  # read while Spark plans
        last = [pool.submit(released, night, table) for table in LAST]
        ties = _worked_out(night, touched)
        _check_held(night, rows_in(night, IDENTITY_EDGE) + len(ties))
        return News(touched, ties, *(table.result() for table in last))


def _check_held(night: Night, ties: int) -> None:
    """The ties themselves are a fifth of what the driver would hold at the peak: there is time to say so."""
    most = night.conf.identity.limits.driver_ties
    if ties > most:
        raise DataError(
            f"identity: {ties:,} ties of records to identifiers, of which the driver holds at most {most:,} "
            "(limits.driver_ties of conf/identity.yml); they take half a GB a million at the peak: give the driver's "
            "machine that much memory and raise the limit, or stop giving identifiers that tie nobody"
        )


def released(night: Night, table: Table, where: ds.Expression | None = None) -> pa.Table:
    """The table, or some of its rows, as the last release names it, read without Spark; empty on the first night."""
    version = night.base.versions.get(table.name) if night.base else None
    found = night.lakehouse.dataset(table.name, version) if version is not None else None
    if found is None:
        return arrow_schema(table).empty_table()
    return found.to_table(columns=list(table.names), filter=where)


def _worked_out(night: Night, nodes: pa.Array | None = None) -> pa.Table:
    """By Spark from silver: the ties of all nodes, or of some."""
    linking = [entity for entity in edges.LINKING if night.has(entity.table)]
    if nodes is None:
        silver = [(entity.person, night.load(entity.table)) for entity in linking]
    else:
        told = edges.read(person=True)
        silver = [(True, rows_of_nodes(night, one.table, nodes, told)) for one in linking if one.person]
        silver.append((False, versions_of_nodes(night, [one.table for one in linking if not one.person], nodes)))
    types = sorted(night.conf.identity.identifiers)
    return edges.ties(silver, day=night.day, as_of=night.as_of, types=types).toArrow()


def _remembers(night: Night, nodes: pa.Array) -> bool:
    """Does the last release tell every tie of the nodes? Identifiers that cannot link are not among its edges."""
    assert night.base is not None  # noqa: S101  (without a release nothing is news)
    unfit = (ds.field("kind") == "blocked") & ds.field("detail").isin([edges.EMPTY, edges.OVERLONG])
    told = released(night, IDENTITY_CONFLICT, unfit & (ds.field("date") == pa.scalar(night.base.date)))["detail"]
    if not len(told):
        return True
    # what happened names its identifiers in its node
    longest = pc.max(pc.binary_length(nodes)).as_py() or 0
    return edges.EMPTY not in told.to_pylist() and longest <= edges.LONGEST and not _overlong(night, nodes)


def _overlong(night: Night, nodes: pa.Array) -> bool:
    """Does any version of the persons among the nodes give an identifier that is too long to link?"""
    tables = {one.table.name for one in edges.LINKING if one.person and night.has(one.table)}
    with state_rows(night.lakehouse, {name: night.versions[name] for name in tables}) as rows:
        rows.values("asked", v=nodes)
        gives = f"len(list_filter(flatten(map_values(ids)), lambda value: strlen(value) > {edges.LONGEST})) > 0"
        return any(rows.places(name, f"_node in (select v from asked) and {gives}") for name in tables)


def rows_in(night: Night, table: Table) -> int:
    """How many rows the table has as the last release names it; 0 on the first night."""
    version = night.base.versions.get(table.name) if night.base else None
    return night.lakehouse.count(table.name, version) if version is not None else 0
