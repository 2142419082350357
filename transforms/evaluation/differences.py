"""Differences between two groups of customers with 95 % intervals, from exact sums. No data frame needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from statistics import NormalDist

from transforms.insight.shares import Z95, wilson

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sums:
    """A group: customers, those who bought, what they spent in sum, and the sum of its squares (exact)."""

    customers: int
    bought: int
    spent: Decimal
    squares: Decimal

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.customers + other.customers,
            self.bought + other.bought,
            self.spent + other.spent,
            self.squares + other.squares,
        )

    @property
    def share(self) -> float:
        """The share who bought."""
        return self.bought / self.customers

    @property
    def mean(self) -> float:
        """What a customer spent on average."""
        return float(self.spent / self.customers)

    @property
    def variance(self) -> float:
        """Of what customers spent; needs two of them."""
        return float((self.squares - self.spent * self.spent / self.customers) / (self.customers - 1))


@dataclass(frozen=True)
class Difference:
    """The first group less the second, with its interval (of 95 %, unless asked for otherwise)."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Is 0 outside of the interval?"""
        return self.low > 0 or self.high < 0


def of_shares(one: Sums, other: Sums, *, confidence: float = CONFIDENCE) -> Difference:
    """Shares who bought: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10)."""
    value, z = one.share - other.share, NormalDist().inv_cdf(0.5 + confidence / 2)
    (low1, high1), (low2, high2) = (map(float, wilson(group.bought, group.customers, z=z)) for group in (one, other))
    return Difference(
        value,
        value - sqrt((one.share - low1) ** 2 + (high2 - other.share) ** 2),
        value + sqrt((high1 - one.share) ** 2 + (other.share - low2) ** 2),
    )


def of_means(one: Sums, other: Sums, *, confidence: float = CONFIDENCE) -> Difference:
    """What a customer spent on average: Welch's interval (Biometrika 34, 1947). Each group needs two customers."""
    from scipy.stats import t

    parts = [group.variance / group.customers for group in (one, other)]
    value, variance = one.mean - other.mean, sum(parts)
    if not variance:
        return Difference(value, value, value)
    freedom = variance**2 / sum(
        part**2 / (group.customers - 1) for part, group in zip(parts, (one, other), strict=True)
    )
    margin = float(t.ppf(0.5 + confidence / 2, freedom)) * sqrt(variance)
    return Difference(value, value - margin, value + margin)


@dataclass(frozen=True)
class Stratified:
    """Differences within strata, weighed by the first group's customers. `covered`: its share in strata that count."""

    shares: Difference
    means: Difference
    covered: float


def stratified(ones: Mapping[int, Sums], others: Mapping[int, Sums]) -> Stratified | None:
    """The first group against the second within each stratum, as if the second were spread as the first is.

    A stratum counts where both have two customers. None where no stratum does. Intervals are of the normal
    distribution, the strata's variances added (Cochran, Sampling Techniques, 5.5).
    """
    kept = [
        place for place in sorted(ones) if place in others and min(ones[place].customers, others[place].customers) > 1
    ]
    counted = sum(ones[place].customers for place in kept)
    if not counted:
        return None
    shares = means = share_variance = mean_variance = 0.0
    for place in kept:
        one, other = ones[place], others[place]
        weight = one.customers / counted
        shares += weight * (one.share - other.share)
        means += weight * (one.mean - other.mean)
        share_variance += weight**2 * sum(_of_share(group) for group in (one, other))
        mean_variance += weight**2 * sum(group.variance / group.customers for group in (one, other))
    everyone = sum(group.customers for group in ones.values())
    return Stratified(_normal(shares, share_variance), _normal(means, mean_variance), counted / everyone)


def _of_share(group: Sums) -> float:
    return group.share * (1 - group.share) / (group.customers - 1)


def _normal(value: float, variance: float) -> Difference:
    margin = Z95 * sqrt(variance)
    return Difference(value, value - margin, value + margin)
