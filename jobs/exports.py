"""Stage `exports`: what each export's receivers are owed since their last delivery, from the newest release."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("exports")

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from jobs.engines.database_delivery import DatabaseTable
from jobs.engines.delivery import Files, read_manifest
from jobs.engines.manifests import Told, is_of, row_of, schema_of, version_of
from jobs.engines.owed import State, hidden_of, owed_at
from jobs.engines.places import Place
from jobs.engines.table_delivery import KeptTable
from jobs.runtime.configuration import Configuration
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, all_releases
from transforms.destinations import JDBC
from transforms.errors import PortraitError
from transforms.export_rows import CHANGES, text_cells
from transforms.exports import CHANGE, KEY, MERGED_INTO, Export, as_shown, columns_of, consent_asked
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
    columns = _columns(state.conf, export)
    shown = as_shown(columns, hidden_of(state.conf, export, columns))
    definition = export.definition_hash(shown, consent=consent_asked(export, state.conf.privacy))
    path = path_at(state.conf, export, release)
    place = _place(state, export, path)
    held = place.held()
    there = held.manifest
    done = there is not None and is_of(there, export, release) and there["definition"] == definition
    if there and done and not again:
        return row_of(there, path)
    schema = schema_of(state.conf, export, columns)
    version = version_of(export, schema, history)
    nothing, last = "first delivery", _last(history, release, definition)
    if export.to.kept:
        # such a place says itself what it holds
        nothing, last = ("it was asked for again", None) if done else (held.why, there and row_of(there, path))
    owed = owed_at(
        state, export, release, columns, last,
        definition=definition, path=path, releases=releases, nothing=nothing,
    )  # fmt: skip
    if done and export.to.kept:  # who changed how by this release is told there already
        owed = replace(owed, rows=owed.rows.drop(CHANGE, MERGED_INTO))
    told = Told(state.conf, export, release, state.run_id, path, definition, schema, version, owed, last)
    seen = Observation(f"export {export.export}")
    df = text_cells(owed.rows) if export.to.format == "csv" else owed.rows
    laid_out = df.repartition(export.to.files, KEY).sortWithinPartitions(KEY).observe(seen, *_counts(df))
    manifest = place.put(
        laid_out, schema=schema, release=release.release, mode=owed.mode,
        complete=lambda files, rows: told.complete(files, rows, seen.get),
    )  # fmt: skip
    return row_of(manifest, path)


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
        if manifest and is_of(manifest, export, releases[number]):
            noted.append(row_of(manifest, path))
            night.append(OPS_EXPORT, noted[-1:])
    return [row for row in noted if row["release"] <= upto.release]


def _last(history: Sequence[dict[str, Any]], release: Release, definition: str) -> dict[str, Any] | None:
    """The delivery that the receivers hold: the last, but for attempts at this very one."""
    others = [row for row in history if (row["release"], row["definition"]) != (release.release, definition)]
    return others[-1] if others else None


def _counts(df: DataFrame) -> list[Any]:
    kinds = CHANGES if CHANGE in df.columns else ()
    return [F.count(F.lit(1)).alias("rows"), *(F.count_if(F.col(CHANGE) == kind).alias(kind) for kind in kinds)]
