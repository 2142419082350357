"""A forest grown tie by tie under rules: a tie that would bring together what must stay apart is refused.

Parts only grow, so a tie once refused would break the rule in any later part too: putting back any one refused tie
breaks a rule, whatever the order in which ties were offered. The work is near linear in the ties.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def grow(
    left: Sequence[int], right: Sequence[int], *, bound: int, kinds: Ints, caps: Sequence[int],
    apart: tuple[Sequence[int], Sequence[int]],
) -> list[int]:  # fmt: skip
    """What each tie breaks: the place of the limit in `caps`, len(caps) + that of the pair in `apart`, or -1.

    The first `bound` ties hold whatever they break. kinds: the limited kind of each vertex, -1 for none.
    Union by size, with the number of limited vertices and the pairs that have one side in it on each root.
    """
    parent, size = list(range(len(kinds))), [1] * len(kinds)
    held = [(kinds == kind).astype(np.int64).tolist() for kind in range(len(caps))]
    sides = _sides(*apart)
    refused = []
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        a, b = _root(parent, a), _root(parent, b)
        broken = -1
        if a != b:
            if number >= bound:
                broken = _broken(a, b, held, caps, sides)
            if broken < 0:
                a, b = (a, b) if size[a] >= size[b] else (b, a)
                parent[b] = a
                size[a] += size[b]
                for counts in held:
                    counts[a] += counts[b]
                _unite(sides, a, b)
        refused.append(broken)
    return refused


def _broken(a: int, b: int, held: list[list[int]], caps: Sequence[int], sides: dict[int, set[int]]) -> int:
    if a in sides and b in sides:
        few, many = sorted((sides[a], sides[b]), key=len)
        both = [pair for pair in few if pair in many]
        if both:
            return len(caps) + min(both)
    return next((k for k, most in enumerate(caps) if held[k][a] + held[k][b] > most), -1)


def _sides(left: Sequence[int], right: Sequence[int]) -> dict[int, set[int]]:
    sides: dict[int, set[int]] = {}
    for pair, ends in enumerate(zip(left, right, strict=True)):
        for vertex in ends:
            sides.setdefault(vertex, set()).add(pair)
    return sides


def _unite(sides: dict[int, set[int]], root: int, other: int) -> None:
    if other in sides:
        few, many = sorted((sides.pop(other), sides.get(root, set())), key=len)
        many |= few
        sides[root] = many


def _root(parent: list[int], vertex: int) -> int:
    while parent[vertex] != vertex:
        parent[vertex] = parent[parent[vertex]]
        vertex = parent[vertex]
    return vertex
