"""What of a state is one person's: the nodes, the records, and the identifiers that nobody else's records give."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.engines.state_rows import StateRows
from jobs.runtime.configuration import Configuration
from transforms.identity.manual import RECORD
from transforms.schemas import CONTACT, ENTITIES, IDENTITY_CHANGE, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, Entity, Table

Identifiers = frozenset[tuple[str, str]]
_GIVES = "right_type, right_value"
_MINE = "select node from node where mine"


@dataclass(frozen=True)
class Person:
    """customers: the id, and those that were merged into it. nodes: silver's. records: those that no identifier of the
    person's own names, without the number of a line or a copy. own: (type, value) that nobody else's records give.
    texts: other forms of them, as they were written. shared: identifiers of the person's that others' records give too.
    """

    customers: frozenset[str]
    nodes: frozenset[str]
    records: frozenset[str]
    own: Identifiers
    texts: frozenset[str] = frozenset()
    shared: Identifiers = field(default=frozenset())

    @property
    def secret(self) -> dict[str, Any]:
        """What must be known of the person until it is proven that nothing is left, as JSON holds it."""
        told = asdict(self)
        return {name: sorted(list(item) if isinstance(item, tuple) else item for item in told[name])
                for name in ("customers", "nodes", "records", "own", "texts")}  # fmt: skip

    @classmethod
    def of_secret(cls, secret: Mapping[str, Any]) -> "Person":
        customers, nodes, records, texts = (
            frozenset(secret[name]) for name in ("customers", "nodes", "records", "texts")
        )
        return cls(customers, nodes, records, frozenset((kind, value) for kind, value in secret["own"]), texts)


def person_of(rows: StateRows, conf: Configuration, customer_id: str) -> Person:
    """The person behind a customer id, as the state's silver and identity tell: every version of every record."""
    customers = _merged_into(rows, customer_id)
    rows.values("customers", v=customers)
    entities = [entity for entity in ENTITIES.values() if not entity.reference and rows.scan(entity.table.name)]
    _find_nodes(rows, entities)
    given = _identifiers(text for (text,) in rows.db.execute("select text from node where mine").fetchall())
    given |= _told(rows, LEDGER, "id_type, id_value", "customer_id in (select v from customers)")
    given |= _told(rows, IDENTITY_EDGE, _GIVES, f"rule = 'gives' and left_value in ({_MINE})")
    rows.pairs("given", given)
    others = f"rule = 'gives' and left_value not in ({_MINE}) and ({_GIVES}) in (select (kind, v) from given)"
    shared = _given_by_others(rows, given) | _told(rows, IDENTITY_EDGE, _GIVES, others)
    own = given - shared
    _claim_orphans(rows, own)
    mine = rows.db.execute("select node, text from node where mine").fetchall()
    nodes = frozenset(node for node, _ in mine)
    unnamed = [node for node, text in mine if not _identifiers([text]) & own]
    records = _unnamed_records(rows, conf, entities, unnamed)
    return Person(customers, nodes, records, own, _written(rows, own), shared)


def _merged_into(rows: StateRows, customer_id: str) -> frozenset[str]:
    """The id and those that were merged into it, as far as they have not come to life again."""
    customers, scan = {customer_id}, rows.scan(IDENTITY_CHANGE.name)
    owners = rows.scan(IDENTITY_RECORD.name)
    if scan is None or owners is None:
        return frozenset(customers)
    merges = rows.db.execute(f"select customer_id, from_ids from {scan} where kind = 'merge'").fetchall()
    alive = {owner for (owner,) in rows.db.execute(f"select distinct customer_id from {owners}").fetchall()}
    before = 0
    while before != len(customers):
        before = len(customers)
        customers |= {one for kept, ended in merges if kept in customers for one in ended or () if one not in alive}
    return frozenset(customers)


