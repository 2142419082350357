"""Who gives which identifier: the ties between the nodes of the identity graph and their identifiers."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import visible
from transforms.schemas import ENTITIES

LONGEST = 256
EMPTY = "empty"
OVERLONG = f"longer than {LONGEST} characters"
_READ = ("_node", "_batch_date", "_valid_to", "event_at")
# Reference entities (products, campaigns) describe no person.
LINKING = tuple(entity for entity in ENTITIES.values() if not entity.reference)


def read(*, person: bool) -> tuple[str, ...]:
    """The columns of silver that ties come from: what happened names its identifiers in its node."""
    return (*_READ, "ids") if person else _READ


def ties(silver: Sequence[tuple[bool, DataFrame]], *, day: date, as_of: datetime, types: Sequence[str]) -> DataFrame:
    """Every node with the identifiers of `types` that it gives tonight. silver: does each row tell of a person, rows.

    Grain: node × identifier; a node that gives none has one row without an identifier.
    Columns: node, person, id_type, id_value, unfit (why the value cannot link, else NULL), and the business
    dates first_seen and last_seen: over all versions that landed, closed ones too, so that a tie keeps its
    age when a record is restated. Nodes and ties of which no version is visible any more are left out.
    """
    parts = []
    for of_persons, told in ((True, _person_ties), (False, _event_ties)):
        rows = [rows.select(*read(person=of_persons)) for person, rows in silver if person == of_persons]
        if rows:
            parts.append(told(reduce(DataFrame.unionByName, rows), day=day, as_of=as_of, types=types))
    return reduce(DataFrame.unionByName, parts)


def _landed(rows: DataFrame, day: date, as_of: datetime) -> DataFrame:
    """Versions that a run for `day` may know of, `current` where it sees them; nothing from the future."""
    happened = F.col("event_at").isNull() | (F.col("event_at") <= F.lit(as_of))
    return rows.where(F.col("_node").isNotNull() & (F.col("_batch_date") <= F.lit(day)) & happened).select(
        "*",
        F.col("_node").alias("node"),
        F.col("_batch_date").alias("batch"),
        visible(day=day, as_of=as_of).alias("current"),
    )


def _person_ties(rows: DataFrame, *, day: date, as_of: datetime, types: Sequence[str]) -> DataFrame:
    """A person's identifiers change from version to version, so each tie has dates of its own."""
    return (
        _landed(rows, day, as_of)
        .select("node", "batch", "current", F.explode_outer(_identifiers(F.col("ids"), types)).alias("id"))
        .groupBy("node", "id.id_type", "id.id_value", "id.unfit")
        .agg(*_dates())
        .where("current")
        .select("node", F.lit(True).alias("person"), "id_type", "id_value", "unfit", "first_seen", "last_seen")
    )


def _event_ties(rows: DataFrame, *, day: date, as_of: datetime, types: Sequence[str]) -> DataFrame:
    """Rows with equal identifiers share a node and its text names them, so few nodes stand for many rows.

    The text is grouped, not the map.
    """
    ids = F.from_json(F.regexp_replace("node", "^[^:]*:", ""), "map<string,array<string>>")
    return (
        _landed(rows, day, as_of)
        .groupBy("node")
        .agg(*_dates())
        .where("current")
        .select("node", "first_seen", "last_seen", F.explode_outer(_identifiers(ids, types)).alias("id"))
        .select("node", F.lit(False).alias("person"), "id.*", "first_seen", "last_seen")
    )


def _dates() -> tuple[Column, ...]:
    return (
        F.min("batch").alias("first_seen"),
        F.max("batch").alias("last_seen"),
        F.max("current").alias("current"),
    )


def _identifiers(ids: Column, types: Sequence[str]) -> Column:
    """A map of identifiers as distinct structs of type, value and why the value is unfit."""
    listed = F.filter(F.map_entries(ids), lambda entry: entry["key"].isin(*types))
    structs = F.transform(
        listed, lambda entry: F.transform(entry["value"], lambda value: _identifier(entry["key"], value))
    )
    return F.array_distinct(F.filter(F.flatten(structs), lambda identifier: identifier["id_value"].isNotNull()))


def _identifier(id_type: Column, value: Column) -> Column:
    """An overlong value keeps its beginning only: it is named among the conflicts, and held nowhere else."""
    blank, overlong = F.trim(value) == "", F.length(value) > LONGEST
    shown = F.concat(F.substring(value, 1, 64), F.lit("… ("), F.length(value).cast("string"), F.lit(" characters)"))
    return F.struct(
        id_type.alias("id_type"),
        F.when(overlong, shown).otherwise(value).alias("id_value"),
        F.when(blank, F.lit(EMPTY)).when(overlong, F.lit(OVERLONG)).alias("unfit"),
    )
