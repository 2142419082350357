"""`portrait show ID`: one customer, read from the newest release without Spark."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pyarrow import dataset as ds

from jobs.lookups.set_by_hand import of_customer, show_set
from jobs.lookups.whose import whose
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.identity.manual import RECORD
from transforms.schemas import ENTITIES, LEDGER, Entity

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
    reader = Reader(conf)
    owner = whose(reader, conf, identifier)
    found = {**_customer(reader, owner.customer_id), "notes": list(owner.notes)}
    _print(found, screen)
    screen.result(found)


def _customer(reader: Reader, customer_id: str) -> dict[str, Any]:
    mine = ds.field("customer_id") == customer_id
    records = [row["record_id"] for row in reader.where("identity/record", mine, ["record_id"])]
    golden = (reader.where("gold/customer", mine) or [{}])[0]
    profile = (reader.where("gold/customer_profile", mine) or [{}])[0]
    edges = reader.where("identity/edge", ds.field("left_value").isin(records))
    held = {(row["id_type"], row["id_value"]) for row in reader.where(LEDGER, mine & ds.field("valid_to").is_null())}
    provenance = golden.pop("provenance", None) or {}
    return {
        "customer_id": customer_id,
        "release": reader.release.release,
        "date": reader.release.date,
        "golden_record": {name: value for name, value in golden.items() if name != "customer_id"},
        "provenance": dict(provenance),
        "identifiers": _ties(edges, held),
        "set_by_hand": of_customer(reader, customer_id),
        "tags": {name: value for name, value in profile.items() if name not in ("customer_id", "as_of", "run_id")},
        "audiences": [
            f"{row['audience']} ({row['arm']})"
            for row in reader.where("gold/audience_member", mine)
            if row["date"] == reader.release.date
        ],
        "latest_steps": _steps(reader, records),
    }


def _ties(edges: list[dict[str, Any]], held: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """Each identifier with the sources that give it, how many records do, and whether it is the customer's."""
    given = [edge for edge in edges if edge["right_type"] != RECORD]
    counts = Counter((edge["right_type"], edge["right_value"]) for edge in given)
    sources: dict[tuple[str, str], set[str]] = {}
    for edge in given:
        sources.setdefault((edge["right_type"], edge["right_value"]), set()).add(edge["source"])
    return [
        {
            "type": kind, "value": value, "records": counts[kind, value], "sources": sorted(sources[kind, value]),
            "believed": (kind, value) in held,
        }
        for kind, value in sorted(counts)
    ]  # fmt: skip


def _steps(reader: Reader, records: list[str]) -> list[dict[str, Any]]:
    """The customer's latest steps over all entities that have a time."""
    steps = [
        step
        for entity in ENTITIES.values()
        if entity.time and entity.name not in _NOT_STEPS
        for step in _steps_of(reader, entity, records)
    ]
    return sorted(steps, key=lambda step: (step["at"], step["what"], step["about"]), reverse=True)[:LATEST_STEPS]


def _steps_of(reader: Reader, entity: Entity, records: list[str]) -> Iterator[dict[str, Any]]:
    columns = ["event_at", *_ABOUT.get(entity.name, ())]
    found = reader.of_nodes(entity.table, records, columns)
    for row in found.to_pylist() if found else []:
        about = ", ".join(str(row[name]) for name in columns[1:] if row[name] is not None)
        yield {"at": row["event_at"], "what": entity.name, "about": about}


def _print(found: dict[str, Any], screen: Screen) -> None:
    screen.say(f"customer {found['customer_id']}, as of {found['date']} (release {found['release']})")
    for note in found["notes"]:
        screen.say(note)
    screen.say()
    provenance = found["provenance"]
    golden = [
        [name, value, provenance.get(name, "")] for name, value in found["golden_record"].items() if value is not None
    ]
    screen.table("golden record", ["field", "value", "from"], golden)
    ties = [
        [
            tie["type"],
            tie["value"],
            tie["records"],
            ", ".join(tie["sources"]),
            "" if tie["believed"] else "not believed",
        ]
        for tie in found["identifiers"]
    ]
    screen.table("identifiers", ["type", "value", "records", "given by", ""], ties)
    screen.table("tags", ["tag", "value"], [[name, _text(value)] for name, value in found["tags"].items()])
    show_set(found["set_by_hand"], screen)
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
