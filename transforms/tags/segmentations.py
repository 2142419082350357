"""Which tags part customers into segments: the segment models, and tags of few values that say `segmentation:`."""

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.profile import online, profile_table
from transforms.tags.foretold import CLASSIFIERS
from transforms.tags.plan import meaning
from transforms.tags.tag import Tag

BY_THEMSELVES = ("rfm", "kmeans", "lifecycle")
HIDDEN = ("personal", "sensitive")  # of such a tag nothing is published


@dataclass(frozen=True)
class Segmentation:
    """A segmentation: its tag, the profile's column with the segment, and what a segment must hold to be acted on."""

    tag: Tag
    column: str
    definition: str
    min_size: int
    numbers: tuple[str, ...]  # the numeric columns that it is built on
    words: tuple[str, ...] = ()  # the others that it is built on, but for lists: what is alike or is not


def segmentations(tags: Mapping[str, Tag], *, smallest_group: int) -> list[Segmentation]:
    """The segmentations among the tags that are online and may be told of, by the name of their column."""
    found = [
        Segmentation(
            tag,
            tag.outputs[0].name,
            meaning(tag, tags),
            max((tag.segmentation and tag.segmentation.min_size) or smallest_group, 1),
            _built_on(tag, tags, "double", "bigint"),
            () if tag.kind == "rfm" else _built_on(tag, tags, "string", "boolean"),
        )
        for tag in online(tags)
        if (tag.segmentation or tag.kind in BY_THEMSELVES)
        and tag.outputs[0].type == "string"
        and tag.sensitivity not in HIDDEN
    ]
    return sorted(found, key=lambda one: one.column)


def traits(tags: Mapping[str, Tag]) -> list[str]:
    """The profile's columns by which a segment is described: neither hidden nor what moved a customer's score.

    Drivers tell of the model: that a risk was raised by few orders is told better by the orders.
    """
    drivers = {f"{name}_drivers" for name, tag in tags.items() if tag.kind in CLASSIFIERS}
    shown = [column.name for column in profile_table(tags).columns if column.sensitivity not in HIDDEN]
    return [name for name in shown if name not in {*drivers, "customer_id"}]


def _built_on(tag: Tag, tags: Mapping[str, Tag], *types: str) -> tuple[str, ...]:
    """The columns of these Spark types that the segments are told from."""
    if tag.kind == "rfm":
        return tuple(f"{tag.tag}_{name}" for name in ("recency_days", "frequency", "monetary"))
    named = tag.features or [output.name for need in tag.depends_on for output in tags[need].outputs[:1]]
    known = {output.name: output.type for other in tags.values() for output in other.outputs}
    return tuple(name for name in named if known[name] in types)
