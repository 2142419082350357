"""A person taken out of every table of a state: generic over the tables, by the columns that they have."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from jobs.engines.persons import Person, pairs
from jobs.engines.state_rows import Places, StateRows
from jobs.runtime.rewriting import take_out

_OWNER = {
    "customer_id": "customer_id in (select v from customers)",
    "_node": "_node in (select v from nodes)",
    "record_id": "record_id in (select v from nodes)",
    "raw": "raw in (select v from raws)",
}
_PAIRS = (("id_type", "id_value"), ("left_type", "left_value"), ("right_type", "right_value"))
_NAMED = "list_has_any(from_ids, (select list(v) from customers))"


@dataclass
class Removed:
    """What became of a state. `versions`: of all its tables. `rows`: table -> rows taken out or blotted."""

    versions: dict[str, int]
    rows: dict[str, int] = field(default_factory=dict)


def remove(rows: StateRows, person: Person, landed: Mapping[str, Places], raws: Collection[str]) -> Removed:
    """The state without the person. Tables that do not hold the person get no commit.

    landed: bronze table -> places of the person's rows. raws: those rows as the quarantine holds them.
    """
    know(rows, person, raws)
    removed = Removed(dict(rows.versions))
    for table in sorted(rows.versions):
        columns = rows.columns(table)
        places = landed.get(table, {}) if table.startswith("bronze/") else rows.places(table, condition(columns))
        named = rows.places(table, _NAMED) if "from_ids" in columns else {}
        if not places and not named:
            continue
        edit = partial(_without, customers=person.customers) if named else None
        files = {file: places.get(file, []) for file in {*places, *named}}
        removed.versions[table] = take_out(rows.lakehouse, table, rows.versions[table], files, edit)
        removed.rows[table] = sum(len(found) for found in files.values()) or sum(map(len, named.values()))
    return removed


def count(rows: StateRows, person: Person) -> dict[str, int]:
    """Table -> rows that are the person's still, in every table but bronze; none where there are none."""
    know(rows, person, ())
    found = {}
    for table in sorted(rows.versions):
        if not table.startswith("bronze/") and (places := rows.places(table, condition(rows.columns(table)))):
            found[table] = sum(len(at) for at in places.values())
    return found


def condition(columns: Collection[str]) -> str:
    """What tells a row of the person's, in SQL over the tables `customers`, `nodes`, `pairs` and `raws`."""
    return " or ".join(_parts(columns)) or "false"


def _parts(columns: Collection[str]) -> Iterator[str]:
    # a record that describes a person is its own node, any other is found by its node: to ask for either takes longer,
    # for only of one condition alone DuckDB reads the other columns where it is met
    told_by = [name for name in _OWNER if name in columns and not (name == "record_id" and "_node" in columns)]
    yield from map(_OWNER.__getitem__, told_by)
    for kind, value in _PAIRS:
        if {kind, value} <= set(columns):
            yield f"({kind}, {value}) in (select (kind, v) from pairs)"


def know(rows: StateRows, person: Person, raws: Collection[str]) -> None:
    """The tables that `condition` compares with."""
    rows.values("customers", v=person.customers)
    rows.values("nodes", v=person.nodes)
    rows.values("raws", v=raws)
    rows.pairs("pairs", pairs(person))


def _without(part: pa.Table, *, customers: Collection[str]) -> pa.Table:
    """Lists of customer ids without these."""
    lists = part["from_ids"].combine_chunks() if len(part) else part["from_ids"]
    kept = [None if ids is None else [one for one in ids if one not in customers] for ids in lists.to_pylist()]
    at, field_ = part.schema.get_field_index("from_ids"), part.schema.field("from_ids")
    return part.set_column(at, field_, pa.chunked_array([pa.array(kept, field_.type)]))
