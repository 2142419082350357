"""What may become of a tag that has been released: checked against the last release's catalogue."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from transforms.errors import DefinitionError
from transforms.tags.tag import Tag

_MOVES = {
    "draft": ("draft", "online"), "online": ("online", "offline"), "offline": ("offline", "online", "retired"),
    "retired": ("retired",),
}  # fmt: skip
# What has values that people have seen.
_KEPT = ("online", "offline")
Rows = Mapping[str, Mapping[str, Any]]  # tag -> its row of gold/tag_catalog


def check_life_cycle(tags: Mapping[str, Tag], released: Rows) -> None:
    """Raise DefinitionError with a line for each tag that became what it may not.

    That is: another meaning under the same version, a status that does not follow on the released one, a retired
    name for something else. `released`: the last release's catalogue.
    """
    problems = [
        line for name, tag in tags.items() if name in released for line in _problems(tag, released[name])
    ]  # fmt: skip
    if problems:
        raise DefinitionError(*problems)


def _problems(tag: Tag, was: Mapping[str, Any]) -> Iterator[str]:
    if was["status"] == "retired" and tag.status != "retired":
        yield f"{tag.place}: tag: the name '{tag.tag}' is that of a retired tag and is never used again; take another"
        return
    if tag.status not in _MOVES[was["status"]]:
        allowed = " or ".join(_MOVES[was["status"]][1:])
        yield f"{tag.place}: status: {tag.status}, but it is released as {was['status']}, which may become {allowed}"
        return
    other = was["status"] in _KEPT and tag.status in _KEPT and tag.definition_hash != was["definition"]
    if other and tag.version <= was["version"]:
        yield (
            f"{tag.place}: version: its meaning is another than that of version {was['version']}, which is released; "
            f"write version: {was['version'] + 1}"
        )


def deleted_but_used(texts: Mapping[str, str], released: Rows) -> Iterator[str]:
    """A line for each released tag whose file is gone, though what uses it is still there and names it.

    `texts`: every YAML file of tags, audiences and exports, place -> text; they need not be sound.
    """
    there = {f"{_kind(place)}:{PurePosixPath(place).stem}": text for place, text in texts.items()}
    for name, was in sorted(released.items()):
        if f"tag:{name}" in there or was["gone_since"]:
            continue
        columns = "|".join(map(re.escape, was["columns"]))
        users = [user for user in was["used_by"] if re.search(rf"\b({columns})\b", there.get(user, ""), re.IGNORECASE)]
        if users:
            told = ", ".join(user.replace(":", " ") for user in users)
            yield f"{was['place']}: is gone, but '{name}' is still needed by {told}; bring it back or change them first"


def _kind(place: str) -> str:
    folder = PurePosixPath(place).parent.name
    return {"audiences": "audience", "exports": "export"}.get(folder, "tag")
