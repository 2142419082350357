"""The CRM's extract of contacts: everybody on the first night, then what is new or changed."""

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from jobs.demo.chance import generator
from jobs.demo.contacts import HEADER, SOURCE, Contact, make_contact
from jobs.demo.damage import Damage, damaged, put, too_long, too_short, twice
from jobs.demo.duplicates import second_record
from jobs.demo.files import append, place
from jobs.demo.people import Draws, Person, stream
from jobs.demo.truth import Truth

DAMAGES = (
    Damage("exact_duplicate", 0.008, twice),
    Damage("missing_key", 0.005, put(b",", 0, (b"",))),
    Damage("too_few_columns", 0.004, too_short(b",")),
    Damage("too_many_columns", 0.003, too_long(b",")),
)
_NEW, _CHANGED = {1: 8, 2: 6}, {1: 15, 2: 15}


def write_contacts(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's contacts to the extracts of all nights."""
    draws = stream(generator(seed, "crm", copy))
    late = [person for person in people if not person.has_crm]
    later = {1: late[: _NEW[1]], 2: late[_NEW[1] : _NEW[1] + _NEW[2]]}
    contacts = [contact for person in people if person.has_crm for contact in _records(person, nights[0], draws, truth)]
    _write(folder, nights[0], contacts, copy=copy, seed=seed, truth=truth)
    for night in (1, 2):
        changed = _changes(contacts, nights[night], _CHANGED[night], generator(seed, "crm changes", copy, night))
        if night == 2:
            changed += [
                _corrected(contact, nights[2]) for contact in contacts if contact.person.role in ("merge", "split")
            ]
        for person in later[night]:
            truth.planted("new_contact", SOURCE, person.contact_id, person.key, nights[night].isoformat())
        new = [make_contact(person, nights[night], draws, truth, new=True) for person in later[night]]
        _write(folder, nights[night], changed + new, copy=copy, seed=seed, truth=truth)


def _records(person: Person, night: date, draws: Draws, truth: Truth) -> list[Contact]:
    """A person's record, and for one in eleven a second one that differs."""
    contact = make_contact(person, night, draws, truth)
    reachable = contact.email.lower() == person.emails[0] and person.crm_phone == person.phones[0]
    if person.role or not reachable or next(draws) >= 0.12:
        return [contact]
    second = second_record(contact, draws)
    truth.person(SOURCE, second.record.contact_id, person.key)
    truth.planted(
        second.kind, SOURCE, second.record.contact_id, person.key, f"also {contact.contact_id}; shares {second.shares}"
    )
    return [contact, second.record]


def _changes(contacts: list[Contact], night: date, number: int, rng: np.random.Generator) -> list[Contact]:
    """Some contacts moved, changed their number or their mind."""
    able = [contact for contact in contacts if not contact.person.role and contact.opt_in]
    chosen = [able[index] for index in rng.permutation(len(able))[:number].tolist()]
    at = datetime(night.year, night.month, night.day, 9)
    return [_changed(contact, turn, at + timedelta(minutes=7 * turn)) for turn, contact in enumerate(chosen)]


def _changed(contact: Contact, turn: int, at: datetime) -> Contact:
    places = contact.person.pool.places
    moved = replace(
        contact, street=f"{contact.street} B", place=places[(places.index(contact.place) + 1) % len(places)]
    )
    decided = replace(contact, opt_in="N" if contact.opt_in == "Y" else "Y", opt_in_at=at)
    phoned = replace(contact, mobile=contact.person.phones[1])
    return replace((decided, moved, phoned)[turn % 3], updated_at=at)


def _corrected(contact: Contact, night: date) -> Contact:
    """A merge's contact tells the address that the loyalty member has; a split's gets back what is its own."""
    person = contact.person
    at = datetime(night.year, night.month, night.day, 11, 15)
    email = person.emails[1] if person.role == "merge" else person.emails[0]
    return replace(contact, email=email, mobile=person.phones[0], updated_at=at)


def _write(folder: Path, night: date, contacts: list[Contact], *, copy: int, seed: int, truth: Truth) -> None:
    lines = delimited((contact.row() for contact in contacts), ",")
    spoilt, counts = damaged(lines, DAMAGES, generator(seed, "crm damage", copy, night))
    truth.spoilt("crm", night, counts)
    append(place(folder, "crm", night, "contacts.csv"), spoilt, header=",".join(HEADER).encode())


def delimited(rows: Iterable[tuple[str, ...]], separator: str) -> list[bytes]:
    """Rows as lines of a delimited file, with quotes where a value needs them."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue().encode().splitlines()
