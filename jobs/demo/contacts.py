"""One record of the CRM: what it holds of a person, and as whose row it stands in the extract."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from jobs.demo import reach
from jobs.demo.people import Draws, Person, pick
from jobs.demo.pools import Place
from jobs.demo.truth import Truth

SOURCE = "crm_contacts"
HEADER = (
    "contact_id", "salutation", "first_name", "last_name", "gender", "birth_date", "email", "mobile", "street",
    "zip", "city", "state", "country", "language", "marital_status", "income", "household_size", "occupation",
    "social_handle", "opt_in_marketing", "opt_in_at", "created_at", "updated_at",
)  # fmt: skip
_NO_DATES = ("0000-00-00", "1980-02-31", "31/31/1975", "19xx-05-04", "unknown")


@dataclass(frozen=True)
class Contact:
    """A row of the extract as text, except for what later nights change."""

    contact_id: str
    person: Person
    first_name: str
    last_name: str
    birth_date: str
    email: str
    mobile: str
    street: str
    place: Place
    opt_in: str
    opt_in_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def row(self) -> tuple[str, ...]:
        person, pool = self.person, self.person.pool
        return (
            self.contact_id, pool.titles[person.gender == "M"], self.first_name, self.last_name, person.gender,
            self.birth_date, self.email, self.mobile, self.street, self.place.postal_code, self.place.city,
            self.place.state, pool.country, pool.language, person.marital, person.income, str(person.household_size),
            person.occupation, person.handle or "", self.opt_in, str(self.opt_in_at or ""), str(self.created_at),
            str(self.updated_at),
        )  # fmt: skip


def make_contact(person: Person, night: date, draws: Draws, truth: Truth, *, new: bool = False) -> Contact:
    """The person's record as of a night; a new one was made that day, the others over the years before."""
    opens, closes = (datetime(night.year, night.month, night.day, hour) for hour in (8, 19))
    created = _moment(opens if new else datetime(2012, 1, 1), closes, next(draws))
    updated = created if new else _moment(created, closes, next(draws))
    opt_in = pick("YYYYYYNNN ", next(draws)).strip()
    truth.person(SOURCE, person.contact_id, person.key)
    return Contact(
        contact_id=person.contact_id, person=person, first_name=person.given[0], last_name=person.family[0],
        birth_date=_birth_date(person, night, next(draws), truth), email=_email(person, night, next(draws), truth),
        mobile=reach.written(person.crm_phone or "", person.pool.country, next(draws)), street=person.street,
        place=person.place, opt_in=opt_in, opt_in_at=_moment(created, updated, next(draws)) if opt_in else None,
        created_at=created, updated_at=updated,
    )  # fmt: skip


def _birth_date(person: Person, night: date, draw: float, truth: Truth) -> str:
    if draw < 0.05 or person.role:
        return person.birth.isoformat() if person.role else ""
    if draw < 0.06:
        truth.spoilt("crm", night, {"wrong_date_in_good_row": 1})
        return pick(_NO_DATES, (draw - 0.05) * 100)
    return person.birth.isoformat()


def _email(person: Person, night: date, draw: float, truth: Truth) -> str:
    address = person.crm_email or ""
    if address and not person.role and draw < 0.006:
        truth.spoilt("crm", night, {"wrong_email_in_good_row": 1})
        return address.replace("@", " at ") if draw < 0.003 else address.split("@")[0] + "@"
    return address.upper() if draw > 0.97 else address


def _moment(first: datetime, last: datetime, draw: float) -> datetime:
    return first + timedelta(seconds=int(draw * (last - first).total_seconds()))
