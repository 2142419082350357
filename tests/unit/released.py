"""A release of identity tables, written row by row and without Spark: for commands that only read."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from jobs.runtime import releases
from jobs.runtime.console import Screen
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.identity.definition import Identity
from transforms.schemas import (
    CONTACT,
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    SURVEY_RESPONSE,
    Table,
)

FIRST, DAY = date(2026, 3, 1), date(2026, 3, 10)
RULES = {
    "known_by": ["crm_id", "email", "phone"],
    "identifiers": {
        "crm_id": {"priority": 1},
        "email": {"priority": 2},
        "phone": {"priority": 3},
        "cookie": {"priority": 5, "max_age": "30d"},
    },
}


class Shown(Screen):
    """Keeps what is shown: text as lines, the object of --json as `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.found = "", {}

    def say(self, text: str = "") -> None:
        self.text += text + "\n"

    def table(self, title: str, header: list[str], rows: list[list[Any]]) -> None:
        self.text += "\n".join([title, *(" | ".join(map(str, row)) for row in rows)]) + "\n"

    def result(self, data: dict[str, Any]) -> None:
        self.found = data


@dataclass
class House:
    """records: record -> customer and the identifiers it gives, `email=a phone=5`; a record with a brace is of events.

    said: record -> fields of a contact. refused: identifiers that nobody owns, with kind and detail of the conflict.
    """

    folder: Path
    records: dict[str, tuple[str, str]]
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    pairs: list[tuple[str, str, str, float]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    past: list[tuple[str, str, date, date]] = field(default_factory=list)
    seen: dict[tuple[str, str], tuple[date, date]] = field(default_factory=dict)

    @property
    def conf(self) -> Any:
        identity = Identity.model_validate(RULES)
        sources = {
            name: SimpleNamespace(entity=entity, country="DE")
            for name, entity in (("crm", "contact"), ("shop", "contact"), ("polls", "survey_response"))
        }
        pipeline = SimpleNamespace(timezone="UTC")
        return SimpleNamespace(lakehouse=str(self.folder), pipeline=pipeline, identity=identity, sources=sources)

    def release(self) -> "House":
        versions = {
            table.name: self._write(table, rows)
            for table, rows in (
                (IDENTITY_EDGE, self._edges()),
                (IDENTITY_RECORD, [{"record_id": key, "customer_id": told[0]} for key, told in self.records.items()]),
                (LEDGER, self._ledger()),
                (IDENTITY_CHANGE, [{"run_id": "r", "date": DAY, **row} for row in self.changes]),
                (IDENTITY_CONFLICT, self._conflicts()),
                (CONTACT.table, self._silver([key for key in self.records if "{" not in key])),
            )
        }
        versions[SURVEY_RESPONSE.table.name] = self._write(
            SURVEY_RESPONSE.table,
            [
                self._row(f"polls:{number}", key)
                for number, key in enumerate(key for key in self.records if key.startswith("polls:"))
            ],
        )
        releases.publish(
            Lakehouse(str(self.folder)), run_id="r", day=DAY, cause="night", versions=versions, configuration="c"
        )
        return self

    def _write(self, table: Table, rows: list[dict[str, Any]]) -> int:
        whole = [{name: row.get(name) for name in table.names} for row in rows]
        data = pa.Table.from_pylist(whole, arrow_schema(table))
        return Lakehouse(str(self.folder)).write(table, data, mode="overwrite")

    def _gives(self) -> list[tuple[str, str, str]]:
        return [(key, *part.split("=", 1)) for key, (_, gives) in self.records.items() for part in gives.split()]  # type: ignore[misc]

    def _edges(self) -> list[dict[str, Any]]:
        types = self.conf.identity.identifiers
        rows = []
        for key, kind, value in self._gives():
            first, last = self.seen.get((key, f"{kind}={value}"), (FIRST, DAY))
            rows.append((key, kind, value, "gives", types[kind].weight, first, last))
        rows += [(left, "record", right, rule, weight, FIRST, DAY) for left, right, rule, weight in self.pairs]
        names = ("left_value", "right_type", "right_value", "rule", "weight", "first_seen", "last_seen")
        return [
            {"left_type": "record", "source": row[0].split(":")[0], **dict(zip(names, row, strict=True))}
            for row in rows
        ]

    def _ledger(self) -> list[dict[str, Any]]:
        owner = {}
        for key, kind, value in self._gives():
            if f"{kind}={value}" not in self.refused:
                owner[f"{kind}={value}"] = self.records[key][0]
        rows = [(name, customer, FIRST, None) for name, customer in {**owner, **self.owners}.items()]
        rows += [(name, customer, start, end) for name, customer, start, end in self.past]
        return [
            {
                "id_type": name.split("=", 1)[0], "id_value": name.split("=", 1)[1], "customer_id": customer,
                "known": True, "valid_from": start, "valid_to": end,
            }
            for name, customer, start, end in rows
        ]  # fmt: skip

    def _conflicts(self) -> list[dict[str, Any]]:
        given = [f"{kind}={value}" for _, kind, value in self._gives()]
        told = [(DAY, name, kind, detail) for name, (kind, detail) in self.refused.items()]
        return [
            {
                "date": day, "kind": kind, "id_type": name.split("=", 1)[0], "id_value": name.split("=", 1)[1],
                "members": given.count(name), "detail": detail,
            }
            for day, name, kind, detail in told
        ]  # fmt: skip

    def _row(self, record: str, node: str) -> dict[str, Any]:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        return {
            "_batch_date": FIRST, "source": record.split(":")[0], "record_id": record, "_node": node, "event_at": None,
            "response_id": record, "answered_at": at, "contact_id": record,
        }  # fmt: skip

    def _silver(self, keys: list[str]) -> list[dict[str, Any]]:
        old = {**self._row("crm:old", "crm:old"), "_valid_to": DAY}  # a version that is no longer
        return [{**self._row(key, key), **self.said.get(key, {})} for key in keys] + [old]
