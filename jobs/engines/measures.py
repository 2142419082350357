"""What a night brought, measured by DuckDB on the rows that silver took: one pass over the columns that are used."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import duckdb
from pyarrow import dataset as ds

from transforms.quality.drift import OTHERS
from transforms.schemas import Entity
from transforms.sources.checks import Check
from transforms.sources.definition import Source

MOST_VALUES = 50
_SIZED = ("decimal", "double")

Figures = dict[str, Any]


def measure(
    silver: ds.Dataset,
    entity: Entity,
    sources: Sequence[Source],
    *,
    day: date,
    as_of: datetime,
    records_of: Callable[[str], ds.Dataset | None],
    files: Sequence[str] = (),
) -> dict[str, Figures]:
    """Source -> figures of the rows that it brought on that day, for those that brought any.

    silver: the entity's table. files: its data files, where they lie on this machine's disks.
    records_of: the table of another entity, None where there is none yet.
    The names are those of `Measures`.
    """
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("silver", silver)
    if files:  # whose columns DuckDB reads in a tenth of the time
        connection.read_parquet(list(files), union_by_name=True, hive_partitioning=False).create_view("files")
    rows = "files" if files else "silver"
    connection.execute(f"create temp view tonight as select * from {rows} where _batch_date = date '{day}'")
    found = _totals(connection, entity, sources, as_of)
    for source in (source for source in sources if source.source in found):
        figures = found[source.source]
        figures["values"] = {
            check.drift: _values(connection, source, check.drift) for check in source.checks if check.drift
        }
        figures["compared"] = {}
        for check in source.checks:
            if check.agrees:
                figures["compared"][check.name] = _agreement(connection, source, check)
            if check.known and (others := records_of(str(check.among))) is not None:
                connection.register("others", others)
                figures["compared"][check.name] = _knowledge(connection, source, check)
    return found


def _totals(
    connection: duckdb.DuckDBPyConnection, entity: Entity, sources: Sequence[Source], as_of: datetime
) -> dict[str, Figures]:
    moment = entity.time or entity.changed
    until = f"timestamptz '{as_of.isoformat()}'"
    # not hash(): it takes many pairs of keys that differ in few digits for one, and a night would stop for nothing
    told = {"source": "source", "accepted": "count(*)", "records": "count(distinct md5_number(record_id))"}
    if moment:
        told["newest"] = f"max({moment}) filter ({moment} <= {until})"
        told["future"] = f"count(*) filter ({moment} > {until})"
    columns = {name for source in sources for name in _used(source)}
    for name in sorted(columns):
        told[f"filled|{name}"] = f"count({_quoted(name)})"
        if entity.types[name].startswith(_SIZED):
            told[f"sums|{name}"] = f"sum(abs({_quoted(name)}))"
    for check in (check for source in sources for check in source.checks):
        if check.unique:
            row = ", ".join(map(_quoted, check.unique))
            told[f"distinct|{'|'.join(check.unique)}"] = f"count(distinct row({row}))"
    named = ", ".join(f"{what} as {_quoted(name)}" for name, what in told.items())
    rows = connection.execute(f"select {named} from tonight group by source").fetchall()
    by_source = {row[0]: dict(zip(told, row, strict=True)) for row in rows}
    return {name.source: _figures(name, by_source[name.source]) for name in sources if name.source in by_source}


def _figures(source: Source, told: Figures) -> Figures:
    used = _used(source)
    newest = told.get("newest")
    return {
        "accepted": told["accepted"],
        "records": told["records"],
        "newest": newest.isoformat() if newest else None,
        "future": told.get("future", 0),
        "filled": {name: told[f"filled|{name}"] for name in used},
        "sums": {name: float(told[f"sums|{name}"] or 0) for name in used if f"sums|{name}" in told},
        "distinct": {check.name: told[f"distinct|{'|'.join(check.unique)}"] for check in source.checks if check.unique},
    }


def _used(source: Source) -> list[str]:
    """The columns that the YAML fills and that may be empty."""
    required = {column.name for column in source.table.columns if column.required}
    return [name for name in source.expressions if name not in required or source.table.types[name].startswith(_SIZED)]


def _values(connection: duckdb.DuckDBPyConnection, source: Source, column: str) -> dict[str, int]:
    """The column's most frequent values and their rows; the rest as one, and so what is empty."""
    counted = connection.execute(
        f"select coalesce(cast({_quoted(column)} as varchar), '(none)') as value, count(*) as rows from tonight "
        f"where source = '{source.source}' group by value order by rows desc, value"
    ).fetchall()
    most = {str(value): int(rows) for value, rows in counted[:MOST_VALUES]}
    rest = sum(rows for _, rows in counted[MOST_VALUES:])
    return {**most, **({OTHERS: rest} if rest else {})}


def _knowledge(connection: duckdb.DuckDBPyConnection, source: Source, check: Check) -> tuple[int, int]:
    """(rows that give the identifier, of which no record of the other entity knows it)."""
    ids = f"unnest(ids['{check.known}']) as id"
    return _pair(
        connection,
        f"""with given as (select record_id, {ids} from tonight where source = '{source.source}'),
        known as (select distinct {ids} from others where _valid_to is null),
        rows as (
            select record_id, bool_or(known.id is not null) as met from given left join known using (id) group by 1
        )
        select count(*), count(*) filter (not met) from rows""",
    )


def _agreement(connection: duckdb.DuckDBPyConnection, source: Source, check: Check) -> tuple[int, int]:
    """(rows that another source's record of the same identifier can be held against, of which none says the same)."""
    said = f"lower(trim(cast({_quoted(str(check.agrees))} as varchar)))"
    told = f"select record_id, unnest(ids['{check.by}']) as id, {said} as said"
    return _pair(
        connection,
        f"""with ours as ({told} from tonight where source = '{source.source}' and {said} <> ''),
        theirs as ({told} from silver where source <> '{source.source}' and _valid_to is null and {said} <> ''),
        rows as (
            select ours.record_id, bool_or(ours.said = theirs.said) as met from ours join theirs using (id) group by 1
        )
        select count(*), count(*) filter (not met) from rows""",
    )


def _pair(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    [(rows, failed)] = connection.execute(sql).fetchall()
    return int(rows), int(failed)


def _quoted(name: str) -> str:
    return f'"{name}"'
