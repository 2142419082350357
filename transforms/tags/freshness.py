"""How old what a tag is made from may be: its sources that never came, and those that have been silent for too long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from transforms.profile import online
from transforms.schemas import ENTITIES
from transforms.tags.catalog import built_on
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.tag import Tag

Newest = Mapping[str, date]
# What is fitted or learned, and scores. A life cycle is not among them: what is not known moves nobody.
_FITTED = ("rfm", "kmeans", *PREDICTIONS)


@dataclass(frozen=True)
class Freshness:
    """Which tags are NULL for everybody on a night, and why.

    newest: entity -> the newest business date of its rows that the night may see; not there: it never came.
    absent: tag -> which of what it reads never came. silent: tag -> what has been silent for too long, since when.
    """

    newest: Newest
    absent: Mapping[str, str]
    silent: Mapping[str, str]


def freshness_of(tags: Mapping[str, Tag], newest: Newest, day: date) -> Freshness:
    """The freshness of the tags that are online.

    Silent is also a model that any silent tag is built into, through whatever lies between them: it would score what
    nobody knows as if it were usual, and learn that it is.
    """
    shown = online(tags)
    absent = {tag.tag: why for tag in shown if (why := _absence(tag, newest))}
    silent = {tag.tag: why for tag in shown if (why := _silence(tag, newest, day))}
    models = {tag.tag: built_on(tag, tags) & silent.keys() for tag in shown if tag.kind in _FITTED}
    through = {name: f"{min(parts)}: {silent[min(parts)]}" for name, parts in models.items() if parts}
    return Freshness(newest, absent, {**through, **silent})


def _absence(tag: Tag, newest: Newest) -> str | None:
    missing = [entity for entity in tag.reads if entity in ENTITIES and entity not in newest]
    return f"no source of {', '.join(missing)} has ever come" if missing else None


def _silence(tag: Tag, newest: Newest, day: date) -> str | None:
    """The entity, of those that came, that has been silent longest; None within the tag's max_age."""
    came = [(newest[entity], entity) for entity in tag.reads if entity in newest]
    if not came or not tag.max_age:
        return None
    since, entity = min(came)
    if since >= day - timedelta(days=tag.max_age):
        return None
    return f"{entity} has been silent since {since}, longer than {tag.max_age}d"
