"""tag_definitions/**.yml: what a tag is, where its value comes from, and what one file alone can have wrong."""

import hashlib
import json
import re
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, field_validator, model_validator

from transforms.definitions import Definition, days, nearest, seconds
from transforms.models.spec import Algorithm, KMeansSpec
from transforms.schemas import ENTITIES, Column
from transforms.tags.foretold import CLASSIFIERS, INTERNAL, OUTPUTS, PREDICTIONS, Gate, Label, with_a_time

Type = Literal["number", "integer", "text", "enum", "boolean", "date", "timestamp", "list"]
Kind = Literal[
    "statistic",
    "first",
    "last",
    "fact",
    "preference",
    "derived",
    "rule",
    "sequence",
    "sql",
    "import",
    "rfm",
    "kmeans",
    "churn",
    "purchase_intent",
    "lifetime_value",
    "next_category",
    "lifecycle",
]
Status = Literal["draft", "online", "offline", "retired"]

COLUMN_TYPES: dict[str, str] = {
    "number": "double", "integer": "bigint", "text": "string", "enum": "string", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp", "list": "array<string>",
}  # fmt: skip
CUSTOMER = "customer"
# After so many half-lives a row weighs nothing.
NOTHING_LEFT = 41
SENSITIVITIES = ("none", "normal", "personal", "sensitive")
ACROSS = ("sequence", "sql", "import")  # kinds that no single entity gives
_MODELS = ("rfm", "kmeans", "lifecycle", *PREDICTIONS)
# kinds with several outputs of their own types
SEVERAL = ("rfm", "kmeans", "lifecycle", *CLASSIFIERS, "lifetime_value")

_COMMON = {
    "place", "text", "tag", "title", "description", "owner", "version", "status", "type", "unit", "values", "max_age",
    "purposes", "sensitivity", "checks", "examples", "depends_on", "segmentation",
}  # fmt: skip
# What each kind is made of, beside the common keys; * marks what it must have.
KEYS: dict[str, set[str]] = {
    "statistic": {"from*", "select*", "where", "window", "per", "default"},
    "first": {"from*", "first*", "where", "window", "default"},
    "last": {"from*", "last*", "where", "window", "default"},
    "fact": {"from*", "select*"},
    "preference": {"from*", "preference*", "where", "window", "default"},
    "derived": {"select*"},
    "rule": {"cases*", "default"},
    "sequence": {"sequence*", "at_least", "window", "default"},
    "sql": {"sql*", "default"},
    "import": {"import*", "default"},
    "rfm": {
        "model*", "from*", "recency*", "frequency*", "monetary*", "cases*", "where", "window", "scores", "refit",
        "default",
    },
    "kmeans": {"model*", "features*", "impute", "transform", "k", "seed", "refit", "names"},
    "churn": {"model*", "label*", "features*", "eligible", "algorithm", "gate", "seed", "refit"},
    "purchase_intent": {"model*", "label*", "features*", "eligible", "algorithm", "gate", "seed", "refit"},
    "lifetime_value": {"model*", "from*", "amount*", "where", "horizon", "method", "refit"},
    "next_category": {"model*", "from*", "of*", "where", "within", "top", "refit"},
    "lifecycle": {"model*", "stages*"},
}  # fmt: skip
_NOT_MEANING = {
    "place", "text", "title", "description", "owner", "version", "status", "purposes", "sensitivity", "checks",
    "examples", "depends_on", "segmentation",
}  # fmt: skip

