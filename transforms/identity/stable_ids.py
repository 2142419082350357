"""Customer ids that stay: which component takes which id of the last release, and what became of the ids.

Ids and components are worked on as integers; the texts come back at the end.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.graph import NOBODY, Flags, Graph, Ints, places, ranks

Texts = npt.NDArray[Any]
NEVER = np.iinfo(np.int64).max
APART = "its records are no longer tied to the others"
TIED = "records were tied to each other"
FIRST = "records first seen"
BACK = "records came back to the id they had before"
LEFT = "no record is left"
INTO = "merged into another customer"


@dataclass(frozen=True)
class Past:
    """The last release, as far as tonight's graph can remember it. An id is named by its place in `ids`.

    since: days since 1970 on which the id first owned an identifier. known: it owns one of a known type.
    records: how many it owned. node_id: the id of each of tonight's nodes, -1 for a new one.
    record_node: the place among tonight's nodes of each row of identity/record, -1 for one that is gone.
    held_value, held_id: an identifier of tonight and an id that owns it or once did.
    """

    ids: pa.Array
    since: Ints
    known: Flags
    records: Ints
    node_id: Ints
    record_node: Ints
    held_value: Ints
    held_id: Ints

    @property
    def in_use(self) -> Flags:
        """Which ids owned a record."""
        return self.records > 0


@dataclass(frozen=True)
class Ids:
    """customer: the id of each component, and its place among those of the last release, -1 for a new one.

    changes: `kind customer_id from_ids cause`, in a fixed order.
    """

    customer: pa.Array
    place: Ints
    changes: pd.DataFrame


def remember(graph: Graph, record: pa.Table, ledger: pa.Table, value: Ints) -> Past:
    """identity/record and the ledger of the last release, in the codes of tonight's graph.

    value: the place in the graph of each of the ledger's identifiers, -1 where tonight nobody gives it.
    """
    texts = [column for table in (record, ledger) for column in table["customer_id"].cast(pa.large_string()).chunks]
    ids, code = ranks(pa.chunked_array(texts, type=pa.large_string()))
    of_record, of_ledger = code[: record.num_rows], code[record.num_rows :]
    node = places(record["record_id"], graph.nodes)
    node_id = np.full(len(graph.nodes), NOBODY, dtype=np.int64)
    node_id[node[node >= 0]] = of_record[node >= 0]
    since = np.full(len(ids), NEVER, dtype=np.int64)
    np.minimum.at(since, of_ledger, ledger["valid_from"].cast(pa.int32()).to_numpy())
    holds = pc.and_(ledger["known"], pc.is_null(ledger["valid_to"])).to_numpy()
    held = pd.DataFrame({"value": value, "id": of_ledger})[value >= 0].drop_duplicates()
    every = np.arange(len(ids))
    return Past(
        ids=ids,
        since=since,
        known=np.isin(every, of_ledger[holds]),
        records=np.bincount(of_record, minlength=len(ids)),
        node_id=node_id,
        record_node=node,
        held_value=held["value"].to_numpy(),
        held_id=held["id"].to_numpy(),
    )


def assign(
    part: Ints, owner: Ints, graph: Graph, past: Past, *, keys: Sequence[str], day: date, given: Collection[str] = ()
) -> Ids:
    """The id of each component, and what changed.

    part: the component of each node; components are numbered by their smallest node.
    owner: the component of each identifier, -1 where it belongs to nobody.
    A component takes the id with which it shares most records; known customers choose before anonymous ones, so
    that no visitor's cookies outvote them. One that is left without takes back an id that its identifiers had
    and that nobody uses now, else a new one. keys, given: see `new_ids`.
    """
    parts = int(part.max(initial=-1)) + 1
    shared = _counted(part[past.node_id >= 0], past.node_id[past.node_id >= 0])
    chosen = _greedy(shared, past, np.full(parts, NOBODY, dtype=np.int64))
    kept = chosen >= 0
    came_from = np.isin(np.arange(parts), shared["part"])
    chosen = _greedy(_returning(chosen, came_from, owner, graph, past), past, chosen)
    fresh = np.flatnonzero(chosen < 0)
    smallest = np.unique(part, return_index=True)[1]
    used = past.ids.take(pa.array(chosen[chosen >= 0]))
    minted = new_ids(graph.nodes.take(pa.array(smallest[fresh])).to_pylist(), used, keys=keys, day=day, given=given)
    place = chosen.copy()
    place[fresh] = len(past.ids) + np.arange(len(fresh))
    customer = pa.concat_arrays([past.ids, pa.array(minted, pa.large_string())]).take(pa.array(place))
    return Ids(customer, chosen, _changes(chosen, kept, shared, customer, past))


def new_ids(
    records: Sequence[str], used: pa.Array, *, keys: Sequence[str], day: date, given: Collection[str] = ()
) -> list[str]:
    """An id for each first record: HMAC-SHA256 of the date and the record, cut to 32 hexadecimal digits.

    It tells nothing without the key, and a replay of the date gives the same. An id that is in use (its first
    record left the customer that was named after it, on the same date) is passed over for the next in line.
    keys: the first makes ids; those after it, which did so before, only such as the date gave before: `given`.
    """
    taken = set(used.to_pylist())
    minted = []
    for record in records:
        before = (_in_line(record, taken, key=key, day=day) for key in keys[1:])
        found = next((one for one in before if one in given), None) or _in_line(record, taken, key=keys[0], day=day)
        taken.add(found)
        minted.append(found)
    return minted


def _in_line(record: str, taken: Collection[str], *, key: str, day: date) -> str:
    attempt, found = 0, _keyed(f"{day.isoformat()} {record}", key)
    while found in taken:
        attempt += 1
        found = _keyed(f"{day.isoformat()}+{attempt} {record}", key)
    return found


def _keyed(text: str, key: str) -> str:
    return hmac.digest(key.encode(), text.encode(), hashlib.sha256).hex()[:32]


def churn(ids: Ids, past: Past, *, known: int | None = None) -> float:
    """The share of the last release's known customers whose id is not in use tonight; 0 where there were none.

    known: how many there were, where `past` does not tell of all.
    """
    told = past.ids.filter(pa.array(past.known))
    gone = len(told) - int(pc.sum(pc.is_in(told, ids.customer)).as_py() or 0)
    every = len(told) if known is None else known
    return gone / every if every else 0.0


def staying(part: Ints, ids: Ids, past: Past) -> Flags:
    """Which nodes the last release gave to the very customer that tonight gives them to."""
    stays: Flags = (past.node_id >= 0) & (past.node_id == ids.place[part])
    return stays


def changed(part: Ints, ids: Ids, known: Flags, past: Past) -> tuple[Flags, pa.Array]:
    """Which components are not the last release's customers of the same records, known or not as they were before.

    Gives them beside the ids that nobody has any more. known: of each component.
    """
    chosen, old = ids.place, past.node_id
    stays = staying(part, ids, past)
    fresh = np.zeros(len(chosen), dtype=bool)
    fresh[part[~stays]] = True
    held = np.bincount(old[stays], minlength=len(past.ids))
    fresh |= (chosen < 0) | (np.append(held != past.records, True)[chosen])
    fresh |= known != np.append(past.known, False)[chosen]
    ended = np.setdiff1d(np.flatnonzero(past.in_use), chosen)
    return fresh, past.ids.take(pa.array(ended))


def _counted(part: Ints, of_id: Ints) -> pd.DataFrame:
    """part, id, count: how often each pair occurs, ordered by part and id."""
    width = int(of_id.max(initial=0)) + 1
    key, count = np.unique(part * width + of_id, return_counts=True)
    return pd.DataFrame({"part": key // width, "id": key % width, "count": count})


def _greedy(pairs: pd.DataFrame, past: Past, chosen: Ints) -> Ints:
    """Give ids to components from the pair that shares most downwards; an id goes to one component only.

    Ties: the older id, then the smaller id, then the component with the smaller first node.
    """
    part, of_id = pairs["part"].to_numpy(), pairs["id"].to_numpy()
    result, taken = chosen.copy(), np.zeros(len(past.ids), dtype=bool)
    taken[chosen[chosen >= 0]] = True
    # most components and ids have nobody beside them to choose before
    alone = (np.bincount(part, minlength=len(chosen))[part] == 1) & (np.bincount(of_id)[of_id] == 1)
    free = alone & (result[part] < 0) & ~taken[of_id]
    result[part[free]] = of_id[free]
    pairs, part, of_id = pairs[~alone], part[~alone], of_id[~alone]
    order = np.lexsort((part, of_id, past.since[of_id], -pairs["count"].to_numpy(), ~past.known[of_id]))
    for component, candidate in zip(part[order].tolist(), of_id[order].tolist(), strict=True):
        if result[component] < 0 and not taken[candidate]:
            result[component] = candidate
            taken[candidate] = True
    return result


def _returning(chosen: Ints, came_from: Flags, owner: Ints, graph: Graph, past: Past) -> pd.DataFrame:
    """Which ids of the ledger the components without one may take back, with the identifiers they share.

    A part that splits off has its own past: any of its identifiers speaks for it. Records that were never
    here speak by their strongest identifiers alone: a phone number that was given away brings no old id along.
    """
    priority = graph.priority[graph.value_type]
    strongest = np.full(len(chosen), NEVER, dtype=np.int64)
    np.minimum.at(strongest, owner[owner >= 0], priority[owner >= 0])
    component = owner[past.held_value]
    free = ~np.isin(past.held_id, chosen)
    waiting = (component >= 0) & free & (chosen[component] < 0)
    speaks = came_from[component] | (priority[past.held_value] == strongest[component])
    return _counted(component[waiting & speaks], past.held_id[waiting & speaks])


def _changes(chosen: Ints, kept: Flags, shared: pd.DataFrame, customer: pa.Array, past: Past) -> pd.DataFrame:
    """What became of the ids. An id that ends is merged into the component that most of its records went to."""
    ids = np.asarray(past.ids.to_pylist(), dtype=object)
    names = np.asarray(customer.to_pylist(), dtype=object)
    split = shared[~kept[shared["part"]]].sort_values(["part", "id"])
    ended = past.in_use & ~np.isin(np.arange(len(ids)), chosen)
    moved = shared[ended[shared["id"]]].sort_values(["id", "count", "part"], ascending=[True, False, True])
    into = moved.drop_duplicates("id").sort_values(["part", "id"])
    lasting = (chosen >= 0) & np.append(past.in_use, False)[chosen]
    begun = np.setdiff1d(np.flatnonzero(~kept & ~lasting), split["part"])
    merged, gone = np.unique(into["id"]), np.setdiff1d(np.flatnonzero(ended), into["id"])
    rows = [
        *(("new", names[part], None, BACK if chosen[part] >= 0 else FIRST) for part in begun),
        *(("split", names[part], old, BACK if chosen[part] >= 0 else APART) for part, old in _from_ids(split, ids)),
        *(("merge", names[part], old, TIED) for part, old in _from_ids(into, ids)),
        *(("retire", ids[at], None, INTO) for at in merged),
        *(("retire", ids[at], None, LEFT) for at in gone),
    ]
    return pd.DataFrame(rows, columns=["kind", "customer_id", "from_ids", "cause"])


def _from_ids(pairs: pd.DataFrame, ids: Texts) -> list[tuple[int, list[str]]]:
    """The ids that each component has to do with. `pairs` are ordered by part and id."""
    found: dict[int, list[str]] = {}
    for part, at in zip(pairs["part"].tolist(), pairs["id"].tolist(), strict=True):
        found.setdefault(part, []).append(ids[at])
    return list(found.items())
