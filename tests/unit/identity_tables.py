"""Small literal identity graphs for the tests."""

from datetime import date

import pandas as pd
import pyarrow as pa

from jobs.engines.linking import Linked, link
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.identity.definition import Identifier
from transforms.identity.graph import Graph, coded
from transforms.identity.guards import Believed, guard
from transforms.identity.manual import Decision, Decisions
from transforms.identity.pairs import CONTRADICTIONS, MATCHES, Pairs, paired
from transforms.identity.stable_ids import Ids, Past, assign, remember
from transforms.schemas import IDENTITY_EDGE, Table

DAY = date(2026, 3, 10)
KEY = "k" * 32
_IDENTIFIER = {"id_type": pa.string(), "id_value": pa.string()}
TIES = pa.schema(
    {"node": pa.string(), "person": pa.bool_(), **_IDENTIFIER, "unfit": pa.string()}
    | {"first_seen": pa.date32(), "last_seen": pa.date32()}
)
RECORD = pa.schema([("record_id", pa.string()), ("customer_id", pa.string())])
LEDGER = pa.schema(
    {**_IDENTIFIER, "customer_id": pa.string(), "known": pa.bool_(), "valid_from": pa.date32(), "valid_to": pa.date32()}
)


def save_rows(night: Night, table: Table, rows: list[dict]) -> None:
    """A table of the night in place of what it held, without Spark; columns that a row does not tell are NULL."""
    whole = [{name: row.get(name) for name in table.names} for row in rows]
    night.save(pa.Table.from_pylist(whole, arrow_schema(table)), table)


def identifiers(**types) -> dict[str, Identifier]:
    """`identifiers(email=2, phone={"priority": 3, "max_linked": 4})`."""
    return {
        name: Identifier.model_validate(given if isinstance(given, dict) else {"priority": given})
        for name, given in types.items()
    }


def ties(given: dict, *, seen=DAY) -> pa.Table:
    """`{"crm:1": "crm_id=1 email=a"}`; a node with a brace in its name is no person. A value may tell its own days."""
    rows = []
    for node, text in given.items():
        texts = text.split() if isinstance(text, str) else text
        days = seen if isinstance(seen, dict) else {}
        first, last = days.get(node, (DAY, DAY)) if isinstance(seen, dict) else (seen, seen)
        for part in texts or [None]:
            kind, value = part.split("=", 1) if part else (None, None)
            rows.append((node, "{" not in node, kind, value, None, first, last))
    return pa.Table.from_pylist([dict(zip(TIES.names, row, strict=True)) for row in rows], TIES)


def linked(
    given: dict | pa.Table, types: dict[str, Identifier], *,
    same=(), different=(), matches=(), contradictions=(), **more,
) -> tuple[Graph, Believed, Linked]:  # fmt: skip
    """same, different: pairs such as `("crm:1", "email=a")`. matches: (left, right, probability[, first day])."""
    graph = coded(given if isinstance(given, pa.Table) else ties(given, **more), types)
    believed = guard(graph, types)
    return graph, believed, link(graph, believed, types, pairs(graph, same, different, matches, contradictions))


def pairs(graph: Graph, same=(), different=(), matches=(), contradictions=(), before=None) -> Pairs:
    rows = [(left, right, "match", weight, *(days or [DAY]) * 2) for left, right, weight, *days in matches]
    return paired(
        graph,
        decisions(same, different),
        pa.Table.from_pylist([dict(zip(MATCHES.names, row, strict=False)) for row in rows], MATCHES),
        pa.Table.from_pylist(
            [dict(zip(CONTRADICTIONS.names, row, strict=True)) for row in contradictions], CONTRADICTIONS
        ),
        before=edge_rows() if before is None else before,
        day=DAY,
    )


def decisions(same=(), different=()) -> Decisions:
    def read(said, name: str) -> tuple[Decision, ...]:
        return tuple(Decision(*map(_vertex, pair), f"{name}.csv:{line}") for line, pair in enumerate(said, 2))

    return Decisions(read(same, "same"), read(different, "different"))


def _vertex(text: str):
    kind, mark, value = text.rpartition("=")
    return (kind, (value,)) if mark else ("record", (value,))


def edge_rows(*rows: tuple) -> pa.Table:
    """identity/edge: left, right (as `_vertex` reads them), rule, first and last day."""
    told = []
    for left, right, rule, first, last in rows:
        (left_type, (left_value,)), (right_type, (right_value,)) = _vertex(left), _vertex(right)
        values = (left_type, left_value, right_type, right_value, rule, 1.0, left.partition(":")[0], first, last)
        told.append(dict(zip(IDENTITY_EDGE.names, values, strict=True)))
    return pa.Table.from_pylist(told, arrow_schema(IDENTITY_EDGE))


def groups(given: dict | pa.Table, types: dict[str, Identifier], **more) -> set[frozenset[str]]:
    """Which nodes are one customer."""
    graph, _, found = linked(given, types, **more)
    nodes = pd.Series(graph.nodes.to_pylist()).groupby(found.part).agg(frozenset)
    return set(nodes)


def told(graph: Graph, conflicts: pd.DataFrame) -> list[tuple]:
    """Conflicts as (kind, type, value, members), in order."""
    types = [*(graph.types[kind] for kind in graph.value_type), *["record"] * len(graph.nodes)]
    values = [*graph.values.to_pylist(), *graph.nodes.to_pylist()]
    return sorted((row.kind, types[row.value], values[row.value], int(row.members)) for row in conflicts.itertuples())


def night(
    given: dict, types: dict[str, Identifier], *, record: dict | None = None, ledger: list | None = None, day=DAY
) -> tuple[dict[str, str], list[tuple], Past, Ids]:
    """A night after a release: node -> customer id, and the changes as (kind, customer_id, from_ids)."""
    graph, _, found = linked(given, types)
    rows = [dict(zip(RECORD.names, item, strict=True)) for item in (record or {}).items()]
    owned = [dict(zip(LEDGER.names, item, strict=True)) for item in ledger or []]
    before = pa.Table.from_pylist(owned, LEDGER)
    past = remember(
        graph, pa.Table.from_pylist(rows, RECORD), before, graph.find(before["id_type"], before["id_value"])
    )
    ids = assign(found.part, found.owner, graph, past, keys=[KEY], day=day)
    names = ids.customer.to_pylist()
    customers = {node: names[part] for node, part in zip(graph.nodes.to_pylist(), found.part, strict=True)}
    changes = [(row.kind, row.customer_id, row.from_ids) for row in ids.changes.itertuples()]
    return customers, changes, past, ids
