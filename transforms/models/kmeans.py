"""K-Means segments: one rule that prepares features, said for NumPy (a fit) and for Spark (every night's scores).

The parameters, as JSON holds them (`jobs.engines.kmeans` makes them):

    features    a list, in the order of the centres' coordinates: name, median (in place of a missing value),
                indicator (missing values have a coordinate of their own), transform, centre, scale, low, high
    centres     a list of points: the features' coordinates, then the indicators', both in the order of `features`
    labels      the label of each centre, ascending; names: label -> name; built: label -> name made by us
    next_label  the label that the next new cluster gets; dropped: feature -> why it is not used; seed
"""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.errors import ModelError
from transforms.models.spec import KMeansSpec as KMeansSpec
from transforms.models.spec import Transform

Matrix = NDArray[np.float64]
Feature = Mapping[str, Any]

# In robust standard deviations: how much one customer can count for in one feature.
CLIP = 3.0


def score_kmeans(
    features: DataFrame, *, parameters: Mapping[str, Any], names: tuple[str, str] = ("segment", "distance")
) -> DataFrame:
    """`features` with the segment of each customer: the nearest centre, of two equally near that with the lower label.

    Grain: customer, as `features`. New columns, by `names`: the segment (its name) and the distance (Euclidean, from
    the centre, in robust standard deviations). A missing feature counts as its median.

    It is one step, which works out once what it says several times: each step more would copy every column.
    """
    known = parameters["features"]
    missing = [_missing(feature).cast("double") for feature in known if feature["indicator"]]
    axes = [*map(_value, known), *missing]
    segments = [parameters["names"][str(label)] for label in parameters["labels"]]
    nearest = F.array_min(
        F.array(
            *(
                F.struct(_squared(axes, centre).alias("squared"), F.lit(place).alias("place"))
                for place, centre in enumerate(parameters["centres"])
            )
        )
    )
    segment = F.element_at(F.array(*map(F.lit, segments)), nearest["place"] + 1)
    return features.withColumns({names[0]: segment, names[1]: F.sqrt(nearest["squared"])})


def _number(feature: Feature) -> SparkColumn:
    return F.nanvl(F.col(f"`{feature['name']}`").cast("double"), F.lit(None).cast("double"))


def _missing(feature: Feature) -> SparkColumn:
    return _number(feature).isNull()


def _value(feature: Feature) -> SparkColumn:
    filled = F.coalesce(_number(feature), F.lit(feature["median"]))
    bent = {
        "none": filled,
        "log1p": F.signum(filled) * F.log1p(F.abs(filled)),
        "sqrt": F.signum(filled) * F.sqrt(F.abs(filled)),
    }[feature["transform"]]
    scaled = (bent - F.lit(feature["centre"])) / F.lit(feature["scale"])
    return F.least(F.greatest(scaled, F.lit(feature["low"])), F.lit(feature["high"]))


def _squared(axes: list[SparkColumn], centre: list[float]) -> SparkColumn:
    away = [axis - F.lit(float(at)) for axis, at in zip(axes, centre, strict=True)]
    return reduce(add, (step * step for step in away))


def learn_features(raw: Mapping[str, Matrix], spec: KMeansSpec) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """How each feature is prepared, and why those left out are (feature -> reason).

    Missing values become the median, and a coordinate 0/1 says so, unless another feature misses the same
    customers. Values are bent, shifted by their median and divided by the range from their 5th to their 95th
    percentile, in units of a normal distribution's standard deviation (3.29 of them): up to 5 % of extreme values
    on a side do not touch the scale, and small but real groups do. Where nine in ten are equal, the 1st and 99th
    (4.65) serve. Then nobody counts for more than 3 either way, so that an outlier cannot own a cluster.
    """
    learned: list[dict[str, Any]] = []
    dropped: dict[str, str] = {}
    patterns: set[bytes] = set()
    for name in spec.features:
        missing = np.isnan(raw[name])
        present = raw[name][~missing]
        if not present.size:
            dropped[name] = "no customer has a value"
            continue
        transform = spec.transform.get(name, "none")
        scale = _scale(bend(present, transform))
        if scale == 0:
            dropped[name] = "the same for (nearly) every customer"
            continue
        learned.append(
            {
                "name": name,
                "median": float(np.median(present)),
                "indicator": bool(missing.any()) and missing.tobytes() not in patterns,
                "transform": transform,
                "centre": float(np.median(bend(present, transform))),
                "scale": scale,
                "low": -CLIP,
                "high": CLIP,
            }
        )
        patterns.add(missing.tobytes())
    if not learned:
        raise ModelError(f"none of the features {', '.join(spec.features)} differs between customers")
    return learned, dropped


def _scale(values: Matrix) -> float:
    for tail, deviations_between in ((0.05, 3.29), (0.01, 4.65)):
        low, high = np.quantile(values, [tail, 1 - tail])
        if high > low:
            return float((high - low) / deviations_between)
    return 0.0


def prepare(raw: Mapping[str, Matrix], parameters: Mapping[str, Any]) -> Matrix:
    """Customers × coordinates: `score_kmeans`' preparation of the columns `raw` (NaN where missing), in NumPy."""
    known = parameters["features"]
    values = [_scaled(raw[feature["name"]], feature) for feature in known]
    missing = [np.isnan(raw[feature["name"]]).astype(float) for feature in known if feature["indicator"]]
    return np.column_stack(values + missing)


def _scaled(column: Matrix, feature: Feature) -> Matrix:
    filled = np.where(np.isnan(column), feature["median"], column)
    scaled = (bend(filled, feature["transform"]) - feature["centre"]) / feature["scale"]
    return np.asarray(np.clip(scaled, feature["low"], feature["high"]))


def bend(values: Matrix, transform: Transform) -> Matrix:
    """log1p or the square root of the size, with the sign kept: who returned more than they bought is below 0."""
    if transform == "none":
        return values
    size = np.abs(values)
    return np.asarray(np.sign(values) * (np.log1p(size) if transform == "log1p" else np.sqrt(size)))


def coordinate_names(parameters: Mapping[str, Any]) -> list[str]:
    """What each coordinate measures: a feature, or `missing <feature>`."""
    known = parameters["features"]
    return [f["name"] for f in known] + [f"missing {f['name']}" for f in known if f["indicator"]]


def nearest_centre(points: Matrix, centres: Matrix) -> NDArray[np.intp]:
    """The place of each point's nearest centre; of two equally near the first."""
    squared = [np.square(points - centre).sum(axis=1) for centre in centres]
    return np.asarray(np.argmin(np.column_stack(squared), axis=1))