# an entity that a query names; what stands between quotes, such as '[0-9]{5}', names none
_NAMED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\{\s*(\w+)\s*\}""", re.DOTALL)


def _whole_days(value: object) -> int | None:
    return None if value is None else days(str(value))


def _seconds(value: object) -> int | None:
    return None if value is None else seconds(str(value))


def _range(value: object) -> object:
    """`3..10` as (3, 10)."""
    low, dots, high = str(value).partition("..")
    if not (dots and low.strip().isdigit() and high.strip().isdigit()) or not 2 <= int(low) <= int(high) <= 50:
        raise ValueError(f"'{value}' is not a range; write the fewest and the most clusters: 3..10")
    return int(low), int(high)


def _tag(kind: Kind) -> str:
    return f"{'an' if kind == 'import' else 'a'} {kind} tag"


Days = Annotated[int | None, BeforeValidator(_whole_days)]


class Preference(Definition):
    """What a customer prefers: the values of `of` with the greatest weight, the greatest first."""

    of: str
    weight: str | None = None
    top: int = Field(3, ge=1, le=100)
    half_life: Days = None

    @field_validator("half_life")
    @classmethod
    def _some_time(cls, value: int | None) -> int | None:
        # each day's weight is written out until nothing is left of it
        if value is not None and not 1 <= value <= 890:
            raise ValueError("must be 1d to 890d")
        return value


class Case(Definition):
    """`value` where `when` holds and no case before it did."""

    value: Any
    when: str


class Stage(Definition):
    """A stage of the customer's life: entered where `when` holds, from the stages in `after` (from any, without).

    `until`: it is left only once this holds; without it, as soon as another stage is entered.
    """

    value: str = Field(min_length=1)
    when: str
    after: tuple[str, ...] = ()
    until: str | None = None


class Segmentation(Definition):
    """Of a tag whose values are segments to be judged. `min_size`: fewer customers are too few to act on."""

    min_size: int | None = Field(None, ge=1)


class Step(Definition):
    """A step of a sequence: a row of `event` for which `where` holds, at most `within` (seconds) after the step before.

    `not`: there is no such row.
    """

    event: str
    where: str | None = None
    within: Annotated[int | None, BeforeValidator(_seconds), Field(ge=1)] = None
    not_: bool = Field(False, alias="not")

    @field_validator("event")
    @classmethod
    def _something_that_happens(cls, value: str) -> str:
        return with_a_time(value)


class TagCheck(Definition):
    """A check of a tag's values: a rule over `value`, or how far they may drift from the last release."""

    expect: str | None = None
    drift: float | None = Field(None, gt=0)
    mostly: float = Field(1.0, ge=0, le=1)
    on_fail: Literal["warn", "stop"] = "warn"

    @model_validator(mode="after")
    def _one_of_both(self) -> "TagCheck":
        if (self.expect is None) == (self.drift is None):
            raise ValueError("a check has either expect or drift")
        if self.drift is not None and "mostly" in self.model_fields_set:
            raise ValueError("mostly goes with expect; drift is of all values")
        return self


class Example(Definition):
    """Rows of the tag's entity (or the tags and fields that it is made from), and the value that they give.

    Of a tag over several entities: entity -> rows.
    """

    given: list[dict[str, Any]] | dict[str, Any]
    value: Any


