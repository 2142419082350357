"""A classifier's stored parameters as probabilities, and as what raised or lowered each. NumPy, no fitting.

The parameters, as JSON holds them (`jobs.engines.classifiers` makes them):

    features     how each feature becomes a coordinate, as K-Means has it (`transforms.models.kmeans`); dropped: why not
    model        linear: weights and means, a number a coordinate, and base; or trees: a list of feature (-1: a leaf),
                 threshold, left, right and value, a number a node, and base
    calibration  slope and offset of the log-odds (Platt 1999)
    bands        the scores from which on a band is medium, and high
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.models.kmeans import Matrix, prepare
from transforms.models.ranks import greatest

Numbers = NDArray[np.float64]
BANDS = ("low", "medium", "high")
# A probability in millionths: below that, processors may differ.
DECIMALS = 6
MOST_DRIVERS = 3
# In log-odds: what moves a probability of a half by less than a point is no reason.
LEAST_PUSH = 0.05
_LEVELS = ("as usual", "above usual", "below usual", "not known")


def coordinates(raw: Mapping[str, Matrix], parameters: Mapping[str, Any]) -> Matrix:
    """Customers × coordinates, exact in 32 bits: trees are grown on such, and 64 would fall on other sides."""
    return prepare(raw, parameters).astype(np.float32).astype(np.float64)


def pushes(points: Matrix, model: Mapping[str, Any]) -> Matrix:
    """Customers × coordinates: by how much each moves the log-odds away from the model's base.

    Linear: weight × distance from the mean. Trees: along a customer's path, each split's change of the expected
    value goes to the coordinate that it asks for (Saabas 2014). base + the sum of a row is the model's own output.
    """
    if "weights" in model:
        away = points - np.array(model["means"], dtype=float)
        return np.asarray(away * np.array(model["weights"], dtype=float))
    columns = np.ascontiguousarray(points.T)  # whole columns are compared and added to: quicker than row by row
    total = np.zeros(columns.shape)
    for tree in model["trees"]:
        moved = np.ascontiguousarray(_moved_on_the_way(tree, len(columns)).T)
        leaf = _leaf(columns, tree, 0, np.min_scalar_type(len(tree["feature"]))).astype(np.intp)
        for axis in {axis for axis in tree["feature"] if axis >= 0}:
            total[axis] += moved[axis].take(leaf)
    return total.T


def _leaf(columns: Matrix, tree: Mapping[str, Sequence[Any]], node: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """The leaf below `node` that each customer comes to, in as few bits as name all nodes; one for all at a leaf.

    Of the leaves to the left and to the right the one is chosen by its bits, which takes a fifth of `np.where`'s time.
    """
    if tree["feature"][node] < 0:
        return np.array(node, dtype=kind)
    is_left = columns[tree["feature"][node]] <= tree["threshold"][node]
    goes_left = np.negative(is_left.view(np.uint8).astype(kind, copy=False))  # all bits, or none
    left, right = (_leaf(columns, tree, tree[side][node], kind) for side in ("left", "right"))
    return np.asarray(right ^ ((left ^ right) & goes_left))


def _moved_on_the_way(tree: Mapping[str, Sequence[Any]], count: int) -> Matrix:
    """Nodes × coordinates: what each coordinate has changed of the expected value by the time a node is reached."""
    moved = np.zeros((len(tree["feature"]), count))
    for node, axis in enumerate(tree["feature"]):  # children stand after their parents
        if axis < 0:
            continue
        for child in (tree["left"][node], tree["right"][node]):
            moved[child] = moved[node]
            moved[child, axis] += tree["value"][child] - tree["value"][node]
    return moved


def log_odds(pushed: Matrix, model: Mapping[str, Any]) -> Numbers:
    """A model's output. One column after the other, so that it never depends on who else is in the batch."""
    return np.asarray(reduce(add, pushed.T, np.full(len(pushed), float(model["base"]))))


def probability(odds: Numbers, calibration: Mapping[str, float]) -> Numbers:
    """Calibrated probabilities, rounded to millionths."""
    bounded = np.clip(calibration["slope"] * odds + calibration["offset"], -30, 30)
    return np.asarray(np.round(1 / (1 + np.exp(-bounded)), DECIMALS))


def probabilities(raw: Mapping[str, Matrix], parameters: Mapping[str, Any]) -> Numbers:
    """Each customer's probability. `raw`: feature -> values, NaN where missing."""
    pushed = pushes(coordinates(raw, parameters), parameters["model"])
    return probability(log_odds(pushed, parameters["model"]), parameters["calibration"])


def drivers(raw: Mapping[str, Matrix], parameters: Mapping[str, Any], pushed: Matrix) -> pa.Array:
    """For each customer up to three features that moved the score most, in words, the strongest first."""
    known = parameters["features"]
    pushed = pushed * parameters["calibration"]["slope"]
    by_feature = pushed[:, : len(known)].copy()
    indicators = [place for place, feature in enumerate(known) if feature["indicator"]]
    for column, place in enumerate(indicators, start=len(known)):
        by_feature[:, place] += pushed[:, column]
    by_feature = np.round(by_feature, DECIMALS)
    order = greatest(np.abs(by_feature), MOST_DRIVERS)
    push = np.take_along_axis(by_feature, order, axis=1)
    levels = np.column_stack([_level(raw[feature["name"]], feature["median"]) for feature in known])
    codes = (order * len(_LEVELS) + np.take_along_axis(levels, order, axis=1)) * 2 + (push < 0)
    told = np.abs(push) >= LEAST_PUSH
    offsets = np.concatenate([[0], np.cumsum(told.sum(axis=1))]).astype(np.int32)
    texts = pa.array(
        f"{effect} by {feature['name'].replace('_', ' ')} {level}"
        for feature in known
        for level in _LEVELS
        for effect in ("raised", "lowered")
    )
    return pa.ListArray.from_arrays(pa.array(offsets), texts.take(pa.array(codes[told])))


def _level(values: Matrix, usual: float) -> NDArray[np.uint8]:
    """The place in `_LEVELS`: of the three one holds, or none."""
    above, below, missing = (found.view(np.uint8) for found in (values > usual, values < usual, np.isnan(values)))
    return np.asarray(above + 2 * below + 3 * missing)


def scored(parameters: Mapping[str, Any], columns: Sequence[pa.Array]) -> pa.StructArray:
    """score, band and drivers of a batch of customers. `columns`: the features in the order of the parameters."""
    names = [feature["name"] for feature in parameters["features"]]
    raw = {name: numbers(column) for name, column in zip(names, columns, strict=True)}
    pushed = pushes(coordinates(raw, parameters), parameters["model"])
    score = probability(log_odds(pushed, parameters["model"]), parameters["calibration"])
    bands = pa.array(BANDS).take(pa.array(np.searchsorted(parameters["bands"], score, side="right")))
    return pa.StructArray.from_arrays(
        [pa.array(score), bands, drivers(raw, parameters, pushed)], names=["score", "band", "drivers"]
    )


def numbers(column: pa.Array) -> Numbers:
    """Doubles, NaN where there is none."""
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=float)
