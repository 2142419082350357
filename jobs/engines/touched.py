"""Which nodes of the identity graph are not as the last release saw them: read from silver's files, without Spark."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow import dataset as ds

from jobs.runtime.clock import end_of
from jobs.runtime.night import Night
from jobs.runtime.releases import REPLAY, Release, all_releases
from jobs.runtime.tables import dataset_of
from transforms.schemas import Table

# Whose identity tables tell of the very silver that the release names.
_OF_NIGHTS = ("night", "restore", "override")


def touched_nodes(night: Night, tables: Sequence[Table]) -> pa.Array | None:
    """The nodes of which a version landed, ended or came of its time since the last release; each once.

    tables: the entities' tables of silver. None where only the whole tells: without a release of an earlier day and
    the same configuration, in a replay or a full refresh, and where a table's rows are not those of the release and
    tonight's, to the last one (rows were taken out, or put in by something else than a night).
    """
    base = night.base
    if base is None or base.date >= night.day or base.configuration != night.conf.hash:
        return None
    of_date = [base, *(other for other in all_releases(night.lakehouse) if other.date == base.date)]
    # what a replay made tells of its date twice: identity/conflict holds what the night found, too; and of rows that
    # an erasure or maintenance took out of silver nothing tells, whatever was set by hand or restored upon it since
    if any(other.of_replay or other.cause not in _OF_NIGHTS for other in of_date):
        return None
    if night.full_refresh or night.run_id.startswith(REPLAY):
        return None
    before = end_of(base.date, night.conf.pipeline.timezone)
    found = []
    for table in tables:
        rows = _touched(night, table, before)
        if rows is None:
            return None
        found.append(rows)
    return pc.unique(pa.chunked_array(found, pa.string())) if found else pa.array([], pa.string())


def _touched(night: Night, table: Table, before: datetime) -> pa.Array | None:
    """The same of one table."""
    base, name = night.base, table.name
    assert base is not None  # noqa: S101  (asked by the caller)
    now = night.lakehouse.open(name, night.versions[name])
    was = night.lakehouse.open(name, base.versions[name]) if name in base.versions else None
    assert now is not None  # noqa: S101  (this night's state has it)
    if was is not None and _reaches(night, base, table, "_batch_date", base.date):
        return None
    files, held = _files(now), _files(was) if was is not None else {}
    rows = _changed(now, night, before, files.keys() - held.keys())
    if was is not None and (
        _reaches(night, base, table, "_valid_to", base.date) or _reaches(night, base, table, "event_at", before)
    ):
        # what waits for its day may lie in any file
        rows = pa.concat_tables([rows, _changed(now, night, before, files.keys() & held.keys())])
    new = pc.sum(pc.greater(rows["_batch_date"], pa.scalar(base.date))).as_py() or 0
    if sum(files.values()) - sum(held.values()) != new:
        return None
    return pc.unique(rows["_node"].drop_null().cast(pa.string()))


def _changed(now: DeltaTable, night: Night, before: datetime, names: Collection[str]) -> pa.Table:
    """_node and _batch_date of the rows in some files that the last release did not see as they are now."""
    assert night.base is not None  # noqa: S101
    day, today = pa.scalar(night.base.date), pa.scalar(night.day)
    landed = ds.field("_batch_date") > day
    ended = (ds.field("_valid_to") > day) & (ds.field("_valid_to") <= today)
    came = (ds.field("event_at") > pa.scalar(before)) & (ds.field("event_at") <= pa.scalar(night.as_of))
    every = dataset_of(now)
    # a fragment's path begins at the table's folder
    own = [fragment for fragment in every.get_fragments() if fragment.path in names]
    chosen = ds.FileSystemDataset(own, every.schema, every.format, every.filesystem)
    return chosen.to_table(columns=["_node", "_batch_date"], filter=landed | ended | came)


def _reaches(night: Night, base: Release, table: Table, column: str, past: date) -> bool:
    """May a column of the release's table hold more than that? As its log tells."""
    greatest = night.lakehouse.greatest(table.name, base.versions[table.name], column)
    return greatest is None or (greatest != date.min and greatest > past)


def _files(opened: DeltaTable) -> dict[str, int]:
    """The table's data files, by their path below its folder, with their rows."""
    actions = pa.table(opened.get_add_actions()).to_pylist()
    return {row["path"]: row["num_records"] for row in actions}
