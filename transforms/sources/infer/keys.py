"""What tells one record from another: columns without repeats, several together, or the content."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from transforms.sources.infer.lines import Line
from transforms.sources.infer.matching import Guess, Match
from transforms.sources.infer.names import ID_NAMES, likeness
from transforms.sources.infer.sample import Field, Sample
from transforms.sources.infer.values import Look

_MOST_TRIED = 40
_NEARLY_ALL = 0.9


def is_key(sample: Sample, key: Sequence[Field]) -> bool:
    """Do the key's fields together never repeat, but in rows that are repeated whole, and never say nothing?"""
    return uniqueness(sample, key) == 1


def uniqueness(sample: Sample, key: Sequence[Field]) -> float:
    """The share of the distinct rows that the key's fields tell from all others."""
    counts = Counter(tuple(field.texts[row] for field in key) for row in sample.distinct_rows)
    return sum(1 for value, count in counts.items() if count == 1 and None not in value) / max(counts.total(), 1)


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
        if not is_key(sample, fields):
            yield f"? {' and '.join(best.entity.key)} together repeat in the sample: of equal ones the newest counts"


def made_key(best: Guess, name: str, looks: Sequence[Look], sample: Sample) -> Line:
    """A key where no column has its name: a column without repeats, two together, or the whole content."""
    full = [item for item in looks if not item.is_empty]
    taken = {match.look.field.name for match in best.matches.values()}
    rest = [best.matches[part].look.field for part in best.entity.key if part in best.matches]
    free = [item.field for item in full if item.field.name not in taken]
    single = [field for field in free if is_key(sample, [field, *rest])]
    if single and len(single[0].given) > 1:
        others = ", ".join(field.name for field in single[1:4])
        beside = f", together with {' and '.join(field.name for field in rest)}" if rest else ""
        doubt = f"by nothing but being unique in the sample{beside}{f' (as {others})' if others else ''}"
        return Line(name, single[0].reference, doubt, "", (single[0],))
    people = [item.field for item in full if likeness(item.field.name, ID_NAMES["customer_id"]) and not item.times]
    moments = [item.field for item in full if item.times or item.epoch]
    near = [item.field for item in full if not item.times][:_MOST_TRIED]
    for left, right in (*product(people, moments), *pairwise(near)):
        share = uniqueness(sample, [left, right])
        if share >= _NEARLY_ALL:
            told = "are" if share == 1 else f"nearly are{_lacking(left, right)}"
            doubt = f"no column is unique in the sample; {left.name} and {right.name} together {told}"
            return Line(name, f"concat({left.reference}, ' ', {right.reference})", doubt, "", (left, right))
    doubt = "no column is unique in the sample: known by the content, so a record that changes is a new one"
    fields = [item.field for item in full]
    return Line(name, f"sha2({_joined(fields)}, 256)", doubt, "", tuple(fields))


def _lacking(left: Field, right: Field) -> str:
    """How many rows a key of two would not know."""
    lacking = sum(1 for pair in zip(left.texts, right.texts, strict=True) if None in pair)
    return f": {lacking} of {len(left.texts)} rows lack one and would be quarantined" if lacking else ""


def _joined(fields: Sequence[Field]) -> str:
    if len(fields) == 1:
        return fields[0].reference
    parts = ", ".join(f"coalesce({field.reference}, '')" for field in fields)
    return f"concat_ws('|', {parts})"
