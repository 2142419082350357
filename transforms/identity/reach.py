"""The last release's ties beside tonight's, in integers, and how far what is new reaches among them.

What the news cannot have to do with is not coded: texts are looked up among few others in a tenth of the time. Codes
are in no order here: nothing is computed from them but which nodes and identifiers belong together. What the news
reaches is coded again, in the texts' order (transforms.identity.graph), and worked out as a whole night would.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.definition import Identifier
from transforms.identity.graph import Flags, Graph, Ints, coded, flat, places
from transforms.identity.guards import guard

TIED = pa.schema(
    {"node": pa.large_string(), "person": pa.bool_(), "id_type": pa.large_string(), "id_value": pa.large_string()}
    | {"unfit": pa.large_string(), "first_seen": pa.date32(), "last_seen": pa.date32()}
)
# From so many bytes on, texts together need 64-bit offsets.
_WIDE = 2**31
_LONG_AGO = pa.scalar(0, pa.int32()).cast(pa.date32())


@dataclass(frozen=True)
class Both:
    """Ties of the last release and of tonight; one of both stands twice where its node is news.

    rows: a tie a row, as TIED without person; node, value: its ends, by their places. now: it ties tonight.
    nodes, person: all nodes. news: not as the last release saw them. there: seen tonight.
    record: the places of the last release's nodes, as they were given.
    types, kind, texts, text: an identifier's type and text. bare: of tonight's nodes that are news, those without ties.
    """

    rows: pa.Table
    node: Ints
    value: Ints
    now: Flags
    nodes: pa.Array
    person: Flags
    news: Flags
    there: Flags
    record: Ints
    types: tuple[str, ...]
    kind: Ints
    texts: pa.Array
    text: Ints
    bare: pa.Table

    def nodes_of(self, values: Flags) -> Flags:
        """The nodes that any of the identifiers ties or tied."""
        found = np.zeros(len(self.nodes), dtype=bool)
        found[self.node[values[self.value]]] = True
        return found

    def values_of(self, nodes: Flags) -> Flags:
        """The identifiers that any of the nodes gives or gave."""
        found = np.zeros(len(self.kind), dtype=bool)
        found[self.value[nodes[self.node]]] = True
        return found

    def names(self, values: Ints) -> dict[str, pa.Array]:
        """`id_type` and `id_value` of identifiers."""
        types = pa.array(self.types, pa.large_string()).take(pa.array(self.kind[values]))
        return {"id_type": types, "id_value": self.texts.take(pa.array(self.text[values]))}

    def named(self, id_types: pa.ChunkedArray, id_values: pa.ChunkedArray) -> Flags:
        """Which identifiers are among those named."""
        few = flat(id_values).unique()
        width = max(len(few), 1)
        wanted = places(id_types, pa.array(self.types)) * width + places(id_values, few)
        text = places(self.texts, few)[self.text]
        flags: Flags = (text >= 0) & np.isin(self.kind * width + text, wanted)
        return flags

    def among(self, values: Flags, id_types: pa.ChunkedArray, id_values: pa.ChunkedArray) -> Flags:
        """Which of the identifiers named are among `values`."""
        own = np.flatnonzero(values)
        names = self.names(own)
        few = names["id_value"].unique()
        width = max(len(few), 1)
        wanted = self.kind[own] * width + places(names["id_value"], few)
        kind, text = places(id_types, pa.array(self.types)), places(id_values, few)
        flags: Flags = (kind >= 0) & (text >= 0) & np.isin(kind * width + text, wanted)
        return flags

    def told(self, nodes: Flags) -> pa.Table:
        """What the nodes give tonight, as transforms.identity.edges.ties tells it."""
        at = np.flatnonzero(self.now & nodes[self.node])
        tied = self.rows.take(pa.array(at)).append_column("person", pa.array(self.person[self.node[at]]))
        untied = nodes & self.there & ~self.news
        untied[self.node[at]] = False
        own = self.nodes.take(pa.array(np.flatnonzero(untied)))
        # when they last landed nobody asks of nodes that are as they were
        texts = {name: pa.nulls(len(own), pa.large_string()) for name in ("id_type", "id_value", "unfit")}
        dates = {name: pa.repeat(_LONG_AGO, len(own)) for name in ("first_seen", "last_seen")}
        silent = pa.table({"node": own, "person": pa.array(self.person[untied]), **texts, **dates})
        bare = self.bare.filter(pc.is_in(self.bare["node"], self.nodes.take(pa.array(np.flatnonzero(nodes)))))
        return pa.concat_tables([part.select(TIED.names).cast(TIED) for part in (tied, bare, silent)])


def near(
    edges: pa.Table, records: pa.Table, nodes: pa.Array, given: pa.Table, stopped: pa.Table
) -> tuple[Flags, Flags]:
    """Which of the last release's edges (TIED) and records may have to do with nodes and with the identifiers `given`.

    They are more than what these reach, and closed: of each node all edges, of each identifier all nodes, but for those
    of `stopped`, which linked nobody, that are not given. Whole customers are taken, so that the steps are few.
    given, stopped: `id_type id_value`.
    """
    asked = _giving(edges, given)
    closed = _giving(edges, stopped) & ~asked
    seen, found = np.zeros(len(edges), dtype=bool), is_in(edges["node"], nodes) | asked
    own = is_in(records["record_id"], nodes)
    while (found & ~seen).any():
        own |= is_in(records["record_id"], edges["node"].filter(pa.array(found & ~seen)).unique())
        own = is_in(records["customer_id"], records["customer_id"].filter(pa.array(own)).unique())
        rows = is_in(edges["node"], records["record_id"].filter(pa.array(own)))
        new = pa.array(rows & ~seen & ~closed)
        seen, found = rows, rows | _giving(edges, edges.filter(new))
    return seen, own


def _giving(edges: pa.Table, identifiers: pa.Table) -> Flags:
    """Which edges give any of the identifiers."""
    flags = is_in(edges["id_value"], identifiers["id_value"].unique())
    flags[flags] = is_in(_named(edges.filter(pa.array(flags))), _named(identifiers))
    return flags


def _named(identifiers: pa.Table) -> pa.ChunkedArray:
    own = (identifiers[name].cast(pa.large_string()) for name in ("id_type", "id_value"))
    return pc.binary_join_element_wise(*own, pa.scalar("\n", pa.large_string()))


def is_in(texts: pa.ChunkedArray | pa.Array, among: pa.Array | pa.ChunkedArray) -> Flags:
    """Which texts are among others."""
    kind = texts.type if among.nbytes < _WIDE else pa.large_string()
    found = pc.is_in(texts.cast(kind), flat(among).cast(kind))
    return np.array(found.to_numpy() if isinstance(found, pa.ChunkedArray) else found.to_numpy(zero_copy_only=False))


def both(
    before: pa.Table, tonight: pa.Table, touched: pa.Array, records: pa.ChunkedArray, *,
    types: tuple[str, ...], persons: Iterable[str],
) -> Both:  # fmt: skip
    """The ties of both, side by side.

    before: what nodes gave at the last release, tonight: what those of `touched` give now, as TIED but for person.
    records: all nodes of the last release. persons: the sources that tell of persons: nodes begin with their names.
    """
    tonight = tonight.select(TIED.names).cast(TIED)
    given = tonight.filter(tonight["id_type"].is_valid())
    rows = pa.concat_tables([before, given.select(before.column_names)])
    parts = [flat(part) for part in (rows["node"], tonight["node"], touched, records)]
    with ThreadPoolExecutor(2) as pool:  # Arrow's work, beside each other
        own, given_texts = pool.submit(pa.concat_arrays(parts).dictionary_encode), flat(rows["id_value"])
        texts, node_texts = given_texts.dictionary_encode(), own.result()
    nodes, code = node_texts.dictionary, node_texts.indices.to_numpy().astype(np.int64)
    node, seen, news_at, record = np.split(code, np.cumsum([len(part) for part in parts])[:-1])
    news, came = np.zeros(len(nodes), dtype=bool), np.zeros(len(nodes), dtype=bool)
    news[news_at] = True
    came[seen] = True
    width = max(len(texts.dictionary), 1)
    value, keys = pd.factorize(places(rows["id_type"], pa.array(types)) * width + texts.indices.to_numpy())
    person = reduce(pc.or_, (pc.starts_with(nodes, f"{name}:") for name in persons), pa.repeat(False, len(nodes)))
    return Both(
        rows=rows, node=node, value=value.astype(np.int64), now=~news[node] | (np.arange(len(rows)) >= len(before)),
        nodes=nodes, person=person.to_numpy(zero_copy_only=False), news=news, there=~news | came, record=record,
        types=types, kind=keys // width, texts=texts.dictionary, text=keys % width,
        bare=tonight.filter(tonight["id_type"].is_null()),
    )  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Which identifiers link nobody: of the last release's ties, and of tonight's. asked: those judged anew.

    told: of these what is not believed tonight, as `kind id_type id_value members detail`.
    """

    was: Flags
    now: Flags
    asked: Flags
    told: pd.DataFrame


