"""The files of a delivery: what each holds, read back with Arrow, and whether that is what the manifest says."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import csv, fs, parquet

from jobs.runtime.tables import arrow_type
from transforms.contracts import CONTRACT

_CHUNK = 1 << 20
_BLOCK = 1 << 24  # the longest row that a CSV may hold
_OURS = re.compile(r"export-\d{5}\.(csv|jsonl|parquet)(\.gz)?|export/.*|contract\.odcs\.yaml")


@dataclass(frozen=True)
class Facts:
    """One file of a delivery: its final name, and what was read back from it. `rows` is 0 for a table's log."""

    name: str
    bytes: int
    sha256: str
    rows: int


def is_ours(name: str) -> bool:
    """Is it a file that deliveries write (its path relative to the delivery's folder)?"""
    return _OURS.fullmatch(name) is not None


def facts(system: fs.FileSystem, path: str, name: str, format_: str) -> Facts:
    """Size, checksum and rows of a file, as they are on the disk. `name`: what the delivery calls it."""
    size, digest = _bytes_of(system, path)
    return Facts(name, size, digest, _rows(system, path, format_))


def _bytes_of(system: fs.FileSystem, path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with system.open_input_stream(path, compression=None) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _rows(system: fs.FileSystem, path: str, format_: str) -> int:
    match format_:
        case "csv":
            return _csv_rows(system, path)
        case "json":
            with system.open_input_stream(path, compression="detect") as stream:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_CHUNK), b""))
        case _ if path.endswith(".parquet"):
            with system.open_input_file(path) as file:
                return int(parquet.read_metadata(file).num_rows)
    return 0


def _csv_rows(system: fs.FileSystem, path: str) -> int:
    names = _csv_header(system, path)
    with (
        system.open_input_stream(path, compression="detect") as stream,
        csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=_BLOCK),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        ) as reader,
    ):
        return sum(batch.num_rows for batch in reader)


def _csv_header(system: fs.FileSystem, path: str) -> list[str]:
    with system.open_input_stream(path, compression="detect") as stream:
        # names of columns hold neither commas nor quotes
        header: str = stream.read(_BLOCK).split(b"\n", 1)[0].decode()
    return header.rstrip("\r").split(",")


def problems_of(system: fs.FileSystem, folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the manifest's files, a line each. No values of rows."""
    rows, unread = 0, False
    for file in manifest["files"]:
        path = f"{folder}/{file['name']}"
        format_ = manifest["format"] if file["name"] != CONTRACT else "yaml"
        if system.get_file_info(path).type != fs.FileType.File:
            unread = True
            yield f"{path}: missing"
            continue
        try:
            yield from _changed(system, path, file)
            found = _rows(system, path, format_)
            rows += found
            if found != file["rows"]:
                yield f"{path}: {found} rows, {file['rows']} in the manifest"
            yield from _schema_problems(system, path, format_, manifest["schema"])
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            unread = True
            yield f"{path}: cannot be read as {format_} ({type(error).__name__})"
    if rows != manifest["rows"] and not unread:
        yield f"{folder}: {rows} rows in the files, {manifest['rows']} in the manifest"


def _changed(system: fs.FileSystem, path: str, file: dict[str, Any]) -> Iterator[str]:
    size, digest = _bytes_of(system, path)
    if size != file["bytes"]:
        yield f"{path}: {size} bytes, {file['bytes']} in the manifest"
    if digest != file["sha256"]:
        yield f"{path}: its checksum is not the manifest's: it was changed after it was delivered"


def _schema_problems(system: fs.FileSystem, path: str, format_: str, schema: list[dict[str, Any]]) -> Iterator[str]:
    names = [column["name"] for column in schema]
    found: list[str] | None = None
    match format_:
        case "csv":
            found = _csv_header(system, path)
        case "json":
            with system.open_input_stream(path, compression="detect") as stream:
                line = stream.read(_BLOCK).split(b"\n", 1)[0]
            found = list(json.loads(line)) if line else None
        case _ if path.endswith(".parquet"):
            with system.open_input_file(path) as file:
                arrow = parquet.read_schema(file)
            found = arrow.names
            wrong = [
                c["name"] for c in schema if c["name"] in found and not _fits(arrow.field(c["name"]).type, c["type"])
            ]
            yield from (f"{path}: column '{name}' is not of the manifest's type" for name in wrong)
    if found is not None and found != names:
        yield f"{path}: its columns are not the manifest's, or not in their order"


def _fits(found: pa.DataType, ddl: str) -> bool:
    """Is an Arrow type what Spark writes for a DDL type? Times may come in nanoseconds or without their zone."""
    wanted = arrow_type(ddl)
    if pa.types.is_timestamp(wanted):
        return bool(pa.types.is_timestamp(found))
    if pa.types.is_list(wanted):
        return bool(pa.types.is_list(found) and found.value_type == wanted.value_type)
    return bool(found == wanted)
