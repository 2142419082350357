"""The same person twice in the CRM: how the second record comes to differ, and what it still shares."""

from dataclasses import dataclass, replace
from datetime import timedelta

from jobs.demo import reach
from jobs.demo.contacts import Contact
from jobs.demo.people import Draws, pick

_KINDS = (
    ("mistyped", 0.27), ("nickname", 0.40), ("married", 0.52), ("moved", 0.73), ("two_phones", 0.86),
    ("nothing_shared", 1.0),
)  # fmt: skip
_NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "Richard": "Dick", "James": "Jim", "John": "Jack", "Michael": "Mike",
    "Thomas": "Tom", "Joseph": "Joe", "Charles": "Chuck", "Christopher": "Chris", "Daniel": "Dan", "Matthew": "Matt",
    "Anthony": "Tony", "Andrew": "Andy", "Edward": "Ted", "Steven": "Steve", "Kenneth": "Ken", "Gregory": "Greg",
    "Benjamin": "Ben", "Samuel": "Sam", "Nicholas": "Nick", "Jonathan": "Jon", "Elizabeth": "Liz",
    "Margaret": "Peggy", "Katherine": "Kate", "Jennifer": "Jenny", "Patricia": "Patty", "Susan": "Sue",
    "Deborah": "Debbie", "Rebecca": "Becky", "Barbara": "Barb", "Jessica": "Jess", "Kimberly": "Kim",
    "Victoria": "Vicky", "Alexandra": "Sandra", "Johannes": "Hannes", "Josef": "Sepp", "Katharina": "Kathi",
    "Elisabeth": "Lisa", "Francisco": "Paco", "José": "Pepe", "Dolores": "Lola", "Catherine": "Cathy",
}  # fmt: skip


@dataclass(frozen=True)
class Second:
    """Another record of the same person; `shares` says what ties the two."""

    kind: str
    record: Contact
    shares: str


def second_record(contact: Contact, draws: Draws) -> Second:
    """A later record of the contact's person, different in one of six ways."""
    draw = next(draws)
    kind = next(name for name, up_to in _KINDS if draw < up_to)
    record = replace(
        contact,
        contact_id=f"C{5_000_000 + contact.person.number:07d}",
        birth_date=contact.person.birth.isoformat(),
        created_at=contact.created_at + timedelta(days=1),
        updated_at=max(contact.updated_at, contact.created_at + timedelta(days=1)),
    )
    return _different(kind, record, draws)


def _different(kind: str, record: Contact, draws: Draws) -> Second:
    person, pool = record.person, record.person.pool
    if kind == "mistyped" and pool.language == "zh":
        romanised = replace(record, first_name=person.given[1].title(), last_name=person.family[1].title())
        return _reached(kind, romanised, draws)
    if kind == "mistyped":
        return _reached(kind, replace(record, last_name=mistyped(record.last_name, next(draws), next(draws))), draws)
    if kind == "nickname":
        return _reached(kind, replace(record, first_name=_nickname(record.first_name)), draws)
    if kind == "married":
        moved = replace(record, last_name=pick(pool.families, next(draws))[0], street=pick(pool.streets, next(draws)))
        return _reached(kind, moved, draws)
    if kind == "moved":
        moved = replace(record, street=pick(pool.streets, next(draws)), place=pick(pool.places, next(draws)))
        return _reached(kind, moved, draws)
    if kind == "two_phones":
        other = reach.written(person.phones[1], pool.country, next(draws))
        return Second(kind, replace(record, email=person.emails[0], mobile=other), "email")
    name = mistyped(record.last_name, next(draws), next(draws)) if next(draws) < 0.5 else record.last_name
    return Second(kind, replace(record, last_name=name, email="", mobile=""), "name and birth date")


def _reached(kind: str, record: Contact, draws: Draws) -> Second:
    """With the same e-mail, or the same phone and another e-mail."""
    person, draw = record.person, next(draws)
    if draw < 0.55:
        return Second(
            kind, replace(record, email=person.emails[0], mobile="" if draw < 0.3 else record.mobile), "email"
        )
    phone = reach.written(person.phones[0], person.pool.country, next(draws))
    return Second(kind, replace(record, email=person.emails[1] if draw < 0.8 else "", mobile=phone), "phone")


def _nickname(name: str) -> str:
    return _NICKNAMES.get(name) or (name[: 3 + len(name) // 6] if len(name) > 3 else name)


def mistyped(name: str, where: float, how: float) -> str:
    """The name with two letters swapped, one doubled or one left out; a name of one or two letters stays."""
    if len(name) < 3:
        return name
    at = 1 + int(where * (len(name) - 2))
    swapped = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    doubled = name[:at] + name[at] + name[at:]
    left_out = name[:at] + name[at + 1 :]
    return (swapped, doubled, left_out)[int(how * 3)]
