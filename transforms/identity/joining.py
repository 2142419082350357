"""Which tie brought which records together: the ties of a graph taken in order, from the strongest to the weakest."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NEVER = -1


@dataclass(frozen=True)
class Joined:
    """right, false: for each tie how many pairs of records of one person, and of two, it was the first to bring
    together. parent, by: the forest; the tie with which each vertex came under its parent."""

    right: list[int]
    false: list[int]
    parent: list[int]
    by: list[int]

    def tie(self, left: int, right: int) -> int:
        """The tie that brought two vertices together: of the strongest path between them the weakest. NEVER: none."""
        last = NEVER
        never = len(self.right)
        while left != right:
            up = min(self._above(left, never), self._above(right, never))
            if up == never:
                return NEVER
            last = max(last, up)
            # the higher in a tree, the later: the one that was joined earlier climbs
            if self._above(left, never) == up:
                left = self.parent[left]
            else:
                right = self.parent[right]
        return last

    def _above(self, vertex: int, never: int) -> int:
        return never if self.parent[vertex] == vertex else self.by[vertex]


def joined(ties: Iterable[tuple[int, int]], persons: Mapping[int, Counter[str]], *, vertices: int) -> Joined:
    """Join the ends of each tie in turn. persons: of a vertex that stands for records, how many are of which person.

    Kruskal's forest: a tie between what is already joined joins nothing. Trees hang the smaller below the larger, so
    that no climb is longer than the logarithm of the vertices.
    """
    found = Joined([], [], list(range(vertices)), [NEVER] * vertices)
    size, held = [1] * vertices, {vertex: Counter(told) for vertex, told in persons.items()}
    for place, (left, right) in enumerate(ties):
        small, large = _root(found.parent, left), _root(found.parent, right)
        alike = both = 0
        if small != large:
            small, large = (small, large) if size[small] <= size[large] else (large, small)
            found.parent[small], found.by[small] = large, place
            size[large] += size[small]
            alike, both, held[large] = _together(held.pop(small, Counter()), held.pop(large, Counter()))
        found.right.append(alike)
        found.false.append(both - alike)
    return found


def _together(one: Counter[str], other: Counter[str]) -> tuple[int, int, Counter[str]]:
    """Pairs between the two of one person, pairs between them at all, and both in one."""
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    alike = sum(records * many[person] for person, records in few.items())
    both = few.total() * many.total()
    many.update(few)
    return alike, both, many


def _root(parent: list[int], vertex: int) -> int:
    while parent[vertex] != vertex:
        vertex = parent[vertex]
    return vertex
