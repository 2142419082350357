"""Which raw column is which canonical one, and which entity the rows are: by names and by values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transforms.schemas import ENTITIES, Column, Entity
from transforms.sources.infer.names import NAMES, likeness
from transforms.sources.infer.values import Look

LEAST = 0.3
UNSURE = 0.6
_FEW = 12
_COMMON = 0.4
_MADE = 0.4  # a key can be made of other columns
# A canonical text column -> the kind that its values are, and how far values of another kind are believed.
_EXPECTED = {
    "email": ("email", 0.3), "phone": ("phone", 0.3), "ip": ("ip", 0.3), "user_agent": ("agent", 0.3),
    "currency": ("currency", 0.2), "url": ("url", 0.6), "path": ("url", 0.3), "handle": ("handle", 0.8),
}  # fmt: skip
# What values alone say, whatever the column is called.
_BY_VALUES = {"email": 0.6, "handle": 0.6, "user_agent": 0.6, "ip": 0.5, "currency": 0.5}
_KEYLIKE = ("_id", "_no", "coupon", "version", "postal_code")


@dataclass(frozen=True)
class Match:
    """A canonical column and the raw one that it is taken from. `score`: 0 to 1."""

    column: Column
    look: Look
    score: float


@dataclass(frozen=True)
class Guess:
    """An entity that the rows may be, with its matches. The greater the score, the likelier."""

    entity: Entity
    matches: dict[str, Match]
    score: float


def guesses(looks: Sequence[Look], maps: Sequence[Look]) -> list[Guess]:
    """All entities, the likeliest first. `maps`: columns that hold JSON objects, as a whole."""
    found = [guess(entity, looks, maps) for entity in ENTITIES.values()]
    return sorted(found, key=lambda item: -item.score)


def guess(entity: Entity, looks: Sequence[Look], maps: Sequence[Look]) -> Guess:
    """The best pairs of canonical and raw columns, each used once, the surest first."""
    scored = [
        (_score(entity, column, look), place, order, column, look)
        for place, column in enumerate(entity.columns)
        for order, look in enumerate((*looks, *maps) if column.type.startswith("map") else looks)
        if not look.is_empty
    ]
    matches: dict[str, Match] = {}
    used: set[str] = set()
    for score, _, _, column, look in sorted(scored, key=lambda item: (-item[0], item[1], item[2])):
        if score >= LEAST and column.name not in matches and look.field.name not in used:
            matches[column.name] = Match(column, look, score)
            used.add(look.field.name)
    if "amount" in matches and "amount_local" in entity.types and "amount_local" not in matches:
        # the only amount is the one that was charged: the one in the base currency is made of it
        alone = matches.pop("amount")
        matches["amount_local"] = replace(alone, column=next(c for c in entity.columns if c.name == "amount_local"))
    return Guess(entity, matches, _entity_score(entity, matches, len(looks)))


def _entity_score(entity: Entity, matches: dict[str, Match], fields: int) -> float:
    """What is found counts by how few other entities have it; a required column that is not found counts against."""
    worth = sum(match.score * _telling(name) for name, match in matches.items())
    missing = sum(
        _telling(column.name) * (_MADE if column.name in (*entity.key, "attributes") else 1)
        for column in entity.columns
        if column.required and column.name not in matches and column.name not in ("line_no", "currency", "status")
    )  # fmt: skip
    explained = len(matches) / max(fields, 1)
    return worth * (0.4 + 0.6 * explained) - 0.7 * missing


def _telling(column: str) -> float:
    """How much a column says of which entity it is: the fewer have it, the more; anybody's record has an e-mail."""
    if column in ("email", "phone"):
        return _COMMON
    having = sum(1 for entity in ENTITIES.values() if column in entity.types)
    return 0.4 + 1.6 * (1 - having / len(ENTITIES)) ** 2


def _score(entity: Entity, column: Column, look: Look) -> float:
    fits = _fit(column, look)
    if not fits:
        return 0.0
    names = NAMES.get(column.name, column.name.replace("_", " "))
    # `id` alone is the record's own
    by_name = likeness(
        look.field.name, names if column.name in entity.key else names.replace("|id|", "|").removesuffix("|id")
    )
    kind = _EXPECTED.get(column.name, ("", 0.0))[0]
    by_value = _BY_VALUES.get(column.name, 0.0) if kind in look.kinds else 0.0
    if column.name in entity.key and len(look.field.distinct) < len(look.field.given):
        by_name *= 0.9
    return max(by_name * fits, by_value)


def _fit(column: Column, look: Look) -> float:
    """How well values fit a canonical column's type and meaning: 0 where they cannot be it."""
    kind = column.type.partition("(")[0].partition("<")[0]
    match kind:
        case "timestamp" | "date":
            return 1.0 if look.times else 0.9 if look.epoch else 0.0
        case "decimal" | "double":
            return 1.0 if look.numbers else 0.0
        case "int" | "bigint":
            return 1.0 if "whole" in look.kinds else 0.6 if look.numbers else 0.0
        case "boolean":
            return 1.0 if "boolean" in look.kinds else 0.0
        case "array":
            return 1.0 if "list" in look.kinds else 0.0
        case "map":
            return 1.0 if look.field.given[0].startswith("{") else 0.0
    return _fit_of_text(column, look)


def _fit_of_text(column: Column, look: Look) -> float:
    if column.name in _EXPECTED:
        kind, otherwise = _EXPECTED[column.name]
        return 1.0 if kind in look.kinds else otherwise
    if column.name in ("gender", "status", "event", "action", "event_type", "tier", "priority"):
        return 1.0 if len(look.field.distinct) <= _FEW and "number" not in look.kinds else 0.4
    if column.name.endswith(_KEYLIKE):
        decimals = look.numbers is not None and not look.numbers.whole
        return 0.5 if decimals or (look.times and not look.numbers) else 1.0
    if "time" in look.kinds or "email" in look.kinds:
        return 0.3
    if column.name in ("text", "comment", "detail"):
        return 1.0 if "number" not in look.kinds else 0.3
    return 0.5 if "number" in look.kinds else 1.0
