"""Stage `exports`: what each export's receivers are owed since their last delivery, from the newest release."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines.database_delivery import DatabaseTable
from jobs.engines.delivered_files import Facts
from jobs.engines.delivery import Files, read_manifest
from jobs.engines.owed import Owed, State, owed_at
from jobs.engines.places import Place
from jobs.engines.table_delivery import KeptTable
from jobs.runtime.configuration import Configuration
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, all_releases
from transforms.contracts import Schema, agreed_version, contract_file
from transforms.destinations import JDBC
from transforms.errors import DataError, PortraitError
from transforms.export_rows import CHANGES, text_cells
from transforms.exports import CHANGE, KEY, Export, columns_of, delivered_columns, purpose_of
from transforms.profile import profile_table
from transforms.schemas import OPS_EXPORT


def run(night: Night) -> None:
    """Deliver every export of the configuration from the release just published, and note it in ops/export.

    An export that fails does not keep the others back. Raises PortraitError with a line for each that failed.
    """
    if night.release is None:
        raise PortraitError("exports read a release, and there is none yet; run a night first")
    deliver_all(night, night.release, list(night.conf.exports.values()))


def deliver_all(night: Night, release: Release, exports: Sequence[Export], *, again: bool = False) -> None:
    """Deliver these exports of a release, and note them in ops/export.

    `again`: also what lies there whole. Raises PortraitError with a line for each that failed.
    """
    releases = {release.release: release for release in all_releases(night.lakehouse)}
    failed: list[str] = []
    for export in exports:
        name = export.export
        try:
            history = _history(night, export, releases, upto=release)
            row = deliver(night, export, release, history=history, releases=releases, again=again)
        except PortraitError as error:
            failed.append(f"export {name}: {error}")
            continue
        if row not in history:
            night.append(OPS_EXPORT, [row])
        night.figure(name, {"rows": row["rows"], "mode": row["mode"], **row["counts"]})
    if failed:
        raise PortraitError("\n".join(failed))


def deliver(
    state: State,
    export: Export,
    release: Release,
    *,
    history: Sequence[dict[str, Any]],
    releases: Mapping[int, Release],
    again: bool = False,
) -> dict[str, Any]:
    """Deliver one export of a release; gives its row of ops/export.

    `history`: its rows of ops/export up to the release, oldest first; `releases`: by number. What already lies there
    whole, of the same release and definition, is not delivered again unless `again` asks for it: its row is given back.
    Raises PortraitError naming the destination where it cannot be written.
    """
    conf = state.conf
    columns = _columns(conf, export)
    definition, path = export.definition_hash(columns), path_at(conf, export, release)
    schema = _schema(conf, export, columns)
    place = _place(state, export, path)
    held = place.held()
    there = held.manifest
    if not again and there and _is_of(there, export, release) and there["definition"] == definition:
        return _row(there, path)
    version = _version(export, schema, history)
    nothing, last = "first delivery", _last(history, release, definition)
    if export.to.kept:
        # such a place says itself what it holds
        nothing, last = ("it was asked for again", None) if again else (held.why, there and _row(there, path))
    owed = owed_at(
        state, export, release, columns, last,
        definition=definition, path=path, releases=releases, nothing=nothing,
    )  # fmt: skip
    seen = Observation(f"export {export.export}")
    df = text_cells(owed.rows) if export.to.format == "csv" else owed.rows
    laid_out = df.repartition(export.to.files, KEY).sortWithinPartitions(KEY).observe(seen, *_counts(df))

    def complete(files: Sequence[Facts], rows_there: int) -> tuple[dict[str, Any], str | None]:
        counts = dict(seen.get)
        meant = counts.pop("rows")
        if rows_there != meant:
            raise DataError(f"{path}: {meant} rows were written, {rows_there} can be read back; nothing was published")
        total = meant if owed.mode == "full" else _total(last, counts)
        manifest = {
            **_about(conf, export, release, owed, version),
            "run_id": state.run_id,
            "delivered_at": datetime.now(UTC).isoformat(),
            "definition": definition,
            "rows": total if export.to.kept else meant,
            "total": total,
            "counts": counts,
            "schema": schema,
            "files": [asdict(file) for file in files],
        }
        if not export.contract:
            return manifest, None
        key = KEY if export.form_of_key != "masked" else ""
        return manifest, contract_file(manifest, export.contract, export.to, schema, key=key)

    told = place.put(laid_out, schema=schema, release=release.release, mode=owed.mode, complete=complete)
    return _row(told, path)


def _place(state: State, export: Export, path: str) -> Place:
    to = export.to
    if to.format == JDBC:
        password = state.conf.secrets.get(to.password_variable or "")
        return DatabaseTable(state.spark, to, export=export.export, password=password)
    return KeptTable(path, to, export=export.export) if to.kept else Files(path, to)


def path_at(conf: Configuration, export: Export, release: Release) -> str:
    """The folder that holds the export's delivery of a release; of a database the table that it comes into."""
    if export.to.format == JDBC:
        return export.to.place
    return conf.resolve(export.to.path.replace("{date}", release.date.isoformat())).rstrip("/")


