"""Components that hold more identifiers of a type than one customer may: their weakest ties are cut.

A forest is grown from the strongest tie to the weakest; a tie that would bring too many values of a type together
is refused. Every tie kept is thus preferred to every weaker one, and no tie is cut without need: parts only grow,
so a tie once refused would overfill any later part too, and putting back any one cut tie breaks a limit. Cutting
the least total weight instead is the multiway cut, which is NP-hard from three values on, and it would let a crowd
of weak ties outvote a strong one. Of ties equally strong the older is kept, so that a newcomer takes nothing away
from a customer. The work is near linear in the ties.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.engines.components import components

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """kept: which ties hold. over: for each tie the place, in `caps`, of the first limit it would break, else -1.

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


def cut(left: Ints, right: Ints, strength: Ints, *, kinds: Ints, caps: Ints) -> Cut:
    """The ties left-right to keep, so that no component holds more than `caps[k]` vertices of kind k.

    strength: ties are taken from the smallest number to the largest; all different, for one result.
    kinds: the limited kind of each vertex, -1 for none.
    """
    before = components(left, right, vertices=len(kinds))
    over = np.full(len(left), -1, dtype=np.int64)
    full: Flags = np.any(overfull(before, kinds, caps), axis=1, keepdims=True)[:, 0]
    tie = np.flatnonzero(full[before[left]])
    if not len(tie):
        return Cut(over < 0, over, before, before)
    tie = tie[np.argsort(strength[tie], kind="stable")]
    # numbered anew: the forest is grown in plain lists, of these components alone
    vertex, ends = np.unique(np.concatenate([left[tie], right[tie]]), return_inverse=True)
    over[tie] = _grow(ends[: len(tie)].tolist(), ends[len(tie) :].tolist(), kinds[vertex], caps.tolist())
    kept = over < 0
    return Cut(kept, over, before, components(left[kept], right[kept], vertices=len(kinds)))


def _grow(left: list[int], right: list[int], kinds: Ints, caps: list[int]) -> list[int]:
    """Union by size with the number of limited vertices on each root; for each tie the limit broken, or -1."""
    parent, size = list(range(len(kinds))), [1] * len(kinds)
    held = [(kinds == kind).astype(np.int64).tolist() for kind in range(len(caps))]
    refused = []
    for a, b in zip(left, right, strict=True):
        a, b = _root(parent, a), _root(parent, b)
        broken = -1
        if a != b:
            broken = next((k for k, most in enumerate(caps) if held[k][a] + held[k][b] > most), -1)
            if broken < 0:
                a, b = (a, b) if size[a] >= size[b] else (b, a)
                parent[b] = a
                size[a] += size[b]
                for counts in held:
                    counts[a] += counts[b]
        refused.append(broken)
    return refused


def _root(parent: list[int], vertex: int) -> int:
    while parent[vertex] != vertex:
        parent[vertex] = parent[parent[vertex]]
        vertex = parent[vertex]
    return vertex
