"""Known customers' nodes in the graph of identities, and their rows of an entity."""

from collections.abc import Collection
from datetime import date, timedelta

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.runtime.night import Night
from transforms.expressions import Expression, at
from transforms.schemas import IDENTITY_RECORD
from transforms.tags.items import no_cancelled


def nodes_of(night: Night, customers: DataFrame) -> DataFrame:
    """The customers' nodes, as silver names them. Grain: a node."""
    owned = night.load(IDENTITY_RECORD).join(customers, "customer_id", "left_semi")
    return owned.select(F.col("record_id").alias("_node"), "customer_id")


def rows_of(night: Night, entity: str, columns: Collection[str], nodes: DataFrame, *, few: bool = False) -> DataFrame:
    """The entity's rows of the nodes' customers, as this night may see them: `columns` and customer_id.

    few: both are so few that they are joined where they are.
    """
    return owned(night.view(entity), columns, nodes, few=few)


def owned(rows: DataFrame, columns: Collection[str], nodes: DataFrame, *, few: bool = False) -> DataFrame:
    """Those of an entity's rows that are the nodes' customers': `columns` and customer_id."""
    rows = rows.select("_node", *sorted(columns))
    if few:
        return nodes.coalesce(1).join(rows.coalesce(1).hint("shuffle_hash"), "_node").drop("_node")
    return rows.join(nodes, "_node").drop("_node")


def rows_that_count(
    night: Night, entity: str, nodes: DataFrame, *, where: Expression | None, reads: Collection[str] = ()
) -> DataFrame:
    """The rows that meet a condition, with `reads` and event_date; no cancelled lines unless they ask for them."""
    read = frozenset(reads) | (where.columns if where else frozenset())
    parts = [*([where.sql] if where else []), *no_cancelled(entity, read)]
    rows = rows_of(night, entity, {"event_date", *read, *(["status"] if entity == "transaction" else [])}, nodes)
    return rows.where(F.expr(at(" and ".join(parts), day=night.day, as_of=night.as_of))) if parts else rows


def within(day: date, days: int) -> SparkColumn:
    """Of a row: did it happen in the so many days after `day`?"""
    return (F.col("event_date") > F.lit(day)) & (F.col("event_date") <= F.lit(day + timedelta(days=days)))
