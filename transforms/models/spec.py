"""What a fit of a model is asked for. No Spark here, so that reading a definition needs none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Transform = Literal["log1p", "sqrt", "none"]
# from the simplest to the least so: of equals the first is taken
Algorithm = Literal["logistic_regression", "linear_svm", "decision_tree", "gradient_boosted_trees"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@dataclass(frozen=True)
class KMeansSpec:
    """A segmentation by K-Means. `k`: the lowest and highest number of clusters to try.

    `transform`: feature -> how it is bent before it is scaled, `none` where not named.
    `names`: a cluster's label (1, 2, …) or the name built for it -> the name people use.
    """

    features: tuple[str, ...]
    k: tuple[int, int] = (3, 10)
    transform: Mapping[str, Transform] = field(default_factory=dict)
    impute: Literal["median"] = "median"
    seed: int = 7
    names: Mapping[str, str] = field(default_factory=dict)
