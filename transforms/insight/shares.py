"""How a group's share of something compares with everyone's: share, base share, index and its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# The two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Shares:
    """Arrays of one shape, a cell a comparison; NaN where there is nothing to compare with.

    share, base_share: 0 to 1. index: share / base share × 100, so 100 is like everyone. low, high: the index's
    95 % interval; `high` never exceeds 100 × everyone / the group, which is where all who have it are in the group.
    """

    share: Floats
    base_share: Floats
    index: Floats
    low: Floats
    high: Floats


def compare_shares(count: ArrayLike, size: ArrayLike, base_count: ArrayLike, base_size: ArrayLike) -> Shares:
    """A group against everyone, the group among them.

    `count` of the `size` in the group have it, `base_count` of the `base_size` in all. Arrays broadcast.

    Everyone holds the group, so the two shares are not independent and the usual interval of a ratio would be too
    wide. With w the group's part of everyone and R the ratio of its share to that of the others, the index is
    100 R / (w R + 1 - w), which rises with R: so the interval is that of R, carried over. That of R is MOVER-R
    (Donner & Zou 2012) from Wilson's score limits (1927) of both shares: closed form, and it holds for shares of 0
    and 1. A group that is everyone has the index 100, exactly.
    """
    n, size_, all_n, all_size = np.broadcast_arrays(
        *(np.asarray(part, dtype=float) for part in (count, size, base_count, base_size))
    )
    if ((n < 0) | (n > size_) | (all_n - n > all_size - size_) | (n > all_n)).any():
        raise ValueError("a group's counts are part of everyone's, and no more than its size")
    share, base_share = _divided(n, size_), _divided(all_n, all_size)
    low, high = ratio_interval(n, size_, all_n - n, all_size - size_)
    weight = _divided(size_, all_size)
    alone = size_ == all_size  # nobody to be compared with: like everyone
    index = 100 * _divided(share, base_share)
    nothing = np.isnan(index)
    low, high = (np.where(nothing, np.nan, np.where(alone, 100.0, _as_index(ratio, weight))) for ratio in (low, high))
    return Shares(share, base_share, index, low, high)


def _as_index(ratio: Floats, weight: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        finite = 100 * ratio / (weight * ratio + 1 - weight)
        return np.where(np.isinf(ratio), 100 / weight, finite)


def wilson(count: ArrayLike, size: ArrayLike, *, z: float = Z95) -> tuple[Floats, Floats]:
    """The limits of a share by Wilson's score method (1927); NaN of nobody."""
    n, k = np.asarray(size, dtype=float), np.asarray(count, dtype=float)
    share = _divided(k, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # what rounding leaves at the ends would be a limit past what was seen
    low, high = np.where(k == 0, 0.0, middle - half), np.where(k == n, 1.0, middle + half)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def ratio_interval(
    count: ArrayLike, size: ArrayLike, other_count: ArrayLike, other_size: ArrayLike, *, z: float = Z95
) -> tuple[Floats, Floats]:
    """The limits of the ratio of two independent shares: MOVER-R (Donner & Zou 2012) with Wilson's limits.

    The upper one is infinite where the other share is 0, or not told apart from 0.
    """
    p1 = _divided(np.asarray(count, dtype=float), np.asarray(size, dtype=float))
    p2 = _divided(np.asarray(other_count, dtype=float), np.asarray(other_size, dtype=float))
    low1, high1 = wilson(count, size, z=z)
    low2, high2 = wilson(other_count, other_size, z=z)
    product = p1 * p2
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = high2 * (2 * p2 - high2), low2 * (2 * p2 - low2)
        low = (product - np.sqrt(np.maximum(product**2 - low1 * (2 * p1 - low1) * below, 0))) / below
        high = (product + np.sqrt(np.maximum(product**2 - high1 * (2 * p1 - high1) * above, 0))) / above
        # where `below` is 0 the limit is that of the fraction: its numerator goes to 0 with it
        level = np.where(product > 0, low1 * (2 * p1 - low1) / (2 * product), 0.0)
    low = np.where(np.isclose(below, 0, atol=1e-15), level, low)
    return np.maximum(low, 0.0), np.where(above <= 0, np.inf, high)


def _divided(top: Floats, bottom: Floats) -> Floats:
    """NaN where nothing is there to divide by."""
    nothing = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=nothing, where=bottom != 0))
