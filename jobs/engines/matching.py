"""Which records of persons are one person though they share no identifier, and which that share one are two people.

Only pairs that touch a new or changed record are scored, with the model of the last release; a refit estimates it
anew and scores all. The work is done by DuckDB, within a limit of memory and beyond it on disk.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from jobs.engines.blocking import Refused, block
from jobs.engines.components import components
from jobs.engines.linkage import Linkage, Model
from transforms.identity.agreement import grouped
from transforms.identity.comparing import derived, standardised
from transforms.identity.graph import Flags, Ints
from transforms.identity.matching import COLUMNS, Matching, columns_of, kinds, rules
from transforms.identity.nicknames import groups
from transforms.identity.pairs import CONTRADICTIONS, MATCH, MATCHES

_UNBELIEVED = pa.schema({"id_type": pa.string(), "id_value": pa.string()})
MEMORY = "3GB"
# Of larger groups of pairs that are sure, the pairs that no rule finds have no vote.
_WHOLE_GROUP = 500
_SPLITTERS = ("birth_date", "given_name", "family_name", "full_name", "postal_code", "street", "city", "phone", "email")


@dataclass(frozen=True)
class Matched:
    """matches: MATCHES, the former ones among them. contradictions: CONTRADICTIONS. refused: blocks not looked at.

    model: what the pairs were scored with; fitted: it was estimated just now. scored: pairs that were looked at.
    """

    matches: pa.Table
    contradictions: pa.Table
    refused: list[Refused]
    model: Model | None
    fitted: bool
    scored: int


@dataclass(frozen=True)
class Scored:
    """Pairs by the places of their records, and the probability that they are one person."""

    left: Ints
    right: Ints
    probability: Any


def meaning(matching: Matching) -> str:
    """A hash of what a model's parameters are about: another needs a fit of its own."""
    linkage = json.dumps([kinds(matching), [*_levels_of(matching)]], sort_keys=True)
    return hashlib.sha256(linkage.encode()).hexdigest()


def match(
    given: Any, matching: Matching, *,
    model: Model | None, former: pa.Table, shared: pa.Table, day: date, limit: int, key: bytes,
    identifiers: Collection[str] = (), unbelieved: pa.Table | None = None, memory: str = MEMORY,
) -> Matched:  # fmt: skip
    """Match the records of persons `given` tonight.

    given: anything with an Arrow stream: `record_id`, `changed` (new since the last release), contact's columns and
    `ids`. model: the last release's; None: estimate one, and look at every pair. former: MATCHES that stay.
    shared: `record_id, identifier`: what a record shares with others though it may be another person's.
    unbelieved: `id_type, id_value` of `identifiers` that tell nobody apart: placeholders, a shop's own phone.
    limit: records of a block. key: hides the value of a refused block.
    """
    with _connection(memory) as con:
        names = _load(con, given, matching, identifiers, unbelieved)
        linkage = Linkage(con, kinds(matching))
        whole = model is None
        refused = block(
            con, rules(matching, identifiers), columns=[name for name in _SPLITTERS if name in linkage.kinds],
            limit=limit, key=key, whole=whole,
        )  # fmt: skip
        if linkage.records < 2:
            return Matched(former, CONTRADICTIONS.empty_table(), refused, model, False, 0)
        fitted = model if model is not None else linkage.fit()
        con.register("shared", shared)
        con.execute(
            "create or replace temp table sharing as with s as (select distinct r.id, s.identifier from shared s "
            "join records r on r.record_id = s.record_id) select distinct l.id as l, r.id as r from s l join s r "
            "using (identifier) where l.id < r.id"
        ).fetchall()
        _score(linkage, fitted, "select l, r from pairs union select l, r from sharing")
        looked = int(con.execute("select count(*) from pairs").fetchall()[0][0])
        scored = _those(linkage, "pairs", f"p >= {matching.match_probability!r}")
        apart = _those(linkage, "sharing", f"p <= {1.0 - matching.match_probability!r}")
        before = _places(con, former)
        groups_ = _groups(linkage, fitted, matching.match_probability, scored, before)
        new = groups_[scored.left] == groups_[scored.right]
        together = components(*before, vertices=linkage.records)
        new &= together[scored.left] != together[scored.right]
        return Matched(
            matches=_matches(names, scored, new, former, day),
            contradictions=_contradictions(apart, groups_, names),
            refused=refused, model=fitted, fitted=whole, scored=looked,
        )  # fmt: skip


