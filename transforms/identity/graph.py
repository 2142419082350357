"""The identity graph in integers: nodes, identifiers and the ties between them, coded from their texts.

Codes are ranks in the texts' order (Arrow's, by bytes), so that nothing computed from them depends on the order
in which rows came. All of it is held in memory, also where Spark finds the components (`limits.driver_edges` of
conf/identity.yml): with all that is worked out from it, a million ties take about half a GB at the peak, and past
`limits.driver_ties` the night stops.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.definition import Identifier

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
NOBODY = -1


@dataclass(frozen=True)
class Graph:
    """Nodes and identifiers are named by their place in `nodes` and `values`.

    landed: the last day on which a version of each node that is seen tonight landed, in days since 1970.
    types: identifier types by code, in alphabetical order, with `priority` (1 strongest) beside.
    values, value_type, unfit: an identifier's text, type code, and why it cannot link (NULL where it can).
    texts, text: the distinct texts of identifiers in their order, and the place of each identifier's among them.
    tie_node, tie_value, first, last: a tie a row, ordered by node and identifier; dates as days since 1970.
    """

    nodes: pa.Array
    person: Flags
    landed: Ints
    types: tuple[str, ...]
    priority: Ints
    values: pa.Array
    texts: pa.Array
    text: Ints
    value_type: Ints
    unfit: pa.Array
    tie_node: Ints
    tie_value: Ints
    first: Ints
    last: Ints

    @property
    def records(self) -> Ints:
        """How many nodes each identifier touches."""
        return np.bincount(self.tie_value, minlength=len(self.values))

    def type_code(self, name: str) -> int:
        return self.types.index(name)

    def find(self, id_types: pa.ChunkedArray, id_values: pa.ChunkedArray) -> Ints:
        """The place of each identifier among `values`; -1 where the graph does not hold it."""
        width = max(len(self.texts), 1)
        keys = self.value_type * width + self.text
        kind, text = places(id_types, pa.array(self.types)), places(id_values, self.texts)
        sought = kind * width + text
        at = np.minimum(np.searchsorted(keys, sought), max(len(keys) - 1, 0))
        found = (kind >= 0) & (text >= 0) & (keys[at] == sought if len(keys) else False)
        return np.where(found, at, NOBODY)


def coded(tied: pa.Table, identifiers: Mapping[str, Identifier]) -> Graph:
    """The graph of what `transforms.identity.edges.ties` gives, as an Arrow table."""
    nodes, node = ranks(tied["node"])
    person = np.zeros(len(nodes), dtype=bool)
    person[node] = tied["person"].to_numpy()
    landed = np.zeros(len(nodes), dtype=np.int64)
    np.maximum.at(landed, node, _days(tied["last_seen"]))
    types = tuple(sorted(identifiers))
    given = tied["id_type"].is_valid().to_numpy()
    ties = tied.filter(pa.array(given)) if not given.all() else tied
    texts, text = ranks(ties["id_value"])
    kind = places(ties["id_type"], pa.array(types))
    # a value is told by its type and its text: the phone 5 is not the loyalty card 5
    _, at, value = np.unique(kind * max(len(texts), 1) + text, return_index=True, return_inverse=True)
    order = np.lexsort((value, node[given]))
    return Graph(
        nodes=nodes,
        person=person,
        landed=landed,
        types=types,
        priority=np.array([identifiers[name].priority for name in types], dtype=np.int64),
        values=texts.take(pa.array(text[at])),
        texts=texts,
        text=text[at],
        value_type=kind[at],
        unfit=pc.take(flat(ties["unfit"]), pa.array(at)),
        tie_node=node[given][order],
        tie_value=value[order],
        first=_days(ties["first_seen"])[order],
        last=_days(ties["last_seen"])[order],
    )


def ranks(texts: pa.ChunkedArray | pa.Array) -> tuple[pa.Array, Ints]:
    """The distinct texts in their order, and the rank of each row's text among them. NULL has rank -1."""
    encoded = flat(texts).dictionary_encode()
    distinct, code = encoded.dictionary, encoded.indices.fill_null(NOBODY).to_numpy().astype(np.int64)
    order = pc.sort_indices(distinct).to_numpy().astype(np.int64)
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    rank[-1] = NOBODY
    return distinct.take(pa.array(order)), rank[code]


def places(texts: pa.ChunkedArray | pa.Array, among: pa.Array) -> Ints:
    """Where each text stands in `among`, which holds each once; -1 where it does not."""
    if not len(texts):
        return np.empty(0, dtype=np.int64)
    found = pc.index_in(flat(texts), among.cast(pa.large_string()))
    return np.asarray(found.fill_null(NOBODY).to_numpy(zero_copy_only=False), dtype=np.int64)


def flat(texts: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array with 64-bit offsets: together the texts may pass 2 GB."""
    wide = texts.cast(pa.large_string())
    return wide.combine_chunks() if isinstance(wide, pa.ChunkedArray) else wide


def _days(dates: pa.ChunkedArray) -> Ints:
    return np.asarray(dates.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)
