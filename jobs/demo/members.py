"""The loyalty scheme's extract of members, and the web shop's nightly dump of accounts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from jobs.demo import reach
from jobs.demo.chance import Floats, generator
from jobs.demo.crm import delimited
from jobs.demo.damage import Damage, damaged, put, too_long, too_short, twice
from jobs.demo.files import append, place
from jobs.demo.people import Draws, Person, stream
from jobs.demo.truth import Truth

LOYALTY, SHOP = "loyalty_members", "shop_accounts"
LOYALTY_HEADER = "card_no;member;email;phone;tier;points;joined_on;changed_at;country"
SHOP_HEADER = "login,name,email,phone,country,created_at,updated_at"
_TIERS = ((1500, "Gold"), (500, "Silver"), (0, "Basic"))


def _damages(separator: bytes) -> tuple[Damage, ...]:
    return (
        Damage("exact_duplicate", 0.008, twice),
        Damage("missing_key", 0.005, put(separator, 0, (b"",))),
        Damage("too_few_columns", 0.004, too_short(separator)),
        Damage("too_many_columns", 0.003, too_long(separator)),
    )


@dataclass(frozen=True)
class Member:
    """A card's row, without its points and the time of its last change."""

    person: Person
    name: str
    email: str
    phone: str
    joined_on: str

    def row(self, spent: float, changed_at: datetime) -> tuple[str, ...]:
        points = int(spent)
        tier = next(name for least, name in _TIERS if points >= least)
        return (
            str(self.person.card), self.name, self.email, self.phone, tier, str(points), self.joined_on,
            str(changed_at), self.person.pool.country,
        )  # fmt: skip


def write_members(
    folder: Path,
    people: list[Person],
    nights: tuple[date, ...],
    *,
    spent: list[Floats],
    copy: int,
    seed: int,
    truth: Truth,
) -> None:
    """Add one copy's members: all on the first night, then those whose points changed.

    `spent[n]`: what each person had spent up to and with night n, USD; a point a dollar.
    """
    draws = stream(generator(seed, "loyalty", copy))
    members = [(index, _member(person, nights[0], draws, truth)) for index, person in enumerate(people) if person.card]
    for night, day in enumerate(nights):
        moved = [(i, member) for i, member in members if not night or spent[night][i] > spent[night - 1][i]]
        rows = (member.row(spent[night][i], _moment(day, next(draws))) for i, member in moved)
        spoilt, counts = damaged(delimited(rows, ";"), _damages(b";"), generator(seed, "loyalty damage", copy, day))
        truth.spoilt("loyalty", day, counts)
        append(place(folder, "loyalty", day, "members.csv"), spoilt, header=LOYALTY_HEADER.encode())


def _member(person: Person, night: date, draws: Draws, truth: Truth) -> Member:
    truth.person(LOYALTY, str(person.card), person.key)
    if person.loyalty_email == person.emails[1] and person.crm_email == person.emails[0] and not person.role:
        truth.planted("other_email", LOYALTY, str(person.card), person.key, f"the CRM has {person.emails[0]}")
    if person.loyalty_phone == person.phones[1] and person.crm_phone == person.phones[0] and not person.role:
        truth.planted("other_phone", LOYALTY, str(person.card), person.key, f"the CRM has {person.phones[0]}")
    given = person.given[0] if next(draws) < 0.93 or person.pool.language == "zh" else f"{person.given[0][0]}."
    joined = (date(2014, 1, 1) + timedelta(days=int(next(draws) * 1000))).strftime("%m/%d/%Y")
    if next(draws) < 0.006:
        truth.spoilt("loyalty", night, {"wrong_date_in_good_row": 1})
        joined = "00/00/0000"
    phone = reach.written(person.loyalty_phone or "", person.pool.country, next(draws))
    return Member(person, f"{person.family[0]}, {given}", person.loyalty_email or "", phone, joined)


@dataclass(frozen=True)
class Account:
    """A row of the shop's dump."""

    login: str
    name: str
    email: str
    phone: str
    country: str
    created_at: str
    updated_at: str

    def row(self) -> tuple[str, ...]:
        return (self.login, self.name, self.email, self.phone, self.country, self.created_at, self.updated_at)


def write_accounts(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's accounts, all of them every night. One is deleted on the second; a few open on the later ones."""
    draws = stream(generator(seed, "shop", copy))
    owners = [person for person in people if person.has_shop]
    accounts = [_account(person, nights[0], draws, truth) for person in owners]
    for night, day in enumerate(nights):
        if night == 1 and accounts:
            gone = accounts.pop(len(accounts) // 2)
            truth.planted("deleted_account", SHOP, gone.login, detail=f"missing from {day}")
        if night:
            without = [person for person in people if not person.has_shop and not person.role and person.card]
            new = without[5 * night - 5 : 5 * night]
            accounts += [_account(person, day, draws, truth, new=True) for person in new]
        spoilt, counts = damaged(
            delimited((account.row() for account in accounts), ","),
            _damages(b","),
            generator(seed, "shop damage", copy, day),
        )
        truth.spoilt("shop", day, counts)
        append(place(folder, "shop", day, "accounts.csv"), spoilt, header=SHOP_HEADER.encode())


def _account(person: Person, night: date, draws: Draws, truth: Truth, *, new: bool = False) -> Account:
    truth.person(SHOP, person.login, person.key)
    email = person.emails[0] if next(draws) < 0.8 else person.emails[1]
    phone = reach.written(person.phones[0], person.pool.country, next(draws)) if next(draws) < 0.5 else ""
    created = datetime(2015, 1, 1, 7) + timedelta(seconds=int(next(draws) * 90_000_000))
    updated = created + timedelta(seconds=int(next(draws) * 3_000_000))
    if new:
        created = updated = _moment(night, next(draws))
        truth.planted("new_account", SHOP, person.login, person.key, night.isoformat())
    text = str(created)
    if not new and next(draws) < 0.008:
        truth.spoilt("shop", night, {"wrong_date_in_good_row": 1})
        text = "0000-00-00 00:00:00"
    return Account(
        person.login, _display_name(person, next(draws)), email, phone, person.pool.country, text, str(updated)
    )


def _display_name(person: Person, draw: float) -> str:
    """Most give their name; some a first name only, or none in their own script."""
    if draw < 0.12:
        return person.given[0]
    if person.pool.language == "zh":
        return (
            f"{person.family[0]}{person.given[0]}"
            if draw < 0.7
            else f"{person.given[1].title()} {person.family[1].title()}"
        )
    return f"{person.given[0]} {person.family[0]}"


def _moment(day: date, draw: float) -> datetime:
    """A time in the opening hours of a day."""
    return datetime(day.year, day.month, day.day, 8) + timedelta(seconds=int(draw * 40_000))