def _find_nodes(rows: StateRows, entities: Iterable[Entity]) -> None:
    """`node`: every node of any version in silver, the identifiers it gives (JSON), whose it is, and whether mine."""
    parts = []
    for entity in entities:
        # of the many rows that have one node it is told once
        text = "coalesce(cast(to_json(ids) as varchar), '{}')" if entity.person else "null"
        parts.append(f"select distinct source, _node, {text} as ids from {rows.scan(entity.table.name)}")
    owners = rows.scan(IDENTITY_RECORD.name)
    every = " union all ".join(parts) or "select null as source, null::varchar as _node, null as ids where false"
    rows.db.execute(
        f"""create or replace table node as
        select _node as node, coalesce(ids, substr(_node, length(source) + 2)) as text, owner.customer_id as owner,
            coalesce(owner.customer_id in (select v from customers), false) as mine
        from ({every}) left join (select record_id, customer_id from {owners}) owner on owner.record_id = _node
        where _node is not null"""
    )
    orphans = "select node from node where owner is null"
    if not rows.db.sql(f"{orphans} limit 1").fetchall():
        return
    for entity in entities:
        # another version of the same record, under a node that nobody owns any more
        scan = rows.scan(entity.table.name)
        if not entity.person:
            rows.db.execute(
                f"""update node set mine = true where owner is null and node in (
                select _node from (select _node, record_id from {scan} where _node in ({orphans}))
                where record_id in (select record_id from {scan} where _node in ({_MINE})))"""
            )


def _told(rows: StateRows, table: Table, columns: str, condition: str) -> Identifiers:
    """Identifiers that an identity table tells of."""
    scan = rows.scan(table.name)
    if scan is None:
        return frozenset()
    return frozenset(rows.db.execute(f"select distinct {columns} from {scan} where {condition}").fetchall())


def _identifiers(texts: Iterable[str | None]) -> Identifiers:
    return frozenset(
        (kind, value)
        for text in texts
        for kind, values in json.loads(text or "{}").items()
        for value in values
    )  # fmt: skip


def _given_by_others(rows: StateRows, given: Identifiers) -> Identifiers:
    """Which of these identifiers some record of another customer gives, in whichever version."""
    others = _texts_with(rows, given, "owner is not null and not mine")
    return _identifiers(others) & given


def _claim_orphans(rows: StateRows, own: Identifiers) -> None:
    """A version that nobody owns any more and that gives an identifier of the person's own is the person's."""
    claimed = [text for text in _texts_with(rows, own, "owner is null and not mine") if _identifiers([text]) & own]
    rows.values("claimed", v=claimed)
    rows.db.execute("update node set mine = true where owner is null and text in (select v from claimed)")


def _texts_with(rows: StateRows, pairs: Identifiers, condition: str) -> list[str]:
    """The texts of nodes in which one of the values may stand."""
    rows.values("searched", v={json.dumps(value, ensure_ascii=False)[1:-1] for _, value in pairs})
    sql = (
        f"select distinct text from node where {condition} and exists (select 1 from searched where contains(text, v))"
    )
    return [text for (text,) in rows.db.execute(sql).fetchall()]


def _unnamed_records(
    rows: StateRows, conf: Configuration, entities: Iterable[Entity], unnamed: Iterable[str]
) -> frozenset[str]:
    """The records that no identifier of the person's own names, and all that describe a person."""
    rows.values("unnamed", v=unnamed)
    found: set[str] = set()
    for entity in entities:
        condition = "_node in (select node from node where mine)" if entity.person else "_node in (from unnamed)"
        sql = f"select distinct source, record_id from {rows.scan(entity.table.name)} where {condition}"
        found.update(_bare(conf, source, record) for source, record in rows.db.execute(sql).fetchall())
    return frozenset(found)


def _bare(conf: Configuration, source: str, record: str) -> str:
    """The record as a row tells it alone: without its rank, and without which of several equal ones it is."""
    known = conf.sources.get(source)
    if known is None:
        return record
    bare = record.partition("#")[0] if known.duplicates == "keep" else record
    return bare.rpartition(":")[0] if known.ranks else bare


def _written(rows: StateRows, own: Identifiers) -> frozenset[str]:
    """E-mail addresses as mail is sent to them, which an identifier stands for."""
    from transforms.sources.standard.emails import mailbox

    scan = rows.scan(CONTACT.table.name)
    if scan is None:
        return frozenset()
    sql = f"select distinct email from {scan} where email is not null and _node in (select node from node where mine)"
    emails = (email for (email,) in rows.db.execute(sql).fetchall())
    return frozenset(email for email in emails if ("email", mailbox(email) or "") in own) - {v for _, v in own}


def pairs(person: Person) -> Iterator[tuple[str, str]]:
    """What the identity tables know the person by: identifiers, and nodes as records."""
    yield from sorted(person.own)
    yield from ((RECORD, node) for node in sorted(person.nodes))
