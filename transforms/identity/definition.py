"""conf/identity.yml: which identifiers say who somebody is, how far each is believed, and whose word counts."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from transforms.definitions import Definition, days, nearest
from transforms.errors import DefinitionError
from transforms.identity.manual import Manual
from transforms.identity.matching import Matching, check_matching
from transforms.schemas import ENTITIES, GOLDEN_FIELDS

PLACE = "conf/identity.yml"
Rule = Literal["most_trusted_source", "most_recent", "most_frequent"]
RULES: tuple[Rule, ...] = ("most_trusted_source", "most_recent", "most_frequent")
# They come by themselves from an entity's own columns, whether or not a source names them under ids.
AUTOMATIC = frozenset(id_type for entity in ENTITIES.values() for id_type in entity.automatic_ids)


class Identifier(Definition):
    """How far the identifiers of one type are believed.

    priority: 1 is the strongest. per_customer: a customer holds at most so many values.
    blocked: regular expressions (RE2) of values that never link. max_linked: a value that touches more stronger
    identifiers than this links nobody; unless given, more than 1,000. max_age: days after which a tie links no new
    record.
    """

    priority: int = Field(ge=1)
    per_customer: int | None = Field(None, ge=1)
    blocked: tuple[str, ...] = ()
    max_linked: int | None = Field(None, ge=1)
    max_age: int | None = None

    @field_validator("max_age", mode="before")
    @classmethod
    def _whole_days(cls, value: object) -> int | None:
        return None if value is None else days(str(value))

    @field_validator("blocked", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("blocked")
    @classmethod
    def _regular(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            _check_pattern(pattern)
        return value

    @property
    def weight(self) -> float:
        """The strength of a tie through such an identifier: 1 / priority."""
        return 1.0 / self.priority


class Limits(Definition):
    """Past them: the night stops (id_churn; driver_ties, which the driver holds at half a GB a million), components
    need more than one machine (driver_edges), a matching block is refused (block)."""

    id_churn: float = Field(0.01, ge=0, le=1)
    driver_edges: int = Field(20_000_000, ge=1)
    driver_ties: int = Field(40_000_000, ge=1)
    block: int = Field(10_000, ge=1)


class Identity(Definition):
    """conf/identity.yml."""

    known_by: tuple[str, ...] = Field(min_length=1)
    identifiers: dict[str, Identifier] = Field(min_length=1)
    manual: Manual = Manual()
    matching: Matching | None = None
    survivorship: dict[str, tuple[Rule, ...]] = {}
    trust: tuple[str, ...] = ()
    limits: Limits = Limits()

    @field_validator("survivorship", mode="before")
    @classmethod
    def _rules(cls, value: object) -> object:
        fields = [column.name for column in GOLDEN_FIELDS]
        for name, rules in value.items() if isinstance(value, dict) else ():
            if name != "default" and name not in fields:
                raise ValueError(f"no field '{name}' in contact{nearest(str(name), ['default', *fields])}")
            for rule in rules if isinstance(rules, list) else ():
                if rule not in RULES:
                    raise ValueError(f"{name}: no rule '{rule}'{nearest(str(rule), RULES)} (one of {', '.join(RULES)})")
        return value

    @model_validator(mode="after")
    def _known_are_listed(self) -> "Identity":
        missing = [name for name in self.known_by if name not in self.identifiers]
        if missing:
            hint = nearest(missing[0], self.identifiers) or "; give it a priority there"
            raise ValueError(f"known_by: '{missing[0]}' is not among identifiers{hint}")
        for name, values in (("known_by", self.known_by), ("trust", self.trust)):
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"{name}: '{twice[0]}' is given twice")
        return self

    @model_validator(mode="after")
    def _matching_of_known_columns(self) -> "Identity":
        if self.matching:
            check_matching(self.matching, self.identifiers)
        return self

    def rules(self, field: str) -> tuple[Rule, ...]:
        """The survivorship rules of a golden field, in their order."""
        return self.survivorship.get(field, self.survivorship.get("default", RULES))


def check_identity(
    identity: Identity, id_types: Iterable[str], sources: Iterable[str], *, place: str = PLACE
) -> list[str]:
    """Hold the definition against the sources: `id_types` that they give, and their names.

    Gives warnings, a line each: types that nobody gives, types given but not listed (they link nobody).
    Raises DefinitionError, a line each, where `trust` names a source that is not there.
    """
    given, names = set(id_types), sorted(sources)
    unknown = [name for name in identity.trust if name not in names]
    if unknown:
        raise DefinitionError(*(f"{place}: trust: no source '{name}'{nearest(name, names)}" for name in unknown))
    return [*_never_given(identity, given, place), *_not_listed(identity, given, place)]


def _never_given(identity: Identity, given: set[str], place: str) -> Iterator[str]:
    for name in identity.identifiers:
        if name not in given | AUTOMATIC:
            yield f"{place}: identifiers: no source gives '{name}'{nearest(name, given - set(identity.identifiers))}"


def _not_listed(identity: Identity, given: set[str], place: str) -> Iterator[str]:
    for name in sorted(given - set(identity.identifiers) - AUTOMATIC):
        yield f"{place}: identifiers: sources give '{name}', which is not listed and so links nobody"


def _check_pattern(pattern: str) -> None:
    """Raise ValueError unless the pattern works in RE2, which decides: it runs in linear time on any value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        re.compile(pattern)
        pc.match_substring_regex(pa.array([""]), pattern)
    except (re.error, pa.ArrowInvalid) as error:
        reason = error.msg if isinstance(error, re.error) else "look-around and back-references are not available"
        raise ValueError(f"'{pattern}' is not a regular expression that can be used here ({reason})") from None
