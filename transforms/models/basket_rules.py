"""How well rules foretell what else is in a basket, against what most baskets hold."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

# Rules with longer antecedents say the same as shorter ones, of ever fewer baskets.
LONGEST = 2


def basket_recalls(
    rules: Sequence[Mapping[str, Any]], popular: Sequence[str], baskets: Sequence[Sequence[str]], *, top: int
) -> dict[str, float]:
    """Of each thing in each basket: is it among the `top` that the rest of the basket calls for? The shares of hits.

    `rules`: antecedent (in the order of the alphabet), consequent, confidence. By `rules` the consequents of the
    greatest confidence come first (equal ones by name), then what is popular; by `popularity` alone `popular`, the most
    frequent first. NaN where no basket holds two things, or nothing is known to be popular.
    """
    called: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for rule in rules:
        called.setdefault(tuple(rule["antecedent"]), []).append((-rule["confidence"], rule["consequent"]))
    hits, asked = {"rules": 0, "popularity": 0}, 0
    for basket in baskets:
        held = sorted(set(basket))
        for hidden in held if len(held) > 1 else ():
            rest = [item for item in held if item != hidden]
            asked += 1
            hits["rules"] += hidden in _first(_called(called, rest), popular, rest, top)
            hits["popularity"] += hidden in _first([], popular, rest, top)
    return {name: count / asked if asked and popular else float("nan") for name, count in hits.items()}


def _called(called: Mapping[tuple[str, ...], list[tuple[float, str]]], rest: Sequence[str]) -> list[str]:
    keys = (key for length in range(1, LONGEST + 1) for key in combinations(rest, length))
    return [item for _, item in sorted(found for key in keys for found in called.get(key, ()))]


def _first(wanted: Sequence[str], popular: Sequence[str], rest: Sequence[str], top: int) -> list[str]:
    """The first `top` of `wanted` and then `popular` that are not in the basket, each once."""
    chosen: dict[str, None] = {}
    for item in (*wanted, *popular):
        if item not in rest:
            chosen[item] = None
            if len(chosen) == top:
                break
    return list(chosen)
