"""What is fitted of personal and sensitive tags: for the pipeline alone, and told of to others in figures.

A model is as sensitive as the tags that it looks at, and its parameters hold their values: medians, quantiles, centres.
"""

from collections.abc import Mapping
from typing import Any

from transforms.tags.segmentations import HIDDEN
from transforms.tags.tag import Tag

# What of a model's quality names segments, or says how they lie.
_TELLING = ("segments", "shares", "notes")


def is_withheld(name: str, tags: Mapping[str, Tag]) -> bool:
    """Is what is fitted under that name for the pipeline alone? What is no tag's (matching, recommendations) is not."""
    return name in tags and tags[name].sensitivity in HIDDEN


def told(quality: Mapping[str, Any], sensitivity: str) -> dict[str, Any]:
    """What may be told of such a model's quality, and why there is no more."""
    return {
        "withheld": f"its tag is {sensitivity}", **{key: each for key, each in quality.items() if key not in _TELLING}
    }  # fmt: skip
