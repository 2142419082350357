"""conf/audiences/<audience>.yml: who to reach. The definition and its checks; `audience_members` finds the people."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from transforms.definitions import Definition, nearest, parse, parse_yaml
from transforms.errors import DefinitionError
from transforms.expressions import Expression, canonical_names_in, compile_expression
from transforms.privacy import Privacy
from transforms.profile import tag_of_column
from transforms.schemas import Table

if TYPE_CHECKING:
    from transforms.tags.definition import Tag


def fingerprint(content: Any) -> str:
    """A short hash of what a definition means: equal content in any order of keys has an equal hash."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Audience(Definition):
    """One audience: members = (where or a member of one of `union`) and not a member of one of `except`.

    `holdout` is the share kept aside, `min_size` the number of customers below which it is withheld.
    `place` is the file that defines it, for messages.
    """

    place: str = ""
    audience: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: dict[str, str] = {}
    description: str = ""
    owner: str = ""
    where: str | None = None
    union: list[str] = []
    except_: list[str] = Field([], alias="except")
    min_size: int = Field(0, ge=0)
    purpose: str
    holdout: float = Field(0.0, ge=0, lt=1)
    campaigns: list[str] = []

    @model_validator(mode="after")
    def _says_who(self) -> "Audience":
        if self.where is None and not self.union:
            raise ValueError("where: say who belongs to it, by `where` or by `union` (everybody: where: 'true')")
        return self

    @property
    def built_on(self) -> list[str]:
        return [*self.union, *self.except_]

    @property
    def definition_hash(self) -> str:
        """Changes with whatever decides who is in it."""
        keys = {"where", "union", "except_", "min_size", "purpose", "holdout"}
        return fingerprint(self.model_dump(include=keys))


def parse_audience(text: str, *, place: str) -> Audience:
    """An audience's YAML. Raises DefinitionError with a line for each mistake that shows in this file alone."""
    return parse(Audience, {**parse_yaml(text, place=place), "place": place}, place=place)


def compile_rule(audience: Audience, profile: Table, timezone: str) -> Expression | None:
    """The audience's `where` over the profile's columns; None where it has none. Raises DefinitionError."""
    if audience.where is None:
        return None
    place = f"{audience.place}: where"
    rule = compile_expression(audience.where, place=place, columns=profile.types, timezone=timezone, what="the profile")
    if rule.type not in (None, "boolean"):
        raise DefinitionError(f"{place}: gives a {rule.type}, but must be true or false, such as: monthly_spend > 100")
    return rule


def check_audiences(
    audiences: Mapping[str, Audience],
    tags: Mapping[str, "Tag"],
    profile: Table,
    privacy: Privacy,
    timezone: str = "UTC",
) -> None:
    """Raise DefinitionError with a line for each mistake of any audience.

    Looked for: a rule that does not compile over the profile, an audience or a purpose that is not there,
    audiences built on each other in a circle, a tag that is not meant for the purpose.
    """
    problems: list[str] = []
    rules: dict[str, Expression] = {}
    for name, audience in audiences.items():
        problems += [*_dangling(audience, audiences), *_purpose(audience, privacy)]
        try:
            rule = compile_rule(audience, profile, timezone)
        except DefinitionError as error:
            problems += error.lines
        else:
            rules |= {name: rule} if rule else {}
    circle = _circle(audiences)
    if circle:
        problems.append(f"{audiences[circle[0]].place}: built on itself: {' -> '.join(circle)}; break the circle")
    else:
        known = (audience for audience in audiences.values() if audience.purpose in privacy.purposes)
        problems += [line for audience in known for line in _misused(audience, audiences, rules, tags)]
    if problems:
        raise DefinitionError(*problems)


def levels(audiences: Mapping[str, Audience]) -> list[list[str]]:
    """The audiences' names in steps: those of a step are built only on those of the steps before it."""
    sorter = TopologicalSorter(_graph(audiences))
    sorter.prepare()
    steps = []
    while sorter.is_active():
        steps.append(sorted(sorter.get_ready()))
        sorter.done(*steps[-1])
    return steps


def _graph(audiences: Mapping[str, Audience]) -> dict[str, list[str]]:
    return {
        name: [other for other in audience.built_on if other in audiences]
        for name, audience in sorted(audiences.items())
    }


def _circle(audiences: Mapping[str, Audience]) -> list[str]:
    try:
        TopologicalSorter(_graph(audiences)).prepare()
    except CycleError as error:
        path: list[str] = error.args[1]
        return path[::-1]  # graphlib names what is built on first: turned round it reads as the YAML does
    return []


def _dangling(audience: Audience, audiences: Mapping[str, Audience]) -> Iterator[str]:
    for key, names in (("union", audience.union), ("except", audience.except_)):
        for name in names:
            if name not in audiences:
                yield f"{audience.place}: {key}: no audience '{name}'{nearest(name, audiences)}"


def _purpose(audience: Audience, privacy: Privacy) -> Iterator[str]:
    if audience.purpose not in privacy.purposes:
        known = ", ".join(privacy.purposes)
        hint = nearest(audience.purpose, privacy.purposes) or f"; conf/privacy.yml knows: {known}"
        yield f"{audience.place}: purpose: no purpose '{audience.purpose}' in conf/privacy.yml{hint}"


def _misused(
    audience: Audience, audiences: Mapping[str, Audience], rules: Mapping[str, Expression], tags: Mapping[str, "Tag"]
) -> Iterator[str]:
    """Tags that the audience looks at, itself or through what it is built on, and that are not for its purpose."""
    given_by = tag_of_column(tags)
    for name in reached(audience.audience, audiences):
        columns = rules[name].columns if name in rules else frozenset()
        for tag in sorted({given_by[column].tag for column in columns if column in given_by}):
            if not_meant_for(tags[tag], audience.purpose):
                where = "where" if name == audience.audience else f"built on '{name}'"
                yield f"{audience.place}: {where}: {misuse(tags[tag], audience.purpose)}"


def reached(name: str, audiences: Mapping[str, Audience]) -> list[str]:
    """The audience and all that it is built on, near ones first."""
    found = [name]
    for current in found:
        found += [other for other in audiences[current].built_on if other in audiences and other not in found]
    return found


def cut_by(name: str, audiences: Mapping[str, Audience], columns: Collection[str]) -> dict[str, list[str]]:
    """The audience, and all that it is built on -> those of the profile's `columns` that its rule looks at.

    Whoever knows its members knows something of these columns of each.
    """
    return {
        one: sorted(canonical_names_in(audiences[one].where or "true").intersection(columns))
        for one in reached(name, audiences)
    }


def not_meant_for(tag: "Tag", purpose: str) -> bool:
    return purpose not in tag.purposes


def misuse(tag: "Tag", purpose: str) -> str:
    """What to say of a tag that is used for a purpose which it is not meant for."""
    meant = ", ".join(tag.purposes) or "none"
    return f"the tag '{tag.tag}' is not meant for {purpose} (its purposes: {meant}); leave it out, or widen {tag.place}"
