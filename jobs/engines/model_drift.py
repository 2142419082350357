"""How far tonight's customers are from those that a released model was tested on: its features and its scores."""

from collections.abc import Mapping
from typing import Any

from jobs.engines.profiles import Profiles
from jobs.engines.released_models import Models
from jobs.runtime.night import Night
from transforms.quality.drift import stability_index
from transforms.tags.foretold import CLASSIFIERS

# Above it much has moved (Siddiqi, Credit Risk Scorecards, 2006).
MUCH = 0.25


def judge_models(night: Night, profiles: Profiles) -> None:
    """Tell, as a figure and where it is much as a warning, how far a classifier's features and scores have moved."""
    found = {}
    for name, model in Models.of(night).released.items():
        tag = night.conf.tags.get(name)
        if tag is None or tag.kind not in CLASSIFIERS or not model.parameters:
            continue
        score = tag.outputs[0].name
        columns = {**model.parameters["usual"]["features"], score: model.parameters["usual"]["score"]}
        found[name] = {
            column: index
            for column, usual in columns.items()
            if (index := _moved(profiles, score, column, usual)) is not None
        }
        moved = sorted((column for column, index in found[name].items() if index > MUCH), key=lambda c: -found[name][c])
        if moved:
            told = ", ".join(f"{column} {found[name][column]:.2f}" for column in moved)
            night.warn(
                f"{name}: far from the customers that it was tested on (stability index, {MUCH} is much): {told}"
            )
    night.figure("model_drift", found)


def _moved(profiles: Profiles, score: str, column: str, usual: Mapping[str, Any]) -> float | None:
    """The population stability index of a column among those who are scored; None where nobody is, or it is gone."""
    now = profiles.counted_by(column, usual["edges"], among=score)
    return round(stability_index(usual["counts"], now), 4) if now and usual["counts"] else None
