"""What of the identity graph is worked out tonight: all of it, or the part that the news reaches.

A part holds whole components and whole customers of the last release: nothing outside it can come out otherwise than it
did. What is told of the rest is carried over. The result is the same whichever way it is come by.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds

from jobs.engines.components import components
from jobs.engines.matching import Matched
from jobs.engines.tonights_matches import STRONGEST, shared, tonights_matches, unbelieved
from jobs.engines.tonights_ties import News, released, tonights_ties
from jobs.runtime.night import Night
from transforms.identity.edge_table import GIVES
from transforms.identity.graph import Flags, Graph, Ints, coded, places
from transforms.identity.guards import Believed, guard
from transforms.identity.manual import RECORD, Decisions
from transforms.identity.pairs import MATCH, MATCHES, RULES, SAME, standing
from transforms.identity.reach import TIED, Both, Judged, both, found, is_in, judged, near
from transforms.schemas import ENTITIES, IDENTITY_CONFLICT, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER

NOTHING = ("kind", "id_type", "id_value", "members", "detail")


@dataclass(frozen=True)
class Before:
    """A table of the last release. part: which of its rows are of what is worked out tonight; the rest stays."""

    rows: pa.Table
    part: Flags

    @property
    def own(self) -> pa.Table:
        return self.rows.filter(pa.array(self.part))


@dataclass(frozen=True)
class Part:
    """What is worked out tonight, and the last release beside it.

    touched: the nodes that are not as the last release saw them; None: everything is worked out.
    pairs: the last release's identity/edge between two records or identifiers. edge: the ties that records give.
    its_ids: the rows of the ledger that tell of ids which what is worked out has or could take back.
    told: what is not believed of identifiers that were judged beforehand, and what else is carried over, as
    `kind id_type id_value members detail`. customers: the last release's gold/customer, where not all is worked out.
    """

    graph: Graph
    believed: Believed
    matched: Matched
    touched: pa.Array | None
    edge: Before
    pairs: pa.Table
    record: Before
    ledger: Before
    its_ids: Flags
    told: pd.DataFrame
    customers: pa.Table


def tonights_part(night: Night) -> Part:
    """Tonight's ties as far as they are worked out. Raises PortraitError where silver holds no records to link."""
    tied = tonights_ties(night)
    return _reached(night, tied) if isinstance(tied, News) else _whole(night, tied)


def _whole(night: Night, ties: pa.Table) -> Part:
    identifiers = night.conf.identity.identifiers
    graph = coded(ties, identifiers)
    believed = guard(graph, identifiers)
    pairs = released(night, IDENTITY_EDGE, ds.field("rule").isin(RULES))
    matched = tonights_matches(
        night, standing(pairs, graph),
        shared=partial(shared, graph, believed), unbelieved=partial(unbelieved, graph, believed),
    )  # fmt: skip
    record, ledger = released(night, IDENTITY_RECORD), released(night, LEDGER)
    return Part(
        graph=graph, believed=believed, matched=matched, touched=None, edge=_all_of(pairs.slice(0, 0)), pairs=pairs,
        record=_all_of(record), ledger=_all_of(ledger), its_ids=np.ones(len(ledger), dtype=bool),
        told=pd.DataFrame(columns=list(NOTHING)), customers=record.slice(0, 0),
    )  # fmt: skip


def _all_of(rows: pa.Table) -> Before:
    return Before(rows, np.ones(len(rows), dtype=bool))


def _reached(night: Night, news: News) -> Part:
    """Judge the identifiers around the news, match, and take the components that any of it is in."""
    identifiers = night.conf.identity.identifiers
    edges, record, ledger = news.edges, news.record, news.ledger
    pairs = edges.filter(pc.not_equal(edges["rule"], GIVES))
    conflict = _last_conflicts(night)
    ties, judgement, mine = _judged(night, news, conflict)
    matched = tonights_matches(
        night, _standing(pairs, ties, night),
        shared=partial(_shared, ties, judgement, night), unbelieved=partial(_unbelieved, ties, judgement),
    )  # fmt: skip
    started = _started(ties, judgement, pairs, matched, night.conf.decisions)
    if night.conf.identity.matching:  # what parted these may have said so for the last time
        started |= _parted(ties, conflict)
    reach = _reach(ties, judgement, started, pairs, matched)
    graph = coded(ties.told(reach), identifiers)
    stopped = found(graph, ties, np.flatnonzero(judgement.now))
    nobody = np.zeros(len(graph.values), dtype=bool)
    own = ties.nodes.take(pa.array(np.flatnonzero(reach)))
    values = ties.values_of(reach)
    mine[mine] = reach[ties.record]
    part = ties.among(values, ledger["id_type"], ledger["id_value"])
    return Part(
        graph=graph,
        believed=guard(graph, identifiers, asked=nobody, stopped=stopped[stopped >= 0]),
        matched=matched,
        touched=news.touched,
        edge=Before(edges, _ends(edges, ties.nodes.take(pa.array(np.flatnonzero(ties.news))), own)),
        pairs=pairs,
        record=Before(record, mine),
        ledger=Before(ledger, part),
        its_ids=_of_ids(ledger, part, record, mine),
        told=_carried(conflict, ties, judgement, values, own),
        customers=news.customers,
    )


