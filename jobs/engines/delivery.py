"""Deliveries: files written beside their destination, checked, moved into place, and a manifest last.

Whoever waits for manifest.json never sees half a delivery: it is the first thing to go and the last to come.
Only files of our own names are ever removed. `verify` proves a delivery from its manifest.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import PurePosixPath
from typing import Any, NoReturn

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from jobs.engines.delivered_files import Facts, facts, is_ours, problems_of
from jobs.engines.folders import Folder, open_folder, put_file, told_by_name
from jobs.engines.places import Complete, Held
from jobs.runtime.stores import delta_options
from transforms.contracts import CONTRACT, Schema
from transforms.destinations import DELTA, Destination
from transforms.errors import DataError, PortraitError

MANIFEST = "manifest.json"
FORMAT_OPTIONS: dict[str, dict[str, str]] = {
    # RFC 4180: quotes doubled, blanks kept, NULL empty and an empty text ""; times to the microsecond with their zone
    "csv": {
        "header": "true",
        "quote": '"',
        "escape": '"',
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
        "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
        "encoding": "UTF-8",
    },
    "json": {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"},
    "parquet": {},
    "delta": {},
}
# a line a row: not .json, or *.json would take the manifest for rows
_ENDINGS = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet"}
_SUFFIX = {"none": "", "gzip": ".gz"}


def read_manifest(uri: str) -> dict[str, Any] | None:
    """The manifest of a complete delivery; None where there is none, or where it cannot be understood."""
    folder = open_folder(uri)
    try:
        if not folder.exists(MANIFEST):
            return None
        with folder.system.open_input_stream(folder / MANIFEST) as stream:
            manifest = json.loads(stream.read().decode())
    except (OSError, ValueError):
        return None
    return manifest if _is_ours(manifest) else None


def _is_ours(manifest: Any) -> bool:
    """Is it as deliveries write it? Backups and other programs have files of that name too."""
    if not isinstance(manifest, dict) or not {"format", "schema", "rows", "files"} <= manifest.keys():
        return False
    lists = ((manifest["schema"], {"name", "type"}), (manifest["files"], {fact.name for fact in fields(Facts)}))
    return all(
        isinstance(found, list) and all(isinstance(one, dict) and keys <= one.keys() for one in found)
        for found, keys in lists
    )


def is_whole(uri: str, manifest: dict[str, Any]) -> bool:
    """Are the manifest's files all there, of their sizes? Quick: contents are `verify`'s matter."""
    folder = open_folder(uri)
    found = folder.system.get_file_info([folder / file["name"] for file in manifest["files"]])
    return [item.size for item in found] == [file["bytes"] for file in manifest["files"]]


class Files:
    """The folder of one delivery."""

    def __init__(self, uri: str, to: Destination) -> None:
        self._uri, self._to = uri, to

    def held(self) -> Held:
        """The manifest of the delivery that lies there, where its files do."""
        manifest = read_manifest(self._uri)
        return Held(manifest if manifest and is_whole(self._uri, manifest) else None, "first delivery")

    def put(self, df: DataFrame, *, schema: Schema, release: int, mode: str, complete: Complete) -> dict[str, Any]:
        """Publish `df`, each of whose partitions makes one file. Gives the manifest."""
        return publish(df, uri=self._uri, to=self._to, complete=complete)


def publish(df: DataFrame, *, uri: str, to: Destination, complete: Complete) -> dict[str, Any]:
    """Deliver `df` to the folder `uri`, in place of what was delivered there before. Gives the manifest.

    Each of the frame's partitions makes one file. `complete` makes the manifest of the files' facts; it may refuse
    them by raising, and nothing is published.
    Raises PortraitError naming the folder where it cannot be written.
    """
    folder = open_folder(uri)
    staging = folder.staging
    with told_by_name(folder):
        staging.drop()  # of a delivery that died
        staging.system.create_dir(staging.path, recursive=True)
        folder.system.create_dir(folder.path, recursive=True)
        write(df, f"{staging.uri}/export", to)
        names = dict(_final_names(staging, to))
        found = [facts(staging.system, staging / name, final, to.format) for name, final in names.items()]
        manifest, contract = complete(found, sum(file.rows for file in found))
        _clear(folder)
        for name, final in names.items():
            folder.system.create_dir(str(PurePosixPath(folder / final).parent), recursive=True)
            folder.system.move(staging / name, folder / final)
        seal(folder, staging, manifest, contract)
        staging.drop()
    return manifest


def seal(folder: Folder, staging: Folder, manifest: dict[str, Any], contract: str | None) -> None:
    """The contract, and then the manifest, which now names it, beside the files of a delivery."""
    if contract:
        put_file(staging, folder, CONTRACT, contract.encode())
        told = facts(folder.system, folder / CONTRACT, CONTRACT, "yaml")
        manifest["files"] = [*manifest["files"], asdict(told)]
    if not is_whole(folder.uri, manifest):
        raise DataError(f"{folder.uri}: files vanished while they were delivered; no manifest was written")
    put_file(staging, folder, MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")


def write(df: DataFrame, uri: str, to: Destination, **options: str) -> None:
    """Spark's files in a folder. Raises PortraitError naming it where they cannot be written."""
    writer = df.write.format(to.format).mode("overwrite")
    try:
        writer.options(**FORMAT_OPTIONS[to.format], compression=to.codec, **options).save(uri)
    except (PySparkException, Py4JJavaError) as error:
        failed(uri, error)


