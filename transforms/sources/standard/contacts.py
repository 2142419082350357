"""All that Python says of a contact, in one go: a row is brought to Python once."""

import re
from typing import NamedTuple

from transforms.sources.standard.countries import country as country_of
from transforms.sources.standard.divisions import Divisions, Place
from transforms.sources.standard.emails import address, mailbox
from transforms.sources.standard.names import name
from transforms.sources.standard.phones import e164

_HAN = re.compile(r"[\u4e00-\u9fff]")


class Contact(NamedTuple):
    """The columns of a contact that need more than Spark. `mailbox` is what its e-mail address is known by."""

    full_name: str | None
    given_name: str | None
    family_name: str | None
    email: str | None
    mailbox: str | None
    phone: str | None
    country: str | None
    region: str | None
    city: str | None
    district: str | None
    street: str | None


ASKED = (
    "full_name", "given_name", "family_name", "email", "phone", "country", "_country", "region", "city", "district",
    "street",
)  # fmt: skip
TOLD = ", ".join(f"{column} string" for column in Contact._fields)


def contact(divisions: Divisions | None, *asked: str | None) -> Contact:
    """The standard forms of a contact's columns, given in the order of `ASKED`.

    `_country` is the source's own, alpha-2: where a contact names no country. `divisions`: of China, if known.
    """
    full, given, family, email, phone, written, own, region, city, district, street = asked
    own = own.upper() if own else None
    country = country_of(written) if written else own
    place = Place(region or None, city or None, district or None, street or None)
    if divisions and (country or own) in ("CN", None) and _HAN.search("".join(part or "" for part in place)):
        place = divisions.place(*place)
    return Contact(
        *name(full, given, family, country or own),
        email=address(email),
        mailbox=mailbox(email),
        phone=e164(phone, country or own),
        country=country,
        **place._asdict(),
    )
