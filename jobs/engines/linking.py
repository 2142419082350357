"""From believed ties to customers: components, none of them holding more than one person may."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jobs.engines.cuts import Cut, cut, overfull
from transforms.identity.definition import Identifier
from transforms.identity.graph import NOBODY, Graph, Ints
from transforms.identity.guards import Believed, conflicts


@dataclass(frozen=True)
class Linked:
    """part: the component of each node, numbered by its smallest node. owner: that of each identifier, -1: nobody's.

    cuts: how many ties were cut. conflicts: what was cut and why, in the columns of transforms.identity.guards.
    """

    part: Ints
    owner: Ints
    cuts: int
    conflicts: pd.DataFrame


def link(graph: Graph, believed: Believed, identifiers: Mapping[str, Identifier]) -> Linked:
    """Components of nodes and identifiers, with the weakest ties cut where one holds too many values of a type.

    Of equally strong ties the older is the stronger, then the one of the smaller node and identifier.
    """
    nodes, tie = len(graph.nodes), believed.tie
    node, value = graph.tie_node[tie], graph.tie_value[tie]
    limited = [kind for kind, name in enumerate(graph.types) if identifiers[name].per_customer is not None]
    caps = np.array([identifiers[graph.types[kind]].per_customer for kind in limited], dtype=np.int64)
    strength = np.empty(len(tie), dtype=np.int64)
    order = np.lexsort((value, node, graph.first[tie], graph.priority[graph.value_type[value]]))
    strength[order] = np.arange(len(tie))
    result = cut(node, nodes + believed.vertex, strength, kinds=_kinds(graph, believed, limited), caps=caps)
    parts = int(result.after[:nodes].max(initial=-1)) + 1
    # nodes are the first vertices, so components without one, of identifiers that lost every tie, come last
    owner = result.after[nodes : nodes + len(graph.values)]
    told = [_cut_ties(graph, value, result, limited, caps), _full_parts(graph, believed, result, limited, caps)]
    return Linked(
        part=result.after[:nodes],
        owner=np.where(owner < parts, owner, NOBODY),
        cuts=int((~result.kept).sum()),
        conflicts=pd.concat(told, ignore_index=True),
    )


def _kinds(graph: Graph, believed: Believed, limited: list[int]) -> Ints:
    """The place of each vertex's type among the limited ones; -1 for nodes and unlimited types."""
    nodes, lives = len(graph.nodes), int(believed.vertex.max(initial=len(graph.values) - 1)) + 1
    types = np.full(lives, NOBODY, dtype=np.int64)
    types[: len(graph.values)] = graph.value_type
    types[believed.vertex] = graph.value_type[graph.tie_value[believed.tie]]
    place = np.full(len(graph.types) + 1, NOBODY, dtype=np.int64)
    place[limited] = np.arange(len(limited))
    return np.concatenate([np.full(nodes, NOBODY, dtype=np.int64), place[types]])


def _cut_ties(graph: Graph, value: Ints, result: Cut, limited: list[int], caps: Ints) -> pd.DataFrame:
    """A row for each identifier that lost ties, and the limit they would have broken."""
    refused = ~result.kept
    lost = pd.DataFrame({"value": value[refused], "over": result.over[refused]})
    rows = lost.value_counts().rename("ties").reset_index().sort_values(["value", "over"])
    detail = [
        f"{ties} of its ties cut: a customer would hold more than {caps[over]} of {graph.types[limited[over]]}"
        for ties, over in zip(rows["ties"], rows["over"], strict=True)
    ]
    values = rows["value"].to_numpy(dtype=np.int64)
    return conflicts("cut", values, graph.records[values], detail)


def _full_parts(graph: Graph, believed: Believed, result: Cut, limited: list[int], caps: Ints) -> pd.DataFrame:
    """A row for each over-full component and limit, named by the smallest of its values of that type."""
    nodes, kinds = len(graph.nodes), _kinds(graph, believed, limited)
    part, kind = np.nonzero(overfull(result.before, kinds, caps))
    sizes = np.bincount(result.before[:nodes], minlength=int(result.before.max(initial=-1)) + 1)
    vertex = nodes + believed.vertex
    held = pd.DataFrame({"part": result.before[vertex], "kind": kinds[vertex], "vertex": vertex})
    held["value"] = graph.tie_value[believed.tie]
    counts = held.groupby(["part", "kind"]).agg(value=("value", "min"), number=("vertex", "nunique"))
    rows = counts.reindex(pd.MultiIndex.from_arrays([part, kind], names=["part", "kind"]))
    detail = [
        f"{number} values of {graph.types[limited[k]]} tied to one customer, at most {caps[k]}"
        for number, k in zip(rows["number"], kind, strict=True)
    ]
    return conflicts("cap", rows["value"].to_numpy(dtype=np.int64), sizes[part], detail)