@contextmanager
def _connection(memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="portrait_matching_") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory, "temp_directory": folder}
        with duckdb.connect(str(Path(folder) / "matching.duckdb"), config=settings) as con:
            con.execute(f"set threads = {max(os.cpu_count() or 1, 1)}").fetchall()
            yield con


def _load(
    con: duckdb.DuckDBPyConnection,
    given: Any,
    matching: Matching,
    identifiers: Collection[str],
    unbelieved: pa.Table | None,
) -> pa.Array:
    """Make the table `records`; gives the record ids by place (a record's id is its place)."""
    compared = kinds(matching)
    read = {name for rule in rules(matching, identifiers).values() for name in columns_of(rule)} | compared.keys()
    con.register("given", given)
    con.register("forms", pa.table({"name": list(groups()), "groups": list(groups().values())}))
    con.execute("create or replace temp table nicknames as select * from forms").fetchall()
    con.register("named", _UNBELIEVED.empty_table() if unbelieved is None else unbelieved)
    con.execute("create or replace temp table unbelieved as select distinct id_type, id_value from named").fetchall()
    raw = ", ".join(_raw(name, identifiers) for name in sorted(read))
    columns = ", ".join(f"{standardised(name, compared.get(name))} as {name}" for name in sorted(read))
    beside = "".join(f", {sql} as {name}" for name, sql in derived(compared).items())
    con.execute(
        "create or replace table records as with "
        f"raw as (select record_id, changed, {raw} from given), "
        f"clean as (select cast(row_number() over (order by record_id) - 1 as integer) as id, record_id, changed, "
        f"{columns} from raw) select *{beside} from clean order by id"
    ).fetchall()
    con.unregister("given")
    return con.sql("select record_id from records order by id").to_arrow_table()["record_id"].combine_chunks()


def _raw(name: str, identifiers: Collection[str]) -> str:
    """A column of contact, or the first value of an identifier type; NULL where it is one that tells nobody."""
    if name == "given_name":
        # one word in place of a name is a first name: that is all some accounts give
        alone = "family_name is null and full_name not like '% %'"
        return f"coalesce(given_name, case when {alone} then full_name end) as given_name"
    value = f'"{name}"' if name in COLUMNS else f"list_min(ids['{name}'])"
    if name not in identifiers:
        return f'{value} as "{name}"'
    stopped = f"(select id_value from unbelieved where id_type = '{name}')"
    return f'case when {value} not in {stopped} then {value} end as "{name}"'


def _levels_of(matching: Matching) -> Iterator[str]:
    from transforms.identity.comparing import comparison

    compared = kinds(matching)
    for column, kind in compared.items():
        for level in comparison(column, kind, compared)["comparison_levels"]:
            yield level["sql_condition"]


def _score(linkage: Linkage, model: Model, pairs: str) -> None:
    """Make the table `probable` (l, r, p) of pairs, as SQL gives them: how probably they are one person."""
    linkage.con.execute(f"create or replace temp table asked as {pairs}").fetchall()
    linkage.score(model, "asked")
    stay, moved, home = linkage.weights(model).tolist()
    power = {name: f"pow(2.0, greatest(-60.0, least(60.0, {name})))" for name in "PHA"}
    one = f"{power['P']} * {power['H']} * ({stay!r} * {power['A']} + {moved!r})"
    other = f"{home!r} * {power['H']} * {power['A']} + {1.0 - stay - moved - home!r}"
    linkage.con.execute(
        f"create or replace temp table probable as with s as (select l, r, {one} as one, {other} as other from scored) "
        "select l, r, one / (one + other) as p from s"
    ).fetchall()


