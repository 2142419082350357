"""How old what a tag is made from may be: its sources that never came, and those that have been silent for too long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from transforms.profile import online
from transforms.schemas import ENTITIES
from transforms.tags.catalog import built_on
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.tag import Tag

# Entity -> source -> the newest business date on which a night took something of it. A source has no name where those
# that gave the rows are not configured any more: it is the date of the newest row then.
Came = Mapping[str, Mapping[str, date]]
# What is fitted or learned, and scores. A life cycle is not among them: what is not known moves nobody.
_FITTED = ("rfm", "kmeans", *PREDICTIONS)


@dataclass(frozen=True)
class Freshness:
    """Which tags are NULL for everybody on a night, and why.

    came: what was delivered of each entity of which the night may see a row; one that is not there never came.
    absent: tag -> which of what it reads never came. silent: tag -> what has been silent for too long, since when.
    """

    came: Came
    absent: Mapping[str, str]
    silent: Mapping[str, str]


def freshness_of(tags: Mapping[str, Tag], came: Came, day: date) -> Freshness:
    """The freshness of the tags that are online.

    Silent is also a model that any silent tag is built into, through whatever lies between them: it would score what
    nobody knows as if it were usual, and learn that it is.
    """
    shown = online(tags)
    absent = {tag.tag: why for tag in shown if (why := _absence(tag, came))}
    silent = {tag.tag: why for tag in shown if (why := _silence(tag, came, day))}
    models = {tag.tag: built_on(tag, tags) & silent.keys() for tag in shown if tag.kind in _FITTED}
    through = {name: f"{min(parts)}: {silent[min(parts)]}" for name, parts in models.items() if parts}
    return Freshness(came, absent, {**through, **silent})


def _absence(tag: Tag, came: Came) -> str | None:
    missing = [entity for entity in tag.reads if entity in ENTITIES and entity not in came]
    return f"no source of {', '.join(missing)} has ever come" if missing else None


def _silence(tag: Tag, came: Came, day: date) -> str | None:
    """The source, of those that ever came, that has been silent longest; None within the tag's max_age.

    The longest, because a sum over a shop that is silent and a marketplace that is not is neither's.
    """
    last = [(since, entity, source) for entity in tag.reads for source, since in came.get(entity, {}).items()]
    if not last or not tag.max_age:
        return None
    since, entity, source = min(last)
    if since >= day - timedelta(days=tag.max_age):
        return None
    named = f"{entity} ({source})" if source else entity
    return f"{named} has been silent since {since}, longer than {tag.max_age}d"
