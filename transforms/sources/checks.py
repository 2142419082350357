"""The checks of a source's YAML: of each row (`expect`), and of what a night brought as a whole (all others)."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from transforms.definitions import Definition, days, nearest
from transforms.errors import DefinitionError
from transforms.schemas import CORRUPT, ENTITIES

if TYPE_CHECKING:
    from transforms.sources.definition import Source

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy"]
# kind of check -> the dimension that it measures, the keys that it needs beside it, and those that it may have
KINDS: dict[str, tuple[Dimension, tuple[str, ...], tuple[str, ...]]] = {
    "expect": ("validity", ("name",), ("mostly", "dimension")),
    "volume": ("completeness", (), ()),
    "fresh": ("timeliness", (), ()),
    "unique": ("uniqueness", (), ()),
    "known": ("consistency", ("in",), ("mostly",)),
    "drift": ("consistency", ("at_most",), ()),
    "agrees": ("accuracy", ("by",), ("mostly",)),
}
_PRESENT = re.compile(r"\S+\s+is\s+not\s+null", re.IGNORECASE)
_JOINED = re.compile(r"[()]|\b(?:and|or)\b", re.IGNORECASE)


class Check(Definition):
    """One rule of the user's own. Exactly one of:

    expect: an expression that each row meets; one that does not is refused, counted, or stops the night.
    volume: rows a day of extract lie within this share of the median of the nights before: 0.5 is half to half more.
    fresh: the newest of the source's times is at most so old at the end of the business day.
    unique: no two accepted rows of a night are equal in these columns.
    known: values of this identifier type are known to some record of the entity `in`.
    drift: the column's values are distributed as in the nights before: their population stability index is `at_most`
    so high.
    agrees: where a record of another source has the same identifier `by`, the column says the same in both.

    `mostly`: the least share of rows that must meet it; below it a `stop` check, and one that quarantines,
    ends the night. Without it a `stop` check allows no row to fail, and quarantine has no limit.
    """

    name: str = Field("", pattern=r"^[a-z][a-z0-9_]*$")
    expect: str | None = None
    volume: float | None = Field(None, gt=0)
    fresh: int | None = Field(None, gt=0)
    unique: list[str] | None = Field(None, min_length=1)
    known: str | None = None
    among: str | None = Field(None, alias="in")
    drift: str | None = None
    at_most: float | None = Field(None, gt=0)
    agrees: str | None = None
    by: str | None = None
    mostly: float | None = Field(None, ge=0, le=1)
    dimension: Dimension | None = None
    on_fail: Literal["quarantine", "warn", "stop"] = "quarantine"

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, given: object) -> object:
        """A check of the whole is named after what it looks at, and warns."""
        if not isinstance(given, Mapping):
            return given
        kind = next((kind for kind in KINDS if kind != "expect" and kind in given), None)
        if kind is None:
            return given
        subject = given[kind] if isinstance(given[kind], list) else [given[kind]]
        words = [kind] if kind in ("volume", "fresh") else [kind, *map(str, subject)]
        return {"name": re.sub(r"\W", "_", "_".join(words)).lower(), "on_fail": "warn", **given}

    @field_validator("fresh", mode="before")
    @classmethod
    def _whole_days(cls, value: object) -> int:
        return days(str(value))

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            what = f"holds {' and '.join(kinds)}: make it two checks" if kinds else "says nothing to check"
            raise ValueError(f"{what} (a check holds one of {', '.join(KINDS)})")
        _, needed, allowed = KINDS[kinds[0]]
        given = {type(self).model_fields[name].alias or name for name in self.model_fields_set}
        for key in needed:
            if key not in given:
                raise ValueError(f"{kinds[0]} needs '{key}' beside it")
        for key in sorted(given - {kinds[0], "name", "on_fail", *needed, *allowed}):
            raise ValueError(f"'{key}' means nothing beside {kinds[0]}; remove it")
        if kinds[0] != "expect" and self.on_fail == "quarantine":
            raise ValueError(f"on_fail: {kinds[0]} looks at the night as a whole and cannot quarantine; warn or stop")
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def measures(self) -> Dimension:
        """The dimension of quality that it measures. A demand that something be there is one of completeness."""
        if self.expect is not None and not self.dimension:
            parts = [part.strip() for part in _JOINED.split(self.expect)]
            return "completeness" if all(_PRESENT.fullmatch(part) for part in parts if part) else "validity"
        return self.dimension or KINDS[self.kind][0]

    @property
    def allowed(self) -> float:
        """The share of rows that may fail."""
        return 0.0 if self.mostly is None else round(1 - self.mostly, 12)  # 1 - 0.9 is less than 0.1


def check_problems(source: "Source") -> Iterator[str]:
    """What is wrong with a source's checks and shows without its extract and without other sources."""
    names = [check.name for check in source.checks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{source.place}: checks: two are named '{name}'; give one another name"
    reserved = _reserved(source)
    for check in source.checks:
        if check.name in reserved - {check.kind} or check.name.startswith("rows_"):
            yield f"{source.place}: checks: '{check.name}' is the name of a check that is always made; take another"
    types, given = source.table.types, id_types_of(source)
    for check in source.checks:
        place = f"{source.place}: checks.{check.name}"
        for column in (*(check.unique or ()), *filter(None, (check.drift, check.agrees))):
            if column not in types:
                yield f"{place}: no column '{column}' in {source.entity}{nearest(column, types)}"
            elif check.drift and source.table.sensitivity(column) in ("personal", "sensitive"):
                yield f"{place}: '{column}' holds personal data, whose values may not be counted in ops; take another"
        if (kind := check.known or check.by) and kind not in given:
            yield f"{place}: {source.source} gives no identifier '{kind}'{nearest(kind, given)}"
        if check.among is not None and check.among not in ENTITIES:
            yield f"{place}: no entity '{check.among}'{nearest(check.among, ENTITIES)}"


def _reserved(source: "Source") -> set[str]:
    """The names of the checks that are made without a word in the YAML (transforms/quality)."""
    always = {
        "all_rows_accounted_for", "no_duplicates", "one_version_a_record", "not_in_future", "few_quarantined", "volume",
        "fresh",
    }  # fmt: skip
    of_columns = {
        name for column in source.table.types for name in (f"has_{column}", f"{column}_as_filled", f"{column}_as_large")
    }
    of_rows = {CORRUPT, *(f"no_{name}" for name in source.table.types), f"implausible_{source.table.time}"}
    return always | of_columns | of_rows


def check_known(sources: Mapping[str, "Source"]) -> None:
    """Raise DefinitionError where `known` names an identifier that no source of its entity gives."""
    problems = []
    for source in sources.values():
        for check in source.checks:
            others = [other for other in sources.values() if other.entity == check.among]
            given = {kind for other in others for kind in id_types_of(other)}
            if check.known and check.known not in given:
                problems.append(
                    f"{source.place}: checks.{check.name}: no source of {check.among} gives an identifier "
                    f"'{check.known}'{nearest(check.known, given)}"
                )
    if problems:
        raise DefinitionError(*problems)


def id_types_of(source: "Source") -> set[str]:
    """The identifier types that a source gives, by its YAML and by its entity."""
    by_entity = {kind for kind, column in source.table.automatic_ids.items() if column in source.expressions}
    return {*source.ids, *by_entity}
