"""A sample of an extract -> the YAML that could read it, with a comment wherever the sample does not settle it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from transforms.schemas import ENTITIES, Entity
from transforms.sources.definition import ACCESS_LOG, ACCESS_LOG_COLUMNS
from transforms.sources.infer import columns, keys
from transforms.sources.infer.ids import proposed_ids
from transforms.sources.infer.lines import Known, Line
from transforms.sources.infer.matching import Guess, guess, guesses
from transforms.sources.infer.order import settled
from transforms.sources.infer.sample import Sample
from transforms.sources.infer.values import Look, is_chinese, look

_CLEARLY = 1.3


@dataclass(frozen=True)
class Proposal:
    """What the YAML says, before it is written."""

    entity: Entity
    entity_doubt: str
    sample: Sample
    columns: list[Line]
    ids: list[Line]
    extract: str
    extract_doubt: str
    local_times: list[str]
    told_times: bool
    is_chinese: bool = False
    notes: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def propose(sample: Sample, known: Known, entity: str | None = None, *, name: str = "") -> Proposal:
    """The likeliest reading of a sample; `entity` settles what its rows are, `name` is the source's."""
    looks = settled([look(item) for item in sample.fields], known.day)
    nested = {item.column for item in sample.fields if item.name != item.column}
    maps = [look(item) for name, item in sample.whole_fields.items() if name in nested]
    best, doubt = _chosen(sample, looks, maps, entity)
    own = set(ACCESS_LOG_COLUMNS) if sample.format == "access_log" else set()
    best = replace(best, matches={name: match for name, match in best.matches.items() if name not in own})
    local = any(item.times and item.times.has_time and not item.times.offset for item in looks)
    zoned = local and sample.format != "access_log"
    lines = list(columns.lines(best, looks, known, sample, zoned=zoned))
    if sample.format == "access_log":
        lines.append(columns.event_type())
    ids = list(proposed_ids(best, looks, known.identifiers, name))
    used = {item.name for line in (*lines, *ids) for item in line.reads}
    if sample.format == "access_log":
        used |= set(ACCESS_LOG)
    extract, extract_doubt = _extract(best)
    return Proposal(
        entity=best.entity, entity_doubt=doubt, sample=sample, columns=in_order([_bare(line) for line in lines]),
        ids=[_bare(line) for line in ids], extract=extract,
        extract_doubt=extract_doubt,
        local_times=[line.name for line in lines if line.note == columns.LOCAL],
        told_times=any(line.note == columns.TOLD for line in lines) or sample.format == "access_log",
        is_chinese=is_chinese(list(sample.columns)),
        notes=list(keys.notes(best, sample)),
        unused=[
            *(
                f"{item.field.name}{' (empty)' if item.is_empty else ''}"
                for item in looks
                if item.field.name not in used
            ),
            *(f"{name} (no expression can read it: the name means something else there)" for name in sample.unreadable),
        ],
    )  # fmt: skip


def _chosen(sample: Sample, looks: Sequence[Look], maps: Sequence[Look], entity: str | None) -> tuple[Guess, str]:
    if entity:
        return guess(ENTITIES[entity], looks, maps), ""
    if sample.format == "access_log":
        return guess(ENTITIES["web_event"], looks, maps), ""
    first, second, *_ = guesses(looks, maps)
    if first.score > 0 and first.score >= _CLEARLY * max(second.score, 0):
        return first, ""
    names = f"it may be {second.entity.name}" if first.score > 0 else "its columns look like none of the entities"
    return first, f"not sure: {names}; --entity settles it (one of {', '.join(ENTITIES)})"


def _bare(line: Line) -> Line:
    """A text alone needs no trim: silver's texts have no blanks around them."""
    alone = line.expression in {item.reference for item in line.reads} and line.expression.startswith("trim(")
    return replace(line, expression=line.expression[5:-1]) if alone else line


def _extract(best: Guess) -> tuple[str, str]:
    """How the source is likely delivered: nothing in one file tells."""
    if best.entity.time:
        return "append", "new rows only, each day; or `changes`: rows also come again, changed"
    if best.entity.changed and best.entity.changed in best.matches:
        return "changes", "new and changed records; or `snapshot`: all records, every day"
    return "snapshot", "all records, every day; or `changes`: only the new and changed ones"


def in_order(lines: Sequence[Line]) -> list[Line]:
    """The lines so ordered that each reads raw columns before a canonical one of the same name takes their place,
    and comes after the canonical ones that it is made of."""
    waiting, done = list(lines), list[Line]()
    while waiting:
        ready = next((line for line in waiting if not _must_wait(line, waiting)), waiting[0])
        waiting.remove(ready)
        done.append(ready)
    return done


def _must_wait(line: Line, waiting: Sequence[Line]) -> bool:
    others = [other for other in waiting if other is not line]
    hides = any(item.column.lower() == line.name.lower() for other in others for item in other.reads)
    return hides or any(other.name in line.needs for other in others)
