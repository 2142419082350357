"""Models that foretell: fitted where it is time, and tonight's customers scored with what is released."""

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from jobs.engines.classifiers import fit_classifier
from jobs.engines.lifetimes import fit_lifetime
from jobs.engines.next_values import fit_next
from jobs.engines.released_models import Models
from jobs.runtime.night import Night
from transforms.tags.foretold import CLASSIFIERS
from transforms.tags.predictions import with_predictions
from transforms.tags.tag import Tag

_Fit = Callable[[Night, Tag, Mapping[str, Any] | None], tuple[dict[str, Any], dict[str, Any]]]
_FITS: dict[str, _Fit] = {
    **dict.fromkeys(CLASSIFIERS, fit_classifier), "lifetime_value": fit_lifetime, "next_category": fit_next,
}  # fmt: skip


def predicted(night: Night, frame: DataFrame, tags: Sequence[Tag], models: Models, silent: Container[str]) -> DataFrame:
    """`frame` (the tags so far, one row a customer) with the outputs of models that foretell.

    `silent`: tags over silent sources. They are NULL and not fitted: a fit would last until the next one is due.
    """
    fits: list[tuple[Tag, Mapping[str, Any] | None]] = []
    with night.as_usual():  # the customers are few, and what they are learned from is all their rows
        for tag in tags:
            fit = partial(_FITS[tag.kind], night, tag)
            fits.append((tag, None if tag.tag in silent else models.parameters(tag, fit)))
    timezone = night.conf.pipeline.timezone
    return with_predictions(frame, fits, timezone=timezone, day=night.day, as_of=night.as_of)
