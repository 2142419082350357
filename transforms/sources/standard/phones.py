"""Telephone numbers in E.164."""

from collections.abc import Sequence
from functools import lru_cache

from transforms.sources.standard.answers import REMEMBERED

_LONGEST = 40  # no written form of a number is longer; parsing gets slow on junk


@lru_cache(REMEMBERED)
def e164(number: str | None, country: str | None) -> str | None:
    """A telephone number in E.164 by the rules of its country, or None where it cannot be one."""
    if not number or len(number) > _LONGEST:
        return None
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def numbers(texts: Sequence[str | None] | None, country: str | None) -> list[str]:
    """Several numbers in E.164, sorted and each once."""
    return sorted({found for text in texts or () if (found := e164(text, country))})
