"""What a delivery says of itself: its manifest, its contract, and its row of ops/export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.engines.delivered_files import Facts
from jobs.engines.owed import Owed, hidden_of
from jobs.runtime.configuration import Configuration
from jobs.runtime.releases import Release
from transforms.contracts import Schema, agreed_version, contract_file
from transforms.errors import DataError
from transforms.exports import KEY, Export, delivered_columns, purpose_of
from transforms.profile import profile_table


@dataclass(frozen=True)
class Told:
    """All that is known of a delivery before its rows are written. `last`: the row of ops/export that it follows on."""

    conf: Configuration
    export: Export
    release: Release
    run_id: str
    path: str
    definition: str
    schema: Schema
    version: str | None
    owed: Owed
    last: Mapping[str, Any] | None

    def complete(
        self, files: Sequence[Facts], rows_there: int, counts: Mapping[str, int]
    ) -> tuple[dict[str, Any], str | None]:
        """The manifest, and the contract's text where there is one.

        `rows_there`: as read back; `counts`: as Spark counted what it wrote. Raises DataError where they differ.
        """
        moved = dict(counts)
        meant = moved.pop("rows")
        if rows_there != meant:
            why = f"{meant} rows were written, {rows_there} can be read back; nothing was published"
            raise DataError(f"{self.path}: {why}")
        total = meant if self.owed.mode == "full" else _total(self.last, moved)
        manifest = {
            **self._about(),
            "run_id": self.run_id,
            "delivered_at": datetime.now(UTC).isoformat(),
            "definition": self.definition,
            "rows": total if self.export.to.kept else meant,
            "total": total,
            "counts": moved,
            "schema": self.schema,
            "files": [asdict(file) for file in files],
        }
        contract, key = self.export.contract, KEY if self.export.form_of_key != "masked" else ""
        told = contract_file(manifest, contract, self.export.to, self.schema, key=key) if contract else None
        return manifest, told

    def _about(self) -> dict[str, Any]:
        export, since = self.export, self.owed.since
        return {
            "export": export.export,
            "title": export.title,
            "audience": export.audience,
            "purpose": purpose_of(export, self.conf.audiences),
            "release": self.release.release,
            "date": self.release.date.isoformat(),
            "mode": self.owed.mode,
            "since": {"release": since.release, "date": since.date.isoformat()} if since else None,
            "reset": self.owed.reset,
            "contract": {**export.contract.model_dump(), "version": self.version} if export.contract else None,
            "format": export.to.format,
            "compression": export.to.codec,
        }


def is_of(manifest: Mapping[str, Any], export: Export, release: Release) -> bool:
    """Is it the manifest of a delivery of this export and release?"""
    return (manifest.get("export"), manifest.get("release")) == (export.export, release.release)


def row_of(manifest: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The row of ops/export that a manifest stands for."""
    same = {name: manifest[name] for name in ("run_id", "export", "release", "mode", "definition", "rows", "counts")}
    return {
        **same,
        "date": datetime.fromisoformat(manifest["date"]).date(),
        "delivered_at": datetime.fromisoformat(manifest["delivered_at"]),
        "path": path,
        "manifest": json.dumps(manifest, ensure_ascii=False, sort_keys=True),
    }


def schema_of(conf: Configuration, export: Export, columns: list[str]) -> Schema:
    """A delivery's columns as receivers see them. In CSV lists are JSON, and identifiers are texts everywhere."""
    forms = {**dict.fromkeys(hidden_of(conf, export, columns), "masked"), **export.identifiers}
    return [
        {
            "name": column.name,
            "type": column.type,
            "meaning": column.comment,
            "sensitivity": column.sensitivity,
            "form": forms.get(column.name),
        }
        for column in delivered_columns(export, columns, profile_table(conf.tags))
    ]


def version_of(export: Export, schema: Schema, history: Sequence[Mapping[str, Any]]) -> str | None:
    """The contract's version that this delivery is of. Raises DefinitionError where it breaks what was promised."""
    if export.contract is None:
        return None
    told = [json.loads(row["manifest"]) for row in history if row.get("manifest")]
    last = next(((one["contract"]["version"], one["schema"]) for one in reversed(told) if one["contract"]), None)
    return agreed_version(export.contract, last, schema, place=export.place, follows=export.holds_all)


def _total(last: Mapping[str, Any] | None, counts: Mapping[str, int]) -> int | None:
    """Rows that receivers hold once they took the changes in; None where the last delivery did not tell."""
    before = json.loads(last["manifest"]).get("total") if last and last.get("manifest") else None
    return None if before is None else before + counts["added"] - counts["removed"] - counts["merged"]
