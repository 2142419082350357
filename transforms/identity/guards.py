"""What is not believed before anything is linked: blocked values, hubs, and ties that are too old."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.definition import Identifier
from transforms.identity.graph import Flags, Graph, Ints

# Where a type has no max_linked: what touches more stronger identifiers, or people without any, is nobody's own.
EVERYBODY = 1_000
CONFLICT = ("kind", "value", "members", "detail")


@dataclass(frozen=True)
class Believed:
    """The ties that may link, and what was refused.

    tie: the places in the graph of the ties that may link.
    vertex: the identifier that each of these leads to: its place in the graph, or, where an identifier fell
    silent for longer than its type's max_age, a number from len(graph.values) on for each of its earlier lives.
    conflicts: `kind value members detail`, where value is the identifier's place in the graph; a node's place is
    counted on from the number of identifiers.
    """

    tie: Ints
    vertex: Ints
    conflicts: pd.DataFrame


def guard(
    graph: Graph, identifiers: Mapping[str, Identifier], *, asked: Flags | None = None, stopped: Ints | None = None
) -> Believed:
    """Set aside the values that cannot link, those that are blocked and those that are hubs; then age the rest.

    asked: the values to judge, because the graph holds all nodes around them. Of the others it is known whether they
    link: all but `stopped`. None: all are judged.
    """
    judge = np.ones(len(graph.values), dtype=bool) if asked is None else asked
    refused = [found[judge[found["value"]]] for found in (_unfit(graph), *_blocked(graph, identifiers))]
    set_aside = np.zeros(len(graph.values), dtype=bool)
    set_aside[np.concatenate([found["value"].to_numpy(dtype=np.int64) for found in refused])] = True
    if stopped is not None:
        set_aside[stopped] = True
    hubs = _hubs(graph, identifiers, set_aside, judge)
    set_aside[hubs["value"].to_numpy(dtype=np.int64)] = True
    tie = np.flatnonzero(~set_aside[graph.tie_value])
    return Believed(tie, _lives(graph, tie, identifiers), pd.concat([*refused, hubs], ignore_index=True))


def conflicts(kind: str, value: Ints, members: Ints, detail: list[str]) -> pd.DataFrame:
    """Rows of what was not believed."""
    return pd.DataFrame({"kind": kind, "value": value, "members": members, "detail": detail}, columns=list(CONFLICT))


def _unfit(graph: Graph) -> pd.DataFrame:
    value = np.flatnonzero(graph.unfit.is_valid().to_numpy(zero_copy_only=False))
    return conflicts("blocked", value, graph.records[value], graph.unfit.take(pa.array(value)).to_pylist())


def _blocked(graph: Graph, identifiers: Mapping[str, Identifier]) -> Iterator[pd.DataFrame]:
    """Values that a `blocked` expression finds; of several the first is told."""
    fit = graph.unfit.is_null().to_numpy(zero_copy_only=False)
    for name, identifier in sorted(identifiers.items()):
        for at, pattern in enumerate(identifier.blocked):
            of_type = np.flatnonzero(fit & (graph.value_type == graph.type_code(name)))
            texts = graph.values.take(pa.array(of_type))
            earlier = [pc.match_substring_regex(texts, told) for told in identifier.blocked[:at]]
            matches = pc.match_substring_regex(texts, pattern)
            new = reduce(pc.and_not, earlier, matches).to_numpy(zero_copy_only=False)
            value = of_type[new]
            yield conflicts("blocked", value, graph.records[value], [f"matches {pattern}"] * len(value))


def _hubs(graph: Graph, identifiers: Mapping[str, Identifier], stopped: Flags, judge: Flags) -> pd.DataFrame:
    """Values that touch more than `max_linked` distinct stronger identifiers, or that many records without any.

    The stronger types come first: what is itself a hub tells nobody apart, so it does not count against a weaker one.
    """
    stopped = stopped.copy()
    found = [conflicts("hub", np.empty(0, np.int64), np.empty(0, np.int64), [])]
    for name, identifier in sorted(identifiers.items(), key=lambda item: (item[1].priority, item[0])):
        hubs = _hubs_of(graph, graph.type_code(name), identifier.max_linked, stopped, judge)
        found.append(hubs)
        stopped[hubs["value"].to_numpy(dtype=np.int64)] = True
    return pd.concat(found, ignore_index=True)


def _hubs_of(graph: Graph, kind: int, max_linked: int | None, stopped: Flags, judge: Flags) -> pd.DataFrame:
    most = EVERYBODY if max_linked is None else max_linked
    live = ~stopped[graph.tie_value]
    own = live & (graph.value_type[graph.tie_value] == kind)
    stronger = live & (graph.priority[graph.value_type[graph.tie_value]] < graph.priority[kind])
    beside = pd.DataFrame({"node": graph.tie_node[own], "value": graph.tie_value[own]}).merge(
        pd.DataFrame({"node": graph.tie_node[stronger], "stronger": graph.tie_value[stronger]}), on="node", how="left"
    )
    size = len(graph.values)
    pairs = beside.dropna()[["value", "stronger"]].astype(np.int64).drop_duplicates()
    linked = np.bincount(pairs["value"], minlength=size)
    lonely = beside[beside["stronger"].isna()]
    # without a stronger identifier a record may be anybody's; events repeat the one identifier they know
    counts = graph.person[lonely["node"]] | ((linked[lonely["value"]] == 0) & (max_linked is not None))
    alone = np.bincount(lonely["value"][counts], minlength=size)
    value = np.flatnonzero(((linked > most) | (alone > most)) & judge)
    detail = [
        f"touches {with_} stronger identifiers, at most {most}"
        if with_ > most
        else f"touches {without} records without a stronger identifier, at most {most}"
        for with_, without in zip(linked[value], alone[value], strict=True)
    ]
    return conflicts("hub", value, graph.records[value], detail)


def _lives(graph: Graph, tie: Ints, identifiers: Mapping[str, Identifier]) -> Ints:
    """The identifier of each tie, told apart by its lives where its type has a max_age.

    A tie that begins more than max_age days after everything before it has ended begins a new life: what was
    tied before is too old to link the new record. The newest life keeps the identifier's own number.
    """
    vertex = graph.tie_value[tie].copy()
    ages = np.array([_max_age(identifiers[name]) for name in graph.types], dtype=np.int64)
    aging = np.flatnonzero(ages[graph.value_type[vertex]] >= 0)
    order = aging[np.lexsort((graph.last[tie][aging], graph.first[tie][aging], vertex[aging]))]
    value, first, last = vertex[order], graph.first[tie][order], graph.last[tie][order]
    ended = pd.Series(last).groupby(value).cummax().groupby(value).shift().fillna(pd.Series(first)).to_numpy()
    life = pd.Series(first - ended > ages[graph.value_type[value]]).groupby(value).cumsum()
    earlier = (life < life.groupby(value).transform("max")).to_numpy()
    keys = value[earlier] * (len(order) + 1) + life.to_numpy(dtype=np.int64)[earlier]
    vertex[order[earlier]] = len(graph.values) + np.unique(keys, return_inverse=True)[1]
    return vertex


def _max_age(identifier: Identifier) -> int:
    return -1 if identifier.max_age is None else identifier.max_age
