"""`portrait show ID`: one customer, read from the newest release without Spark."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from jobs.runtime.clock import end_of
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.releases import Release, newest
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.identity.written import forms
from transforms.schemas import ENTITIES, Entity

LATEST_STEPS = 12
_NOT_STEPS = ("consent",)
# What is shown of a step: no free text, no addresses.
_ABOUT = {
    "transaction": ("order_id", "category", "amount", "status"),
    "web_event": ("event_type", "path", "device_type"),
    "social_activity": ("platform", "action", "topics"),
    "campaign_event": ("campaign_id", "channel", "event"),
    "service_ticket": ("ticket_id", "channel", "category", "status"),
    "survey_response": ("survey_id", "score"),
    "interaction": ("channel", "kind"),
}


def show_customer(conf: Configuration, identifier: str, screen: Screen) -> None:
    """Print the customer. Raises DefinitionError where nobody has that identifier, or no night was released."""
    lakehouse = Lakehouse(conf.lakehouse)
    release = newest(lakehouse)
    if release is None:
        raise DefinitionError(f"{lakehouse.uri}: no night is released yet; portrait run --date YYYY-MM-DD")
    reader = _Reader(lakehouse, release, conf.pipeline.timezone)
    customer_id = _resolve(reader, conf, identifier)
    found = _customer(reader, conf, customer_id)
    _print(found, screen)
    screen.result(found)


class _Reader:
    """Tables of one release as Arrow, filtered while they are read."""

    def __init__(self, lakehouse: Lakehouse, release: Release, timezone: str) -> None:
        self.lakehouse = lakehouse
        self.release = release
        self.release_end = end_of(release.date, timezone)

    def where(self, table: str, condition: ds.Expression, columns: list[str] | None = None) -> list[dict[str, Any]]:
        if table not in self.release.versions:
            return []
        found = self.lakehouse.dataset(table, self.release.versions[table])
        if found is None:
            return []
        read: pa.Table = found.to_table(filter=condition, columns=columns)
        rows: list[dict[str, Any]] = read.to_pylist(maps_as_pydicts="lossy")
        return rows


def _resolve(reader: _Reader, conf: Configuration, identifier: str) -> str:
    """The customer id behind an id or `type:value`, a retired id included."""
    kind, colon, value = identifier.partition(":")
    if not colon:
        return _living(reader, identifier)
    current = ds.field("valid_to").is_null() & (ds.field("id_type") == kind)
    countries = [source.country for source in conf.sources.values()]
    for candidate in dict.fromkeys(forms(kind, value, countries)):
        owners = reader.where("identity/customer_id", current & (ds.field("id_value") == candidate))
        if owners:
            return str(owners[0]["customer_id"])
    raise DefinitionError(
        f"{kind}: no customer has this {kind} as of {reader.release.date}; "
        f"identifier types are {', '.join(conf.identity.identifiers)}"
    )


def _living(reader: _Reader, customer_id: str) -> str:
    """The id itself, or the one that it was merged into."""
    for _ in range(100):  # a chain of merges, however long, ends
        if reader.where("identity/record", ds.field("customer_id") == customer_id, ["customer_id"]):
            return customer_id
        merges = reader.where("identity/change", ds.field("kind") == "merge", ["customer_id", "from_ids", "date"])
        into = [row for row in merges if customer_id in (row["from_ids"] or [])]
        if not into:
            break
        customer_id = max(into, key=lambda row: row["date"])["customer_id"]
    raise DefinitionError(
        f"{customer_id}: no such customer as of {reader.release.date}; try type:value, such as email:ann@x.org"
    )


def _customer(reader: _Reader, conf: Configuration, customer_id: str) -> dict[str, Any]:
    mine = ds.field("customer_id") == customer_id
    records = [row["record_id"] for row in reader.where("identity/record", mine, ["record_id"])]
    golden = (reader.where("gold/customer", mine) or [{}])[0]
    profile = (reader.where("gold/customer_profile", mine) or [{}])[0]
    edges = reader.where("identity/edge", ds.field("left_value").isin(records))
    provenance = golden.pop("provenance", None) or {}
    return {
        "customer_id": customer_id,
        "release": reader.release.release,
        "date": reader.release.date,
        "golden_record": {name: value for name, value in golden.items() if name != "customer_id"},
        "provenance": dict(provenance),
        "identifiers": _ties(edges),
        "tags": {name: value for name, value in profile.items() if name not in ("customer_id", "as_of", "run_id")},
        "audiences": [
            f"{row['audience']} ({row['arm']})"
            for row in reader.where("gold/audience_member", mine)
            if row["date"] == reader.release.date
        ],
        "latest_steps": _steps(reader, records),
    }


def _ties(edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each identifier with the sources that give it and how many records do."""
    counts = Counter((edge["right_type"], edge["right_value"]) for edge in edges)
    sources: dict[tuple[str, str], set[str]] = {}
    for edge in edges:
        sources.setdefault((edge["right_type"], edge["right_value"]), set()).add(edge["source"])
    return [
        {"type": kind, "value": value, "records": counts[kind, value], "sources": sorted(sources[kind, value])}
        for kind, value in sorted(counts)
    ]


def _steps(reader: _Reader, records: list[str]) -> list[dict[str, Any]]:
    """The customer's latest steps over all entities that have a time."""
    steps = [
        step
        for entity in ENTITIES.values()
        if entity.time and entity.name not in _NOT_STEPS
        for step in _steps_of(reader, entity, records)
    ]
    return sorted(steps, key=lambda step: (step["at"], step["what"], step["about"]), reverse=True)[:LATEST_STEPS]


def _steps_of(reader: _Reader, entity: Entity, records: list[str]) -> Iterator[dict[str, Any]]:
    current = (ds.field("_valid_to").is_null() | (ds.field("_valid_to") > reader.release.date)) & (
        ds.field("event_at") <= pa.scalar(reader.release_end, pa.timestamp("us", "UTC"))
    )
    columns = ["event_at", *_ABOUT.get(entity.name, ())]
    for row in reader.where(f"silver/{entity.name}", ds.field("_node").isin(records) & current, columns):
        about = ", ".join(str(row[name]) for name in columns[1:] if row[name] is not None)
        yield {"at": row["event_at"], "what": entity.name, "about": about}


def _print(found: dict[str, Any], screen: Screen) -> None:
    screen.say(f"customer {found['customer_id']}, as of {found['date']} (release {found['release']})")
    screen.say()
    provenance = found["provenance"]
    golden = [
        [name, value, provenance.get(name, "")] for name, value in found["golden_record"].items() if value is not None
    ]
    screen.table("golden record", ["field", "value", "from"], golden)
    ties = [[tie["type"], tie["value"], tie["records"], ", ".join(tie["sources"])] for tie in found["identifiers"]]
    screen.table("identifiers", ["type", "value", "records", "given by"], ties)
    screen.table("tags", ["tag", "value"], [[name, _text(value)] for name, value in found["tags"].items()])
    screen.say(f"audiences: {', '.join(found['audiences']) or 'none'}")
    screen.say()
    steps = [[step["at"].strftime("%Y-%m-%d %H:%M"), step["what"], step["about"]] for step in found["latest_steps"]]
    screen.table("latest steps (UTC)", ["at", "what", "about"], steps)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1
        else (f"{value:,.2f}" if isinstance(value, float) else str(value))
    )
