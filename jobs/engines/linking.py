"""From believed ties to customers: components, none of them holding more than one person may."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jobs.engines.components import Find, components
from jobs.engines.cuts import Cut, Rules, Ties, cut, overfull
from transforms.identity.definition import Identifier
from transforms.identity.graph import NOBODY, Graph, Ints
from transforms.identity.guards import Believed, conflicts
from transforms.identity.pairs import UNHEARD, Pairs


@dataclass(frozen=True)
class Linked:
    """part: the component of each node, numbered by its smallest node. owner: that of each identifier, -1: nobody's.

    cuts: how many ties were cut. conflicts: what was cut and why, in the columns of transforms.identity.guards.
    """

    part: Ints
    owner: Ints
    cuts: int
    conflicts: pd.DataFrame


@dataclass(frozen=True)
class _Limits:
    """kinds: the types with a limit. most: how many values of each a customer may hold. why: of each pair apart."""

    kinds: list[int]
    most: Ints
    why: tuple[str, ...]


def link(
    graph: Graph, believed: Believed, identifiers: Mapping[str, Identifier], pairs: Pairs | None = None, *,
    find: Find = components,
) -> Linked:  # fmt: skip
    """Components of nodes and identifiers, with the cheapest ties cut where one holds what must be apart.

    A component holds no more than per_customer values of a type, and not both of a pair apart, whatever ties them;
    only what is said to be the same by hand is never cut. A tie weighs what identity/edge says. Of equally strong
    ties the older is the stronger, then the one of the smaller node and identifier. find: see jobs.engines.cuts.
    """
    ties = _ties(graph, believed, pairs)
    rules, limits, refused = _rules(graph, believed, ties, pairs, identifiers)
    result = cut(ties, rules, find=find)
    nodes = len(graph.nodes)
    parts = int(result.after[:nodes].max(initial=-1)) + 1
    # nodes are the first vertices, so components without one, of identifiers that lost every tie, come last
    owner = result.after[nodes : nodes + len(graph.values)]
    told = [
        refused,
        *_cut_ties(graph, believed, ties, result, limits),
        _full_parts(graph, believed, result, rules, limits),
    ]
    return Linked(
        part=result.after[:nodes],
        owner=np.where(owner < parts, owner, NOBODY),
        cuts=int((~result.kept).sum()),
        conflicts=pd.concat(told, ignore_index=True),
    )


def _ties(graph: Graph, believed: Believed, pairs: Pairs | None) -> Ties:
    """The ties through identifiers, as `believed` has them, and after them the pairs."""
    node, value = graph.tie_node[believed.tie], graph.tie_value[believed.tie]
    through = Ties(
        left=node,
        right=len(graph.nodes) + believed.vertex,
        weight=1.0 / graph.priority[graph.value_type[value]],
        first=graph.first[believed.tie],
        bound=np.zeros(len(node), dtype=bool),
    )
    if pairs is None:
        return through
    return through.and_also(Ties(pairs.left, pairs.right, pairs.weight, pairs.first, pairs.by_hand))


def _rules(
    graph: Graph, believed: Believed, ties: Ties, pairs: Pairs | None, identifiers: Mapping[str, Identifier]
) -> tuple[Rules, _Limits, pd.DataFrame]:
    """What a component may hold, and the pairs that are said to be apart of those that are said to be the same."""
    limited = [kind for kind, name in enumerate(graph.types) if identifiers[name].per_customer is not None]
    most = np.array([identifiers[graph.types[kind]].per_customer for kind in limited], dtype=np.int64)
    kinds = _kinds(graph, believed, limited)
    empty = np.empty(0, dtype=np.int64)
    left, right, why = (pairs.apart_left, pairs.apart_right, pairs.why) if pairs else (empty, empty, ())
    if not ties.bound.any():
        return Rules(kinds, most, left, right), _Limits(limited, most, why), _refused(graph, empty, [])
    same = components(ties.left[ties.bound], ties.right[ties.bound], vertices=len(kinds))
    kinds = _but_what_is_bound(kinds, most, ties, same)
    apart = same[left] != same[right]
    refused = _refused(graph, left[~apart], [text for text, keep in zip(why, apart, strict=True) if not keep])
    kept = tuple(text for text, keep in zip(why, apart, strict=True) if keep)
    return Rules(kinds, most, left[apart], right[apart]), _Limits(limited, most, kept), refused


def _refused(graph: Graph, vertex: Ints, why: list[str]) -> pd.DataFrame:
    detail = [f"{text}, but said to be the same by hand" for text in why]
    return conflicts(UNHEARD, _told_as(graph, vertex), np.ones(len(vertex), dtype=np.int64), detail)


def _kinds(graph: Graph, believed: Believed, limited: list[int]) -> Ints:
    """The place of each vertex's type among the limited ones; -1 for nodes and unlimited types."""
    nodes, lives = len(graph.nodes), int(believed.vertex.max(initial=len(graph.values) - 1)) + 1
    types = np.full(lives, NOBODY, dtype=np.int64)
    types[: len(graph.values)] = graph.value_type
    types[believed.vertex] = graph.value_type[graph.tie_value[believed.tie]]
    place = np.full(len(graph.types) + 1, NOBODY, dtype=np.int64)
    place[limited] = np.arange(len(limited))
    return np.concatenate([np.full(nodes, NOBODY, dtype=np.int64), place[types]])


