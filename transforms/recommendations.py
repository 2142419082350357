"""conf/recommendations.yml: what is looked for in baskets, and what customers are recommended."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from transforms.definitions import Definition, days, nearest, parse, parse_yaml
from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression
from transforms.schemas import ENTITIES
from transforms.sql import types
from transforms.tags.items import columns_of, no_cancelled

PLACE = "conf/recommendations.yml"
Days = Annotated[int, BeforeValidator(lambda value: days(str(value)))]


class _Over(Definition):
    """What both read: rows of an entity with a time, those of the last `window` days for which `where` holds."""

    from_: str = Field(alias="from")
    where: str | None = None
    window: Days = 365

    @field_validator("from_")
    @classmethod
    def _something_that_happens(cls, value: str) -> str:
        known = [name for name, entity in ENTITIES.items() if entity.time]
        if value not in known:
            raise ValueError(f"no entity '{value}' with a time{nearest(value, known)} (one of {', '.join(known)})")
        return value


class Association(_Over):
    """What goes together in one basket. Shares are of the baskets that hold anything."""

    basket: str
    of: str
    min_support: float = Field(0.01, ge=0.0005, le=1)
    min_confidence: float = Field(0.2, gt=0, le=1)


class Recommendation(_Over):
    """What a customer may want next. `name`: what an item is called in a reason; `weight`: how much a row counts for.

    `leave_out_bought`: what the customer bought within so many days is not recommended.
    """

    of: str
    name: str | None = None
    weight: str = "1"
    top: int = Field(10, ge=1, le=100)
    leave_out_bought: Annotated[int | None, BeforeValidator(lambda v: None if v is None else days(str(v)))] = None


class Recommendations(Definition):
    """Both, and after how many days they are fitted anew."""

    association: Association | None = None
    recommendation: Recommendation | None = None
    refit: Days = 30

    @property
    def definition_hash(self) -> str:
        """Changes with all that the fits depend on."""
        meaning = self.model_dump(mode="json", by_alias=True, exclude={"refit"})
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def parse_recommendations(text: str, *, place: str = PLACE, timezone: str = "UTC") -> Recommendations:
    """The file, its expressions checked. Raises DefinitionError, a line for each mistake."""
    found = parse(Recommendations, parse_yaml(text, place=place), place=place)
    problems: list[str] = []
    for part in (found.association, found.recommendation):
        if part:
            try:
                compiled(part, place=place, timezone=timezone)
            except DefinitionError as error:
                problems.extend(error.lines)
    if problems:
        raise DefinitionError(*problems)
    return found


def compiled(part: Association | Recommendation, *, place: str = PLACE, timezone: str) -> Mapping[str, Expression]:
    """Key -> its expression: where (with no cancelled lines, unless it reads their status), of, basket, name, weight.

    Raises DefinitionError, a line for each mistake.
    """
    kind = "association" if isinstance(part, Association) else "recommendation"
    known = columns_of(part.from_)
    columns = {name: column.type for name, column in known.items()}
    problems: list[str] = []
    found: dict[str, Expression] = {}
    for key in ("where", "of", "basket", "name", "weight"):
        text = getattr(part, key, None)
        if text is None:
            continue
        try:
            found[key] = _checked(key, text, f"{place}: {kind}.{key}", columns, timezone, part.from_)
            problems.extend(
                f"{place}: {kind}.{key}: '{name}' is {known[name].sensitivity}, and items are told"
                for name in sorted(found[key].columns)
                if key in ("of", "name") and known[name].sensitivity in ("personal", "sensitive")
            )
        except DefinitionError as error:
            problems.extend(error.lines)
    if problems:
        raise DefinitionError(*problems)
    where = found.get("where")
    sql = " and ".join([*([where.sql] if where else []), *no_cancelled(part.from_, where.columns if where else set())])
    return {**found, "where": Expression("", frozenset(), "boolean", sql or "true")}


def _checked(key: str, text: str, place: str, columns: Mapping[str, str], timezone: str, what: str) -> Expression:
    if key in ("of", "basket", "name"):
        text = f"cast(({text}) as string)"
    found = compile_expression(text, place=place, columns=columns, timezone=timezone, what=what)
    if key == "where" and found.type not in ("boolean", types.VOID):
        raise DefinitionError(f"{place}: is {types.describe(found.type)}, not a condition")
    if key == "weight" and not types.is_number(found.type):
        raise DefinitionError(f"{place}: is {types.describe(found.type)}, not a number")
    return found