def judged(ties: Both, was: Flags, identifiers: Mapping[str, Identifier]) -> Judged:
    """Judge those identifiers anew that news gives or gave, and those beside one that now links and did not, or the
    other way round: what is itself a hub does not count against a weaker one. was: which linked nobody until now."""
    asked = ties.values_of(ties.news)
    while True:
        graph = coded(ties.told(ties.nodes_of(asked)), identifiers)
        now, told = _judged_again(ties, graph, asked, was, identifiers)
        beside = asked | ties.values_of(ties.nodes_of(now != was))
        if (beside == asked).all():
            return Judged(was, now, asked, told)
        asked = beside


def _judged_again(
    ties: Both, graph: Graph, asked: Flags, was: Flags, identifiers: Mapping[str, Identifier]
) -> tuple[Flags, pd.DataFrame]:
    own = np.flatnonzero(asked)
    place = found(graph, ties, own)
    flags = np.zeros(len(graph.values) + 1, dtype=bool)
    flags[place] = True
    settled = found(graph, ties, np.flatnonzero(was & ~asked))
    believed = guard(graph, identifiers, asked=flags[:-1], stopped=settled[settled >= 0])
    told = believed.conflicts
    at = told["value"].to_numpy(dtype=np.int64)
    stopped = np.zeros(len(graph.values) + 1, dtype=bool)
    stopped[at] = True
    now = was.copy()
    now[own] = stopped[place] & (place >= 0)
    types = np.asarray(graph.types, dtype=object)[graph.value_type[at]]
    texts = graph.values.take(pa.array(at)).to_pandas()
    return now, told.assign(id_type=types, id_value=texts.to_numpy()).drop(columns="value")


def found(graph: Graph, ties: Both, values: Ints) -> Ints:
    """The places in the graph of identifiers of `ties`; -1 where it does not hold one."""
    names = ties.names(values)
    return graph.find(*(pa.chunked_array([names[name]]) for name in ("id_type", "id_value")))
