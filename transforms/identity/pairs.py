"""Ties that no identifier makes: what is said by hand to be one person or two, and what matching finds.

A vertex is a node by its place in the graph, or an identifier by the number of nodes + its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.graph import NOBODY, Flags, Graph, Ints, places
from transforms.identity.manual import RECORD, Decision, Decisions, Vertex

SAME, MATCH = "same", "match"
RULES = (SAME, MATCH)
# Of two records that an engine of jobs.engines.matching finds to be one person: left < right.
MATCHES = pa.schema(
    {"left": pa.string(), "right": pa.string(), "rule": pa.string(), "weight": pa.float64()}
    | {"first_seen": pa.date32(), "last_seen": pa.date32()}
)
# Of two records that share an identifier, but that it finds to be two people.
CONTRADICTIONS = pa.schema({"left": pa.string(), "right": pa.string(), "detail": pa.string()})
UNHEARD = "unheard"
_DAY_0 = date(1970, 1, 1)


@dataclass(frozen=True)
class Pairs:
    """Ties between two vertices, ordered by their ends, and pairs of vertices that must not share a customer.

    rule: the place of each tie's rule in RULES. weight: 1 by hand, else the probability. first, last: days since 1970.
    why: what says that a pair is apart, for people to read.
    unheard: decisions that hold nothing together or apart tonight, and blocks that matching did not look at, as rows
    `kind id_type id_value members detail`.
    """

    left: Ints
    right: Ints
    rule: Ints
    weight: npt.NDArray[np.float64]
    first: Ints
    last: Ints
    apart_left: Ints
    apart_right: Ints
    why: tuple[str, ...]
    unheard: pd.DataFrame

    @property
    def by_hand(self) -> Flags:
        flags: Flags = self.rule == RULES.index(SAME)
        return flags


def standing(before: pa.Table, graph: Graph) -> pa.Table:
    """The matches among the last release's `before` (identity/edge) that still hold, as MATCHES.

    A match ends where a version of either record has landed since it was last seen, or none is seen any more.
    """
    matches = before.filter(pc.equal(before["rule"], MATCH))
    ends = [places(matches[f"{side}_value"], graph.nodes) for side in ("left", "right")]
    seen = _days(matches["last_seen"])
    holds = np.ones(len(seen), dtype=bool)
    for end in ends:
        holds &= (end >= 0) & (np.append(graph.landed, 0)[end] <= seen)
    kept = matches.filter(pa.array(holds))
    columns = [kept["left_value"], kept["right_value"], *(kept[name] for name in MATCHES.names[2:])]
    return pa.table(columns, names=MATCHES.names).cast(MATCHES)


def paired(
    graph: Graph, decisions: Decisions, matches: pa.Table, contradictions: pa.Table, *, before: pa.Table, day: date
) -> Pairs:
    """The pairs of tonight. before: the last release's identity/edge, where a decision has the day it was first seen.

    A match or contradiction about a record that is not seen tonight is left out; a decision is told as unheard.
    """
    today = (day - _DAY_0).days
    said = _found(graph, decisions.same)
    heard = (said["left"] >= 0) & (said["right"] >= 0)
    same = said[heard & (said["left"] != said["right"])].assign(rule=RULES.index(SAME), weight=1.0, last=today)
    same["first"] = _since(graph, same, before, today)
    ties = pd.concat([same, _matched(graph, matches)], ignore_index=True)
    ends = np.sort(ties[["left", "right"]].to_numpy(dtype=np.int64), axis=1)
    ties["left"], ties["right"] = ends[:, 0], ends[:, 1]
    # what is said by hand needs no match beside it
    ties = ties.sort_values(["left", "right", "rule", "first"]).drop_duplicates(["left", "right"])
    told = _found(graph, decisions.different)
    apart = told[(told["left"] >= 0) & (told["right"] >= 0)]
    found = _contradicted(graph, contradictions)
    left, right, rule, first, last = (
        ties[name].to_numpy(dtype=np.int64) for name in ("left", "right", "rule", "first", "last")
    )
    return Pairs(
        left=left,
        right=right,
        rule=rule,
        weight=ties["weight"].to_numpy(dtype=np.float64),
        first=first,
        last=last,
        apart_left=np.concatenate([apart["left"].to_numpy(dtype=np.int64), found["left"].to_numpy(dtype=np.int64)]),
        apart_right=np.concatenate([apart["right"].to_numpy(dtype=np.int64), found["right"].to_numpy(dtype=np.int64)]),
        why=(*(f"{place}: said to be different" for place in apart["place"]), *found["detail"]),
        unheard=_unheard([*decisions.same, *decisions.different], pd.concat([said, told])),
    )


def _found(graph: Graph, decisions: Sequence[Decision]) -> pd.DataFrame:
    """left, right, place: a row a decision; a vertex that nobody gives tonight is NOBODY."""
    at = _vertices(graph, [vertex for decision in decisions for vertex in (decision.left, decision.right)])
    places_ = [decision.place for decision in decisions]
    return pd.DataFrame({"left": at[::2], "right": at[1::2], "place": pd.Series(places_, dtype=object)})


def _vertices(graph: Graph, wanted: Sequence[Vertex]) -> Ints:
    """The vertex of each, by the first of its forms that the graph holds."""
    found: dict[tuple[str, str], int] = {}
    if wanted:  # decisions are few, so the graph's texts are looked up among theirs
        sought = pa.array({form for _, forms in wanted for form in forms}, graph.nodes.type)
        for at in _among(graph.nodes, sought):
            found[RECORD, graph.nodes[at].as_py()] = at
        for at in _among(graph.values, sought):
            found[graph.types[graph.value_type[at]], graph.values[at].as_py()] = len(graph.nodes) + at
    held = (next((found[kind, form] for form in forms if (kind, form) in found), NOBODY) for kind, forms in wanted)
    return np.fromiter(held, dtype=np.int64, count=len(wanted))


def _among(texts: pa.Array, sought: pa.Array) -> list[int]:
    return np.flatnonzero(pc.is_in(texts, sought).to_numpy(zero_copy_only=False)).tolist()


def _since(graph: Graph, same: pd.DataFrame, before: pa.Table, today: int) -> Ints:
    """The day on which each decision was first seen: as the last release has it, else today."""
    held = before.filter(pc.equal(before["rule"], SAME)).to_pylist()
    ends = [(row[f"{side}_type"], (row[f"{side}_value"],)) for row in held for side in ("left", "right")]
    at = _vertices(graph, ends)
    since = {
        frozenset(pair): (row["first_seen"] - _DAY_0).days
        for pair, row in zip(zip(at[::2].tolist(), at[1::2].tolist(), strict=True), held, strict=True)
    }
    pairs = zip(same["left"].tolist(), same["right"].tolist(), strict=True)
    return np.array([since.get(frozenset(pair), today) for pair in pairs], dtype=np.int64)


def _matched(graph: Graph, matches: pa.Table) -> pd.DataFrame:
    left, right = (places(matches[side], graph.nodes) for side in ("left", "right"))
    rows = pd.DataFrame(
        {
            "left": left,
            "right": right,
            "rule": RULES.index(MATCH),
            "weight": matches["weight"].to_numpy(),
            "first": _days(matches["first_seen"]),
            "last": _days(matches["last_seen"]),
        }
    )
    seen: pd.DataFrame = rows[(left >= 0) & (right >= 0) & (left != right)]
    return seen


def _contradicted(graph: Graph, contradictions: pa.Table) -> pd.DataFrame:
    left, right = (places(contradictions[side], graph.nodes) for side in ("left", "right"))
    rows = pd.DataFrame({"left": left, "right": right, "detail": contradictions["detail"].to_pylist()})
    seen: pd.DataFrame = rows[(left >= 0) & (right >= 0) & (left != right)].sort_values(["left", "right"])
    return seen


def _unheard(decisions: Iterable[Decision], found: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (UNHEARD, kind, forms[-1], 0, f"{decision.place}: nobody gives it tonight")
        for decision, ends in zip(decisions, zip(found["left"], found["right"], strict=True), strict=True)
        for (kind, forms), at in zip((decision.left, decision.right), ends, strict=True)
        if at == NOBODY
    ]
    return pd.DataFrame(rows, columns=["kind", "id_type", "id_value", "members", "detail"])


def _days(dates: pa.ChunkedArray) -> Ints:
    return np.asarray(dates.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)