class Tag(Definition):
    """One tag. `place` is its file, `text` what stands in it.

    `parse_tags` fills in `type`, `purposes`, `sensitivity` and `depends_on`.
    """

    place: str = ""
    text: str = ""
    tag: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    title: dict[Literal["en", "zh"], str]
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    version: int = Field(1, ge=1)
    status: Status = "draft"
    type: Type | None = None
    unit: str = ""
    values: tuple[str, ...] = ()
    max_age: Days = None
    purposes: tuple[str, ...] = ()
    sensitivity: Literal["normal", "personal", "sensitive"] | None = None
    checks: tuple[TagCheck, ...] = ()
    examples: tuple[Example, ...] = ()
    depends_on: tuple[str, ...] = ()

    from_: str | None = Field(None, alias="from")
    where: str | None = None
    window: Days = None
    select: str | None = None
    per: Days = None
    default: Any = None
    first: str | None = None
    last: str | None = None
    preference: Preference | None = None
    cases: tuple[Case, ...] = ()
    sequence: tuple[Step, ...] = ()
    at_least: int | None = Field(None, ge=1)
    sql: str | None = None
    import_: str | None = Field(None, alias="import")

    model: str | None = None
    recency: str | None = None
    frequency: str | None = None
    monetary: str | None = None
    scores: int = Field(5, ge=2, le=10)
    refit: Days = 30
    features: tuple[str, ...] = ()
    impute: Literal["median"] = "median"
    transform: dict[str, Literal["log1p", "sqrt", "none"]] = {}
    k: Annotated[tuple[int, int], BeforeValidator(_range)] = (3, 10)
    seed: int = 7
    names: dict[str, str] = {}
    eligible: str | None = None
    label: Label | None = None
    algorithm: Literal["auto", Algorithm] = "auto"
    gate: Gate = Gate()
    amount: str | None = None
    horizon: Days = 365
    method: Literal["auto", "bg_nbd", "combined", "learned"] = "auto"
    of: str | None = None
    within: Days = 30
    top: int = Field(3, ge=1, le=20)
    stages: tuple[Stage, ...] = ()
    segmentation: Segmentation | None = None

    @field_validator("values", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return [str(item) if isinstance(item, int) else item for item in value] if isinstance(value, list) else value

    @field_validator("title")
    @classmethod
    def _titled(cls, value: dict[str, str]) -> dict[str, str]:
        if not value.get("en"):
            raise ValueError("must have an English title: {en: …}")
        return value

    @field_validator("from_")
    @classmethod
    def _an_entity(cls, value: str | None) -> str | None:
        known = [CUSTOMER, *ENTITIES]
        if value is not None and value not in known:
            raise ValueError(f"no entity '{value}'{nearest(value, known)} (one of {', '.join(known)})")
        return value

    @field_validator("window", "per", "max_age", "refit", "horizon", "within")
    @classmethod
    def _at_least_a_day(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= 36_500:
            raise ValueError("must be 1d to 36500d")
        return value

    @field_validator("sequence")
    @classmethod
    def _a_beginning_and_what_follows(cls, value: tuple[Step, ...]) -> tuple[Step, ...]:
        if len(value) == 1:
            raise ValueError("has one step; a sequence has at least two, and a single one is a statistic")
        if value and (value[0].not_ or value[0].within):
            raise ValueError("its first step is where it begins: it takes neither not nor within")
        return value

    @field_validator("stages")
    @classmethod
    def _stages_that_follow(cls, value: tuple[Stage, ...]) -> tuple[Stage, ...]:
        known = [stage.value for stage in value]
        for stage in value:
            if known.count(stage.value) > 1:
                raise ValueError(f"two of them are '{stage.value}'")
            for name in stage.after:
                if name not in known:
                    raise ValueError(f"'{stage.value}' is after '{name}', which is none{nearest(name, known)}")
        return value

    @field_validator("model")
    @classmethod
    def _a_model(cls, value: str | None) -> str | None:
        if value is not None and value not in _MODELS:
            raise ValueError(f"the model '{value}' is not built{nearest(value, _MODELS)} (built: {', '.join(_MODELS)})")
        return value

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> "Tag":
        kind = self._found_kind()
        allowed = {key.rstrip("*") for key in KEYS[kind]}
        given = {type(self).model_fields[name].alias or name for name in self.model_fields_set} - _COMMON
        wrong = sorted(given - allowed)
        if wrong:
            raise ValueError(f"{wrong[0]}: {_tag(kind)} has no such key (it has {', '.join(sorted(allowed))})")
        missing = sorted(key[:-1] for key in KEYS[kind] if key.endswith("*") and key[:-1] not in given)
        if missing:
            raise ValueError(f"{missing[0]}: {_tag(kind)} must have this key")
        return self

    @model_validator(mode="after")
    def _ages_with_a_source(self) -> "Tag":
        if self.max_age is not None and not {*self.reads} & ENTITIES.keys():
            raise ValueError(
                f"max_age: {_tag(self.kind)} reads no source's rows itself; set it on the tags that it is built on, or "
                "remove it"
            )
        return self

    def _found_kind(self) -> Kind:
        if self.model:
            return cast(Kind, self.model)
        given: dict[Kind, Any] = {
            "first": self.first, "last": self.last, "preference": self.preference, "rule": self.cases,
            "sequence": self.sequence, "sql": self.sql, "import": self.import_,
        }  # fmt: skip
        found = [kind for kind, value in given.items() if value]
        if self.select:
            found.append("derived" if not self.from_ else "fact" if self.from_ == CUSTOMER else "statistic")
        if len(found) == 1:
            return found[0]
        ways = "select, first, last, preference, cases, sequence, sql, import, model"
        if not found:
            raise ValueError(f"says nowhere where its value comes from: one of {ways}")
        raise ValueError(f"says twice where its value comes from ({' and '.join(found)}): one of {ways}")

    @cached_property
    def kind(self) -> Kind:
        """Where the value comes from."""
        return self._found_kind()

    @property
    def reads(self) -> tuple[str, ...]:
        """The entities whose rows give the value, `customer` for the golden record; none for what is built on tags."""
        if self.label:
            return (self.label.event,)
        if self.sql:
            return tuple(name for name in dict.fromkeys(_NAMED.findall(self.sql)) if name)
        if self.sequence:
            return tuple(dict.fromkeys(step.event for step in self.sequence))
        return (self.from_,) if self.from_ else ()

    @property
    def looks_back(self) -> int | None:
        """Over how many days rows count: the window, or, if that is less, until a weight that halves is nothing."""
        halved = self.preference.half_life if self.preference else None
        return min((days for days in (self.window, halved and NOTHING_LEFT * halved) if days), default=None)

    @property
    def category(self) -> tuple[str, ...]:
        """The folders under tag_definitions/, the outermost first."""
        return PurePosixPath(self.place).parent.parts[1:]

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The profile's columns that the tag gives."""
        if self.kind in _OUTPUTS:
            return tuple(self._output(name, type_, told) for name, type_, told in _OUTPUTS[self.kind])
        type_ = "list" if self.kind == "next_category" else self.type or "number"
        return (self._output("", COLUMN_TYPES[type_], ""),)

    @property
    def internal(self) -> tuple[Column, ...]:
        """What the tag's model scores with and nobody else sees: columns over the entity's rows; of a life cycle the
        stage as it was computed, whatever was set by hand."""
        return tuple(self._output(name, type_, "") for name, type_ in INTERNAL.get(self.kind, {}).items())

    def _output(self, name: str, ddl: str, told: str) -> Column:
        parts = (self.title["en"], told, self.unit and f"unit: {self.unit}")
        comment = "; ".join(part for part in parts if part)
        return Column(f"{self.tag}_{name}" if name else self.tag, ddl, comment, self.sensitivity or "normal")

    @property
    def definition_hash(self) -> str:
        """sha256 of everything that the values depend on, so not of titles, owners, checks or the status.

        What is as it is by default is not in it: a key that tags can have one day changes none that does without.
        """
        meaning = self.model_dump(mode="json", by_alias=True, exclude=_NOT_MEANING, exclude_defaults=True)
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def kmeans(self) -> KMeansSpec:
        """What the K-Means engine is asked for."""
        return KMeansSpec(
            features=self.features, k=self.k, transform=self.transform, impute=self.impute, seed=self.seed,
            names=self.names,
        )  # fmt: skip


_RFM_OUTPUTS = (
    ("segment", "string", "segment by the scores"),
    ("r", "bigint", "recency score, the highest is best"),
    ("f", "bigint", "frequency score"),
    ("m", "bigint", "monetary score"),
    ("recency_days", "bigint", "whole business days since the last"),
    ("frequency", "bigint", "how often"),
    ("monetary", "double", "how much"),
)
_KMEANS_OUTPUTS = (
    ("segment", "string", "the cluster's name"),
    ("distance", "double", "from the cluster's centre"),
)
_LIFECYCLE_OUTPUTS = (
    ("stage", "string", "the stage of the customer's life"),
    ("days_in_stage", "bigint", "whole business days since it was entered, or first seen"),
    ("previous", "string", "the stage before it; NULL where none was seen"),
)
_OUTPUTS = {"rfm": _RFM_OUTPUTS, "kmeans": _KMEANS_OUTPUTS, "lifecycle": _LIFECYCLE_OUTPUTS, **OUTPUTS}
