"""How long what is kept: the keys of conf/privacy.yml: retention, and whether the tags are left what they look at."""

from collections.abc import Collection, Iterator, Mapping

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.privacy import Privacy
from transforms.schemas import (
    ENTITIES,
    GOLD_SEGMENT_MIGRATION,
    GOLD_TAG_CATALOG,
    GOLD_TAG_CHANGE,
    IDENTITY_CONFLICT,
)
from transforms.tags.across import query_of
from transforms.tags.catalog import built_on
from transforms.tags.tag import KEYS, NOTHING_LEFT, Tag

PLACE = "conf/privacy.yml"
RELEASES = "releases"
LAYERS = ("bronze", "silver", "ops", RELEASES)
# What tells of nights, by their date, and grows with every one; the rest of these layers is what nights stand on.
OF_NIGHTS = tuple(table.name for table in (IDENTITY_CONFLICT, GOLD_TAG_CHANGE, GOLD_SEGMENT_MIGRATION))
# The least number of cut-offs that a classifier is fitted and tested at, a label's horizon apart.
_CUT_OFFS = 2
# An entity that a tag looks back at, for how many days (None: at all of it), and by which of its keys.
_Look = tuple[str, int | None, str]


def kept_for(retention: Mapping[str, int], table: str) -> int | None:
    """Days that a table's rows are kept; None: for good. What is said of the table counts before its layer's.

    The catalogue of tags goes with the changes, a night behind them: so the nights that it knows are those whose
    profiles the changes rebuild.
    """
    if table == GOLD_TAG_CATALOG.name:
        changes = kept_for(retention, GOLD_TAG_CHANGE.name)
        return None if changes is None else changes + 1
    return retention.get(table.replace("/", "."), retention.get(table.partition("/")[0]))


def check_retention(privacy: Privacy, tags: Mapping[str, Tag], sources: Collection[str]) -> None:
    """Raise DefinitionError with a line for each name that is no table's, and each tag that looks back further than at
    what is kept: its values would change with each maintenance though nothing happened."""
    tables = [f"silver.{name}" for name in (*ENTITIES, "quarantine")] + [f"bronze.{name}" for name in sources]
    known = [*LAYERS, *tables, *(name.replace("/", ".") for name in OF_NIGHTS)]
    problems = [
        f"{PLACE}: retention.{name}: no layer or table that expires{nearest(name, known)}"
        for name in privacy.retention
        if name not in known
    ]
    for tag in (tag for tag in tags.values() if tag.status == "online"):
        for entity, days, key in _looks(tag, tags):
            # of what is kept up to date only versions go that no tag reads any more
            kept = kept_for(privacy.retention, f"silver/{entity}") if ENTITIES[entity].time else None
            if kept is not None and (days is None or kept < days):
                at = f"{PLACE}: retention: silver.{entity} is kept for {kept} days, and {tag.place} looks at"
                problems.append(f"{at} {_remedy(tag, days, kept, key)}")
    if problems:
        raise DefinitionError(*dict.fromkeys(problems))  # features may look back alike


def _remedy(tag: Tag, days: int | None, kept: int, key: str) -> str:
    if days is not None:
        return f"{days} ({key}); keep it for at least {days}d, or shorten the {key}"
    shorter = f", or give it a window of at most {kept}d" if "window" in KEYS[tag.kind] else ""
    return f"all of it; keep it for good{shorter}"


def _looks(tag: Tag, tags: Mapping[str, Tag]) -> Iterator[_Look]:
    """What a tag looks back at of entities."""
    if tag.label:
        past = _CUT_OFFS * tag.label.within
        yield tag.label.event, past + tag.label.within, "label"
        needs = [look for name in sorted(built_on(tag, tags) - {tag.tag}) for look in _looks(tags[name], tags)]
        yield from ((entity, past + days, "label and window of features") for entity, days, _ in needs if days)
    elif tag.sql:
        yield from ((entity, None, "sql") for entity in _untimed(tag))
    else:
        halved = tag.preference.half_life if tag.preference else None
        days = tag.window or (halved and NOTHING_LEFT * halved)
        yield from (
            (entity, days, "window" if tag.window else "half_life") for entity in tag.reads if entity in ENTITIES
        )


def _untimed(tag: Tag) -> Iterator[str]:
    """The entities of which a query reads no time, so that it reads all of them. Of others its text does not tell."""
    for entity, columns in query_of(tag, timezone="UTC").reads.items():
        if entity in ENTITIES and not columns & {ENTITIES[entity].time, "event_at", "event_date"}:
            yield entity
