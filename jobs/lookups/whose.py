"""Whose an identifier is: from what people type to a customer of the newest release."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyarrow import dataset as ds

from jobs.engines.erasures import check_erased
from jobs.runtime.configuration import Configuration
from jobs.runtime.reader import Reader
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.identity.manual import RECORD
from transforms.identity.written import forms
from transforms.schemas import IDENTITY_CHANGE, IDENTITY_CONFLICT, IDENTITY_RECORD, LEDGER


@dataclass(frozen=True)
class Found:
    """The customer, and what to tell of the way there, a line each. `by`: the identifier that was asked by, as held."""

    customer_id: str
    notes: tuple[str, ...] = ()
    by: tuple[str, str] | None = None


def whose(reader: Reader, conf: Configuration, identifier: str) -> Found:
    """The customer behind a customer id (a retired one too), `type:value` or `record:<record_id>`.

    Raises DefinitionError where it is nobody's, telling what is known of it, where it may be several people's, or where
    it is that of somebody who was erased.
    """
    try:
        return _found(reader, conf, identifier)
    except DefinitionError:
        check_erased(reader.lakehouse, conf, identifier)
        raise


def _found(reader: Reader, conf: Configuration, identifier: str) -> Found:
    kind, colon, value = identifier.strip().partition(":")
    if not colon:
        return _living(reader, identifier.strip())
    if kind == RECORD:
        return _of_record(reader, value)
    if kind not in conf.identity.identifiers:
        types = ", ".join([*conf.identity.identifiers, RECORD])
        raise DefinitionError(
            f"{kind}: no type of identifier{nearest(kind, conf.identity.identifiers)} (one of {types})"
        )
    countries = [source.country for source in conf.sources.values()]
    held_as = list(dict.fromkeys([value.strip(), *forms(kind, value, countries)]))
    rows = reader.where(LEDGER, (ds.field("id_type") == kind) & ds.field("id_value").isin(held_as))
    now = [row for row in rows if row["valid_to"] is None]
    # as it is typed, before what it may stand for
    meant = [row for row in now if row["id_value"] == held_as[0]] or now
    owners = {row["customer_id"] for row in meant}
    if len(owners) > 1:
        raise DefinitionError(
            f"{kind}: written like this it may be that of {len(owners)} customers, {', '.join(sorted(owners))}; "
            "write it in full" + (", with + and its country's code" if kind == "phone" else "")
        )
    if not owners:
        raise DefinitionError(_nobodys(reader, kind, held_as, rows))
    (owner,) = owners
    held = min((row["id_value"] for row in meant), key=held_as.index)
    return Found(owner, tuple(_before(kind, owner, rows)), (kind, held))


def _before(kind: str, owner: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Whose it was before it was the present owner's."""
    past = [row for row in rows if row["valid_to"] is not None and row["customer_id"] != owner]
    for row in sorted(past, key=lambda row: (row["valid_from"], row["customer_id"])):
        yield f"this {kind} was customer {row['customer_id']}'s from {row['valid_from']} until {row['valid_to']}"


def _nobodys(reader: Reader, kind: str, held_as: list[str], rows: list[dict[str, Any]]) -> str:
    """Why an identifier has no owner: it is not believed, it was given up, or nobody ever gave it."""
    day = reader.release.date
    same = (ds.field("id_type") == kind) & ds.field("id_value").isin(held_as)
    told = reader.where(IDENTITY_CONFLICT, same & ds.field("kind").isin(["hub", "blocked"]))
    if rows:
        last = max(rows, key=lambda row: (row["valid_to"], row["customer_id"]))
        was = f"until {last['valid_to']} it was customer {last['customer_id']}'s"
    if told:
        why = max(told, key=lambda row: row["date"])
        refused = (
            f"{kind}: it is given, and not believed ({why['kind']}: {why['detail']}), so it is nobody's as of {day}"
        )
        return f"{refused}; {was}" if rows else refused
    if rows:
        return f"{kind}: no record gives it as of {day}; {was}: portrait show {last['customer_id']}"
    return f"{kind}: no customer has this {kind} as of {day}, and none had; is it written as the sources give it?"


def _of_record(reader: Reader, record_id: str) -> Found:
    rows = reader.where(IDENTITY_RECORD, ds.field("record_id") == record_id)
    if not rows:
        raise DefinitionError(
            f"{RECORD}: no such record as of {reader.release.date}; it is written as record:<source>:<key>"
        )
    return Found(rows[0]["customer_id"])


def _living(reader: Reader, customer_id: str) -> Found:
    """The id itself, or the one that it was merged into in the end."""
    notes: list[str] = []
    passed = {customer_id}
    while not reader.where(IDENTITY_RECORD, ds.field("customer_id") == customer_id, ["customer_id"]):
        merges = reader.where(IDENTITY_CHANGE, ds.field("kind") == "merge", ["customer_id", "from_ids", "date"])
        into = [row for row in merges if customer_id in (row["from_ids"] or [])]
        last = max(into, key=lambda row: (row["date"], row["customer_id"]), default=None)
        if last is None or last["customer_id"] in passed:
            raise DefinitionError(_no_such_customer(reader, customer_id))
        notes.append(f"customer {customer_id} was merged into {last['customer_id']} on {last['date']}")
        customer_id = last["customer_id"]
        passed.add(customer_id)
    return Found(customer_id, tuple(notes))


def _no_such_customer(reader: Reader, customer_id: str) -> str:
    ended = reader.where(
        IDENTITY_CHANGE, (ds.field("kind") == "retire") & (ds.field("customer_id") == customer_id), ["date"]
    )
    if ended:
        return f"{customer_id}: this customer ended on {max(row['date'] for row in ended)}: no record is left"
    what = "write an identifier as type:value, such as email:ann@x.org"
    # what was typed may be somebody's address
    named = customer_id if customer_id.isalnum() and not customer_id.isdigit() else "what was asked for"
    return f"{named}: no such customer as of {reader.release.date}; {what}"
