"""An identifier as a person writes it, in the forms in which the tables may hold it."""

from collections.abc import Iterable, Iterator


def forms(kind: str, value: str, countries: Iterable[str | None]) -> Iterator[str]:
    """The forms in which an identifier may be held, most likely first: as landing normalises it, and as it is written.

    countries: where a phone number without a country code may be from.
    """
    if kind == "email":
        from transforms.sources.standard.emails import mailbox

        yield from filter(None, [mailbox(value)])
    if kind == "phone":
        from transforms.sources.standard.phones import e164

        yield from dict.fromkeys(number for country in countries if (number := e164(value, country)))
    yield value.strip()
