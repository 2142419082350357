"""conf/privacy.yml: what data may be used for, the keys, and who may see what."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from transforms.definitions import Definition, days

SHORTEST_KEY = 32
Sensitive = Literal["personal", "sensitive"]
Shown = Literal["allow", "mask", "deny"]


def shape(text: str) -> str:
    """What a value looks like, without what it says: letters as `a` or `A`, digits as `9`, other scripts as `x`.

    Blanks and ASCII punctuation stay, which is what tells one pattern of a date or a number from another.
    """
    return "".join(_shape_of(character) for character in text)


def _shape_of(character: str) -> str:
    if not character.isascii():
        return "x"
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character


def hint(kind: str, value: str) -> str:
    """An identifier as those may see it who may not see it: enough to tell what it is, and not whose.

    Of an e-mail address the first letters of its two parts, of a phone its last two digits, of all else the first
    letter; of a record its source, of an event's node the source alone.
    """
    if kind == "record":
        source, _, key = value.partition(":")
        return source if key.startswith("{") else f"{source}:{key[:1]}***"
    if kind == "email":
        name, _, domain = value.rpartition("@")
        return f"{name[:1]}***@{domain[:1]}***"
    return f"***{value[-2:]}" if kind == "phone" else f"{value[:1]}***"


def as_decided(purpose: str) -> str:
    """A purpose's name as decisions on it are held: in lower case, with no blanks around it."""
    return purpose.strip().lower()


class Purpose(Definition):
    """A use of personal data, and the consent that it needs."""

    consent: Literal["opt_in", "opt_out", "none"]


class Keys(Definition):
    """Secrets. Of each list the first signs; the others still verify what they signed before."""

    customer: list[str]
    erasure: list[str]

    @field_validator("customer", "erasure", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("customer", "erasure")
    @classmethod
    def _long_enough(cls, value: list[str]) -> list[str]:
        if not value or any(len(key) < SHORTEST_KEY for key in value):
            # the value itself must not be shown
            raise ValueError(f"a key must be at least {SHORTEST_KEY} characters; make one with: openssl rand -hex 32")
        return value

    def __repr__(self) -> str:
        return "Keys(…)"


class Role(Definition):
    """Who reads gold or an export, and what is kept from them, by sensitivity; of `columns` what is said there counts.

    deny: the column is left out. mask: it is there and tells nothing, not even who has a value. allow: it is shown.
    """

    deny: list[Sensitive] = []
    mask: list[Sensitive] = []
    columns: dict[str, Shown] = {}

    @model_validator(mode="after")
    def _says_one(self) -> "Role":
        for name in self.deny:
            if name in self.mask:
                raise ValueError(f"{name} is denied and masked; say one")
        return self

    def shows(self, column: str, sensitivity: str) -> Shown:
        """What the role sees of a column."""
        if column in self.columns:
            return self.columns[column]
        return "deny" if sensitivity in self.deny else "mask" if sensitivity in self.mask else "allow"


# Whoever names no role.
NO_ROLE = Role(deny=["personal", "sensitive"])


class Erasure(Definition):
    """How long it may take, in days, until it is proven that nothing of a person who was erased is left."""

    proven_within: int = 30

    @field_validator("proven_within", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        return _whole_days(value)


class Privacy(Definition):
    """conf/privacy.yml. `retention`: what (a layer, a table with a dot, or releases) -> days that it is kept."""

    purposes: dict[str, Purpose]
    keys: Keys
    smallest_group: int = Field(10, ge=1)
    retention: dict[str, int] = {}
    erasure: Erasure = Erasure()
    roles: dict[str, Role] = {}

    @field_validator("purposes")
    @classmethod
    def _told_apart(cls, value: dict[str, Purpose]) -> dict[str, Purpose]:
        names = {as_decided(name): name for name in reversed(value)}
        for name in value:
            if (other := names[as_decided(name)]) != name:
                raise ValueError(f"'{other}' and '{name}' are one purpose to those who decide; remove one")
        return value

    @field_validator("retention", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        return {name: _whole_days(length) for name, length in value.items()} if isinstance(value, dict) else value


def _whole_days(value: object) -> int:
    length = days(str(value))
    if length < 1:
        raise ValueError("must be at least a day")
    return length
