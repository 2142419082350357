"""The examples of tags as rows, and whether what came out is what they say.

Days are told from the business day (`-10d`, at noon); a time without a zone is the business's. What a row leaves out
is NULL, but a purchase needs no status.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from transforms.schemas import ENTITIES, Column
from transforms.sql import types
from transforms.tags.items import columns_of
from transforms.tags.tag import ACROSS, COLUMN_TYPES, CUSTOMER, Example, Tag

_RELATIVE = re.compile(r"(-?\d+)d")
Row = dict[str, Any]


def name_of(tag: Tag, position: int) -> str:
    """The customer who stands for an example."""
    return f"{tag.tag} {position}"


def schema_of(entity: str) -> str:
    """The DDL of an entity's example rows."""
    return ", ".join(f"{name} {column.type}" for name, column in _columns(entity).items())


def rows_of(tags: Mapping[str, Tag], entity: str, *, day: date, timezone: str) -> list[Row]:
    """The rows of all examples of tags over `entity` (`customer`: the golden records), with their customer_id."""
    return [
        _row(given, entity, customer=name_of(tag, position), day=day, timezone=timezone)
        for tag in tags.values()
        if tag.from_ == entity or tag.kind in ACROSS
        for position, example in enumerate(tag.examples)
        for given in _given(tag, example, entity)
    ]


def _given(tag: Tag, example: Example, entity: str) -> list[Row]:
    """The rows of an entity that an example gives: of a tag over several, those told by that entity's name."""
    if tag.kind in ACROSS:
        return list(example.given.get(entity, [])) if isinstance(example.given, dict) else []
    return [example.given] if isinstance(example.given, dict) else example.given


def tag_rows(tag: Tag, needs: Mapping[str, str], *, day: date, timezone: str) -> list[Row]:
    """The examples of a tag on tags as one row each. `needs`: the columns that it is built on -> Spark type."""
    rows = []
    for position, example in enumerate(tag.examples):
        given = example.given if isinstance(example.given, dict) else {}
        values = {name: _value(given.get(name), ddl, day, timezone) for name, ddl in needs.items()}
        rows.append({"customer_id": name_of(tag, position), **values})
    return rows


def problems_of(tag: Tag, found: Mapping[str, Any], *, day: date, timezone: str) -> Iterator[str]:
    """A line for each example whose value did not come out. `found`: customer_id -> value."""
    ddl = COLUMN_TYPES[tag.type or "text"]
    for position, example in enumerate(tag.examples):
        wanted = _value(example.value, ddl, day, timezone)
        got = found.get(name_of(tag, position))
        got = list(got) if isinstance(got, (list, tuple)) else got
        if not _equal(wanted, got):
            yield f"{tag.place}: examples[{position}]: the value is {got!r}, not {wanted!r}"


def misfit(value: Any, ddl: str) -> str | None:
    """What a value that an example gives should be, where it is none of the type; None: it is one."""
    try:
        fits = value is None or _fits(value, ddl)
    except (ValueError, OverflowError, ArithmeticError):
        fits = False
    if fits:
        return None
    how = {"date": "; write -10d or 2024-12-31", "timestamp": "; write -10d or 2024-12-31 18:30:00"}.get(ddl, "")
    return f"{'true or false' if ddl == 'boolean' else types.describe(ddl)}{how}"


def _fits(value: Any, ddl: str) -> bool:
    inner = types.parts(ddl)
    match types.base(ddl):
        case "array":
            return isinstance(value, list) and all(misfit(item, inner[0]) is None for item in value)
        case "map":
            return isinstance(value, dict) and all(
                isinstance(key, str) and misfit(item, inner[1]) is None for key, item in value.items()
            )
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "date" | "timestamp":
            return isinstance(value, str | date) and _value(value, ddl, date(2017, 6, 30), "UTC") is not None
        case "int" | "bigint":
            return type(value) is int and abs(value) < 2 ** (31 if ddl == "int" else 63)
        case "decimal":
            return not isinstance(value, bool) and Decimal(str(value)).is_finite()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(entity: str) -> dict[str, Column]:
    return {"customer_id": Column("customer_id", "string", ""), **columns_of(entity)}


def _row(given: Mapping[str, Any], entity: str, *, customer: str, day: date, timezone: str) -> Row:
    row = {name: _value(given.get(name), column.type, day, timezone) for name, column in _columns(entity).items()}
    row["customer_id"] = customer
    if entity == CUSTOMER:
        return row
    moment = row.get(ENTITIES[entity].time or "")
    if moment is not None:
        row["event_at"] = moment
        row["event_date"] = moment.astimezone(ZoneInfo(timezone)).date()
    if entity == "transaction" and "status" not in given:
        row["status"] = "purchase"
    return row


def _value(value: Any, ddl: str, day: date, timezone: str) -> Any:
    """A value of the YAML as what Spark takes for the type."""
    if value is None:
        return None
    relative = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    if ddl == "date":
        return day + timedelta(days=int(relative[1])) if relative else _moment(value, timezone).date()
    if ddl == "timestamp":
        if relative:
            noon = datetime.combine(day + timedelta(days=int(relative[1])), time(12), ZoneInfo(timezone))
            return noon.astimezone(UTC)
        return _moment(value, timezone).astimezone(UTC)
    if types.is_decimal(ddl):
        return Decimal(str(value))
    return float(value) if ddl in types.FRACTIONS else value


def _moment(value: Any, timezone: str) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


def _equal(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, float) and isinstance(got, float):
        return math.isclose(wanted, got, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(wanted, datetime) and isinstance(got, datetime):
        return wanted == (got if got.tzinfo else got.replace(tzinfo=UTC))
    return bool(wanted == got)
