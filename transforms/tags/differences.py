"""What a set of definitions means that another does not: the working tree beside the released ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transforms.definitions import parse_yaml
from transforms.profile import online
from transforms.tags.catalog import built_on
from transforms.tags.plan import meaning
from transforms.tags.tag import Tag

What = Literal["added", "removed", "changed", "follows", "status", "described"]
Tags = Mapping[str, Tag]


@dataclass(frozen=True)
class Difference:
    """A tag that is another. `keys`: key of the YAML -> (released, now). `through`: the changed tags that it follows.

    added, removed; changed: its own meaning; follows: only that of a tag it is built on; status: it comes into the
    profile or leaves it; described: nothing that its values depend on.
    """

    tag: str
    place: str
    what: What
    keys: Mapping[str, tuple[Any, Any]]
    through: tuple[str, ...] = ()


def differences(released: Tags, now: Tags) -> list[Difference]:
    """Every tag that is another, by name."""
    changed = {
        name for name in released.keys() & now.keys() if released[name].definition_hash != now[name].definition_hash
    }
    found = [_difference(name, released, now, changed) for name in sorted(released.keys() | now.keys())]
    return [difference for difference in found if difference]


def _difference(name: str, released: Tags, now: Tags, changed: set[str]) -> Difference | None:
    was, is_ = released.get(name), now.get(name)
    if was is None or is_ is None:
        there = is_ or was
        assert there is not None  # noqa: S101  (it is in one of both)
        return Difference(name, there.place, "removed" if is_ is None else "added", {})
    keys = _keys(was, is_)
    through = tuple(sorted((built_on(is_, now) | built_on(was, released)) & changed - {name}))
    if name in changed:
        return Difference(name, is_.place, "changed", keys, through)
    if meaning(was, released) != meaning(is_, now):
        return Difference(name, is_.place, "follows", keys, through)
    if was.status != is_.status:
        return Difference(name, is_.place, "status", keys)
    return Difference(name, is_.place, "described", keys) if keys else None


def _keys(was: Tag, now: Tag) -> dict[str, tuple[Any, Any]]:
    old, new = parse_yaml(was.text, place=was.place), parse_yaml(now.text, place=now.place)
    return {key: (old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)}


def computed_anew(released: Tags, now: Tags) -> list[str]:
    """The tags online now whose values the release does not hold: another meaning, or not online then."""
    return [
        tag.tag
        for tag in online(now)
        if tag.tag not in released
        or released[tag.tag].status != "online"
        or meaning(tag, now) != meaning(released[tag.tag], released)
    ]
