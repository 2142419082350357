"""What a state's gold/override means for its customers. The table is small: all of it is read, without Spark."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import dataset as ds

from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse, arrow_type
from transforms.errors import DefinitionError
from transforms.override_values import GOLDEN, field_of, may_be
from transforms.overrides import Held, affected, held, in_force, set_columns, values_of
from transforms.schemas import GOLD_OVERRIDE, LEDGER, Column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Row = dict[str, Any]


def overrides_of(lakehouse: Lakehouse, versions: Mapping[str, int]) -> list[Row]:
    """Every override that a state knows of, those that ended too."""
    version = versions.get(GOLD_OVERRIDE.name)
    return [] if version is None else lakehouse.rows(GOLD_OVERRIDE, version)


def ledger_of(lakehouse: Lakehouse, versions: Mapping[str, int], rows: Collection[Row]) -> list[Row]:
    """The ledger's rows, past ones too, of the identifiers that overrides are tied to."""
    found = lakehouse.dataset(LEDGER.name, versions[LEDGER.name]) if rows and LEDGER.name in versions else None
    if found is None:
        return []
    tied = {(row["id_type"], row["id_value"]) for row in rows}
    near = found.to_table(filter=ds.field("id_value").isin(sorted({value for _, value in tied}))).to_pylist()
    return [row for row in near if (row["id_type"], row["id_value"]) in tied]


def held_in(lakehouse: Lakehouse, versions: Mapping[str, int], day: date) -> Held:
    """The overrides in force in a state, by customer and field."""
    rows = [row for row in overrides_of(lakehouse, versions) if in_force(row, day)]
    return held(rows, _owners(ledger_of(lakehouse, versions, rows)), day)


def _owners(ledger: Iterable[Row]) -> dict[tuple[str, str], str]:
    return {(row["id_type"], row["id_value"]): row["customer_id"] for row in ledger if row["valid_to"] is None}


def by_hand(night: Night, columns: Collection[Column]) -> "DataFrame | None":
    """The values that are set by hand tonight, for `transforms.overrides.beside`; None where no column has any."""
    found = held_in(night.lakehouse, night.versions, night.day)
    rows = values_of({key: rows for key, rows in found.items() if _may_be(rows[0], night)}, columns)
    if not rows:
        return None
    from jobs.runtime.frames import frame_of

    types = {name: arrow_type(column.type) for name, column in set_columns(columns).items() if name in rows[0]}
    return frame_of(night.spark, pa.Table.from_pylist(rows, pa.schema({"customer_id": pa.string(), **types})))


def golden_by_hand(night: Night) -> set[str]:
    """The customers whose golden record an override says, said, or would say something of."""
    rows = [row for row in overrides_of(night.lakehouse, night.versions) if row["field"] in GOLDEN]
    return {row["customer_id"] for row in ledger_of(night.lakehouse, night.versions, rows)}


def changed_by_hand(night: Night) -> set[tuple[str, str]]:
    """(customer, column): what is set by hand tonight otherwise than in the last release, and what is built on it."""
    before = held_in(night.lakehouse, night.base.versions, night.base.date) if night.base else {}
    now = held_in(night.lakehouse, night.versions, night.day)
    differ = {
        key for key in before.keys() | now.keys()
        if [row["value"] for row in before.get(key, ())[:1]] != [row["value"] for row in now.get(key, ())[:1]]
    }  # fmt: skip
    columns = {field: affected(field, night.conf.tags) for _, field in differ}
    return {(customer, column) for customer, field in differ for column in columns[field]}


def tell(night: Night) -> None:
    """Figures of the overrides, and lines for those that people should look at. No values, no identifiers."""
    rows = [row for row in overrides_of(night.lakehouse, night.versions) if row["ended_at"] is None]
    if not rows:
        return
    standing = [row for row in rows if in_force(row, night.day)]
    owners = _owners(ledger_of(night.lakehouse, night.versions, standing))
    several = [key for key, found in held(standing, owners, night.day).items() if len(found) > 1]
    lost = [row for row in standing if (row["id_type"], row["id_value"]) not in owners]
    unknown = sorted({row["field"] for row in standing if not _is_field(row["field"], night)})
    impossible = Counter(row["field"] for row in standing if row["field"] not in unknown and not _may_be(row, night))
    counted = {"in_force": len(standing), "past": len(rows) - len(standing), "several": len(several),
               "nobodys": len(lost)}  # fmt: skip
    night.figure("overrides", counted)
    if several:
        fields = ", ".join(sorted({field for _, field in several}))
        night.warn(
            f"overrides: {len(several)} customers have several of one field ({fields}); "
            "the one set last holds, portrait show tells which"
        )
    if lost:
        night.warn(f"overrides: {len(lost)} are tied to an identifier that is nobody's tonight; they change nothing")
    for name, number in sorted(impossible.items()):
        night.warn(f"overrides: {number} of '{name}' are no values that it can have by now; they change nothing")
    for name in unknown:
        night.warn(f"overrides: '{name}' is neither a tag that is online nor a golden field; they change nothing")


def _may_be(row: Mapping[str, Any], night: Night) -> bool:
    return may_be(row["field"], row["value"], night.conf.tags)


def _is_field(name: str, night: Night) -> bool:
    try:
        field_of(name, night.conf.tags)
    except DefinitionError:
        return False
    return True
