"""`portrait identity audit ID`: how each record of a customer is tied to it, as text and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from pyarrow import dataset as ds

from jobs.engines.bridges import bridges
from jobs.engines.tied import COMPARED, rows_of, tied
from jobs.lookups.whose import Found, whose
from jobs.pages.audit_picture import check_picture, write_picture
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.identity.manual import RECORD
from transforms.privacy import hint
from transforms.schemas import IDENTITY_CHANGE

_RECORDS = """
select record_id, split_part(record_id, ':', 1) as source, record_id in (select record_id from person) as person
from owner where customer_id = $customer order by 3 desc, 1
"""
_TIES = """
select record_id, left_type, left_value, id_type, id_value, one_end, other_end, rule, weight,
    first_seen, last_seen, holds, holder,
    (select if(kind in ('cut', 'cap'), '', kind || ': ') || detail from refused r
        where (r.id_type, r.id_value) = (tie.id_type, tie.id_value) order by r.kind desc limit 1) as why
from tie where customer_id = $customer order by id_type = 'record', weight desc, id_type, id_value, record_id
"""
_SAID = "select person.* from person join owner using (record_id) where customer_id = $customer order by record_id"


def show_ties(conf: Configuration, identifier: str, screen: Screen, *, clear: bool, picture: Path | None) -> None:
    """Print how a customer is tied together; with `picture` draw it too.

    Records are told by source and number, identifiers by hints, unless `clear`. Raises DefinitionError where nobody
    has the identifier, no night was released, or the picture cannot be written there.
    """
    if picture:
        check_picture(picture)
    reader = Reader(conf)
    owner = whose(reader, conf, identifier)
    with tied(reader, conf.identity.identifiers) as connection:
        found = _customer(connection, reader, owner, clear=clear)
    if picture:
        write_picture(picture, found)
        found["picture"] = str(picture)
    _print(found, screen, clear=clear)
    screen.result(found)


def _customer(connection: duckdb.DuckDBPyConnection, reader: Reader, owner: Found, *, clear: bool) -> dict[str, Any]:
    asked = {"customer": owner.customer_id}
    records = rows_of(connection.execute(_RECORDS, asked).df())
    number = {row["record_id"]: place for place, row in enumerate(records, start=1)}
    ties = connection.execute(_TIES, asked).df()
    alone = _alone(ties, {row["record_id"]: bool(row["person"]) for row in records})
    ends = sorted({end for end in [*ties["one_end"], *ties["other_end"]] if end.startswith("\t")})
    number |= {end: place for place, end in enumerate(ends, start=1)}
    return {
        "customer_id": owner.customer_id,
        "release": reader.release.release,
        "date": reader.release.date,
        "notes": list(owner.notes),
        "records": [_record(row, number, ties, clear=clear) for row in records],
        "ties": [_tie(row, number, part, clear=clear) for row, part in zip(rows_of(ties), alone, strict=True)],
        "differences": _differences(connection.execute(_SAID, asked).df(), number, clear=clear),
        "changes": _changes(reader, owner.customer_id),
    }


def _alone(ties: pd.DataFrame, person: Mapping[str, bool]) -> list[int]:
    """For each tie how many persons' records the smaller part would hold without it; 0 where nothing falls apart."""
    holds = ties[ties["holds"].astype(bool)]
    codes, vertices = pd.factorize(pd.concat([holds["one_end"], holds["other_end"]], ignore_index=True), sort=True)
    weight = np.array([int(person.get(name, False)) for name in vertices], dtype=np.int64)
    found = bridges(codes[: len(holds)].astype(np.int64), codes[len(holds) :].astype(np.int64), weight)
    smaller = pd.Series(0, index=ties.index)
    smaller.loc[holds.index[found.tie]] = np.minimum(found.below, weight.sum() - found.below)
    return [int(value) for value in smaller]


def _record(row: Mapping[str, Any], number: Mapping[str, int], ties: pd.DataFrame, *, clear: bool) -> dict[str, Any]:
    own = ties[ties["record_id"] == row["record_id"]]
    return {
        "number": number[row["record_id"]],
        "record": row["record_id"] if clear and row["person"] else row["source"],
        "source": row["source"],
        "person": bool(row["person"]),
        "gives": sorted(set(own.loc[own["id_type"] != RECORD, "id_type"])),
        "since": min(own["first_seen"]).date() if len(own) else None,
    }


