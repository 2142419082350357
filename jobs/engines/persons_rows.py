"""Where bronze holds a person's rows, told from few of its columns.

A row is a person's by its identifiers, by its key, or, where it is refused and gives no identifier, by a word of it.
Identifiers come from few columns, whose values most rows repeat: DuckDB tells the distinct ones, and each of them is
asked once. Rows that may be the person's by a key or a word are few, and of those the chain that silver reads rows
through is asked as a whole. See docs/adr/0022.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from jobs.engines.erased_rows import chosen, in_table
from jobs.engines.landed_ids import Judge, as_landed, at_once, judged, pairs_in
from jobs.engines.landed_rows import Landed, landed_sources
from jobs.engines.persons import Person
from jobs.engines.state_rows import Places, StateRows
from jobs.runtime.night import FEW_ROWS, Night
from transforms.erasure import Erased, said
from transforms.schemas import QUARANTINE
from transforms.sources.plain_ids import Identifiers

# What a row holds: raw name and cell, as a set; of a record that could not be split its text.
Content = frozenset[tuple[str, str]] | str


@dataclass(frozen=True)
class InBronze:
    """Bronze table -> where it holds a person's rows; and these rows as the quarantine holds them."""

    places: Mapping[str, Places] = field(default_factory=dict)
    raws: frozenset[str] = frozenset()


def in_bronze(night: Night, rows: StateRows, person: Person, listed: Erased) -> InBronze:
    """The rows of bronze that are a person's. `listed`: the person as the erasure list has it."""
    sources = list(landed_sources(night.conf, rows))
    values, judges = [source.distinct(rows) for source in sources], [_judge(source, person) for source in sources]
    for source, told in zip(sources, judged(night, sources, values, judges), strict=True):
        source.note(rows, told)
    mine = {source.name: [source.rows(rows, _having(source, "mine"))] for source in sources}
    keys = {source.name: _key(rows, source, person) for source in sources}
    doubtful = [(source, table) for source in sources for table in _doubtful(rows, source, person, keys[source.name])]
    for (source, _), sure in zip(doubtful, at_once(night, partial(_confirmed, night, listed), doubtful), strict=True):
        mine[source.name].append(sure)
    places = {source.table: _places(mine[source.name]) for source in sources}
    found = {
        _content(_text(source, row)) for source in sources for each in mine[source.name] for row in each.to_pylist()
    }
    raws = set(_as_refused(rows, found))
    for name, asked in night.conf.sources.items():
        if keys.get(name) is None and not asked.table.reference and night.has_rows(f"bronze/{name}"):
            places[f"bronze/{name}"], of_table = in_table(night, name, listed)
            raws |= of_table
    return InBronze({table: rows_in for table, rows_in in places.items() if rows_in}, frozenset(raws))


def _judge(source: Landed, person: Person) -> Judge:
    """What to tell of identifiers: that one is the person's own (`mine`), that they are those of a node of the person's
    (`of_node`), or that there are none (`nobodys`)."""
    nodes = {pairs_in(node.partition(":")[2]) for node in person.nodes if node.startswith(f"{source.name}:{{")}

    def judge(ids: Identifiers) -> str | None:
        if not ids.isdisjoint(person.own):
            return "mine"
        return "of_node" if ids in nodes else None if ids else "nobodys"

    return judge


def _having(source: Landed, what: str) -> str:
    """Does a row have values of which this was told? In SQL."""
    return f"{source.values} in (select key from told_{source.name} where told = '{what}')"


def _key(rows: StateRows, source: Landed, person: Person) -> str | None:
    return source.may_have_key(rows, person.records, made=_having(source, "of_node"))


def _doubtful(rows: StateRows, source: Landed, person: Person, key: str | None) -> Iterator[pa.Table]:
    """The rows that may be the person's by their `key`, and those by a word; only where there are such."""
    says = source.may_say(person.own)
    by_key = source.rows(rows, f"not {_having(source, 'mine')} and ({key or 'false'})")
    by_word = source.rows(rows, _having(source, "nobodys"), says[0], **says[1])
    kinds = {kind for kind, _ in person.own}
    named = [not person.own.isdisjoint(said(text, kinds)) for text in map(partial(_text, source), by_word.to_pylist())]
    yield from filter(len, (by_key, by_word.filter(pa.array(named, pa.bool_()))))


def _confirmed(night: Night, listed: Erased, source: Landed, doubtful: pa.Table) -> pa.Table:
    """Those of such rows that are the person's."""
    rows, few = as_landed(night, source, doubtful), len(doubtful) <= FEW_ROWS
    mine = chosen(night, rows, source.name, listed, few=few).select("_file").collect()
    return doubtful.take(pa.array(sorted(int(row["_file"]) for row in mine), pa.int64()))


def _places(found: Sequence[pa.Table]) -> Places:
    places: defaultdict[str, set[int]] = defaultdict(set)
    for table in found:
        for file, row in zip(table["_data_file"].to_pylist(), table["file_row_number"].to_pylist(), strict=True):
            places[file].add(row)
    return {file: sorted(rows) for file, rows in places.items()}


def _text(source: Landed, row: Mapping[str, Any]) -> str:
    """The row as the quarantine would hold it, but for the order of its columns."""
    if row["_corrupt"] is not None:
        return str(row["_corrupt"])
    cells = {raw: row[landed] for landed, raw in source.raw.items() if row[landed] is not None}
    return json.dumps(cells, ensure_ascii=False)


def _content(text: str) -> Content:
    """What such a text holds."""
    try:
        cells = json.loads(text)
    except ValueError:
        return text
    split = isinstance(cells, dict) and all(isinstance(cell, str) for cell in cells.values())
    return frozenset(cells.items()) if split else text


def _as_refused(rows: StateRows, found: Collection[Content]) -> Iterator[str]:
    """The texts of the quarantine's rows that hold the same, whichever source refused them."""
    scan = rows.scan(QUARANTINE.name) if found else None
    for (raw,) in rows.db.execute(f"select distinct raw from {scan}").fetchall() if scan else ():
        if _content(raw) in found:
            yield raw
