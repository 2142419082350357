"""Values set by hand: which of several holds, what they change, and how they take the place of what was computed.

An override is tied to an identifier, so it is whose the identifier is: it follows a merge, and of a customer that is
split the part that keeps the identifier has it. Of several for one field of one customer the one set last holds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from transforms.override_values import GOLDEN, value_of
from transforms.profile import online
from transforms.schemas import Column
from transforms.tags.catalog import built_on
from transforms.tags.recompute import read_by
from transforms.tags.tag import CUSTOMER, Tag

if TYPE_CHECKING:  # `portrait show` reads overrides and must not pay for importing Spark
    from pyspark.sql import DataFrame

Row = Mapping[str, Any]
Owners = Mapping[tuple[str, str], str]  # (id_type, id_value) -> customer
Held = dict[tuple[str, str], list[Row]]  # (customer, field) -> overrides in force, the one that holds first

PROVENANCE = "override"  # what the golden record's provenance says of a field set by hand
_BEGINS = "_set_"


def in_force(row: Row, day: date) -> bool:
    """Is the override neither unset, nor set anew, nor past its end on that business date?"""
    return row["ended_at"] is None and (row["until"] is None or row["until"] > day)


def held(rows: Iterable[Row], owners: Owners, day: date) -> Held:
    """(customer, field) -> the overrides in force on that business date, the one that holds first: the one set last."""
    found: Held = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["set_at"], row["id_type"], row["id_value"]), reverse=True):
        customer = owners.get((row["id_type"], row["id_value"]))
        if customer is not None and in_force(row, day):
            found[customer, row["field"]].append(row)
    return dict(found)


def values_of(found: Held, columns: Iterable[Column]) -> list[dict[str, Any]]:
    """A row a customer with a value of any of the columns: `customer_id`, `_set_<column>` (None: not set).

    Of the columns those alone that somebody has a value of.
    """
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for column in columns:
        for (customer, field), overrides in found.items():
            if field == column.name and (value := value_of(overrides[0]["value"], column.type)) is not None:
                rows[customer][_BEGINS + field] = value
    names = {name for row in rows.values() for name in row}
    return [{"customer_id": c, **dict.fromkeys(sorted(names)), **rows[c]} for c in sorted(rows)]


def set_columns(columns: Iterable[Column]) -> dict[str, Column]:
    """`_set_<column>` -> the column."""
    return {_BEGINS + column.name: column for column in columns}


def affected(name: str, tags: Mapping[str, Tag]) -> set[str]:
    """The profile's columns that a value of that field may change: its own, and those of tags that are built on it."""
    shown = online(tags)
    own = {tag.tag for tag in shown if any(output.name == name for output in tag.outputs)}
    if name in GOLDEN:
        own |= {tag.tag for tag in shown if CUSTOMER in tag.reads and (tag.sql or name in read_by(tag))}
    of_tags = [output.name for tag in shown if built_on(tag, tags) & own for output in tag.outputs]
    return {name, *of_tags}


def beside(frame: "DataFrame", values: "DataFrame") -> "DataFrame":
    """`frame` (a row a customer) with the values that were set by hand beside it, for `settled`."""
    from pyspark.sql import functions as F

    return frame.join(F.broadcast(values), on="customer_id", how="left")


def settled(frame: "DataFrame") -> "DataFrame":
    """`frame` with the values set by hand in place of those computed, for every column that it has by now."""
    from pyspark.sql import functions as F

    ready = [name for name in frame.columns if _BEGINS + name in frame.columns]
    chosen = {name: F.coalesce(_BEGINS + name, name) for name in ready}
    return frame.withColumns(chosen).drop(*(_BEGINS + name for name in ready)) if ready else frame


def with_golden(customers: "DataFrame", values: "DataFrame") -> "DataFrame":
    """Golden records with the values set by hand, and provenance that says so. Grain: known customer."""
    from pyspark.sql import functions as F

    fields = F.array_compact(
        F.array(
            *(
                F.when(F.col(name).isNotNull(), F.lit(name.removeprefix(_BEGINS)))
                for name in values.columns
                if name.startswith(_BEGINS)
            )
        )
    )
    said = F.map_from_arrays("_fields", F.transform("_fields", lambda _: F.lit(PROVENANCE)))
    others = F.map_filter(
        F.coalesce("provenance", F.create_map().cast("map<string,string>")),
        lambda name, _: ~F.array_contains("_fields", name),
    )
    return (
        customers.transform(beside, values.withColumn("_fields", fields))
        .withColumn(
            "provenance", F.when(F.col("_fields").isNull(), F.col("provenance")).otherwise(F.map_concat(others, said))
        )
        .transform(settled)
    )
