"""Deliveries into one Delta table that is kept up to date: each is one commit of it, so all of it is seen, or nothing.

<path>/export is the table. Of an export of changes, <path>/changes holds who changed how, a partition for each release.
The commit carries the manifest, so that a delivery that died between its commit and manifest.json is known again.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from delta.tables import DeltaTable as SparkTable
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.delivered_files import Facts, facts
from jobs.engines.delivery import failed, read_manifest, seal, write
from jobs.engines.folders import Folder, open_folder, told_by_name
from jobs.engines.places import Complete, Held
from jobs.runtime.stores import delta_options
from transforms.contracts import Schema
from transforms.destinations import Destination
from transforms.errors import DataError
from transforms.exports import CHANGE, KEY, MERGED_INTO

_COMMIT_NOTE = "spark.databricks.delta.commitInfo.userMetadata"
_NOTED = "portrait"
# After a delivery its owner may compact or vacuum it; so many commits are looked through for the newest of ours.
_LOOKED_THROUGH = 50


class KeptTable:
    """A Delta table that deliveries keep up to date."""

    def __init__(self, uri: str, to: Destination, *, export: str) -> None:
        self._uri, self._to, self._export = uri, to, export
        self._table, self._changes = f"{uri}/export", f"{uri}/changes"
        self._release = 0  # that the table holds

    def held(self) -> Held:
        """What the table holds, as the newest delivery's commit says. A manifest that is behind is written anew."""
        opened = self._opened()
        if opened is None:
            return Held(None, "first delivery")
        noted = next((note for commit in opened.history(_LOOKED_THROUGH) if (note := _note(commit))), None)
        if noted is None or noted["manifest"]["export"] != self._export:
            raise DataError(f"{self._table}: it holds what no delivery of this export brought; name another folder")
        manifest: dict[str, Any] = noted["manifest"]
        self._release = manifest["release"]
        rows = sum(pa.table(opened.get_add_actions()).column("num_records").to_pylist())
        if rows != manifest["rows"]:
            return Held(None, f"the table holds {rows} rows, {manifest['rows']} were delivered")
        there = read_manifest(self._uri)
        if not there or there["delivered_at"] != manifest["delivered_at"]:
            return Held(self._seal(manifest, noted["contract"]), "first delivery")
        return Held(there, "first delivery")

    def put(self, df: DataFrame, *, schema: Schema, release: int, mode: str, complete: Complete) -> dict[str, Any]:
        """Bring the table up to date by one commit. Gives the manifest.

        `mode`: full (`df` is everything there is) or changes. Raises PortraitError naming the folder where it cannot.
        """
        names = [column["name"] for column in schema]
        folder = open_folder(self._uri)
        kept = df.persist()  # counted, told and put: the commit names the counts
        try:
            with told_by_name(folder):
                folder.system.create_dir(folder.path, recursive=True)
                manifest, contract = complete([], int(kept.count()))
                note = json.dumps({"by": _NOTED, "manifest": manifest, "contract": contract}, ensure_ascii=False)
                if CHANGE in df.columns:
                    self._tell(kept, release)
                if mode == "full":
                    write(kept.select(*names), self._table, self._to, overwriteSchema="true", userMetadata=note)
                else:
                    self._merge(kept, names, note)
                return self._seal(manifest, contract)
        except (PySparkException, Py4JJavaError) as error:
            failed(self._uri, error)
        finally:
            kept.unpersist()

    def _tell(self, df: DataFrame, release: int) -> None:
        """Who changed how: rows of one release, however often it is delivered.

        What is told of a release that never came into the table, because its delivery died, is told no more.
        """
        of = f"release > {self._release}" if release > self._release else f"release = {release}"
        (
            df.select(F.lit(release).cast("bigint").alias("release"), KEY, CHANGE, MERGED_INTO)
            .write.format("delta").mode("overwrite").partitionBy("release")
            .option("replaceWhere", of).save(self._changes)
        )  # fmt: skip

    def _merge(self, df: DataFrame, names: Sequence[str], note: str) -> None:
        values = {name: f"new.{name}" for name in names}
        held = SparkTable.forPath(df.sparkSession, self._table).alias("held")
        merged = (
            held.merge(df.alias("new"), f"held.{KEY} = new.{KEY}")
            .whenMatchedDelete(f"new.{CHANGE} in ('removed', 'merged')")
            .whenMatchedUpdate(set=dict(values))
            .whenNotMatchedInsert(f"new.{CHANGE} in ('added', 'changed')", values=dict(values))
        )
        with _noting(df, note):
            merged.execute()

    def _seal(self, manifest: dict[str, Any], contract: str | None) -> dict[str, Any]:
        """manifest.json, of the table as the newest commit left it."""
        opened = self._opened()
        if opened is None:
            raise DataError(f"{self._table}: it vanished while it was delivered")
        folder = open_folder(self._uri)
        known = {file["name"]: file for file in (read_manifest(self._uri) or {"files": []})["files"]}
        names = sorted(f"export/{file.rsplit('/', 1)[-1]}" for file in opened.file_uris())
        # a file of a table never changes: what was counted once need not be read again
        found = [known.get(name) or asdict(self._facts(folder, name)) for name in names]
        sealed = {**manifest, "version": opened.version(), "files": found}
        seal(folder, folder.staging, sealed, contract)
        folder.staging.drop()
        return sealed

    def _facts(self, folder: Folder, name: str) -> Facts:
        return facts(folder.system, folder / name, name, self._to.format)

    def _opened(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._table, storage_options=delta_options(self._table))
        except TableNotFoundError:
            return None
        except DeltaError:
            raise DataError(f"{self._table}: it cannot be read as a Delta table; name another folder") from None


def _note(commit: dict[str, Any]) -> dict[str, Any] | None:
    """What a commit says of the delivery that it is; None where it is none of ours."""
    try:
        note = json.loads(commit.get("userMetadata") or "")
    except ValueError:
        return None
    return note if isinstance(note, dict) and note.get("by") == _NOTED else None


@contextmanager
def _noting(df: DataFrame, note: str) -> Iterator[None]:
    """Commits in this block carry the note: a MERGE has no option for it."""
    conf = df.sparkSession.conf
    conf.set(_COMMIT_NOTE, note)
    try:
        yield
    finally:
        conf.unset(_COMMIT_NOTE)
