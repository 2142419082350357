"""The households' shoppers: invented people around the real demographics, combined from the pools."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import TypeVar

import numpy as np

from jobs.demo import reach
from jobs.demo.chance import generator
from jobs.demo.pools import SHARES, Place, Pool
from jobs.demo.purchases import read_package

T = TypeVar("T")
_UP_TO = [*accumulate(SHARES)][:-1]
STEP = 10_000  # copy c's household h is c * 10,000 + h, and its people are numbered from c * 10,000
_AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64), "65+": (65, 88)}
_OCCUPATIONS = (
    "Accountant", "Nurse", "Teacher", "Engineer", "Engineer, electrical", "Sales assistant", "Driver", "Electrician",
    "Cook", "Manager", "Manager, retail", "Cashier", "Software developer", "Designer", "Physician", "Lawyer",
    "Mechanic", "Librarian", "Social worker", "Farmer", "Plumber", "Civil servant", "Journalist", "Musician",
    "Carpenter", "Receptionist", "Pharmacist", "Analyst", "Homemaker", "Self-employed", "Warehouse worker",
    "Caregiver",
)  # fmt: skip


@dataclass(slots=True)
class Person:
    """One shopper: who they are, and what each system was told. Phones are E.164; None: not told.

    `role` marks those whom a later night's event is about: merge, split, split_other.
    """

    number: int
    household: int
    pool: Pool
    gender: str
    given: tuple[str, str]
    family: tuple[str, str]
    birth: date
    street: str
    place: Place
    marital: str
    income: str
    household_size: int
    occupation: str
    emails: tuple[str, str]
    phones: tuple[str, str]
    card: int
    has_crm: bool
    has_shop: bool
    handle: str | None
    crm_email: str | None
    crm_phone: str | None
    loyalty_email: str | None
    loyalty_phone: str | None
    till_phone: str
    role: str = ""

    @property
    def key(self) -> str:
        return f"P{self.number:07d}"

    @property
    def contact_id(self) -> str:
        return f"C{self.number:07d}"

    @property
    def login(self) -> str:
        return f"{self.given[1]}.{self.family[1]}{self.number}"


Draws = Iterator[float]


def stream(rng: np.random.Generator) -> Draws:
    """Uniform numbers in [0, 1) without end, drawn in blocks because single draws cost ten times as much."""
    while True:
        yield from rng.random(4096).tolist()


def pick(values: Sequence[T], draw: float) -> T:
    """The value at this share of the way."""
    return values[int(draw * len(values))]


class Demographics:
    """The package's 801 described households; the others take after one of them."""

    def __init__(self) -> None:
        rows = read_package("demographics").to_pylist()
        self.rows: list[dict[str, str | None]] = rows
        self.known: dict[int, dict[str, str | None]] = {row["household_id"]: row for row in rows}


@dataclass(frozen=True)
class _Home:
    """What the members of a household have in common."""

    number: int
    about: dict[str, str | None]
    pool: Pool
    street: str
    place: Place
    size: int
    income: str


def make_people(
    copy: int, *, seed: int, households: list[int], demographics: Demographics, pools: list[Pool]
) -> list[Person]:
    """The shoppers of one copy of the company, household by household, the head first."""
    draws = stream(generator(seed, "people", copy))
    people: list[Person] = []
    for household in households:
        home = _home(copy * STEP + household, demographics, household, pools, draws)
        people += _members(home, copy * STEP + len(people), draws)
    return people


def _home(number: int, demographics: Demographics, household: int, pools: list[Pool], draws: Draws) -> _Home:
    known = demographics.known.get(household)
    about = known or pick(demographics.rows, next(draws))
    pool = pools[bisect(_UP_TO, next(draws))]
    size = 5 + int(next(draws) * 2) if about["household_size"] == "5+" else int(about["household_size"] or 1)
    told = next(draws) < 0.7 or known is not None
    income = (about["income"] or "") if told else ""
    return _Home(number, about, pool, pick(pool.streets, next(draws)), pick(pool.places, next(draws)), size, income)


