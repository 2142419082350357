"""Fitting by scikit-learn, on one thread with one seed, and the model as numbers that JSON can hold.

scikit-learn is imported inside the functions: it takes two seconds, and only a night with a refit needs it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engines.clusters import one_thread
from transforms.models.kmeans import Matrix
from transforms.models.spec import Algorithm

Labels = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Stored = dict[str, Any]
# Enough digits that rounding moves no probability by a millionth.
_DIGITS = 10


@one_thread("sklearn.ensemble")
def learned(algorithm: Algorithm, points: Matrix, label: Labels, seed: int) -> Stored:
    """A classifier for `transforms.models.classifier`. `points`: robustly scaled coordinates, exact in 32 bits."""
    return _LEARNERS[algorithm](points, label, seed)


@one_thread("sklearn.linear_model")
def calibrated(odds: Numbers, label: Labels) -> dict[str, float]:
    """slope and offset that make log-odds into probabilities, from customers whom the model has not seen (Platt 1999).

    Labels count as (n + 1) / (n + 2) and 1 / (m + 2), as Platt has them, so that a perfect parting stays finite.
    """
    from sklearn.linear_model import LogisticRegression

    came, stayed = int(label.sum()), int((~label).sum())
    sure, never = (came + 1) / (came + 2), 1 / (stayed + 2)
    share = np.where(label, sure, never)
    twice = np.concatenate([odds, odds])[:, None]
    weight = np.concatenate([share, 1 - share])
    model = LogisticRegression(C=1e6, max_iter=1000).fit(twice, np.repeat([1, 0], len(odds)), sample_weight=weight)
    return {"slope": _round(model.coef_[0, 0]), "offset": _round(model.intercept_[0])}


def _round(value: float) -> float:
    return float(np.round(value, _DIGITS))


def _linear(weights: Numbers, intercept: float, points: Matrix) -> Stored:
    means, weights = np.round(points.mean(axis=0), _DIGITS), np.round(weights, _DIGITS)
    return {"weights": weights.tolist(), "means": means.tolist(), "base": _round(intercept + float(weights @ means))}


def _logistic(points: Matrix, label: Labels, seed: int) -> Stored:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(points, label)
    return _linear(model.coef_[0], float(model.intercept_[0]), points)


def _svm(points: Matrix, label: Labels, seed: int) -> Stored:
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=0.1, dual=False, max_iter=5000, random_state=seed).fit(points, label)
    return _linear(model.coef_[0], float(model.intercept_[0]), points)


def _smallest(points: Matrix) -> int:
    return max(20, len(points) // 100)


def _tree(points: Matrix, label: Labels, seed: int) -> Stored:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=5, min_samples_leaf=_smallest(points), random_state=seed)
    tree = model.fit(points, label).tree_
    rows = tree.n_node_samples
    share = (tree.value[:, 0, -1] * rows + 1) / (rows + 2)
    return _forest([tree], [np.log(share / (1 - share))], base=0.0)


def _boosted(points: Matrix, label: Labels, seed: int) -> Stored:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=60, learning_rate=0.1, max_depth=3, min_samples_leaf=_smallest(points), random_state=seed
    ).fit(points, label)
    share = float(label.mean())
    return boosted_trees(model, base=float(np.log(share / (1 - share))))


def boosted_trees(model: Any, *, base: float) -> Stored:
    """scikit-learn's gradient-boosted trees, whose leaves count `learning_rate` times."""
    trees = [one.tree_ for one in model.estimators_[:, 0]]
    return _forest(trees, [tree.value[:, 0, 0] * model.learning_rate for tree in trees], base=base)


def _forest(trees: list[Any], values: list[Numbers], *, base: float) -> Stored:
    """Each node with the value that is to be expected at it; what the roots expect is part of the base."""
    stored = []
    for tree, value in zip(trees, values, strict=True):
        expected = value.astype(float)
        # children stand after their parents
        for node in reversed(range(tree.node_count)):
            if tree.children_left[node] >= 0:
                below = [tree.children_left[node], tree.children_right[node]]
                expected[node] = np.average(expected[below], weights=tree.weighted_n_node_samples[below])
        expected = np.round(expected, _DIGITS)
        base += float(expected[0])
        stored.append(
            {
                "feature": np.maximum(tree.feature, -1).tolist(),
                "threshold": tree.threshold.tolist(),
                "left": tree.children_left.tolist(),
                "right": tree.children_right.tolist(),
                "value": expected.tolist(),
            }
        )
    return {"trees": stored, "base": _round(base)}


_LEARNERS: dict[Algorithm, Callable[[Matrix, Labels, int], Stored]] = {
    "logistic_regression": _logistic,
    "linear_svm": _svm,
    "decision_tree": _tree,
    "gradient_boosted_trees": _boosted,
}
