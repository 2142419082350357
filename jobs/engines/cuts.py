"""What a customer may not hold together is parted at the least cost: too many identifiers of a type, and vertices
that are said to be apart.

Two partings are worked out for each component that breaks a rule, and the cheaper is taken:
- A forest grown from the strongest tie to the weakest, which refuses what would break a rule. It prefers every tie
  to every weaker one, and of ties equally strong the older.
- The forest settles which of the vertices that rules are about (identifiers of an over-full type, ends of a pair
  apart) go together; the cheapest ties between these groups are then cut by maximum flows (jobs.engines.flows), and
  the forest is grown again with those ties last, so that none is cut without need.
For one pair apart, and for one identifier too many where a customer may hold one, that is the least cost there is; for
k such identifiers it is at most 2 - 2/k times the least; it never costs more than the forest does. Where both cost the
same the forest's parting stays: of equally good ones the older ties hold, and a newcomer takes nothing away from a
customer unless all that ties it there outweighs what must be cut for it.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from jobs.engines.components import Find, components
from jobs.engines.flows import isolating, scaled
from jobs.engines.forest import grow

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Costs = npt.NDArray[np.float64]
_SAME_COST = 1e-9


@dataclass(frozen=True)
class Ties:
    """Ties between vertices, one a row.

    weight: what it costs to cut a tie. first: the day it was first seen. bound: it may not be cut at all.
    """

    left: Ints
    right: Ints
    weight: Costs
    first: Ints
    bound: Flags

    def take(self, at: Ints) -> "Ties":
        return Ties(self.left[at], self.right[at], self.weight[at], self.first[at], self.bound[at])

    def and_also(self, other: "Ties") -> "Ties":
        return Ties(
            np.concatenate([self.left, other.left]),
            np.concatenate([self.right, other.right]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.first, other.first]),
            np.concatenate([self.bound, other.bound]),
        )


def _none() -> Ints:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Rules:
    """kinds: the limited kind of each vertex, -1 for none; a component holds at most `caps[k]` vertices of kind k.
    apart_left, apart_right: pairs of vertices that no component holds both of."""

    kinds: Ints
    caps: Ints
    apart_left: Ints = field(default_factory=_none)
    apart_right: Ints = field(default_factory=_none)


@dataclass(frozen=True)
class Cut:
    """kept: which ties hold. over: for each tie the rule it would break, else -1: the place in `caps` of a limit,
    or len(caps) + the place of a pair apart.

    before, after: the component of each vertex with all ties, and with those kept.
    """

    kept: Flags
    over: Ints
    before: Ints
    after: Ints


def overfull(labels: Ints, kinds: Ints, caps: Ints) -> Flags:
    """Component × limit: does it hold more than `caps[k]` vertices of kind k? Kind -1 is not limited."""
    parts, limited = int(labels.max(initial=-1)) + 1, kinds >= 0
    counts = np.bincount(labels[limited] * len(caps) + kinds[limited], minlength=parts * len(caps))
    result: Flags = counts.reshape(parts, len(caps)) > caps
    return result


def cut(ties: Ties, rules: Rules, *, find: Find = components) -> Cut:
    """The ties to keep, so that no rule is broken save by ties that are bound.

    find: what finds the components of all ties; those that break a rule are parted on the driver.
    The strongest ties are those of the greatest weight, then the older, then those of the smaller vertices: the order
    in which they are given changes nothing.
    """
    before = find(ties.left, ties.right, vertices=len(rules.kinds))
    over = np.full(len(ties.left), -1, dtype=np.int64)
    breaks = _breaks(before, rules)
    tie = np.flatnonzero(breaks[before[ties.left]])
    if not len(tie):
        return Cut(over < 0, over, before, before)
    own = ties.take(tie)
    # numbered anew, from the strongest on: the forest is grown in plain lists, of these components alone
    order = np.lexsort((own.right, own.left, own.first, -own.weight, ~own.bound))
    vertex, ends = np.unique(np.concatenate([own.left[order], own.right[order]]), return_inverse=True)
    strongest = own.take(order)
    numbered = Ties(ends[: len(tie)], ends[len(tie) :], strongest.weight, strongest.first, strongest.bound)
    over[tie[order]] = _parted(numbered, _of(rules, vertex))
    kept = over < 0
    return Cut(kept, over, before, find(ties.left[kept], ties.right[kept], vertices=len(rules.kinds)))


def _breaks(labels: Ints, rules: Rules) -> Flags:
    """Which components break a rule."""
    breaks: Flags = np.any(overfull(labels, rules.kinds, rules.caps), axis=1, keepdims=True)[:, 0]
    together = labels[rules.apart_left] == labels[rules.apart_right]
    breaks[labels[rules.apart_left][together]] = True
    return breaks


def _of(rules: Rules, vertex: Ints) -> Rules:
    """The rules on some vertices, numbered anew. Pairs keep their places: one elsewhere has both ends past the last."""
    kinds = np.append(rules.kinds[vertex], [-1, -1])
    ends = []
    for side, nowhere in ((rules.apart_left, len(vertex)), (rules.apart_right, len(vertex) + 1)):
        at = np.minimum(np.searchsorted(vertex, side), max(len(vertex) - 1, 0))
        ends.append(np.where(vertex[at] == side, at, nowhere))
    return Rules(kinds, rules.caps, *ends)


def _parted(ties: Ties, rules: Rules) -> Ints:
    """What each tie breaks, -1 where it is kept. The ties come from the strongest on."""
    forest = _grown(ties, rules, np.arange(len(ties.left)))
    vertices = len(rules.kinds)
    part = components(ties.left, ties.right, vertices=vertices)
    cheap = _cheapest(ties, rules, part, components(ties.left[forest < 0], ties.right[forest < 0], vertices=vertices))
    flows = _grown(ties, rules, np.argsort(cheap, kind="stable"))
    cost = [np.bincount(part[ties.left], ties.weight * (over >= 0), minlength=vertices) for over in (forest, flows)]
    better = cost[1] < cost[0] - _SAME_COST * (1 + cost[0])
    return np.where(better[part[ties.left]], flows, forest)


def _grown(ties: Ties, rules: Rules, order: Ints) -> Ints:
    """What each tie breaks in a forest grown in that order, bound ties first."""
    order = order[np.argsort(~ties.bound[order], kind="stable")]
    over = np.empty(len(order), dtype=np.int64)
    over[order] = grow(
        ties.left[order].tolist(), ties.right[order].tolist(), bound=int(ties.bound.sum()), kinds=rules.kinds,
        caps=rules.caps.tolist(), apart=(rules.apart_left.tolist(), rules.apart_right.tolist()),
    )  # fmt: skip
    return over


def _cheapest(ties: Ties, rules: Rules, part: Ints, grown: Ints) -> Flags:
    """The cheapest ties that part what the forest `grown` holds apart. part: the components with all ties."""
    vertices = len(part)
    told = _told(rules, part)
    # what is bound together is one vertex, and so is what the forest keeps together of those that rules are about
    bound = components(ties.left[ties.bound], ties.right[ties.bound], vertices=vertices)
    _, group = np.unique(np.where(told, grown, -1), return_inverse=True)
    group = group - (1 if not told.all() else 0)
    of_bound = np.full(vertices, -1, dtype=np.int64)
    of_bound[bound[told]] = group[told]
    free = of_bound < 0
    place = of_bound.copy()
    place[free] = int(group.max(initial=-1)) + 1 + np.arange(int(free.sum()))
    left, right = place[bound[ties.left]], place[bound[ties.right]]
    size = int(place.max(initial=-1)) + 1
    part_of = np.zeros(size, dtype=np.int64)
    part_of[place[bound]] = part
    groups = np.where(np.arange(size) <= group.max(initial=-1), np.arange(size), -1)
    capacity = scaled(ties.weight, _ages(ties.first, part[ties.left]), part[ties.left])
    return isolating(left, right, capacity, part=part_of, group=groups)


def _ages(first: Ints, part: Ints) -> Ints:
    """The rank of each tie's first day among those of its part, 0 for the newest: other parts change nothing."""
    newest = int(first.max(initial=0))
    width = newest - int(first.min(initial=newest)) + 1
    days, place = np.unique(part * width + newest - first, return_inverse=True)
    ages: Ints = place - np.searchsorted(days, part * width)
    return ages


def _told(rules: Rules, part: Ints) -> Flags:
    """Which vertices rules are about: those of kinds that a component holds too many of, and ends of pairs apart."""
    told = np.zeros(len(part), dtype=bool)
    limited = np.flatnonzero(rules.kinds >= 0)
    full = overfull(part, rules.kinds, rules.caps)
    told[limited] = full[part[limited], rules.kinds[limited]]
    both = part[rules.apart_left] == part[rules.apart_right]
    told[rules.apart_left[both]] = told[rules.apart_right[both]] = True
    return told
