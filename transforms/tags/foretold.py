"""Tags whose models learn from what followed earlier days: what they foretell, must reach, give and look at."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, field_validator

from transforms.definitions import Definition, days, nearest
from transforms.schemas import ENTITIES

if TYPE_CHECKING:
    from transforms.tags.tag import Tag

CLASSIFIERS = ("churn", "purchase_intent")
PREDICTIONS = (*CLASSIFIERS, "lifetime_value", "next_category")  # learned from what followed earlier days
_SAYS_WHY = (
    ("band", "string", "low, medium or high among the customers that the model was tested on"),
    ("drivers", "array<string>", "what raised or lowered it most, the strongest first"),
)
OUTPUTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "churn": (("risk", "double", "probability, 0 to 1"), *_SAYS_WHY),
    "purchase_intent": (("score", "double", "probability, 0 to 1"), *_SAYS_WHY),
    "lifetime_value": (
        ("value", "double", "expected within the horizon"),
        ("p_alive", "double", "probability that the customer will ever come again, 0 to 1"),
        ("expected_orders", "double", "days with an order within the horizon"),
    ),
}
INTERNAL = {
    "lifetime_value": {
        "_age": "bigint", "_idle": "bigint", "_days": "bigint", "_total": "double", "_before": "double",
    },
    "next_category": {"_known": "array<string>"},
    "lifecycle": {"_stage": "string", "_days_in_stage": "bigint", "_previous": "string"},
}  # fmt: skip


def scattered(tags: Iterable["Tag"]) -> tuple[str, ...]:
    """The columns of models in which hardly two customers have the same value."""
    found = (tag for tag in tags if tag.kind in (*PREDICTIONS, "kmeans"))
    return tuple(output.name for tag in found for output in tag.outputs if output.type == "double")


def with_a_time(value: str) -> str:
    """An entity whose rows happen. Raises ValueError for any other."""
    known = [name for name, entity in ENTITIES.items() if entity.time]
    if value in ENTITIES and value not in known:
        raise ValueError(f"{value} has no time of its own (one of {', '.join(known)})")
    if value not in known:
        raise ValueError(f"no entity '{value}'{nearest(value, known)} (one of {', '.join(known)})")
    return value


class Label(Definition):
    """What a model foretells: that a row of `event` for which `where` holds comes `within` so many days, or does not.

    `happens`: whether it is the coming or the staying away that the score is the probability of.
    """

    event: str
    where: str | None = None
    within: Annotated[int, BeforeValidator(lambda value: days(str(value))), Field(ge=1, le=3650)]
    happens: bool

    @field_validator("event")
    @classmethod
    def _something_that_happens(cls, value: str) -> str:
        return with_a_time(value)


class Gate(Definition):
    """What a newly fitted model must reach on time that it has not seen, or the released one stays."""

    auc: float = Field(0.5, ge=0.5, le=1)
    calibration_error: float = Field(1.0, gt=0, le=1)
