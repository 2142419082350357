"""What tells one record from another: columns without repeats, several together, or the content."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from transforms.sources.infer.lines import Line
from transforms.sources.infer.matching import Guess, Match
from transforms.sources.infer.sample import Field, Sample
from transforms.sources.infer.values import Look

_MOST_TRIED = 40
_LARGEST_INT = 2_147_483_647


def rows_of(fields: Sequence[Field]) -> list[tuple[str | None, ...]]:
    """The distinct rows: what is repeated whole is one record."""
    return list(dict.fromkeys(zip(*(field.texts for field in fields), strict=True)))


def is_key(fields: Sequence[Field], key: Sequence[Field]) -> bool:
    """Do the key's fields together never repeat, but in rows that are repeated whole, and never say nothing?"""
    places = [next(place for place, field in enumerate(fields) if field.name == part.name) for part in key]
    rows = rows_of(fields)
    values = [tuple(row[place] for place in places) for row in rows]
    return bool(values) and len(set(values)) == len(values) and not any(None in value for value in values)


def doubts(best: Guess, match: Match) -> list[str]:
    """Why a column that is taken for the key, or a part of it, may not be one."""
    field = match.look.field
    empty = len(field.texts) - len(field.given)
    found = [f"{empty} of {len(field.texts)} rows of the sample have none and would be quarantined"] if empty else []
    if len(best.entity.key) == 1 and len(field.distinct) < len(field.given):
        repeats = f"{len(field.given) - len(field.distinct)} of {len(field.given)}"
        found.append(f"not unique: {repeats} rows of the sample repeat one; of rows with one key the newest counts")
    return found


def notes(best: Guess, sample: Sample) -> Iterator[str]:
    """What there is to say of a composed key."""
    matches = [best.matches[name] for name in best.entity.key if name in best.matches]
    if len(best.entity.key) > 1 and len(matches) == len(best.entity.key):
        fields = [match.look.field for match in matches]
        if not is_key(sample.fields, fields):
            yield f"? {' and '.join(best.entity.key)} together repeat in the sample: of equal ones the newest counts"


def line_no(best: Guess, looks: Sequence[Look]) -> Line:
    """The line of an order, where no column numbers them."""
    order = best.matches.get("order_id")
    fields = [item.field for item in looks]
    if order and is_key(fields, [order.look.field]):
        return Line("line_no", "1", "no column numbers an order's lines; in the sample each order has one row")
    if order:
        others = [best.matches[name].look.field for name in ("product_id", "product_name") if name in best.matches]
        tried = [field for field in (*others, *fields) if field.name != order.look.field.name][:_MOST_TRIED]
        for field in tried[: len(others)]:
            if is_key(fields, [order.look.field, field]):
                return _numbered([field], f"no column numbers an order's lines: told apart by {field.name}")
    used = [item.field for item in looks if not item.is_empty]
    return _numbered(used, "no column numbers an order's lines: told apart by everything in the row")


def _numbered(fields: Sequence[Field], doubt: str) -> Line:
    content = _joined(fields)
    return Line("line_no", f"crc32({content}) % {_LARGEST_INT}", doubt, "", tuple(fields))


def made_key(best: Guess, name: str, looks: Sequence[Look], sample: Sample) -> Line:
    """A key where no column has its name: a column without repeats, two together, or the whole content."""
    fields = [item.field for item in looks if not item.is_empty]
    taken = {match.look.field.name for column, match in best.matches.items()}
    free = [field for field in fields if field.name not in taken]
    texts = [field for field in free if is_key(sample.fields, [field])]
    if texts and len(texts[0].given) > 1:
        others = (
            f" (so {'are' if len(texts) > 2 else 'is'} {', '.join(f.name for f in texts[1:4])})" if texts[1:] else ""
        )
        return Line(name, texts[0].reference, f"by nothing but being unique in the sample{others}", "", (texts[0],))
    parts = [best.matches[column].look.field for column in _TELLING if column in best.matches]
    for left, right in pairwise([*free[:_MOST_TRIED], *parts]):
        if left.name != right.name and is_key(sample.fields, [left, right]):
            doubt = f"no column is unique in the sample; {left.name} and {right.name} together are"
            return Line(name, f"concat({left.reference}, ' ', {right.reference})", doubt, "", (left, right))
    doubt = "no column is unique in the sample: known by the content, so a record that changes is a new one"
    return Line(name, f"sha2({_joined(fields)}, 256)", doubt, "", tuple(fields))


# what tells a record most likely, beside the columns that are nothing else
_TELLING = ("email", "occurred_at", "decided_at", "ordered_at", "answered_at", "opened_at", "campaign_id", "name")


def _joined(fields: Sequence[Field]) -> str:
    if len(fields) == 1:
        return fields[0].reference
    parts = ", ".join(f"coalesce({field.reference}, '')" for field in fields)
    return f"concat_ws('|', {parts})"