def _tie(row: Mapping[str, Any], number: Mapping[str, int], alone: int, *, clear: bool) -> dict[str, Any]:
    """number: of each record, and of each identifier, whose value need not be told."""
    by_record, of_record = row["left_type"] == RECORD, row["id_type"] == RECORD
    value = row["id_value"] if clear else hint(row["id_type"], row["id_value"])
    other = number.get(row["other_end"]) if of_record else None
    why = None if row["holds"] else row["why"] if isinstance(row["why"], str) else _elsewhere(row["holder"])
    left = row["left_value"] if clear else hint(row["left_type"], row["left_value"])
    return {
        "record": number[row["one_end"]] if by_record else None,
        "of_identifier": None if by_record else number[row["one_end"]],
        "from": f"{number[row['one_end']]}" if by_record else f"{row['left_type']} {left}",
        "identifier": None if of_record else number[row["other_end"]],
        "other_record": other,
        "type": row["id_type"],
        "value": f"record {other}" if other else value,
        "rule": row["rule"],
        "weight": round(float(row["weight"]), 4),
        "first_seen": row["first_seen"].date(),
        "last_seen": row["last_seen"].date(),
        "holds": bool(row["holds"]),
        "why_not": why,
        "alone_holds": alone,
    }


def _elsewhere(holder: Any) -> str:
    return f"it is customer {holder}'s" if isinstance(holder, str) else "not believed"


def _differences(said: pd.DataFrame, number: Mapping[str, int], *, clear: bool) -> list[dict[str, Any]]:
    """Fields of which the customer's records tell more than one value; case is no difference."""
    found = []
    for field in COMPARED:
        rows = said.dropna(subset=field)
        told = {
            str(own[field].min()): [number[record] for record in own["record_id"]]
            for _, own in rows.groupby(rows[field].str.casefold())
        }
        if len(told) > 1:
            found.append({"field": field, "different": len(told), **({"values": told} if clear else {})})
    return found


def _changes(reader: Reader, customer_id: str) -> list[dict[str, Any]]:
    """What became of the id, oldest first."""
    rows = reader.where(IDENTITY_CHANGE, ds.scalar(True))
    mine = [row for row in rows if customer_id in (row["customer_id"], *(row["from_ids"] or []))]
    mine.sort(key=lambda row: (row["date"], row["kind"], row["customer_id"]))
    return [{name: row[name] for name in ("date", "kind", "customer_id", "from_ids", "cause")} for row in mine]


def _print(found: Mapping[str, Any], screen: Screen, *, clear: bool) -> None:
    records, ties = found["records"], found["ties"]
    screen.say(f"customer {found['customer_id']}, as of {found['date']} (release {found['release']})")
    for note in found["notes"]:
        screen.say(note)
    screen.say()
    rows = [
        [row["number"], row["record"], "a person" if row["person"] else "events", ", ".join(row["gives"]), row["since"]]
        for row in records
    ]
    screen.table("records", ["no", "record", "is of", "gives", "since"], rows)
    screen.table("ties", ["type", "value", "weight", "of records", "since", ""], _tie_rows(ties))
    for line in _alone_lines(ties, sum(row["person"] for row in records)):
        screen.say(line)
    if found["differences"]:
        told = [
            [row["field"], row["different"], *([_values(row["values"])] if clear else [])]
            for row in found["differences"]
        ]
        screen.table("what the records differ in", ["field", "values", *(["which (record)"] if clear else [])], told)
    changes = [
        [row["date"], row["kind"], row["customer_id"], ", ".join(row["from_ids"] or [])] for row in found["changes"]
    ]
    screen.table("what became of the id", ["date", "what", "customer", "from"], changes)
    if found.get("picture"):
        screen.say(f"picture: {found['picture']}")
    if not clear:
        screen.say("values are hints; --clear shows them")


def _grouped(ties: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The ties of each identifier, those that hold apart from those that do not."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for tie in ties:
        key = (
            tie["identifier"],
            tie["other_record"],
            tie["type"] == RECORD and tie["record"],
            tie["rule"],
            tie["why_not"],
        )
        groups.setdefault(key, []).append(tie)
    return list(groups.values())


def _tie_rows(ties: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [
        [
            group[0]["rule"],
            group[0]["value"],
            f"{group[0]['weight']:g}",
            ", ".join(tie["from"] for tie in group),
            min(tie["first_seen"] for tie in group),
            group[0]["why_not"] or "",
        ]
        for group in _grouped(ties)
    ]


def _alone_lines(ties: Sequence[dict[str, Any]], persons: int) -> list[str]:
    """A line for each identifier that alone holds persons' records together."""
    best: dict[tuple[str, str], int] = {}
    for tie in ties:
        key = (tie["rule"], tie["value"])
        best[key] = max(best.get(key, 0), tie["alone_holds"])
    return [
        f"{rule} {value} alone holds {part} of the {persons} persons' records to the others\n"
        for (rule, value), part in best.items()
        if part
    ]


def _values(told: Mapping[str, Sequence[int]]) -> str:
    return "; ".join(f"{value} ({', '.join(map(str, records))})" for value, records in told.items())