def _columns(conf: Configuration, export: Export) -> list[str]:
    return columns_of(export, conf.audiences, conf.tags, profile_table(conf.tags), conf.privacy)


def _version(export: Export, schema: Schema, history: Sequence[dict[str, Any]]) -> str | None:
    """The contract's version that this delivery is of. Raises DefinitionError where it breaks what was promised."""
    if export.contract is None:
        return None
    told = [json.loads(row["manifest"]) for row in history if row.get("manifest")]
    last = next(((one["contract"]["version"], one["schema"]) for one in reversed(told) if one["contract"]), None)
    return agreed_version(export.contract, last, schema, place=export.place, follows=not export.named)


def _total(last: Mapping[str, Any] | None, counts: Mapping[str, int]) -> int | None:
    """Rows that receivers hold once they took the changes in; None where the last delivery did not tell."""
    before = json.loads(last["manifest"]).get("total") if last and last.get("manifest") else None
    return None if before is None else before + counts["added"] - counts["removed"] - counts["merged"]


def _is_of(manifest: dict[str, Any], export: Export, release: Release) -> bool:
    return (manifest.get("export"), manifest.get("release")) == (export.export, release.release)


def _history(night: Night, export: Export, releases: Mapping[int, Release], *, upto: Release) -> list[dict[str, Any]]:
    """The export's deliveries of releases up to this one, oldest first.

    One whose run died too early to note it is noted now, by its manifest.
    """
    noted = sorted(
        (row for row in night.rows(OPS_EXPORT) if row["export"] == export.export),
        key=lambda row: (row["release"], row["delivered_at"]),
    )
    newest = noted[-1]["release"] if noted else 0
    for number in sorted(number for number in releases if newest < number < upto.release):
        path = path_at(night.conf, export, releases[number])
        manifest = read_manifest(path) if export.to.format != JDBC else None
        if manifest and _is_of(manifest, export, releases[number]):
            noted.append(_row(manifest, path))
            night.append(OPS_EXPORT, noted[-1:])
    return [row for row in noted if row["release"] <= upto.release]


def _last(history: Sequence[dict[str, Any]], release: Release, definition: str) -> dict[str, Any] | None:
    """The delivery that the receivers hold: the last, but for attempts at this very one."""
    others = [row for row in history if (row["release"], row["definition"]) != (release.release, definition)]
    return others[-1] if others else None


def _counts(df: DataFrame) -> list[Any]:
    kinds = CHANGES if CHANGE in df.columns else ()
    return [F.count(F.lit(1)).alias("rows"), *(F.count_if(F.col(CHANGE) == kind).alias(kind) for kind in kinds)]


def _about(conf: Configuration, export: Export, release: Release, owed: Owed, version: str | None) -> dict[str, Any]:
    return {
        "export": export.export,
        "title": export.title,
        "audience": export.audience,
        "purpose": purpose_of(export, conf.audiences),
        "release": release.release,
        "date": release.date.isoformat(),
        "mode": owed.mode,
        "since": {"release": owed.since.release, "date": owed.since.date.isoformat()} if owed.since else None,
        "reset": owed.reset,
        "contract": {**export.contract.model_dump(), "version": version} if export.contract else None,
        "format": export.to.format,
        "compression": export.to.codec,
    }


def _schema(conf: Configuration, export: Export, columns: list[str]) -> list[dict[str, Any]]:
    """The delivery's columns as receivers see them. In CSV lists are JSON, and identifiers are texts everywhere."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "meaning": column.comment,
            "sensitivity": column.sensitivity,
            "form": export.identifiers.get(column.name),
        }
        for column in delivered_columns(export, columns, profile_table(conf.tags))
    ]


def _row(manifest: dict[str, Any], path: str) -> dict[str, Any]:
    """The row of ops/export that a manifest stands for."""
    release_date = datetime.fromisoformat(manifest["date"]).date()
    delivered_at = datetime.fromisoformat(manifest["delivered_at"])
    same = {name: manifest[name] for name in ("run_id", "export", "release", "mode", "definition", "rows", "counts")}
    whole = json.dumps(manifest, ensure_ascii=False, sort_keys=True)
    return {**same, "date": release_date, "delivered_at": delivered_at, "path": path, "manifest": whole}