def _judged(night: Night, news: News, conflict: pa.Table) -> tuple[Both, Judged, Flags]:
    """The ties near the news, which of their identifiers link, and the rows of identity/record that are near.

    Where matching asks what all records share, all are near. An identifier that linked nobody leads on only where it is
    judged anew, and that the judgement of others may ask for.
    """
    identifiers, texts = night.conf.identity.identifiers, pa.array(_texts(night.conf.decisions), pa.large_string())
    edges, record = news.edges.select(list(_NAMES)).rename_columns(_NAMES), news.record
    stopped = conflict.filter(pc.is_in(conflict["kind"], pa.array(["hub", "blocked"])))
    gives = pc.equal(news.edges["rule"], GIVES).to_numpy()
    nodes = pa.concat_arrays([news.touched.cast(pa.large_string()), texts])
    asked = edges.filter(pa.array(is_in(edges["node"], nodes) | is_in(edges["id_value"], texts)))
    given = pa.concat_tables([asked, news.ties], promote_options="permissive")
    rows, mine = np.ones(len(edges), dtype=bool), np.ones(len(record), dtype=bool)
    while True:
        if night.conf.identity.matching is None:
            rows, mine = near(edges, record, nodes, given, stopped)
        ties = both(
            _given(edges.filter(pa.array(rows & gives))), news.ties, news.touched,
            record["record_id"].filter(pa.array(mine)), types=tuple(sorted(identifiers)), persons=_persons(night),
        )  # fmt: skip
        was = ties.named(stopped["id_type"], stopped["id_value"])
        judgement = judged(ties, was, identifiers)
        further = np.flatnonzero(judgement.asked & was & ~ties.named(given["id_type"], given["id_value"]))
        if rows.all() or not len(further):
            return ties, judgement, mine
        given = pa.concat_tables([given, pa.table(ties.names(further))], promote_options="permissive")


def _given(edges: pa.Table) -> pa.Table:
    """Ties that records gave, as both sides of transforms.identity.reach have them."""
    return edges.append_column("unfit", pa.nulls(len(edges), pa.string())).select(_ROWS.names).cast(_ROWS)


_NAMES = {"left_value": "node", "right_type": "id_type", "right_value": "id_value"}
_NAMES |= {name: name for name in ("first_seen", "last_seen")}
_ROWS = pa.schema([field for field in TIED if field.name != "person"])


def _persons(night: Night) -> list[str]:
    return [name for name, source in night.conf.sources.items() if ENTITIES[source.entity].person]


def _last_conflicts(night: Night) -> pa.Table:
    assert night.base is not None  # noqa: S101  (without a release nothing is news)
    return released(night, IDENTITY_CONFLICT, ds.field("date") == pa.scalar(night.base.date))


def _texts(decisions: Decisions) -> list[str]:
    every = [*decisions.same, *decisions.different]
    return sorted({form for told in every for _, forms in (told.left, told.right) for form in forms})


def _standing(pairs: pa.Table, ties: Both, night: Night) -> pa.Table:
    """The matches of the last release that still hold."""
    if not pc.any(pc.equal(pairs["rule"], MATCH)).as_py():
        return MATCHES.empty_table()
    ends = np.zeros(len(ties.nodes) + 1, dtype=bool)
    for side in ("left", "right"):
        ends[places(pairs[f"{side}_value"], ties.nodes)] = True
    return standing(pairs, coded(ties.told(ends[:-1]), night.conf.identity.identifiers))


def _shared(ties: Both, judgement: Judged, night: Night) -> pa.Table:
    """As `shared` tells it of the whole graph."""
    identifiers = night.conf.identity.identifiers
    weak = np.array([identifiers[name].priority > STRONGEST for name in ties.types], dtype=bool)
    links = ties.now & ties.person[ties.node] & weak[ties.kind[ties.value]] & ~judgement.now[ties.value]
    at = np.flatnonzero(links)
    return pa.table({"record_id": ties.nodes.take(pa.array(ties.node[at])), "identifier": ties.value[at]})


def _unbelieved(ties: Both, judgement: Judged) -> pa.Table:
    """As `unbelieved` tells it of the whole graph."""
    tonight = np.zeros(len(ties.kind), dtype=bool)
    tonight[ties.value[ties.now]] = True
    return pa.table(ties.names(np.flatnonzero(tonight & judgement.now)))


