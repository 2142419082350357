"""Models that foretell: fitted where it is time, and tonight's customers scored with what is released."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from jobs.engines.classifiers import fit_classifier
from jobs.engines.lifetimes import fit_lifetime
from jobs.engines.next_values import fit_next
from jobs.engines.released_models import Models
from jobs.runtime.night import Night
from transforms.tags.foretold import CLASSIFIERS
from transforms.tags.predictions import with_classifier, with_lifetime, with_next
from transforms.tags.tag import Tag

_Fit = Callable[[Night, Tag, Mapping[str, Any] | None], tuple[dict[str, Any], dict[str, Any]]]
_FITS: dict[str, _Fit] = {
    **dict.fromkeys(CLASSIFIERS, fit_classifier), "lifetime_value": fit_lifetime, "next_category": fit_next,
}  # fmt: skip


def predicted(night: Night, frame: DataFrame, tag: Tag, models: Models) -> DataFrame:
    """`frame` (the tags so far, one row a customer) with the outputs of a model that foretells."""
    with night.as_usual():  # the customers are few, and what they are learned from is all their rows
        parameters = models.parameters(tag, partial(_FITS[tag.kind], night, tag))
    if tag.kind == "lifetime_value":
        return with_lifetime(frame, tag, parameters=parameters)
    if tag.kind == "next_category":
        return with_next(frame, tag, parameters=parameters)
    timezone = night.conf.pipeline.timezone
    return with_classifier(frame, tag, parameters=parameters, timezone=timezone, day=night.day, as_of=night.as_of)
