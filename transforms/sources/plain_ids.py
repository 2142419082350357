"""The identifiers of a row, told in Python by the rules that `refine.identified` asks: of values, each once, without
Spark where the source's YAML takes them from cells as they stand."""

from collections.abc import Callable, Mapping, Sequence

from transforms.sources.definition import CompiledSource
from transforms.sources.rules import RULES
from transforms.sources.standard.contacts import ASKED, contact
from transforms.sources.standard.emails import mailbox
from transforms.sources.standard.phones import e164
from transforms.sources.typing import alone, as_it_stands

Cells = Mapping[str, str | None]
Identifiers = frozenset[tuple[str, str]]


def own_columns(compiled: CompiledSource) -> list[str]:
    """The entity's columns that tell identifiers by themselves, as far as the source gives them."""
    own = {*compiled.source.table.automatic_ids.values(), *RULES[compiled.source.entity].tells_ids}
    return [column for column in compiled.columns if column in own]


def standard_ids(
    compiled: CompiledSource, own: Mapping[str, str | None], given: Mapping[str, str | Sequence[str | None] | None]
) -> Identifiers:
    """(type, value) of a row. `own`: its columns of that name, as typed, and of others than a contact as finished;
    `given`: type -> what the source's `ids` say."""
    entity, country = compiled.source.table, compiled.source.country
    if entity.person:
        told = contact(None, *({**own, "_country": country}.get(column) for column in ASKED))
        own, country = {"email": told.mailbox, "phone": told.phone}, told.country or country
    found = [(kind, own.get(column)) for kind, column in entity.automatic_ids.items()]
    for kind, value in given.items():
        several = [value] if value is None or isinstance(value, str) else value
        found += [(kind, _standard(kind, one, country)) for one in several]
    return frozenset((kind, bare) for kind, value in found if (bare := _bare(value)))


def plain_ids(compiled: CompiledSource) -> Callable[[Cells], Identifiers] | None:
    """What tells the identifiers of raw cells (raw name -> text); None where to compute an expression takes Spark."""
    source = compiled.source
    types = {name: source.table.types[name] for name in compiled.columns}
    own = {column: as_it_stands(compiled, column) for column in own_columns(compiled)}
    names = {kind: alone(expression) for kind, expression in compiled.ids.items()}
    # what the source fills of the entity's columns stands before a raw one of the same name
    given = {kind: as_it_stands(compiled, name) if name in types else name for kind, name in names.items()}
    typed = any(types.get(name, "string") != "string" for name in names.values() if name)
    finished = not source.table.person and own and RULES[source.entity].makes_ids
    if None in (*own.values(), *given.values()) or typed or finished:
        return None

    def identifiers(cells: Cells) -> Identifiers:
        return standard_ids(
            compiled,
            {column: _bare(cells[raw]) for column, raw in own.items() if raw},
            {kind: cells[raw] for kind, raw in given.items() if raw},
        )

    return identifiers


def _standard(kind: str, value: str | None, country: str | None) -> str | None:
    return mailbox(value) if kind == "email" else e164(value, country) if kind == "phone" else value


def _bare(value: str | None) -> str | None:
    """Without the blanks that Spark's trim takes."""
    return (value or "").strip(" ") or None
