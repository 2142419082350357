"""`portrait query`: SQL over one release in DuckDB. It reads tables and nothing else, and rows go out as they come."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from jobs.gold import OpenRelease
from jobs.runtime.console import Screen, as_json, in_utf8
from jobs.runtime.duck import connect
from transforms.definitions import nearest
from transforms.errors import DefinitionError

# Spill files would be written, so there are none; afterwards nothing can be set any more.
_CLOSED = """
set temp_directory = ''; set autoinstall_known_extensions = false; set autoload_known_extensions = false;
set python_enable_replacements = false; set enable_external_access = false; set lock_configuration = true
"""
_BATCH = 1000
_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")
_NO_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')
_PLACE = "the query"


def show_query(gold: OpenRelease, sql: str, screen: Screen, *, as_csv: bool, most: int) -> None:
    """Print what a query gives: a table of `most` rows, or every row as CSV, or as JSON.

    Raises DefinitionError, in one line, for what is not one query that reads, and for what DuckDB makes nothing of.
    """
    with connect() as connection:
        try:
            names = answered(gold, sql, connection)
            if as_csv:
                _write_csv(names, _rows(connection))
            elif screen.as_json:
                _write_json(gold, names, _rows(connection))
            else:
                _show(gold, names, connection.fetchmany(most + 1), screen, most=most)
            sys.stdout.flush()
        except duckdb.Error as error:
            raise DefinitionError(_line(gold, error, connection)) from None


def answered(gold: OpenRelease, sql: str, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Ask the query; its rows are fetched from the connection. Gives its columns' names."""
    kinds = [statement.type for statement in duckdb.extract_statements(sql)]
    if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise DefinitionError(f"{_PLACE}: one select, with or without a with before it; it reads and changes nothing")
    gold.show_to(connection, _named(gold, sql, connection))
    connection.execute(_CLOSED)
    connection.execute(sql)
    return [column[0] for column in connection.description or []]


def _named(gold: OpenRelease, sql: str, connection: duckdb.DuckDBPyConnection) -> Iterable[str]:
    """The tables that a query names; all of them where that cannot be told, as in `describe` and `show tables`."""
    every = (*gold.tables, *gold.of_nights)
    try:
        named = connection.get_table_names(sql, qualified=True)
    except duckdb.Error:
        return gold.readable
    full = {name.partition(" AS ")[0].replace('"', "").replace(".", "/", 1) for name in named}
    found = [name for name in every if name in full or name.removeprefix("gold/") in full]
    return found if named else gold.readable


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(_BATCH):
        yield from rows


def _show(gold: OpenRelease, names: list[str], rows: list[tuple[Any, ...]], screen: Screen, *, most: int) -> None:
    shown = [[_text(value) for value in row] for row in rows[:most]]
    screen.table(f"release {gold.release} of {gold.date}", names, shown)
    if len(rows) > most:
        screen.say(f"the first {most} rows; --rows N shows more, --csv gives all")


def _text(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return float(value) if isinstance(value, Decimal) else value


def _write_csv(names: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    if not in_utf8() and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as deliveries are: what the terminal lacks is not lost
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names)
    for row in rows:
        out.writerow([json.dumps(_plain(v), ensure_ascii=False) if isinstance(v, list | dict) else v for v in row])


def _write_json(gold: OpenRelease, names: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """One object, written row by row."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DefinitionError(f"{_PLACE}: gives two columns '{twice}'; name one of them: … as another_name")
    head = as_json({"release": gold.release, "date": str(gold.date), "columns": names})
    sys.stdout.write(head[:-1] + ', "rows": [')
    for place, row in enumerate(rows):
        told = dict(zip(names, map(_plain, row), strict=True))
        sys.stdout.write((",\n" if place else "\n") + as_json(told))
    sys.stdout.write("\n]}\n")


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is no number there is null, times are in ISO 8601."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if abs(number) < float("inf") else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _line(gold: OpenRelease, error: duckdb.Error, connection: duckdb.DuckDBPyConnection) -> str:
    """DuckDB's error in one line, with the nearest name where it knows none."""
    line = str(error).strip().splitlines()[0]
    if found := _NO_TABLE.search(line):
        return _no_table(gold, found[1].strip('"!').removesuffix("!"))
    if found := _NO_COLUMN.search(line):
        name = found[1] or found[2]
        columns = connection.execute("select distinct column_name from duckdb_columns() where not internal").fetchall()
        return f"{_PLACE}: no column '{name}'{nearest(name, [row[0] for row in columns if row[0] != name])}"
    return f"{_PLACE}: {line.partition(': ')[2] or line}"


def _no_table(gold: OpenRelease, name: str) -> str:
    try:
        gold.known(name)
    except DefinitionError as error:
        return str(error).replace("open_release(restricted=True)", "--restricted")
    return f"{_PLACE}: no table '{name}'"
