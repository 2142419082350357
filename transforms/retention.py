"""How long what is kept: the keys of conf/privacy.yml: retention, and whether the tags are left what they look at."""

from collections.abc import Collection, Iterator, Mapping

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.privacy import Privacy
from transforms.schemas import ENTITIES
from transforms.tags.tag import Tag

PLACE = "conf/privacy.yml"
RELEASES = "releases"
LAYERS = ("bronze", "silver", "ops", RELEASES)


def kept_for(retention: Mapping[str, int], table: str) -> int | None:
    """Days that a table's rows are kept; None: for good. What is said of the table counts before its layer's."""
    return retention.get(table.replace("/", "."), retention.get(table.partition("/")[0]))


def check_retention(privacy: Privacy, tags: Mapping[str, Tag], sources: Collection[str]) -> None:
    """Raise DefinitionError with a line for each name that is no table's, and each window that is longer than what is
    kept."""
    tables = [f"silver.{name}" for name in (*ENTITIES, "quarantine")] + [f"bronze.{name}" for name in sources]
    known = [*LAYERS, *tables]
    problems = [
        f"{PLACE}: retention.{name}: no such layer or table{nearest(name, known)}"
        for name in privacy.retention
        if name not in known
    ]
    for tag in tags.values():
        for entity, window in _windows(tag):
            kept = kept_for(privacy.retention, f"silver/{entity}")
            if kept is not None and kept < window and tag.status == "online":
                problems.append(
                    f"{PLACE}: retention: silver.{entity} is kept for {kept} days, and {tag.place} looks at {window} "
                    f"(window); keep it for at least {window}d, or shorten the window"
                )
    if problems:
        raise DefinitionError(*problems)


def _windows(tag: Tag) -> Iterator[tuple[str, int]]:
    """The entities that a tag looks back at, and for how many days."""
    if tag.window is not None:
        entities = [tag.from_, *(step.event for step in tag.sequence)]
        yield from ((entity, tag.window) for entity in dict.fromkeys(entities) if entity in ENTITIES)
