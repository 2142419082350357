"""Facts that a third party sells about the addresses and numbers that the CRM sent it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from jobs.demo.chance import generator
from jobs.demo.crm import delimited
from jobs.demo.damage import Damage, put, too_long, too_short, twice
from jobs.demo.dealings import deliver, free
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.truth import Truth

SOURCE = "enrichment"
HEADER = "ref,email,phone,income_band,home,children,cars,interests,seen"
_MATCHED = 0.62  # of the people in the CRM
_NEW, _CHANGED = 3, 4  # a later night
_INTERESTS = ("cooking", "gardening", "travel", "sports", "pets", "reading")


def _nobody(line: bytes, rng: np.random.Generator) -> bytes:
    """The record has lost whom it is about."""
    fields = line.split(b",")
    return b",".join([fields[0], b"", b"", *fields[3:]])


DAMAGES = (
    Damage("exact_duplicate", 0.008, twice),
    Damage("missing_key", 0.005, put(b",", 0, (b"",))),
    Damage("no_identifier", 0.006, _nobody),
    Damage("too_few_columns", 0.004, too_short(b",")),
    Damage("too_many_columns", 0.003, too_long(b",")),
)


@dataclass(frozen=True)
class Facts:
    """A record of the provider. What it does not know is blank."""

    key: str
    email: str
    phone: str
    income: str
    home: str
    children: str
    cars: str
    interests: str
    as_of: date

    def row(self) -> tuple[str, ...]:
        return (
            self.key, self.email, self.phone, self.income, self.home, self.children, self.cars, self.interests,
            self.as_of.strftime("%Y%m%d"),
        )  # fmt: skip


def write_facts(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's facts: all on the first night, then a few that are new or changed."""
    rng = generator(seed, "enrichment", copy)
    draws = stream(rng)
    asked = [person for person in free(people) if person.has_crm and next(draws) < _MATCHED]
    facts = [_facts(f"E{copy}-{person.number:07d}", person, nights[0], draws) for person in asked]
    for record, person in zip(facts, asked, strict=True):
        truth.person(SOURCE, record.key, person.key)
    news = {nights[0]: facts[(len(nights) - 1) * _NEW :]}
    for number, night in enumerate(nights[1:]):
        new = [replace(record, as_of=night) for record in facts[number * _NEW : (number + 1) * _NEW]]
        # each changed record is another one, so that none changes back
        chosen = news[nights[0]][number * _CHANGED : (number + 1) * _CHANGED]
        news[night] = new + [_moved(record, night) for record in chosen]
    for night, records in news.items():
        deliver(
            folder, "enrichment", "facts.csv", night, delimited((r.row() for r in records), ","), DAMAGES,
            copy=copy, seed=seed, truth=truth, header=HEADER.encode(),
        )  # fmt: skip


def _facts(key: str, person: Person, night: date, draws: Draws) -> Facts:
    by_email = next(draws) < 0.7
    known = [next(draws) < 0.85 for _ in range(4)]
    return Facts(
        key=key,
        email=person.emails[0] if by_email else "",
        phone="" if by_email else person.phones[0],
        income=person.income if known[0] else "",
        home=pick(("owner", "owner", "owner", "renter", "renter"), next(draws)) if known[1] else "",
        children=str(max(person.household_size - 2, 0)) if known[2] else "",
        cars=str(int(next(draws) * 3)) if known[3] else "",
        interests="|".join(sorted({pick(_INTERESTS, next(draws)), pick(_INTERESTS, next(draws))})),
        as_of=night - timedelta(days=1 + int(next(draws) * 300)),
    )


def _moved(record: Facts, night: date) -> Facts:
    return replace(record, home="renter" if record.home == "owner" else "owner", as_of=night)
