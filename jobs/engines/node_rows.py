"""Rows of silver that belong to some nodes of the graph of identities."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.state_rows import StateRows, state_rows
from jobs.runtime.frames import frame_of
from jobs.runtime.night import FEW_ROWS, Night
from transforms.columns import visible
from transforms.schemas import Entity, Table

# So many rows are handed over, of few columns, before it is Spark that reads them after all.
_MOST_ROWS = 1_000_000
VERSION = ("_batch_date", "_valid_to", "event_at")
_VERSIONS = pa.schema(
    {"_node": pa.string(), "_batch_date": pa.date32(), "_valid_to": pa.date32()}
    | {"event_at": pa.timestamp("us", tz="UTC")}
)


def rows_of_nodes(night: Night, table: Table, nodes: pa.Array, columns: Collection[str]) -> DataFrame:
    """All versions of the rows of silver that are the nodes': `columns` and those of `VERSION`.

    Of few nodes they are read by Arrow, a tenth of Spark's work: that makes a row of each to look at its node.
    """
    read = list(dict.fromkeys([*columns, *VERSION]))
    few = _read(night, table, nodes, read) if len(nodes) <= FEW_ROWS else None
    if few is not None:
        return frame_of(night.spark, few)
    own = frame_of(night.spark, pa.table({"_node": nodes}))
    every = night.load(table).select(*read)
    return every.join(F.broadcast(own) if len(nodes) <= FEW_ROWS else own, on="_node", how="left_semi")


def versions_of_nodes(night: Night, tables: Collection[Table], nodes: pa.Array) -> DataFrame:
    """Of what happened, as some tables of silver tell it, two rows a node and end: `_node` and `VERSION`.

    They are the first and the last that landed, of those rows that the night may know of and that end on the same day:
    what ties are made of. DuckDB reads them, in little more time than the columns take.
    """
    versions = {table.name: night.versions[table.name] for table in tables}
    night.stage.inputs.update(versions)
    with state_rows(night.lakehouse, versions) as rows:
        rows.values("asked", v=nodes)
        found = [_versions(night, rows, scan) for name in versions if (scan := rows.scan(name))]
    return frame_of(night.spark, pa.concat_tables([_VERSIONS.empty_table(), *found]))


def _versions(night: Night, rows: StateRows, scan: str) -> pa.Table:
    sql = f"""select _node, unnest([since, until]) as _batch_date, _valid_to, event_at from (
        select _node, min(_batch_date) as since, max(_batch_date) as until, _valid_to, min(event_at) as event_at
        from {scan} where _node in (select v from asked)
            and _batch_date <= $day and (event_at is null or event_at <= $as_of)
        group by _node, _valid_to)"""
    return rows.db.sql(sql, params={"day": night.day, "as_of": night.as_of}).to_arrow_table().cast(_VERSIONS)


def seen_of_nodes(night: Night, entity: Entity, nodes: pa.Array, columns: Collection[str]) -> DataFrame:
    """The entity's rows that this night may see: where the nodes are few their own, else everybody's."""
    if len(nodes) > FEW_ROWS:
        return night.view(entity.name)
    return rows_of_nodes(night, entity.table, nodes, columns).where(visible(day=night.day, as_of=night.as_of))


def _read(night: Night, table: Table, nodes: pa.Array, columns: list[str]) -> pa.Table | None:
    """The rows without Spark; None where they are many."""
    version = night.stage.inputs[table.name] = night.versions[table.name]
    found = night.lakehouse.dataset(table.name, version)
    assert found is not None  # noqa: S101  (this night has it)
    rows = found.head(_MOST_ROWS + 1, columns=columns, filter=pc.is_in(ds.field("_node"), nodes.cast(pa.string())))
    return rows if len(rows) <= _MOST_ROWS else None