def _those(linkage: Linkage, table: str, where: str) -> Scored:
    """The pairs of a table whose probability meets a condition on `p`, ordered. They are among those of `probable`."""
    rows = linkage.con.execute(
        f"select l, r, p from probable semi join {table} using (l, r) where {where} order by l, r"
    ).fetchnumpy()
    left, right = (np.asarray(rows[side], dtype=np.int64) for side in ("l", "r"))
    return Scored(left, right, np.clip(np.asarray(rows["p"], dtype=np.float64), 1e-12, 1.0 - 1e-12))


def _places(con: duckdb.DuckDBPyConnection, pairs: pa.Table) -> tuple[Ints, Ints]:
    """The places of pairs of record ids; pairs of which one is not among tonight's records are left out."""
    con.register("named", pairs)
    rows = con.execute(
        'select l.id as l, r.id as r from named n join records l on l.record_id = n."left" '
        'join records r on r.record_id = n."right" order by all'
    ).fetchnumpy()
    return np.asarray(rows["l"], dtype=np.int64), np.asarray(rows["r"], dtype=np.int64)


def _groups(linkage: Linkage, model: Model, sure: float, scored: Scored, before: tuple[Ints, Ints]) -> Ints:
    """The group of each record. All pairs of what the sure ones hold together have a vote, whether a rule found them
    or not."""
    held = components(
        np.concatenate([scored.left, before[0]]), np.concatenate([scored.right, before[1]]), vertices=linkage.records
    )
    touched = np.zeros(int(held.max(initial=-1)) + 1, dtype=bool)
    touched[held[scored.left]] = True
    sizes = np.bincount(held, minlength=len(touched))
    members = np.flatnonzero((touched & (sizes > 2))[held])
    together = _smallest(components(*before, vertices=linkage.records))
    votes = [scored]
    if len(members):
        parts = pa.table({"id": members, "part": held[members], "size": sizes[held[members]]})
        linkage.con.register("held", parts)
        _score(
            linkage, model, "select cast(l.id as integer) as l, cast(r.id as integer) as r "
            f"from held l join held r using (part) where l.id < r.id and l.size <= {_WHOLE_GROUP} union all "
            f"select p.l, p.r from pairs p join held a on a.id = p.l and a.size > {_WHOLE_GROUP} "
            "join held b on b.id = p.r and b.part = a.part",
        )  # fmt: skip
        small = ~np.isin(held[scored.left], held[members])
        votes = [
            Scored(scored.left[small], scored.right[small], scored.probability[small]),
            _those(linkage, "asked", "true"),
        ]
    left, right = (np.concatenate([getattr(vote, side) for vote in votes]) for side in ("left", "right"))
    probabilities = np.concatenate([vote.probability for vote in votes])
    chance = float(linkage.weights(model)[:2].sum())
    return grouped(left, right, probabilities, sure=sure, chance=chance, together=together)


def _smallest(part: Ints) -> Ints:
    """Components named by their smallest member instead."""
    first = np.full(int(part.max(initial=-1)) + 1, len(part), dtype=np.int64)
    np.minimum.at(first, part, np.arange(len(part)))
    return first[part]


def _matches(names: pa.Array, scored: Scored, new: Flags, former: pa.Table, day: date) -> pa.Table:
    left, right = names.take(pa.array(scored.left[new])), names.take(pa.array(scored.right[new]))
    number = len(left)
    found = pa.table(
        [left, right, [MATCH] * number, scored.probability[new], [day] * number, [day] * number], schema=MATCHES
    )
    return pa.concat_tables([former.cast(MATCHES), found]).sort_by([("left", "ascending"), ("right", "ascending")])


def _contradictions(found: Scored, groups_: Ints, names: pa.Array) -> pa.Table:
    """Pairs that share an identifier and are as surely two people as a match is one."""
    apart = groups_[found.left] != groups_[found.right]
    detail = [f"they share an identifier, but are one person with a probability of {p:.4f}" for p in
              found.probability[apart].tolist()]  # fmt: skip
    columns = [names.take(pa.array(found.left[apart])), names.take(pa.array(found.right[apart])), detail]
    return pa.table(columns, schema=CONTRADICTIONS)
