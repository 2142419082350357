"""Choosing the number of clusters, and finding their centres: scikit-learn on one thread with one seed.

scikit-learn is imported inside the functions: it takes two seconds, and only a night with a refit needs it.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from transforms.errors import ModelError
from transforms.models.judging import mean_gain
from transforms.models.kmeans import Matrix, nearest_centre

# k is chosen on the first 10,000 customers, silhouettes on the first 2,000: their cost grows with the square.
CHOICE_ROWS = 10_000
SILHOUETTE_ROWS = 2_000
RESAMPLES = 10
# Starts of a fit on everybody, and on a half: there a fit that hangs on its start is what the ARI should see.
STARTS = 3
STARTS_OF_HALF = 2
SMALLEST_SHARE = 0.01
DECIMALS = 6
_Tried = tuple[dict[str, Any], Matrix, Matrix]


@contextmanager
def one_thread(*modules: str) -> Iterator[None]:
    """Sums over threads come in any order; on one thread the same numbers give the same centres.

    `modules`: what the block imports itself. A library that is loaded later than this would run as it likes.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    for module in modules:
        import_module(module)
    with threadpool_limits(limits=1):
        yield


@one_thread("sklearn.cluster")
def choose_centres(
    points: Matrix, *, k: tuple[int, int], seed: int, kept: int | None = None
) -> tuple[list[dict[str, Any]], Matrix]:
    """Every k tried with its figures, the chosen one marked, and that one's centres over all points.

    Rule: the k with the largest silhouette × ARI; of equals the smallest k. A k whose smallest cluster holds less
    than 1 % of the customers is taken only if all do. The silhouette (Rousseeuw 1987) asks whether the clusters
    are apart; alone it also rewards splits that chance made. The ARI (Hubert & Arabie 1985) asks whether two
    strangers' data give the same clusters: it is the mean, over ten random halvings, of the agreement on
    everybody between a fit on one half and a fit on the other (Lange et al. 2004). Alone it rewards the coarsest
    split. The product wants both, and needs no weight to be set.

    `kept`: the released model's k. It stays unless another is better beyond chance, halving by halving: among ks that
    are about as good luck would choose, and at each refit send most customers to another segment.
    """
    from sklearn.metrics import pairwise_distances

    chosen_from = points[:CHOICE_ROWS]
    low, high = k
    different = _different(chosen_from, low)
    distances = pairwise_distances(chosen_from[:SILHOUETTE_ROWS])
    tried = [_try(count, chosen_from, distances, seed) for count in range(low, min(high, different) + 1)]
    best, centres, _ = _stays(max(tried, key=lambda one: _worth(one[0])), tried, kept)
    if len(points) > len(chosen_from):
        centres = _centres(points, best["k"], seed, start=centres)
    # Rounded, so that Spark and NumPy score with the very same numbers, whatever wrote them.
    return [{**figures, "chosen": figures is best} for figures, _, _ in tried], np.round(centres, DECIMALS)


def _different(points: Matrix, low: int) -> int:
    different = len(np.unique(points, axis=0))
    if len(points) < low:
        raise ModelError(f"K-Means: {len(points)} customers are too few for {low} clusters")
    if different < low:
        raise ModelError(f"K-Means: {different} different customers by these features, too few for {low} clusters")
    return different


def _worth(figures: dict[str, Any]) -> tuple[bool, float, int]:
    return figures["smallest_share"] >= SMALLEST_SHARE, figures["score"], -figures["k"]


def _stays(best: _Tried, tried: Sequence[_Tried], kept: int | None) -> _Tried:
    """The k that was kept, where it still stands and `best` may be better by chance alone; else `best`."""
    for known in tried:
        if known[0]["k"] == kept and _worth(known[0])[0] == _worth(best[0])[0]:
            gained = best[0]["silhouette"] * best[2] - known[0]["silhouette"] * known[2]
            return best if mean_gain(gained)["low"] > 0 else known
    return best


def _try(k: int, points: Matrix, distances: Matrix, seed: int) -> _Tried:
    """The figures of a k, its centres, and the ARI of each halving: halving n is the same for every k."""
    from sklearn.metrics import silhouette_score

    centres = _centres(points, k, seed)
    clusters = nearest_centre(points, centres)
    seen = clusters[: len(distances)]
    # the silhouette is defined from two clusters up, and where some cluster has two members
    defined = 2 <= len(np.unique(seen)) < len(seen)
    silhouette = float(silhouette_score(distances, seen, metric="precomputed")) if defined else 0.0
    agreed = _resample_aris(points, k, seed)
    ari = float(agreed.mean())
    figures = {
        "k": k,
        "silhouette": round(silhouette, 4),
        "resample_ari": round(ari, 4),
        "score": round(max(silhouette, 0.0) * max(ari, 0.0), 4),
        "smallest_share": round(float(np.bincount(clusters, minlength=k).min() / len(points)), 4),
    }
    return figures, centres, agreed


def _resample_aris(points: Matrix, k: int, seed: int) -> Matrix:
    from sklearn.metrics import adjusted_rand_score

    chance = np.random.default_rng(seed)
    half = max(len(points) // 2, k)
    agreed = []
    for _ in range(RESAMPLES):
        order = chance.permutation(len(points))
        left, right = (_centres(points[part], k, seed, starts=STARTS_OF_HALF) for part in (order[:half], order[-half:]))
        agreed.append(adjusted_rand_score(nearest_centre(points, left), nearest_centre(points, right)))
    return np.array(agreed)


def _centres(points: Matrix, k: int, seed: int, *, starts: int = STARTS, start: Matrix | None = None) -> Matrix:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = (
        KMeans(k, n_init=starts, random_state=seed)
        if start is None
        else KMeans(k, init=start, n_init=1, random_state=seed)
    )
    with warnings.catch_warnings():
        # a half may hold fewer different customers than k: then some centres coincide, which the ARI judges
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(model.fit(points).cluster_centers_)