def _members(home: _Home, first: int, draws: Draws) -> list[Person]:
    family = pick(home.pool.families, next(draws))
    age = _age(home.about["age"] or "35-44", next(draws))
    gender = pick("FM", next(draws))
    members = [_person(home, first, 0, gender, family, age, draws)]
    for rank in range(1, _shoppers(home.about, age, draws)):
        if rank == 1:
            own_name = not _shares_name(home, next(draws))
            name = pick(home.pool.families, next(draws)) if own_name else family
            other = ("M" if gender == "F" else "F") if next(draws) < 0.94 else gender
            members.append(_person(home, first + 1, 1, other, name, max(19, age + int(next(draws) * 9) - 4), draws))
        else:
            members.append(
                _person(home, first + 2, 2, pick("FM", next(draws)), family, 18 + int(next(draws) * 6), draws)
            )
    return members


def _shoppers(about: dict[str, str | None], head_age: int, draws: Draws) -> int:
    adults = 2 if (about["household_comp"] or "").startswith("2") else 1
    grown_child = adults == 2 and about["kids_count"] != "0" and head_age >= 42 and next(draws) < 0.3
    return adults + int(grown_child)


def _shares_name(home: _Home, draw: float) -> bool:
    return home.about["marital_status"] == "Married" and home.pool.language not in ("zh", "es") and draw < 0.85


def _marital(status: str | None, draw: float) -> str:
    if status == "Married":
        return "married"
    if status == "Unmarried":
        return pick(("single", "single", "single", "single", "divorced", "widowed"), draw)
    return ""


def _age(band: str, draw: float) -> int:
    low, high = _AGES[band]
    return low + int(draw * (high - low + 1))


def _occupation(age: int, draw: float) -> str:
    if age >= 66 and draw < 0.8:
        return "Retired"
    return "Student" if age <= 23 and draw < 0.5 else pick(_OCCUPATIONS, draw)


def _person(
    home: _Home, number: int, rank: int, gender: str, family: tuple[str, str], age: int, draws: Draws
) -> Person:
    pool = home.pool
    given = pick(pool.women if gender == "F" else pool.men, next(draws))
    style = int(next(draws) * 4)
    emails = (reach.email(given[1], family[1], number, style), reach.email(given[1], family[1], number, style + 1))
    phones = (reach.phone(pool.country, 2 * number), reach.phone(pool.country, 2 * number + 1))
    birth = date(2016 - age, 12, 31) + timedelta(days=1 + int(next(draws) * 364))
    return Person(
        number=number, household=home.number, pool=pool, gender=gender, given=given, family=family,
        birth=birth, street=home.street, place=home.place,
        marital=_marital(home.about["marital_status"], next(draws)) if rank < 2 else "single", income=home.income,
        household_size=home.size, occupation=_occupation(age, next(draws)), emails=emails, phones=phones,
        card=440_000_000_000 + number * 97 + 13 if next(draws) < (0.94 if rank == 0 else 0.84) else 0,
        has_crm=next(draws) < 0.87, has_shop=next(draws) < 0.5,
        handle=f"{given[1]}_{family[1][:6]}{number}" if next(draws) < 0.24 else None,
        crm_email=emails[0] if next(draws) < 0.9 else None, crm_phone=phones[0] if next(draws) < 0.86 else None,
        loyalty_email=_told(emails, next(draws), 0.64, 0.8), loyalty_phone=_told(phones, next(draws), 0.62, 0.72),
        till_phone=phones[0],
    )  # fmt: skip


def _told(both: tuple[str, str], draw: float, first: float, second: float) -> str | None:
    """The first, the second, or neither, by the shares up to which each goes."""
    return both[0] if draw < first else both[1] if draw < second else None