def failed(uri: str, error: Exception) -> NoReturn:
    """Spark's messages can hold rows: of its errors only what the file system said is told on."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    told = type(error).__name__
    while cause is not None:
        name = str(cause.getClass().getName())
        told = name.rsplit(".", 1)[-1]
        if name.startswith(("java.io.", "java.nio.", "org.apache.hadoop.fs.")):
            told = f"{told}: {cause.getMessage()}"
        cause = cause.getCause()
    raise PortraitError(f"{uri}: cannot be written: {told}") from None


def _final_names(staging: Folder, to: Destination) -> Iterator[tuple[str, str]]:
    """Staged file -> its name in the delivery, in the order in which they are moved."""
    # Hadoop's checksums (.*.crc) and marker (_SUCCESS) are no part of the data; Delta's log is
    staged = [name for name in staging.files() if not PurePosixPath(name).name.startswith((".", "_SUCCESS"))]
    if to.format == DELTA:
        # a table is its log: it comes last
        yield from sorted(((name, name) for name in staged), key=lambda pair: ("_delta_log" in pair[0], pair[0]))
        return
    ending = f"{_ENDINGS[to.format]}{_SUFFIX.get(to.codec, '') if to.format in ('csv', 'json') else ''}"
    for number, name in enumerate(staged):
        yield name, f"export-{number:05d}{ending}"


def _clear(folder: Folder) -> None:
    """Take away an earlier delivery, its manifest first."""
    if folder.exists(MANIFEST):
        folder.system.delete_file(folder / MANIFEST)
    for name in folder.files():
        if is_ours(name):
            folder.system.delete_file(folder / name)


def verify(uri: str) -> list[str]:
    """What is wrong with a delivery, a line each; empty where it is whole.

    Looked for: no manifest, files missing or unknown, checksums, sizes, rows, columns and their types.
    """
    folder = open_folder(uri)
    manifest = read_manifest(uri)
    if manifest is None:
        return [f"{folder.uri}: no {MANIFEST} that can be read: the delivery is not complete"]
    named = {file["name"] for file in manifest["files"]}
    # of a table that is kept up to date the files of other versions lie there too
    ours = [name for name in folder.files() if is_ours(name)] if manifest.get("version") is None else []
    strangers = [name for name in ours if name not in named]
    return [
        *(f"{folder.uri}/{name}: not in the manifest" for name in strangers),
        *problems_of(folder.system, folder.path, manifest),
        *_not_of_version(folder, manifest),
    ]


def _not_of_version(folder: Folder, manifest: dict[str, Any]) -> Iterator[str]:
    """Of a table that is kept: does its version hold the files that the manifest names?"""
    version = manifest.get("version")
    if version is None:
        return
    table = f"{folder.uri}/export"
    try:
        opened = DeltaTable(table, version, delta_options(table))
        there = {f"export/{file.rsplit('/', 1)[-1]}" for file in opened.file_uris()}
    except (DeltaError, OSError):
        yield f"{table}: version {version}, which the manifest names, cannot be read"
        return
    named = {file["name"] for file in manifest["files"]} - {CONTRACT}
    yield from (f"{folder.uri}/{name}: not in the manifest" for name in sorted(there - named))
    yield from (f"{folder.uri}/{name}: not in version {version} of the table" for name in sorted(named - there))
