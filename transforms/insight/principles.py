"""How good a parting of customers into segments is: how much of a value it explains, how many of it there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Words = tuple[str, str]

# More than people hold apart, plan for and speak of.
MOST_SEGMENTS = 12
LEAST_COVERAGE = 0.8
LEAST_SILHOUETTE = 0.1
LEAST_ARI = 0.6
LEAST_EXPLAINED = 0.01
MOST_MOVED = 0.1


def explained_variance(values: Floats, codes: Codes) -> float:
    """Omega squared (Hays 1963): the share of the variance of `values` that the groups `codes` explain, 0 to 1.

    Unlike eta squared it is 0, not more, on average where the groups explain nothing, however many they are.
    NaN where there are fewer than two groups, or no more values than groups, or all values are equal.
    """
    _, groups = np.unique(codes, return_inverse=True)
    sizes = np.bincount(groups)
    total = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
    free = len(values) - len(sizes)
    if len(sizes) < 2 or free < 1 or not total:
        return float("nan")
    means = np.bincount(groups, values) / sizes
    within = float(np.square(values - means[groups]).sum())
    noise = within / free
    return max((total - within - (len(sizes) - 1) * noise) / (total + noise), 0.0)


@dataclass(frozen=True)
class Judged:
    """A segmentation's figures for the five principles; None: it cannot be told (yet), or does not apply."""

    sizes: Mapping[str, int]
    coverage: float
    min_size: int
    explained: float | None = None
    silhouette: float | None = None
    moved_without_facts: float | None = None
    resample_ari: float | None = None

    @property
    def smallest(self) -> int:
        return min(self.sizes.values(), default=0)

    def warnings(self) -> list[str]:
        """What falls short of the principles, a line each, in their order."""
        return [english for english, _ in self.shortcomings()]

    def shortcomings(self) -> list[Words]:
        """`warnings` in English and in Chinese."""
        return [line for line in _lines(self) if line]


def _lines(found: Judged) -> Sequence[Words | None]:
    few = [name for name, size in sorted(found.sizes.items()) if size < found.min_size]
    many = len(found.sizes)
    return (
        _below(found.explained, LEAST_EXPLAINED, "relevant: explains {:.1%} of what customers spent afterwards",
               "相关性：仅解释后续消费的 {:.1%}"),
        _below(found.coverage, LEAST_COVERAGE, "measurable: {:.0%} of known customers have a segment",
               "可衡量：仅 {:.0%} 的已知客户有分群"),
        (f"actionable: fewer than {found.min_size} customers in {', '.join(few)}",
         f"可行动：以下分群不足 {found.min_size} 位客户：{'、'.join(few)}") if few else None,
        ("distinct: has one segment alone", "可区分：只有一个分群") if many == 1 else None,
        _below(found.silhouette, LEAST_SILHOUETTE, "distinct: silhouette {:.2f}: the segments overlap",
               "可区分：轮廓系数 {:.2f}，分群相互重叠"),
        _moved(found.moved_without_facts),
        _below(found.resample_ari, LEAST_ARI, "stable: fits on two halves agree by {:.2f} (ARI)",
               "稳定性：两半样本各自拟合的一致度仅 {:.2f} (ARI)"),
        (f"too many: {many} segments are more than the {MOST_SEGMENTS} that people hold apart",
         f"过多：{many} 个分群，超过人们能区分的 {MOST_SEGMENTS} 个") if many > MOST_SEGMENTS else None,
    )  # fmt: skip


def moved_too_much(share: float | None) -> str:
    """The warning of so great a share of customers who moved though nothing new came of them; empty: there is none."""
    told = _moved(share)
    return told[0] if told else ""


def _moved(share: float | None) -> Words | None:
    if (share or 0) <= MOST_MOVED:
        return None
    return f"stable: {share:.0%} moved without new facts", f"稳定性：{share:.0%} 的客户无新事实而移动"


def _below(value: float | None, least: float, english: str, chinese: str) -> Words | None:
    return (english.format(value), chinese.format(value)) if value is not None and value < least else None
