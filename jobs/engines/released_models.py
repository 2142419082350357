"""Which parameters a night scores with: the released ones while they hold, else those of a new fit."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow as pa
from pyarrow import dataset as ds

from jobs.engines.clusters import one_thread
from jobs.engines.registry import registered, tell_gone
from jobs.runtime.night import Night
from jobs.runtime.reader import Reader
from jobs.runtime.tables import arrow_schema
from transforms.errors import ModelError
from transforms.models.withheld import is_withheld, told
from transforms.schemas import GOLD_MODEL, TAG_MODEL, Table
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.plan import meaning
from transforms.tags.tag import Tag

# the model that matches records: no tag, so that no tag's name is taken
LINKAGE = "identity: matching"
# what customers are recommended by
RECOMMENDER = "recommendations"
# what a tag asks of a model that foretells; the rest of its keys say how the answer is come by
_ASKED = {"model", "from_", "where", "label", "amount", "horizon", "of", "within"}
Fit = Callable[[Mapping[str, Any] | None], tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True)
class Model:
    """A row of gold/model, with what tag/model holds of it where its tag is personal or sensitive."""

    tag: str
    kind: str
    version: int
    definition: str
    fitted_on: date
    parameters: dict[str, Any]
    quality: dict[str, Any]
    mlflow_run: str | None = None
    mlflow_version: int | None = None

    def for_everybody(self, tags: Mapping[str, Tag]) -> "Model":
        """What gold and the registry have of it: nothing that holds values of a personal or sensitive tag."""
        if not is_withheld(self.tag, tags):
            return self
        return replace(self, parameters={}, quality=told(self.quality, str(tags[self.tag].sensitivity)))


def fit_of(reader: Reader, tag: str) -> dict[str, Any] | None:
    """What a release scores a tag with: its row of gold/model, whole; None where nothing is fitted."""
    mine = ds.field("tag") == tag
    rows = [row for table in (GOLD_MODEL, TAG_MODEL) for row in reader.where(table, mine)]
    return {key: value for row in rows for key, value in row.items()} if rows else None


@dataclass
class Models:
    """The models of one night: those of the last release, and what this night fitted."""

    night: Night
    released: dict[str, Model]
    fitted: dict[str, Model] = field(default_factory=dict)
    tried: dict[str, Model] = field(default_factory=dict)
    # those of `released` that are kept in tag/model
    withheld: frozenset[str] = frozenset()

    @classmethod
    def of(cls, night: Night) -> "Models":
        own = {row["tag"]: row for row in _rows(night, TAG_MODEL)}
        read: dict[str, Callable[[Any], Any]] = {"parameters": json.loads, "quality": json.loads}
        rows = ({**row, **own.get(row["tag"], {})} for row in _rows(night, GOLD_MODEL))
        models = (
            Model(**{name: read.get(name, lambda value: value)(row.get(name)) for name in GOLD_MODEL.names})
            for row in rows
        )
        return cls(night, {model.tag: model for model in models}, withheld=frozenset(own))

    def parameters(self, tag: Tag, fit: Fit) -> dict[str, Any] | None:
        """What to score `tag` with; None where there is no model that answers it and none can be fitted.

        `fit` takes the released parameters and gives new ones with their quality.
        """
        known = self.released.get(tag.tag)
        definition = meaning(tag, self.night.conf.tags)
        if known and self.holds(known, definition, tag.refit or 1):
            return known.parameters or None
        released = (known.parameters or None) if known and known.kind == tag.kind else None
        answers = bool(known and released and _answers(known, tag, definition))
        try:
            # segments keep their names, whatever they are made from by now
            with one_thread():
                parameters, quality = fit(released if answers or tag.kind not in PREDICTIONS else None)
        except ModelError as error:
            rest = "the released model stays" if answers else f"{tag.tag} is NULL tonight"
            self.night.warn(f"{tag.tag}: {error}; {rest}")
            # a model learned from the past takes long to fit: where it will not, it is tried again at the next refit
            if tag.kind in PREDICTIONS:
                self.note_refused(tag.tag, tag.kind, definition, str(error), stays=answers)
            return released if answers else None
        parameters |= {"asked": _asked(tag)} if tag.kind in PREDICTIONS else {}
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
        refused = known.quality.get("refused", {})
        if self.night.refit or definition not in (known.definition, refused.get("definition")):
            return False
        last = max(known.fitted_on, date.fromisoformat(refused.get("on", str(known.fitted_on))))
        young = (self.night.day - last).days < refit
        return young or self.night.full_refresh

    def note_refused(self, name: str, kind: str, definition: str, why: str, *, stays: bool) -> None:
        """Note that a fit was refused, so that it is tried again at the next refit alone. stays: what is released."""
        known = self.released.get(name)
        refused = {"on": str(self.night.day), "definition": definition, "why": why}
        none_yet = Model(name, kind, known.version if known else 0, definition, self.night.day, {}, {})
        model = known if known and stays else none_yet
        self.tried[name] = replace(model, quality={**model.quality, "refused": refused})

    def note_sizes(self, tag: str, sizes: Mapping[str, int]) -> None:
        """Add the segments' shares of all customers to the quality of a model that was fitted tonight."""
        total = sum(sizes.values())
        if tag in self.fitted and total:
            shares = {name: round(count / total, 6) for name, count in sizes.items()}
            model = self.fitted[tag]
            self.fitted[tag] = replace(model, quality={**model.quality, "shares": shares})

    def tell_gone(self) -> None:
        """Tell which released models the registry no longer has, of those that were not fitted anew tonight."""
        tell_gone(self.night, [model for tag, model in self.released.items() if tag not in self.fitted])

    def save(self) -> None:
        """Register what was fitted, write gold/model, and tag/model with what gold may not hold.

        Where nothing was fitted, nor tried, they stay as they are, unless a tag's sensitivity is another by now.
        """
        known = {*self.night.conf.tags, LINKAGE, RECOMMENDER}
        kept = {tag: model for tag, model in self.released.items() if tag in known and tag not in self.fitted}
        tags = self.night.conf.tags
        moved = any(is_withheld(tag, tags) != (tag in self.withheld) for tag in kept)
        if not self.fitted and not self.tried and not moved:
            return
        fitted = {model.tag: model for model in registered(self.night, list(self.fitted.values()))}
        models = sorted({**kept, **self.tried, **fitted}.values(), key=lambda model: model.tag)
        self.night.save(_table([model.for_everybody(tags) for model in models], GOLD_MODEL), GOLD_MODEL)
        if withheld := [model for model in models if is_withheld(model.tag, tags)]:
            self.night.save(_table(withheld, TAG_MODEL), TAG_MODEL)
        else:
            self.night.forget(TAG_MODEL)


def _rows(night: Night, table: Table) -> list[dict[str, Any]]:
    version = night.versions.get(table.name)
    return night.lakehouse.rows(table, version) if version is not None else []


def _asked(tag: Tag) -> str:
    """A hash of what a tag asks of a model that foretells: of whose dealings, and what is to come when."""
    asked = tag.model_dump(mode="json", include=_ASKED)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _answers(known: Model, tag: Tag, definition: str) -> bool:
    """Does a released model still foretell what the tag asks, from nothing that is no feature any more?"""
    if known.definition == definition:
        return True
    features = {feature["name"] for feature in known.parameters.get("features", ())}
    asks_as_much = tag.kind not in PREDICTIONS or known.parameters.get("asked") == _asked(tag)
    return asks_as_much and features <= {*tag.features}


def _table(models: list[Model], table: Table) -> pa.Table:
    rows = [
        vars(model) | {name: json.dumps(getattr(model, name), sort_keys=True) for name in ("parameters", "quality")}
        for model in models
    ]
    return pa.Table.from_pylist([{name: row[name] for name in table.names} for row in rows], arrow_schema(table))
