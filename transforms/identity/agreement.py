"""From scored pairs to people: a pair that is sure joins two groups only if their records agree on the whole.

Components of sure pairs chain errors: one wrong pair makes one customer of two families. Groups are joined from the
pair of groups that agree most on average (UPGMA; Sokal & Michener 1958) while there is a sure pair between them and
their records, on average, vote for it. A pair votes with its logarithmic odds, held against a chance between that of
any two records and even odds (their geometric mean): these two are no longer any two, being tied to each other by
others; nor is that settled, which is what the vote is about.
"""

import heapq

import numpy as np
import numpy.typing as npt

from transforms.identity.graph import Ints

Floats = npt.NDArray[np.float64]
# bits: one pair outweighs no more than a few others
_MOST = 12.0
_Between = list[float]  # the sum of the votes, their number, and whether one of them is sure


def grouped(left: Ints, right: Ints, probability: Floats, *, sure: float, chance: float, together: Ints) -> Ints:
    """The group of each record, named by its smallest member.

    left, right, probability: scored pairs of records; what is not among them has no vote. sure: the probability from
    which on a pair joins. chance: that of any two records. together: the group each record is in from the start.
    """
    odds = np.log2(probability) - np.log2(1.0 - probability)
    votes = np.clip(odds - (np.log2(chance) - np.log2(1.0 - chance)) / 2.0, -_MOST, _MOST)
    label = {int(group): int(group) for group in np.unique(together)}
    sums: dict[int, dict[int, _Between]] = {group: {} for group in label}
    pairs = zip(
        together[left].tolist(), together[right].tolist(), votes.tolist(), (probability >= sure).tolist(), strict=True
    )
    for a, b, vote, joins in pairs:
        if a != b:
            between = sums[a].setdefault(b, [0.0, 0.0, 0.0])
            sums[b][a] = between
            between[0] += vote
            between[1] += 1.0
            between[2] = max(between[2], float(joins))
    _join(label, sums)
    return np.asarray([_last(label, group) for group in together.tolist()], dtype=np.int64)


def _join(label: dict[int, int], sums: dict[int, dict[int, _Between]]) -> None:
    """Join the groups that agree most, until none that may be joined agree."""
    waiting = [(-s / n, a, b) for a, others in sums.items() for b, (s, n, sure) in others.items() if a < b and sure]
    heapq.heapify(waiting)
    while waiting:
        negative, a, b = heapq.heappop(waiting)
        between = sums.get(a, {}).get(b)
        if between is None or -between[0] / between[1] != negative:
            continue  # it was joined, or its votes have changed since
        if negative > 0.0:
            return
        label[b] = a
        del sums[a][b]
        for c, gone in sums.pop(b).items():
            if c == a:
                continue
            kept = sums[a].get(c, [0.0, 0.0, 0.0])
            joined = [kept[0] + gone[0], kept[1] + gone[1], max(kept[2], gone[2])]
            del sums[c][b]
            sums[a][c] = sums[c][a] = joined
            if joined[2]:
                heapq.heappush(waiting, (-joined[0] / joined[1], min(a, c), max(a, c)))


def _last(label: dict[int, int], group: int) -> int:
    while label[group] != group:
        group = label[group]
    return group