def _but_what_is_bound(kinds: Ints, most: Ints, ties: Ties, same: Ints) -> Ints:
    """The kinds, where no limit parts the identifiers of one person from each other that is one by hand.

    Where the records and identifiers of such a group have more values of a type than one customer may hold, as many
    as it may count, and those beyond do not.
    """
    bound = np.zeros(len(kinds), dtype=bool)
    bound[ties.left[ties.bound]] = bound[ties.right[ties.bound]] = True
    own = np.flatnonzero(bound & (kinds >= 0))
    gives = bound[ties.left] & (kinds[ties.right] >= 0) & ~ties.bound
    held = pd.DataFrame(
        {
            "group": np.concatenate([same[own], same[ties.left[gives]]]),
            "vertex": np.concatenate([own, ties.right[gives]]),
        }
    ).drop_duplicates()
    held["kind"] = kinds[held["vertex"]]
    place = held.sort_values("vertex").groupby(["group", "kind"]).cumcount().reindex(held.index)
    beyond = held["vertex"][place >= most[held["kind"]]].to_numpy(dtype=np.int64)
    result = kinds.copy()
    result[beyond] = NOBODY
    return result


def _told_as(graph: Graph, vertex: Ints) -> Ints:
    """Vertices as conflicts name them: identifiers by their place, then nodes."""
    nodes = len(graph.nodes)
    return np.where(vertex < nodes, len(graph.values) + vertex, vertex - nodes)


def _cut_ties(graph: Graph, believed: Believed, ties: Ties, result: Cut, limits: _Limits) -> list[pd.DataFrame]:
    """A row for each identifier that lost ties, or record that lost matches, and the rule they would have broken."""
    refused = np.flatnonzero(~result.kept)
    through = refused < len(believed.tie)
    value = graph.tie_value[believed.tie[refused[through]]]
    records = graph.records
    return [
        _lost(value, result.over[refused[through]], limits, graph, "ties", lambda at: records[at]),
        _lost(
            _told_as(graph, ties.left[refused[~through]]), result.over[refused[~through]], limits, graph,
            "matches", lambda at: np.ones(len(at), dtype=np.int64),
        ),
    ]  # fmt: skip


def _lost(at: Ints, over: Ints, limits: _Limits, graph: Graph, what: str, members: Any) -> pd.DataFrame:
    rows = pd.DataFrame({"at": at, "over": over}).value_counts().rename("ties").reset_index()
    rows = rows.sort_values(["at", "over"])
    detail = [
        f"{ties} of its {what} cut: {_rule(over, limits, graph)}"
        for ties, over in zip(rows["ties"], rows["over"], strict=True)
    ]
    places = rows["at"].to_numpy(dtype=np.int64)
    return conflicts("cut", places, members(places), detail)


def _rule(over: int, limits: _Limits, graph: Graph) -> str:
    if over >= len(limits.most):
        return limits.why[over - len(limits.most)]
    return f"a customer would hold more than {limits.most[over]} of {graph.types[limits.kinds[over]]}"


def _full_parts(graph: Graph, believed: Believed, result: Cut, rules: Rules, limits: _Limits) -> pd.DataFrame:
    """A row for each over-full component and limit, named by the smallest of its values of that type."""
    nodes = len(graph.nodes)
    part, kind = np.nonzero(overfull(result.before, rules.kinds, rules.caps))
    sizes = np.bincount(result.before[:nodes], minlength=int(result.before.max(initial=-1)) + 1)
    value = np.arange(len(rules.kinds)) - nodes
    value[nodes + believed.vertex] = graph.tie_value[believed.tie]
    full = np.isin(np.arange(len(sizes)), part)
    vertex = np.flatnonzero((rules.kinds >= 0) & full[result.before])
    held = pd.DataFrame({"part": result.before[vertex], "kind": rules.kinds[vertex], "value": value[vertex]})
    counts = held.groupby(["part", "kind"]).agg(value=("value", "min"), number=("value", "size"))
    rows = counts.reindex(pd.MultiIndex.from_arrays([part, kind], names=["part", "kind"]))
    detail = [
        f"{number} values of {graph.types[limits.kinds[k]]} tied to one customer, at most {limits.most[k]}"
        for number, k in zip(rows["number"], kind, strict=True)
    ]
    return conflicts("cap", rows["value"].to_numpy(dtype=np.int64), sizes[part], detail)
