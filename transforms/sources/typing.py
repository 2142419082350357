"""Raw columns, all text, to an entity's typed columns by the expressions of a source's YAML."""

import re
from datetime import date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.expressions import Expression
from transforms.schemas import BRONZE_COLUMNS
from transforms.sources.definition import CompiledSource, Source, local_time, raw_column
from transforms.sources.names import raw_names
from transforms.sources.zones import is_local
from transforms.sql.types import is_number

_OFFSET_IN_TEXT = r"(?:[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|:\d{2}(?:\.\d+)?\s*[+-]\d{1,2}|\d\s*[A-Za-z_]+/[A-Za-z_/]+)\s*$"
_NAME = re.compile(r"`?([^`]+)`?")
CARRIED = tuple(column.name for column in BRONZE_COLUMNS)


def typed(raw: DataFrame, compiled: CompiledSource, *, day: date, as_of: datetime) -> DataFrame:
    """The entity's columns, those of bronze (`_batch_date`, `_file`, …) and `_raw`, the raw columns as JSON
    under the names that the extract gave them.

    Identifiers become `_id_<type>` (a text) or `_ids_<type>` (several), the source's filter becomes `_wanted`.
    Grain: one row a raw record. A value that does not fit its type is NULL.
    """
    source = compiled.source
    names = raw_names(raw.schema)
    rows = raw.select(
        *(name for name in CARRIED if name in raw.columns),
        F.to_json(F.struct(*(F.col(f"`{landed}`").alias(name) for landed, name in names.items()))).alias("_raw"),
        *(F.col(f"`{landed}`").alias(raw_column(landed)) for landed in names),
    )
    for batch in _batches(compiled):
        rows = rows.withColumns(
            {name: _converted(expression, name, source, day=day, as_of=as_of) for name, expression in batch.items()}
        )
        if local := [name for name in batch if compiled.reads_locally(name)]:
            rows = rows.withColumns({local_time(name): F.from_utc_timestamp(name, source.timezone) for name in local})
    absent = {
        name: F.lit(None).cast(type_) for name, type_ in source.table.types.items() if name not in compiled.columns
    }
    return rows.withColumns(absent).withColumns(
        {
            **_ids(compiled, day=day, as_of=as_of),
            "_wanted": F.coalesce(compiled.where.column(day=day, as_of=as_of), F.lit(False))
            if compiled.where
            else F.lit(True),
        }
    )


def _batches(compiled: CompiledSource) -> list[dict[str, Expression]]:
    """Columns in their order, split where one uses another of the same batch: few steps, each a single select."""
    batches: list[dict[str, Expression]] = [{}]
    for name, expression in compiled.columns.items():
        if expression.columns & batches[-1].keys():
            batches.append({})
        batches[-1][name] = expression
    return batches


def _converted(expression: Expression, name: str, source: Source, *, day: date, as_of: datetime) -> SparkColumn:
    target = source.table.types[name]
    value = expression.column(day=day, as_of=as_of)
    from_text = alone(expression) is not None or expression.type == "string"
    if from_text:
        value = value.cast("string")
        if target == "string" or "<" in target:  # casts to all others know of blanks, and to share them is worth much
            value = F.nullif(F.trim(value), F.lit(""))
    if target == "timestamp":
        return _in_calendar(_moment(value, expression, source.timezone, from_text=from_text), target)
    converted = value.cast(target) if "<" in target else value.try_cast(target)
    return _in_calendar(converted, target) if target == "date" else converted


def alone(expression: Expression) -> str | None:
    """The column whose name is the whole expression."""
    name = _NAME.fullmatch(expression.text.strip())
    return name[1] if name and name[1] in expression.columns else None


def as_it_stands(compiled: CompiledSource, column: str) -> str | None:
    """The raw column that a column of the entity is, but for blanks around it; None where it is made in another way."""
    if column not in compiled.columns:
        return None
    name, columns = alone(compiled.columns[column]), list(compiled.columns)
    return None if name in columns[: columns.index(column)] else name


def _in_calendar(value: SparkColumn, target: str) -> SparkColumn:
    """NULL outside the years 1 to 9999: Spark goes on to 294247, and no reader in Python opens such a table."""
    first, last = (F.lit(text).cast(target) for text in ("0001-01-01", "9999-12-31T23:59:59.999999"))
    return F.when(value.between(first, last), value)


def _moment(value: SparkColumn, expression: Expression, zone: str, *, from_text: bool) -> SparkColumn:
    """A time in UTC. One without an offset of its own is local to the source; a number counts seconds since 1970.

    An hour that clocks skip in spring counts on from the hour before it (02:30 is 03:30), and of one that they
    show twice in autumn the first is meant (summer time): as in java.time, and in Python with fold=0.
    """
    moment = value.try_cast("timestamp")
    if not is_local(expression.text, zone) or is_number(expression.type):
        return moment
    local = F.to_utc_timestamp(moment, zone)
    return F.when(value.rlike(_OFFSET_IN_TEXT), moment).otherwise(local) if from_text else local


def id_column(kind: str, expression: Expression) -> str:
    """Where an identifier type is held: `_id_<type>`, a text, or `_ids_<type>`, several."""
    return f"_ids_{kind}" if (expression.type or "").startswith("array") else f"_id_{kind}"


def _ids(compiled: CompiledSource, *, day: date, as_of: datetime) -> dict[str, SparkColumn]:
    columns = {id_column(kind, e): e.column(day=day, as_of=as_of) for kind, e in compiled.ids.items()}
    return {
        name: value.cast("array<string>" if name.startswith("_ids_") else "string") for name, value in columns.items()
    }
