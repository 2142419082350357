"""The identifiers that a record gives of a person."""

from collections.abc import Iterator, Sequence

from transforms.sources.infer.lines import Line
from transforms.sources.infer.matching import Guess
from transforms.sources.infer.names import ID_NAMES, likeness
from transforms.sources.infer.values import Look

_LEAST = 0.55
_NEARLY_ALL = 0.9
_KINDS = {"email": "email", "phone": "phone"}
_OF_BROWSERS = ("cookie", "device")
_NOT_OF_PEOPLE = ("product", "campaign")


def proposed_ids(best: Guess, looks: Sequence[Look], identifiers: Sequence[str], source: str) -> Iterator[Line]:
    """Identifier type -> raw field. `identifiers`: the types that the project knows, whose names are taken first.

    `source`: the source's name, whose first word tells whose key a key is (`crm_contacts`: `crm_id`).

    What an entity gives by itself (a contact's e-mail) is not said again.
    """
    if best.entity.name in _NOT_OF_PEOPLE:
        return
    automatic = {kind for kind, column in best.entity.automatic_ids.items() if column in best.matches}
    if best.entity.person:
        yield from _own_key(best, identifiers, source)
    by_itself = {best.matches[best.entity.automatic_ids[kind]].look.field.name for kind in automatic}
    own = best.entity.key if best.entity.person else ()
    key = {best.matches[name].look.field.name for name in own if name in best.matches}
    scored = [
        (_score(look, kind), kind, look) for kind in ID_NAMES for look in looks
        if not look.is_empty and look.field.name not in by_itself | key and kind not in automatic
        and not (best.entity.person and kind == "customer_id")
    ]  # fmt: skip
    chosen, fields = dict[str, Look](), set[str]()
    for score, kind, look in sorted(scored, key=lambda item: -item[0]):
        if score >= _LEAST and kind not in chosen and look.field.name not in fields and not _hidden(best, look):
            chosen[kind] = look
            fields.add(look.field.name)
    # of hits the first tells the visitor, who may log in on the way
    for kind in sorted(chosen, key=lambda kind: kind not in _OF_BROWSERS):
        yield _line(kind, chosen[kind], identifiers)


def _own_key(best: Guess, identifiers: Sequence[str], source: str) -> Iterator[Line]:
    match = best.matches.get(best.entity.key[0])
    if match and len(match.look.field.distinct) >= _NEARLY_ALL * len(match.look.field.given):
        same = [name for name in identifiers if name.split("_")[0] == source.split("_")[0]]
        name = same[0] if same else _named("customer_id", match.look.field.name, identifiers)
        yield Line(name, best.entity.key[0], _unlisted(name, identifiers), "", (match.look.field,))


def _score(look: Look, kind: str) -> float:
    """How surely a field is an identifier of a type."""
    by_name = likeness(look.field.name, ID_NAMES[kind])
    if kind in _KINDS and _KINDS[kind] not in look.kinds:
        return 0.0
    if kind not in _KINDS and look.kinds.keys() & {"email", "time", "boolean"}:
        return 0.0
    return max(by_name, 0.6 if kind == "email" else 0.0)


def _hidden(best: Guess, look: Look) -> bool:
    """`ids` read filled canonical columns first: does one of another meaning have the raw column's name?"""
    match = best.matches.get(look.field.column.lower())
    return match is not None and match.look.field.name != look.field.name


def _line(kind: str, look: Look, identifiers: Sequence[str]) -> Line:
    name = kind if kind in ("email", "phone") else _named(kind, look.field.name, identifiers)
    reference = look.field.reference
    expression = f"cast(cast({reference} as double) as bigint)" if look.numbers and look.numbers.as_float else reference
    if kind == "social_handle":
        expression = f"lower(regexp_replace({reference}, '^@', ''))"
    return Line(name, expression, _unlisted(name, identifiers), "", (look.field,))


def _named(kind: str, column: str, identifiers: Sequence[str]) -> str:
    """The project's own name of the identifier type, where one is near."""
    if kind in identifiers:
        return kind
    same = [name for name in identifiers if likeness(column, name.replace("_", " ")) > 0]
    of_customers = [name for name in identifiers if "customer" in name] if kind == "customer_id" else []
    return [*same, *of_customers, kind][0]


def _unlisted(name: str, identifiers: Sequence[str]) -> str:
    if name in ("email", "phone", "social_handle", "device", "loyalty_id"):
        return ""
    if name in identifiers:
        return f"is it the same key as what other sources give as {name}?" if "customer" in name else ""
    known = f"; those of this project are {', '.join(identifiers)}" if identifiers else ""
    return f"the same person's key in another source must have the same type, listed in conf/identity.yml{known}"
