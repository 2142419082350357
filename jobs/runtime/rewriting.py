"""Rows taken out of a table, or cells blotted out, by writing anew the data files that hold them and no others."""

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import AddAction
from pyarrow import parquet as pq

from jobs.runtime.commits import Written, commit, statistics
from jobs.runtime.tables import Lakehouse
from transforms.schemas import Table

Edit = Callable[[pa.Table], pa.Table]


def take_out(
    lakehouse: Lakehouse, table: str, version: int, rows: Mapping[str, Collection[int] | None], edit: Edit | None = None
) -> int:
    """The table's version without those rows (data file -> places of rows in it, None: all), in one commit.

    Gives the new version; where nothing is to be taken out there is no commit. The other rows keep their order.
    `edit` changes what stays in
    those files, part by part; every part keeps its schema. The version is the table's head.
    """
    if not rows:
        return version
    opened = lakehouse.open(table, version)
    assert opened is not None  # noqa: S101  (its rows were found)
    root = Path(lakehouse.path(table)).resolve()
    made = [_rewritten(opened, root, file, rows[file] or (), edit) for file in sorted(rows) if rows[file] is not None]
    written = Written(
        json.loads(opened.schema().to_json()), tuple(action for action in made if action),
        sum(json.loads(action.stats)["numRecords"] for action in made if action),
    )  # fmt: skip
    partition = tuple(opened.metadata().partition_columns)
    named = Table(table, (), partition=partition)
    # by their paths: of files that are written anew several may have one name
    removed = {str(_below(root, file)) for file in rows}
    return commit(lakehouse.path(table), named, written, mode="append", removed=removed)


def _below(root: Path, file: str) -> Path:
    """The file's path below the table's folder, whichever way leads to it."""
    return Path(file).resolve().relative_to(root)


def _rewritten(
    opened: DeltaTable, root: Path, file: str, places: Collection[int], edit: Edit | None
) -> AddAction | None:
    """The file without those rows; None where none is left."""
    partitions = _below(root, file).parts[: len(opened.metadata().partition_columns)]
    # its name alone tells it from every other: that is how the nights find files
    place = Path(*partitions, secrets.token_hex(8), f"part-{secrets.token_hex(16)}.parquet")
    source, out = pq.ParquetFile(file), None
    (root / place).parent.mkdir(parents=True)
    first, gone = 0, np.fromiter(places, np.int64, len(places))
    for number in range(source.num_row_groups):
        group = source.read_row_group(number)
        kept = group.filter(pa.array(~np.isin(np.arange(first, first + len(group)), gone)))
        first += len(group)
        kept = edit(kept) if edit else kept
        if len(kept):
            out = out or pq.ParquetWriter(root / place, kept.schema, compression=_codec(source), store_schema=False)
            out.write_table(kept)
    if out is None:
        (root / place).parent.rmdir()
        return None
    out.close()
    return AddAction(
        path=str(place), size=(root / place).stat().st_size, partition_values=_values(partitions),
        modification_time=int(time.time() * 1000), data_change=True,
        stats=json.dumps(statistics(pq.read_metadata(root / place), _indexed(opened))),
    )  # fmt: skip


def _codec(source: pq.ParquetFile) -> str:
    metadata = source.metadata
    return str(metadata.row_group(0).column(0).compression) if metadata.num_row_groups else "ZSTD"


def _values(partitions: Collection[str]) -> dict[str, str | None]:
    pairs = (part.partition("=") for part in partitions)
    return {name: unquote(value) for name, _, value in pairs}


def _indexed(opened: DeltaTable) -> list[str]:
    """The columns that the table keeps ranges of: the first so many."""
    number = int(opened.metadata().configuration.get("delta.dataSkippingNumIndexedCols", "0"))
    return [field.name for field in opened.schema().fields][:number]
