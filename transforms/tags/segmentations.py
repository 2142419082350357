"""Which tags part customers into segments: the segment models, and tags of few values that say `segmentation:`."""

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.profile import online
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


def _built_on(tag: Tag, tags: Mapping[str, Tag], *types: str) -> tuple[str, ...]:
    """The columns of these Spark types that the segments are told from."""
    if tag.kind == "rfm":
        return tuple(f"{tag.tag}_{name}" for name in ("recency_days", "frequency", "monetary"))
    named = tag.features or [output.name for need in tag.depends_on for output in tags[need].outputs[:1]]
    known = {output.name: output.type for other in tags.values() for output in other.outputs}
    return tuple(name for name in named if known[name] in types)
