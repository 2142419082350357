"""Who entered and left an audience between two releases, and why: a tag, a consent, a merge, the definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.runtime.configuration import Configuration
from jobs.runtime.duck import connect
from jobs.runtime.reader import Reader
from jobs.runtime.releases import Release
from transforms.audience_sql import consent_sql
from transforms.audiences import reached
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.expressions import canonical_names_in
from transforms.profile import PROFILE
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, IDENTITY_CHANGE
from transforms.tags.changes import quoted, text_of

_MOVED = """
create temp table moved as
select coalesce(n.customer_id, b.customer_id) as customer_id, b.arm as was, n.arm as "is"
from before_member b full join now_member n using (customer_id) where b.arm is distinct from n.arm
"""


@dataclass(frozen=True)
class Moves:
    """Members at both ends, and why -> customers of those who entered, left, or changed arms."""

    before: int
    now: int
    entered: dict[str, int]
    left: dict[str, int]
    arms: dict[str, int]


def moves(reader: Reader, conf: Configuration, name: str, earlier: Release) -> Moves:
    """The moves of an audience between an earlier release and the newest. Raises DefinitionError for an unknown one."""
    ends = {"before": earlier, "now": reader.release}
    told = {end: _told(reader, release, name) for end, release in ends.items()}
    if not any(told.values()):
        rows = reader.where(GOLD_AUDIENCE, ds.field("date") == ds.scalar(reader.release.date), ["audience"])
        hint = nearest(name, {row["audience"] for row in rows})
        raise DefinitionError(f"{name}: neither release {earlier.release} nor {reader.release.release} has it{hint}")
    with connect() as duck:
        for end, release in ends.items():
            _register(duck, reader, release, name, end)
        duck.execute(_MOVED)
        duck.register("ended", _ended(reader, earlier))
        reason = _reason(duck, conf, name, told)
        sizes = duck.execute(
            "select (select count(*) from before_member), (select count(*) from now_member)"
        ).fetchone()
        entered = _counted(duck, reason, '"is" is not null and was is null')
        left = _counted(duck, reason, 'was is not null and "is" is null')
        arms = _counted(
            duck, "was || ' to ' || \"is\" || ': its holdout changed'", 'was is not null and "is" is not null'
        )
    assert sizes  # noqa: S101  (one row)
    return Moves(sizes[0], sizes[1], entered, left, arms)


def _told(reader: Reader, release: Release, name: str) -> Mapping[str, Any] | None:
    """The audience's row of gold/audience in a release."""
    version = release.versions.get(GOLD_AUDIENCE.name)
    if version is None:
        return None
    rows = reader.lakehouse.rows(GOLD_AUDIENCE, version)
    return next((row for row in rows if row["audience"] == name and row["date"] == release.date), None)


def _register(duck: duckdb.DuckDBPyConnection, reader: Reader, release: Release, name: str, end: str) -> None:
    for view, table in (
        ("profile", PROFILE),
        ("customer", GOLD_CUSTOMER.name),
        ("_members", GOLD_AUDIENCE_MEMBER.name),
    ):
        duck.register(f"{end}_{view}", reader.lakehouse.dataset(table, release.versions[table]))
    duck.execute(
        f"create temp table {end}_member as select customer_id, arm from {end}__members where audience = ?", [name]
    )


def _ended(reader: Reader, earlier: Release) -> pa.Table:
    """customer_id, kind: ids that were merged into another, or split off, since the earlier release."""
    changes = reader.dataset(IDENTITY_CHANGE)
    since = (ds.field("date") >= earlier.date) & ds.field("kind").isin(["merge", "split"])
    rows = changes.to_table(["kind", "customer_id", "from_ids"], filter=since).to_pylist() if changes else []
    found = {row["customer_id"]: "split" for row in rows if row["kind"] == "split"}
    found |= {one: "merge" for row in rows if row["kind"] == "merge" for one in row["from_ids"] or []}
    return pa.table(
        {"customer_id": pa.array(list(found), pa.string()), "kind": pa.array(list(found.values()), pa.string())}
    )


def _reason(
    duck: duckdb.DuckDBPyConnection, conf: Configuration, name: str, told: Mapping[str, Mapping[str, Any] | None]
) -> str:
    """SQL that says why a moved customer moved: the first of these that holds."""
    before, now = told["before"], told["now"]
    if before is None or now is None:
        return f"'the audience is {'new' if before is None else 'gone'}'"
    withheld = [
        f"'it {word} withheld: too small'"
        for row, word in ((before, "was"), (now, "is"))
        if "too_small" in row["left_out"]
    ]
    if withheld:
        return withheld[-1]
    purpose = conf.privacy.purposes.get(now["purpose"])
    allowed = {end: consent_sql(purpose, now["purpose"], f"{end}_consents") if purpose else "true" for end in told}
    tags = _changed_tags(duck, conf, name, (before["rule"], now["rule"]))
    definition = "'the definition changed'" if before["definition"] != now["definition"] else "null"
    return (
        "case when not there_before then if(kind = 'split', 'split off from another customer', 'a new customer') "
        "when not there_now then if(kind = 'merge', 'merged into another customer', 'the customer ended') "
        f"when {allowed['before']} and not {allowed['now']} then 'consent withdrawn' "
        f"when {allowed['now']} and not {allowed['before']} then 'consent given' "
        f"when {tags} <> '' then 'tag ' || {tags} else coalesce({definition}, 'another reason') end"
    )


def _changed_tags(
    duck: duckdb.DuckDBPyConnection, conf: Configuration, name: str, rules: tuple[str | None, str | None]
) -> str:
    """SQL of the tags that the rule looks at, through all that it is built on, and that changed, as one text."""
    built_on = [conf.audiences[one].where for one in reached(name, conf.audiences)] if name in conf.audiences else []
    names = frozenset[str]().union(*(canonical_names_in(rule) for rule in [*rules, *built_on] if rule))
    for end in ("before", "now"):
        names &= {row[0] for row in duck.execute(f"describe {end}_profile").fetchall()}
    changed = [f"if(b.{quoted(one)} is distinct from n.{quoted(one)}, {text_of(one)}, null)" for one in sorted(names)]
    return (
        f"array_to_string(list_filter([{', '.join(changed)}], lambda one: one is not null), ', ')" if changed else "''"
    )


def _counted(duck: duckdb.DuckDBPyConnection, reason: str, which: str) -> dict[str, int]:
    joined = (
        "select m.*, e.kind, b.customer_id is not null as there_before, n.customer_id is not null as there_now, "
        "bc.consents as before_consents, nc.consents as now_consents, b, n from moved m "
        "left join before_profile b using (customer_id) left join now_profile n using (customer_id) "
        "left join before_customer bc using (customer_id) left join now_customer nc using (customer_id) "
        f"left join ended e using (customer_id) where {which}"
    )
    return dict(
        duck.execute(f"select {reason} as why, count(*) from ({joined}) group by all having count(*) > 0").fetchall()
    )
