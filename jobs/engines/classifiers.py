"""Churn and purchase intent: fitted on earlier cut-offs, tested on the latest, and judged before they are released."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engines.learners import calibrated, learned
from jobs.engines.past import Past, past_of
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.models.classifier import coordinates, log_odds, probabilities, pushes
from transforms.models.judging import area_under_curve, calibration_error, distribution, gain
from transforms.models.kmeans import learn_features
from transforms.models.spec import ALGORITHMS, Algorithm, KMeansSpec, Transform
from transforms.tags.tag import Tag

Numbers = NDArray[np.float64]
Rows = NDArray[np.bool_]
Stored = dict[str, Any]
# Fewer customers with the label, or without it, tell nothing that lasts.
LEAST = 30
# Shares of the tested customers below which a score is low, and below which it is medium.
BANDS = (0.5, 0.8)
_SKEWED = 3.0


def fit_classifier(night: Night, tag: Tag, previous: Mapping[str, Any] | None) -> tuple[Stored, Stored]:
    """(parameters for `transforms.models.classifier`, quality) of a churn or purchase intent tag.

    Raises ModelError where it cannot be fitted, misses its gate, or is no better than the recency rule or the
    released model.
    """
    return fit_past(past_of(night, tag), tag, previous)


def fit_past(past: Past, tag: Tag, previous: Mapping[str, Any] | None = None) -> tuple[Stored, Stored]:
    """`fit_classifier` on what is on the driver.

    The latest cut-off tests and teaches nothing. An algorithm is chosen by its AUC on the cut-off before it, having
    learned from those before that (with two cut-offs: on a quarter of the customers); the one chosen then learns
    from three quarters of the customers at all cut-offs but the latest, and the fourth quarter calibrates it.
    """
    assert tag.label  # noqa: S101  (checked with the tag's keys)
    test = past.cut == len(past.days) - 1
    _check_labels(past, test)
    features, dropped = _features(past.of(~test), tag)
    points = coordinates(past.raw, {"features": features})
    tried = {tag.algorithm: None} if tag.algorithm != "auto" else _tried(past, points, tag.seed)
    algorithm: Algorithm = max(tried, key=lambda name: tried[name] or 0)
    taught, held = ~test & (past.fold != 0), ~test & (past.fold == 0)
    model = learned(algorithm, points[taught], past.label[taught], tag.seed)
    odds = log_odds(pushes(points, model), model)
    parameters: Stored = {
        "algorithm": algorithm, "features": features, "dropped": dropped, "model": model,
        "calibration": calibrated(odds[held], past.label[held]), "seed": tag.seed,
    }  # fmt: skip
    tested = past.of(test)
    score = probabilities(tested.raw, parameters)
    parameters["bands"] = [float(value) for value in np.quantile(score, BANDS, method="inverted_cdf")]
    parameters["usual"] = {
        "features": {feature["name"]: distribution(tested.raw[feature["name"]]) for feature in features},
        "score": distribution(score),
    }
    quality = _quality(past, tested, score, tried, happens=tag.label.happens) | {"algorithm": algorithm}
    _check_gate(quality, tag, champion=_champion(tested, previous))
    return parameters, quality


def _check_labels(past: Past, test: Rows) -> None:
    for name, rows in (("to learn from", ~test), ("to be tested on", test)):
        came = int(past.label[rows].sum())
        stayed = int(rows.sum()) - came
        if min(came, stayed) < LEAST:
            raise ModelError(
                f"of the {came + stayed} customers {name}, {came} have the label and {stayed} have not; it takes "
                f"{LEAST} of each"
            )


def _features(past: Past, tag: Tag) -> tuple[list[Stored], dict[str, str]]:
    """How each feature becomes a coordinate, and why those left out are. What lies far out on one side is bent."""
    if not past.raw:
        reasons = "; ".join(f"'{name}': {why}" for name, why in past.dropped.items())
        raise ModelError(f"none of its features is known of earlier days ({reasons})")
    bent: dict[str, Transform] = {name: "log1p" for name, column in past.raw.items() if _is_skewed(column)}
    learnt, dropped = learn_features(past.raw, KMeansSpec(features=tuple(past.raw), transform=bent))
    return learnt, {**past.dropped, **dropped}


def _is_skewed(column: Numbers) -> bool:
    known = column[~np.isnan(column)]
    if not known.size or known.min() < 0:
        return False
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return bool(high - middle > _SKEWED * (middle - low))


def _tried(past: Past, points: NDArray[np.float64], seed: int) -> dict[Algorithm, float]:
    """The AUC of each algorithm on a cut-off later than what it learned from."""
    latest = len(past.days) - 2
    later = past.cut == latest if latest else (past.cut == latest) & (past.fold == 0)
    taught = past.cut < latest if latest else (past.cut == latest) & (past.fold != 0)
    if min(*np.bincount(past.label[later], minlength=2), *np.bincount(past.label[taught], minlength=2)) < 2:
        raise ModelError(f"too few customers with the label, or without it, by {past.days[latest]} to choose on")
    found = {}
    for name in ALGORITHMS:
        model = learned(name, points[taught], past.label[taught], seed)
        odds = log_odds(pushes(points[later], model), model)
        found[name] = area_under_curve(odds, past.label[later])["auc"]
    return found


def recency_rule(idle: Numbers, *, happens: bool) -> Numbers:
    """The baseline: the longer it is since the last time, the less likely it comes; who never did is the least so."""
    longest = np.nan_to_num(idle, nan=np.inf)
    return -longest if happens else longest


def _quality(
    past: Past, tested: Past, score: Numbers, tried: Mapping[Algorithm, float | None], *, happens: bool
) -> Stored:
    rule = recency_rule(tested.idle, happens=happens)
    ranked = np.unique(rule, return_inverse=True)[1].astype(float)  # infinite ones in their places
    return {
        **area_under_curve(score, tested.label),
        "baseline": area_under_curve(ranked, tested.label),
        "gain": gain(score, ranked, tested.label),
        "calibration_error": calibration_error(score, tested.label),
        "customers": {"taught": int(len(past.label) - len(tested.label)), "tested": len(tested.label)},
        "share_with_label": {
            "taught": round(float(past.label[past.cut < len(past.days) - 1].mean()), 4),
            "tested": round(float(tested.label.mean()), 4),
        },
        "cut_offs": [str(day) for day in past.days],
        "tried": {name: value for name, value in tried.items() if value is not None},
    }


def _champion(tested: Past, previous: Mapping[str, Any] | None) -> float | None:
    """The AUC of the released model on the same customers; None where its features are others."""
    if previous is None or not {feature["name"] for feature in previous["features"]} <= tested.raw.keys():
        return None
    return area_under_curve(probabilities(tested.raw, previous), tested.label)["auc"]


def _check_gate(quality: Stored, tag: Tag, *, champion: float | None) -> None:
    """Raise ModelError where the model misses its gate, the rule may be as good, or the released model is better.

    What may be chance is no win over the rule: the whole interval of the gain lies above 0.
    """
    auc, rule, gained = quality["auc"], quality["baseline"]["auc"], quality["gain"]
    misses = []
    if not gained["low"] > 0:
        told = f"(95 % interval of the gain {gained['low']:.3f} to {gained['high']:.3f})"
        misses.append(f"its AUC of {auc:.3f} is no better than the recency rule's {rule:.3f} {told}")
    if auc < tag.gate.auc:
        misses.append(f"its AUC of {auc:.3f} is below the gate's {tag.gate.auc:g}")
    if quality["calibration_error"] > tag.gate.calibration_error:
        told = quality["calibration_error"]
        misses.append(f"its calibration error of {told:.3f} is above the gate's {tag.gate.calibration_error:g}")
    if champion is not None:
        quality["champion"] = champion
        if auc < champion:
            misses.append(f"its AUC of {auc:.3f} is below the released model's {champion:.3f}")
    if misses:
        raise ModelError("; ".join(misses))
