"""tag_definitions/ as a whole: every file read, every mistake found, and what a tag takes from those it is built on."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from transforms.definitions import nearest, parse, parse_yaml
from transforms.errors import DefinitionError
from transforms.expressions import canonical_names_in
from transforms.tags.resolved import resolved
from transforms.tags.tag import Tag as Tag
from transforms.tags.tag import TagCheck as TagCheck

_MOST_FOLDERS = 3
_PROFILE = ("customer_id", "as_of", "run_id")


def parse_tags(files: Mapping[str, str]) -> dict[str, Tag]:
    """Every tag by its name, in an order in which each comes after those that it is built on. `files`: place -> text.

    `type`, `purposes`, `sensitivity` and `depends_on` are filled in. Raises DefinitionError holding a line for each
    mistake of any file.
    """
    problems: list[str] = []
    tags = _read(files, problems)
    owners = _owners(tags, problems)
    needs = {name: _needs(tag, owners) for name, tag in tags.items()}
    circles = _circles(tags, needs)
    problems.extend(circles.values())
    done: dict[str, Tag] = {}
    columns: dict[str, str] = {}
    for name in ordered(needs, leave_out=set(circles)):
        if any(need not in done for need in needs[name]):
            continue  # what it is built on is wrong: that is said already
        try:
            done[name] = resolved(tags[name], [done[need] for need in needs[name]], columns)
        except DefinitionError as error:
            problems.extend(error.lines)
            continue
        columns |= {output.name: output.type for output in done[name].outputs}
    if problems:
        raise DefinitionError(*dict.fromkeys(problems))
    return done


def _read(files: Mapping[str, str], problems: list[str]) -> dict[str, Tag]:
    tags: dict[str, Tag] = {}
    for place, text in sorted(files.items()):
        try:
            tag = parse(Tag, {**parse_yaml(text, place=place), "place": place, "text": text}, place=place)
        except DefinitionError as error:
            problems.extend(error.lines)
            continue
        problems.extend(_misplaced(tag, tags))
        tags.setdefault(tag.tag, tag)
    return tags


def _misplaced(tag: Tag, tags: Mapping[str, Tag]) -> Iterator[str]:
    path = PurePosixPath(tag.place)
    if tag.tag in tags:
        yield f"{tag.place}: tag: the name '{tag.tag}' is taken by {tags[tag.tag].place}"
    if path.stem != tag.tag:
        yield f"{tag.place}: tag: the name '{tag.tag}' and the file's name differ; make them the same"
    if len(tag.category) > _MOST_FOLDERS:
        yield f"{tag.place}: lies {len(tag.category)} folders deep; categories have at most {_MOST_FOLDERS} levels"


def _owners(tags: Mapping[str, Tag], problems: list[str]) -> dict[str, str]:
    """Profile column -> the tag that gives it. Two tags with one column are a mistake."""
    owners: dict[str, str] = {}
    for name, tag in tags.items():
        for output in tag.outputs:
            if output.name in _PROFILE:
                problems.append(f"{tag.place}: tag: the name '{output.name}' is a column that every profile has")
            elif output.name in owners:
                problems.append(f"{tag.place}: tag: its column '{output.name}' is also one of '{owners[output.name]}'")
            owners.setdefault(output.name, name)
    return owners


def _needs(tag: Tag, owners: Mapping[str, str]) -> list[str]:
    """The tags that a tag is built on."""
    match tag.kind:
        case "derived":
            names = canonical_names_in(str(tag.select))
        case "rule":
            names = frozenset[str]().union(*(canonical_names_in(case.when) for case in tag.cases))
        case "kmeans" | "churn" | "purchase_intent":
            names = frozenset(tag.features) | (canonical_names_in(tag.eligible) if tag.eligible else frozenset())
        case "lifecycle":
            texts = [text for stage in tag.stages for text in (stage.when, stage.until) if text]
            names = frozenset[str]().union(*map(canonical_names_in, texts))
        case _:
            return []
    return sorted({owners[name] for name in names if name in owners})


def ordered(needs: Mapping[str, list[str]], *, leave_out: set[str] | None = None) -> list[str]:
    """Names such that each comes after those it needs, otherwise by name; without those in circles."""
    left = {name: set(wanted) for name, wanted in needs.items() if name not in (leave_out or set())}
    order: list[str] = []
    while left:
        ready = sorted(name for name, wanted in left.items() if not wanted & set(left))
        if not ready:
            return order
        order.extend(ready)
        for name in ready:
            del left[name]
    return order


def _circles(tags: Mapping[str, Tag], needs: Mapping[str, list[str]]) -> dict[str, str]:
    """Tag -> the line that says how it is built on itself; one line a circle."""
    found: dict[str, str] = {}
    state: dict[str, list[str]] = {}

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            circle = path[path.index(name) :]
            if not set(circle) & set(found):
                first = min(circle)
                turned = circle[circle.index(first) :] + circle[: circle.index(first)]
                line = f"{tags[first].place}: is built on itself: {' -> '.join([*turned, first])}"
                found.update(dict.fromkeys(circle, line))
            return
        if name in state:
            return
        for need in needs[name]:
            walk(need, [*path, name])
        state[name] = path

    for name in sorted(needs):
        walk(name, [])
    return found


def check_purposes(tags: Mapping[str, Tag], purposes: Mapping[str, object]) -> None:
    """Raise DefinitionError with a line for each purpose of a tag that conf/privacy.yml does not have."""
    problems = [
        f"{tag.place}: purposes: no purpose '{purpose}' in conf/privacy.yml{nearest(purpose, purposes)}"
        for tag in tags.values()
        for purpose in tag.purposes
        if purpose not in purposes
    ]
    if problems:
        raise DefinitionError(*problems)
