"""Which parameters a night scores with: the released ones while they hold, else those of a new fit."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow as pa

from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import ModelError
from transforms.schemas import GOLD_MODEL
from transforms.tags.plan import meaning
from transforms.tags.tag import Tag

# the model that matches records: no tag, so that no tag's name is taken
LINKAGE = "identity: matching"
# what customers are recommended by
RECOMMENDER = "recommendations"
Fit = Callable[[Mapping[str, Any] | None], tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True)
class Model:
    """A row of gold/model."""

    tag: str
    kind: str
    version: int
    definition: str
    fitted_on: date
    parameters: dict[str, Any]
    quality: dict[str, Any]


@dataclass
class Models:
    """The models of one night: those of the last release, and what this night fitted."""

    night: Night
    released: dict[str, Model]
    fitted: dict[str, Model] = field(default_factory=dict)

    @classmethod
    def of(cls, night: Night) -> "Models":
        version = night.versions.get(GOLD_MODEL.name)
        rows = night.lakehouse.rows(GOLD_MODEL, version) if version is not None else []
        read = {"parameters": json.loads, "quality": json.loads}
        models = (
            Model(**{name: read.get(name, lambda value: value)(row[name]) for name in GOLD_MODEL.names}) for row in rows
        )
        return cls(night, {model.tag: model for model in models})

    def parameters(self, tag: Tag, fit: Fit) -> dict[str, Any] | None:
        """What to score `tag` with; None where there is no model and none can be fitted.

        `fit` takes the released parameters and gives new ones with their quality.
        """
        known = self.released.get(tag.tag)
        definition = meaning(tag, self.night.conf.tags)
        if known and self.holds(known, definition, tag.refit or 1):
            return known.parameters
        previous = known.parameters if known and known.kind == tag.kind else None
        try:
            parameters, quality = fit(previous)
        except ModelError as error:
            rest = "the released model stays" if previous else f"{tag.tag} is NULL tonight"
            self.night.warn(f"{tag.tag}: {error}; {rest}")
            return previous
        self.fitted[tag.tag] = Model(
            tag=tag.tag,
            kind=tag.kind,
            version=known.version + 1 if known else 1,
            definition=definition,
            fitted_on=self.night.day,
            parameters=parameters,
            quality=quality,
        )
        return parameters

    def holds(self, known: Model, definition: str, refit: int) -> bool:
        """A full refresh never refits; a changed definition always does. `refit`: after so many days."""
        if known.definition != definition or self.night.refit:
            return False
        young = (self.night.day - known.fitted_on).days < refit
        return young or self.night.full_refresh

    def note_sizes(self, tag: str, sizes: Mapping[str, int]) -> None:
        """Add the segments' shares of all customers to the quality of a model that was fitted tonight."""
        total = sum(sizes.values())
        if tag in self.fitted and total:
            shares = {name: round(count / total, 6) for name, count in sizes.items()}
            model = self.fitted[tag]
            self.fitted[tag] = replace(model, quality={**model.quality, "shares": shares})

    def save(self) -> None:
        """Write gold/model where something was fitted; otherwise the table stays as it is."""
        if not self.fitted:
            return
        known = {*self.night.conf.tags, LINKAGE, RECOMMENDER}
        kept = {tag: model for tag, model in self.released.items() if tag in known}
        models = sorted({**kept, **self.fitted}.values(), key=lambda model: model.tag)
        self.night.save(_table(models), GOLD_MODEL)


def _table(models: list[Model]) -> pa.Table:
    rows = [
        vars(model) | {name: json.dumps(getattr(model, name), sort_keys=True) for name in ("parameters", "quality")}
        for model in models
    ]
    return pa.Table.from_pylist(rows, arrow_schema(GOLD_MODEL))