def _started(ties: Both, judgement: Judged, pairs: pa.Table, matched: Matched, decisions: Decisions) -> Flags:
    """The nodes at which something is not as it was: news, an identifier that begins or ceases to link, a match that
    is new or ended, a pair apart, or what is decided by hand."""
    started = ties.news | ties.nodes_of(judgement.was != judgement.now)
    named = pa.array(_texts(decisions), pa.large_string())
    started |= is_in(ties.nodes, named)
    started |= ties.nodes_of(is_in(ties.texts, named)[ties.text])
    old, new = (_pairs(ties, rows) for rows in (_matches(pairs), matched.matches))
    size = len(ties.nodes) + 1
    changed = np.setxor1d(old[0] * size + old[1], new[0] * size + new[1])
    ends = np.concatenate([changed // size, changed % size, *_pairs(ties, matched.contradictions)])
    started[ends[ends >= 0]] = True
    return started


def _matches(pairs: pa.Table) -> pa.Table:
    own = pairs.filter(pc.equal(pairs["rule"], MATCH))
    return pa.table({side: own[f"{side}_value"] for side in ("left", "right")})


def _pairs(ties: Both, rows: pa.Table) -> tuple[Ints, Ints]:
    return places(rows["left"], ties.nodes), places(rows["right"], ties.nodes)


def _parted(ties: Both, conflict: pa.Table) -> Flags:
    """The nodes around ties that were cut at the last release."""
    cut = conflict.filter(pc.equal(conflict["kind"], "cut"))
    nodes = cut["id_value"].filter(pc.equal(cut["id_type"], RECORD))
    return ties.nodes_of(ties.named(cut["id_type"], cut["id_value"])) | is_in(ties.nodes, nodes)


def _reach(ties: Both, judgement: Judged, started: Flags, pairs: pa.Table, matched: Matched) -> Flags:
    """The nodes of every component, of the last release or of tonight, that something started in."""
    old, new = (_pairs(ties, rows) for rows in (_matches(pairs), matched.matches))
    left, right = np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]])
    seen = (left >= 0) & (right >= 0)
    links = ~(judgement.was & judgement.now)[ties.value]
    nodes = len(ties.nodes)
    part = components(
        np.concatenate([ties.node[links], left[seen]]),
        np.concatenate([nodes + ties.value[links], right[seen]]),
        vertices=nodes + len(ties.kind),
    )[:nodes]
    reached = np.zeros(int(part.max(initial=-1)) + 1, dtype=bool)
    reached[part[started]] = True
    flags: Flags = reached[part]
    return flags


def _ends(edges: pa.Table, news: pa.Array, own: pa.Array) -> Flags:
    """The rows of identity/edge that do not stay as they are for certain: what is new gives, pairs within the part."""
    kind = edges["rule"]
    gives = pc.equal(kind, GIVES).to_numpy()
    left = edges["left_value"]
    flags: Flags = np.where(gives, is_in(left, news), pc.equal(kind, SAME).to_numpy() | is_in(left, own))
    return flags


def _of_ids(ledger: pa.Table, part: Flags, record: pa.Table, mine: Flags) -> Flags:
    """The ledger's rows of ids that the part has or could take back; an id that others have tonight is not for it."""
    ids = record["customer_id"].filter(pa.array(mine)).unique()
    once = ledger["customer_id"].filter(pa.array(part)).unique()
    once = once.filter(pc.invert(pc.is_in(once, ids)))
    elsewhere = record["customer_id"].filter(pa.array(is_in(record["customer_id"], once)))
    back = once.filter(pc.invert(pc.is_in(once, elsewhere.unique())))
    return is_in(ledger["customer_id"], pa.concat_arrays([ids.cast(pa.large_string()), back.cast(pa.large_string())]))


def _carried(conflict: pa.Table, ties: Both, judgement: Judged, values: Flags, own: pa.Array) -> pd.DataFrame:
    """What was not believed at the last release and is not looked at again, and what was judged tonight."""
    kind, id_type = conflict["kind"], conflict["id_type"]
    of_value = pc.is_in(kind, pa.array(["hub", "blocked"])).to_numpy()
    again = np.where(
        of_value,
        ties.among(judgement.asked, id_type, conflict["id_value"]),
        ties.among(values, id_type, conflict["id_value"]),
    )
    again |= pc.equal(id_type, RECORD).to_numpy() & is_in(conflict["id_value"], own)
    # decisions and blocks are told anew each night
    again |= ~np.isin(id_type.to_numpy(zero_copy_only=False), [*ties.types, RECORD])
    again |= pc.equal(kind, "unheard").to_numpy()
    kept = conflict.filter(pa.array(~again)).select(list(NOTHING)).to_pandas()
    carried: pd.DataFrame = pd.concat([kept, judgement.told[list(NOTHING)]], ignore_index=True)
    return carried
