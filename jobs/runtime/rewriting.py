"""Rows taken out of a table, or cells blotted out, by writing anew the data files that hold them and no others."""

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import AddAction
from pyarrow import parquet as pq

from jobs.runtime.commits import Written, commit, statistics
from jobs.runtime.damage import whole
from jobs.runtime.stores import make_folder, on_s3, store_of
from jobs.runtime.tables import Lakehouse
from transforms.schemas import Table

Edit = Callable[[pa.Table], pa.Table]
AT_ONCE = 2
# Bytes a value below which a file holds numbers into a list of the distinct texts, rather than the texts.
_NUMBERS = 3


def take_out(
    lakehouse: Lakehouse, table: str, version: int, rows: Mapping[str, Collection[int] | None], edit: Edit | None = None
) -> int:
    """The table's version without those rows (data file -> places of rows in it, None: all), in one commit.

    Gives the new version; where nothing is to be taken out there is no commit. The other rows keep their order.
    `edit` changes what stays in those files, part by part; every part keeps its schema. The version is the table's
    head. Raises PortraitError where one of them is damaged.
    """
    if not rows:
        return version
    opened = lakehouse.open(table, version)
    assert opened is not None  # noqa: S101  (its rows were found)
    root = lakehouse.path(table)
    parts = [(file, places) for file, places in sorted(rows.items()) if places is not None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda part: _rewritten(opened, root, part[0], part[1], edit), parts))
    written = Written(
        json.loads(opened.schema().to_json()), tuple(action for action in made if action),
        sum(json.loads(action.stats)["numRecords"] for action in made if action),
    )  # fmt: skip
    partition = tuple(opened.metadata().partition_columns)
    named = Table(table, (), partition=partition)
    # by their paths: of files that are written anew several may have one name
    removed = {_below(root, file) for file in rows}
    return commit(lakehouse.path(table), named, written, mode="append", removed=removed)


def _below(root: str, file: str) -> str:
    """The file's path below the table's folder, whichever way leads to it."""
    if on_s3(root):
        return file.removeprefix(f"{root}/")
    return str(Path(file).resolve().relative_to(Path(root).resolve()))


def _rewritten(
    opened: DeltaTable, root: str, file: str, places: Collection[int], edit: Edit | None
) -> AddAction | None:
    """The file without those rows; None where none is left."""
    held, (store, within) = _below(root, file), store_of(root)
    partitions = held.split("/")[: len(opened.metadata().partition_columns)]
    # its name alone tells it from every other: that is how the nights find files
    folder = "/".join([*partitions, secrets.token_hex(8)])
    place = f"{folder}/part-{secrets.token_hex(16)}.parquet"
    with whole(file):
        known = pq.read_metadata(f"{within}/{held}", filesystem=store)
        source = pq.ParquetFile(
            f"{within}/{held}", filesystem=store, metadata=known, read_dictionary=() if edit else _listed(known),
            pre_buffer=on_s3(root),
        )  # fmt: skip
    first, gone, out = 0, np.fromiter(places, np.int64, len(places)), None
    for number in range(source.num_row_groups):
        with whole(file):
            group = source.read_row_group(number)
        kept = group.filter(pa.array(~np.isin(np.arange(first, first + len(group)), gone)))
        first += len(group)
        kept = edit(kept) if edit else _only_used(kept)
        if len(kept):
            if out is None:
                make_folder(f"{root}/{folder}")
                out = pq.ParquetWriter(
                    f"{within}/{place}", kept.schema, filesystem=store, compression=_codec(source), store_schema=False
                )
            out.write_table(kept)
    if out is None:
        return None
    out.close()
    return AddAction(
        path=place, size=store.get_file_info(f"{within}/{place}").size, partition_values=_values(partitions),
        modification_time=int(time.time() * 1000), data_change=True,
        stats=json.dumps(statistics(pq.read_metadata(f"{within}/{place}", filesystem=store), _indexed(opened))),
    )  # fmt: skip


def _listed(metadata: pq.FileMetaData) -> list[str]:
    """The text columns that the file holds as lists of distinct texts and numbers into them: read as such, they are
    written again in half the time or less."""
    first = metadata.row_group(0) if metadata.num_row_groups else None
    columns = [first.column(at) for at in range(first.num_columns)] if first else []
    return [
        column.path_in_schema
        for column in columns
        if column.physical_type == "BYTE_ARRAY"
        and "." not in column.path_in_schema
        and column.total_uncompressed_size < _NUMBERS * column.num_values
    ]


def _only_used(part: pa.Table) -> pa.Table:
    """The same rows, with lists that hold no text which none of them has: what was taken out must not stay in one."""
    for at, field in enumerate(part.schema):
        if pa.types.is_dictionary(field.type):
            chunks = [_compacted(chunk) for chunk in part.column(at).chunks]
            part = part.set_column(at, field, pa.chunked_array(chunks, field.type))
    return part


def _compacted(texts: pa.DictionaryArray) -> pa.DictionaryArray:
    known = texts.indices.is_valid().to_numpy(zero_copy_only=False)
    numbers = texts.indices.fill_null(0).to_numpy()
    used = np.zeros(len(texts.dictionary), bool)
    used[numbers[known]] = True
    if used.all():
        return texts
    renumbered = (np.cumsum(used) - 1)[numbers] if used.any() else np.zeros(len(numbers), np.int64)
    kept = pa.array(renumbered, texts.indices.type, mask=~known)
    return pa.DictionaryArray.from_arrays(kept, texts.dictionary.filter(pa.array(used)))


def _codec(source: pq.ParquetFile) -> str:
    metadata = source.metadata
    codec = str(metadata.row_group(0).column(0).compression) if metadata.num_row_groups else "ZSTD"
    return "NONE" if codec == "UNCOMPRESSED" else codec  # pyarrow tells it by one name and takes it by another


def _values(partitions: Collection[str]) -> dict[str, str | None]:
    pairs = (part.partition("=") for part in partitions)
    return {name: unquote(value) for name, _, value in pairs}


def _indexed(opened: DeltaTable) -> list[str]:
    """The columns that the table keeps ranges of: the first so many."""
    number = int(opened.metadata().configuration.get("delta.dataSkippingNumIndexedCols", "0"))
    return [field.name for field in opened.schema().fields][:number]
