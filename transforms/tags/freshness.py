"""How old what a tag is made from may be: its sources that never came, and those that have been silent for too long.

`newest` of each function: entity -> the newest business date of its rows that the night may see; absent: it never came.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from transforms.schemas import ENTITIES
from transforms.tags.tag import Tag


def never_came(tag: Tag, newest: Mapping[str, date]) -> list[str]:
    """The entities that the tag reads and no source has ever given."""
    return [entity for entity in tag.reads if entity in ENTITIES and entity not in newest]


def silent(tag: Tag, newest: Mapping[str, date], day: date) -> tuple[str, date] | None:
    """The entity, of those that came, that has been silent longest, and since when; None within the tag's max_age."""
    came = [(newest[entity], entity) for entity in tag.reads if entity in newest]
    if not came or not tag.max_age:
        return None
    since, entity = min(came)
    return (entity, since) if since < day - timedelta(days=tag.max_age) else None
