"""Fitting K-Means segments on a bounded sample of customers, the same for any partitioning and core count."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.clusters import choose_centres
from transforms.definitions import nearest
from transforms.errors import ModelError
from transforms.models.kmeans import KMeansSpec, Matrix, coordinate_names, learn_features, nearest_centre, prepare
from transforms.models.segments import Labels, apart, built_name, deviations, matched_labels, segment_names

# The most customers that come to the driver: the 200,000 whose ids hash lowest. The standard error of a share
# is then below 0.12 points, and a row of ten features takes 80 bytes.
CUSTOMERS = 200_000
NUMERIC = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean")


def fit_kmeans(
    features: DataFrame, *, spec: KMeansSpec, previous: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Segments of customers: (parameters for `score_kmeans`, quality), both JSON-able and free of personal data.

    `features`: customer_id and a numeric column a feature; one row a customer. `previous`: the parameters of the
    released model, whose labels and names the new clusters take over where they hold the same customers
    (`transforms.models.segments.matched_labels`). One Spark job; see CUSTOMERS for what comes to the driver.

    quality: customers (in the sample), k, silhouette, resample_ari, candidates (each k tried), segments (label,
    name, share, what sets it apart), moved (share whose label differs from the one that the previous model gives
    them today; None without one), notes (in words).

    Raises ModelError where a feature is missing, not a number or infinite, where no feature differs between
    customers, or where there are fewer (different) customers than clusters.
    """
    _check(features, spec)
    return fit_sample(_sample(features, spec), spec=spec, previous=previous)


def fit_sample(
    raw: Mapping[str, Matrix], *, spec: KMeansSpec, previous: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fit_kmeans` on columns already on the driver (NaN where missing), their rows in an order that never changes."""
    learned, dropped = learn_features(raw, spec)
    points = prepare(raw, {"features": learned})
    candidates, centres = choose_centres(points, k=spec.k, seed=spec.seed, kept=_kept(learned, previous))
    clusters = nearest_centre(points, centres)
    old = _previous_labels(raw, previous)
    next_label = previous["next_label"] if previous else 1
    labels = _labels(clusters, len(centres), old, next_label)
    order = np.argsort(labels)
    parameters: dict[str, Any] = {
        "features": learned,
        "centres": centres[order].tolist(),
        "labels": sorted(labels),
        "next_label": max(next_label, max(labels) + 1),
        "dropped": dropped,
        "seed": spec.seed,
    }
    traits = _traits(parameters, points)
    parameters["built"] = _built(traits, previous)
    parameters["names"] = segment_names(parameters["built"], spec.names)
    given = np.array(labels)[clusters]
    quality = _quality(parameters, candidates, given, traits)
    quality["moved"] = None if old is None else round(float(np.mean(given != old)), 4)
    quality["notes"] = _notes(parameters, spec, previous)
    return parameters, quality


def _kept(learned: list[dict[str, Any]], previous: Mapping[str, Any] | None) -> int | None:
    """The k of the previous model; None where it looked at other features: then nothing speaks for its k."""
    alike = previous and {one["name"] for one in previous["features"]} == {one["name"] for one in learned}
    return len(previous["labels"]) if previous and alike else None


def _check(features: DataFrame, spec: KMeansSpec) -> None:
    low, high = spec.k
    if not 2 <= low <= high:
        raise ModelError(f"K-Means: k must run from 2 or more upwards, not from {low} to {high}")
    types = {field.name: field.dataType.simpleString() for field in features.schema.fields}
    for name in spec.features:
        if name not in types:
            raise ModelError(f"K-Means: there is no feature '{name}'{nearest(name, types)}")
        if types[name].split("(")[0] not in NUMERIC:
            raise ModelError(f"K-Means: the feature '{name}' is a {types[name]}; only numbers have distances")


def _sample(features: DataFrame, spec: KMeansSpec) -> dict[str, Matrix]:
    """The features' columns of the customers whose ids hash lowest, in the order of the hashes."""
    numbers = [F.nanvl(F.col(f"`{name}`").cast("double"), F.lit(None)).alias(name) for name in spec.features]
    table = (
        features.select(F.xxhash64("customer_id").alias("_hash"), "customer_id", *numbers)
        .orderBy("_hash", "customer_id")
        .limit(CUSTOMERS)
        .toArrow()
    )
    raw = {
        name: np.asarray(table[name].fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=float)
        for name in spec.features
    }
    for name, column in raw.items():
        if infinite := int(np.isinf(column).sum()):
            raise ModelError(f"K-Means: the feature '{name}' is infinite for {infinite} customers; mend its definition")
    return raw


def _previous_labels(raw: Mapping[str, Matrix], previous: Mapping[str, Any] | None) -> Labels | None:
    """The labels that the previous model gives the customers today; None where its features are gone."""
    if previous is None or not all(feature["name"] in raw for feature in previous["features"]):
        return None
    places = nearest_centre(prepare(raw, previous), np.array(previous["centres"]))
    return np.array(previous["labels"])[places]


def _labels(clusters: Labels, count: int, old: Labels | None, next_label: int) -> list[int]:
    """The label of each cluster: those of the previous model, or from `next_label` up, the largest first."""
    if old is not None:
        return matched_labels(clusters, old, clusters=count, next_label=next_label)
    largest_first = np.argsort(-np.bincount(clusters, minlength=count), kind="stable")
    ranks = np.empty(count, dtype=int)
    ranks[largest_first] = np.arange(count)
    return [next_label + int(rank) for rank in ranks]


def _traits(parameters: Mapping[str, Any], points: Matrix) -> dict[str, list[dict[str, Any]]]:
    away = deviations(np.array(parameters["centres"]), points)
    coordinates = coordinate_names(parameters)
    return {str(label): apart(row, coordinates) for label, row in zip(parameters["labels"], away, strict=True)}


def _built(traits: Mapping[str, list[dict[str, Any]]], previous: Mapping[str, Any] | None) -> dict[str, str]:
    """label -> built name. A label that stays keeps its name, or dashboards would break at each refit."""
    before = previous["built"] if previous else {}
    names = {label: before[label] for label in traits if label in before}
    for label, found in traits.items():
        if label not in names:
            names[label] = built_name(found, label=int(label), taken={*names.values(), *before.values()})
    return {label: names[label] for label in traits}


def _quality(
    parameters: Mapping[str, Any],
    candidates: list[dict[str, Any]],
    given: Labels,
    traits: Mapping[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    chosen = next(figures for figures in candidates if figures["chosen"])
    return {
        "customers": len(given),
        "k": chosen["k"],
        "silhouette": chosen["silhouette"],
        "resample_ari": chosen["resample_ari"],
        "candidates": candidates,
        "segments": [
            {
                "label": label,
                "name": parameters["names"][str(label)],
                "share": round(float(np.mean(given == label)), 4),
                "apart": traits[str(label)],
            }
            for label in parameters["labels"]
        ],
    }


def _notes(parameters: Mapping[str, Any], spec: KMeansSpec, previous: Mapping[str, Any] | None) -> list[str]:
    notes = [f"feature '{name}' is not used: {why}" for name, why in parameters["dropped"].items()]
    known = {*parameters["built"], *parameters["built"].values()}
    notes += [f"names: there is no segment '{name}'" for name in map(str, spec.names) if name not in known]
    if previous:
        before, now = set(previous["labels"]), set(parameters["labels"])
        notes += [f"segment {label} has no successor" for label in sorted(before - now)]
        notes += [f"segment {label} is new" for label in sorted(now - before)]
    return notes
