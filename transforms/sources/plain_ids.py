"""The identifiers of a row told from its raw cells without Spark, where the source's YAML takes them as they stand."""

from collections.abc import Callable, Mapping

from transforms.sources import RULES
from transforms.sources.definition import CompiledSource
from transforms.sources.standard.contacts import ASKED, contact
from transforms.sources.standard.emails import mailbox
from transforms.sources.standard.phones import e164
from transforms.sources.typing import alone, as_it_stands

Cells = Mapping[str, str | None]
Identifiers = frozenset[tuple[str, str]]
# what the entity's own rules make something else of than a contact's
_MADE = frozenset({"handle"})


def plain_ids(compiled: CompiledSource) -> Callable[[Cells], Identifiers] | None:
    """What tells (type, value) of raw cells (raw name -> text), the same as `refine.identified` does of a row.

    None where an identifier is more than a cell in its standard form: to compute expressions takes Spark.
    """
    source, entity = compiled.source, compiled.source.table
    own = {*entity.automatic_ids.values(), *RULES[entity.name].tells_ids}
    held = {column: as_it_stands(compiled, column) for column in own if column in compiled.columns}
    taken = {}
    for kind, expression in compiled.ids.items():
        name = alone(expression)
        # the entity's columns stand before raw ones of the same name
        taken[kind] = as_it_stands(compiled, name) if name in entity.types else name
        if name in entity.types and entity.types[name] != "string":
            return None
    if None in (*held.values(), *taken.values()) or held.keys() & _MADE:
        return None

    def identifiers(cells: Cells) -> Identifiers:
        told = {column: _bare(cells[raw]) for column, raw in held.items() if raw}
        if entity.person:
            made = contact(None, *({**told, "_country": source.country}.get(column) for column in ASKED))
            told |= {"email": made.mailbox, "phone": made.phone}
        given = [(kind, told.get(column)) for kind, column in entity.automatic_ids.items()]
        given += [(kind, _standard(kind, cells[raw], source.country)) for kind, raw in taken.items() if raw]
        return frozenset((kind, bare) for kind, value in given if (bare := _bare(value)))

    return identifiers


def _standard(kind: str, value: str | None, country: str | None) -> str | None:
    return mailbox(value) if kind == "email" else e164(value, country) if kind == "phone" else value


def _bare(value: str | None) -> str | None:
    """Without the blanks that Spark's trim takes."""
    return (value or "").strip(" ") or None
