"""gold/tag_catalog: what people need to know of a tag before they trust it, one row a tag and night."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from transforms.expressions import canonical_names_in
from transforms.tags.plan import meaning
from transforms.tags.tag import CUSTOMER, Tag

if TYPE_CHECKING:
    from transforms.audiences import Audience

Row = dict[str, Any]
# A golden record is made of these, so a fact is as fresh as they are.
OF_CUSTOMER = ("contact", "consent")


def described(tag: Tag, tags: Mapping[str, Tag]) -> Row:
    """What the tag's YAML says, its hashes, and what it is built on. `tags`: all of them."""
    return {
        "tag": tag.tag, "place": tag.place, "category": "/".join(tag.category), "title_en": tag.title.get("en"),
        "title_zh": tag.title.get("zh"), "description": tag.description, "owner": tag.owner, "version": tag.version,
        "status": tag.status, "kind": tag.kind, "type": tag.type, "unit": tag.unit or None, "values": list(tag.values),
        "purposes": list(tag.purposes), "sensitivity": tag.sensitivity, "max_age": tag.max_age, "yaml": tag.text,
        "definition": tag.definition_hash, "meaning": meaning(tag, tags),
        "columns": {output.name: output.type for output in tag.outputs}, "depends_on": list(tag.depends_on),
        "reads": sorted(entities_of(tag, tags)),
    }  # fmt: skip


def entities_of(tag: Tag, tags: Mapping[str, Tag]) -> set[str]:
    """The entities that the tag's values are made from, through every tag that it is built on."""
    own = {entity for name in tag.reads for entity in (OF_CUSTOMER if name == CUSTOMER else (name,))}
    return own.union(*(entities_of(tags[need], tags) for need in tag.depends_on))


def built_on(tag: Tag, tags: Mapping[str, Tag]) -> set[str]:
    """The tag's name and those of every tag that it is built on."""
    return {tag.tag}.union(*(built_on(tags[need], tags) for need in tag.depends_on))


def users_of(
    tags: Mapping[str, Tag], audiences: Mapping[str, "Audience"], exported: Mapping[str, Iterable[str]]
) -> dict[str, list[str]]:
    """Tag -> what uses it: `tag:…`, `audience:…`, `export:…`. `exported`: export -> the columns that it holds."""
    owners = {output.name: tag.tag for tag in tags.values() for output in tag.outputs}
    found: dict[str, set[str]] = {name: set() for name in tags}
    for tag in tags.values():
        for need in tag.depends_on:
            found[need].add(f"tag:{tag.tag}")
    for name, audience in audiences.items():
        for column in canonical_names_in(audience.where or "true") & owners.keys():
            found[owners[column]].add(f"audience:{name}")
    for name, columns in exported.items():
        for column in owners.keys() & set(columns):
            found[owners[column]].add(f"export:{name}")
    return {name: sorted(uses) for name, uses in found.items()}


def latest(rows: Iterable[Row]) -> dict[str, Row]:
    """Tag -> its row of the newest night among those given."""
    return {row["tag"]: row for row in sorted(rows, key=lambda row: row["date"])}


def remembered(before: Mapping[str, Row], tags: Mapping[str, Tag], day: date) -> list[Row]:
    """The rows of tags whose files are gone: what they were stays known. A draft is forgotten."""
    measured = ("customers", "known", "coverage", "distinct_values", "distribution", "changed", "drift")
    return [
        {**row, **dict.fromkeys(measured), "used_by": [], "gone_since": row["gone_since"] or day}
        for name, row in before.items()
        if name not in tags and row["status"] != "draft"
    ]
