"""A night: what a stage may ask for. Tables are read at the versions of this night's state, never at their heads."""

import copy
import json
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.runtime.clock import end_of, now_after
from jobs.runtime.commits import (
    PART,
    REST,
    Counted,
    Mode,
    Written,
    commit,
    write_apart,
    write_files,
    write_tables,
)
from jobs.runtime.configuration import Configuration
from jobs.runtime.releases import Release
from jobs.runtime.session import open_session
from jobs.runtime.stores import exists, on_s3
from jobs.runtime.tables import STATE_IN_OPS, Lakehouse, arrow_schema
from transforms.errors import PortraitError
from transforms.schemas import ENTITIES, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LEAST_FREE_BYTES = 200_000_000
FEW_ROWS = 100_000
LITTLE_BYTES = 200_000_000
_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@dataclass(frozen=True)
class Saved:
    """What a write came to: the version it made and the rows it wrote, as the files themselves tell."""

    version: int
    rows: int


@dataclass
class Ledger:
    """What the current stage read, wrote and counted."""

    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Night:
    """One run for one business date: its clock, its configuration, and the tables as it may see them."""

    def __init__(
        self,
        *,
        conf: Configuration,
        lakehouse: Lakehouse,
        day: date,
        run_id: str,
        started_at: datetime,
        base: Release | None,
        refit: bool = False,
        full_refresh: bool = False,
        log: Path | None = None,
        on_warning: Callable[[str], None] = lambda _: None,
        on_session: Callable[["SparkSession"], None] = lambda _: None,
        holds: Callable[[], None] = lambda: None,
        noted: datetime | None = None,
        local: bool = True,
    ) -> None:
        self.conf = conf
        self.lakehouse = lakehouse
        self.day = day
        self.as_of = end_of(day, conf.pipeline.timezone)
        self.run_id = run_id
        self.started_at = started_at
        self.base = base
        self.landed_by = day
        self.release = base
        self.refit = refit
        self.full_refresh = full_refresh
        self.versions: dict[str, int] = dict(base.versions) if base else {}
        self.log = log
        self.brief = False  # little is asked of Spark, however much there is
        self.stage = Ledger()
        self.finished: dict[str, Ledger] = {}
        self.holds = holds
        self._noted = noted or started_at
        self._on_warning = on_warning
        self._on_session = on_session
        self._local = local
        self._lock = threading.Lock()
        self._usual: dict[str, str] = {}

    @cached_property
    def spark(self) -> "SparkSession":
        """The session, started when a stage first asks for it."""
        session: SparkSession = open_session(
            self.conf.pipeline.spark, log=self.log, local=self._local, light=self.brief or self._holds_little(),
            reaches=self.conf.places,
        )  # fmt: skip
        self._on_session(session)
        return session

    def _holds_little(self) -> bool:
        """Is there so little history that compiling well would take longer than it saves? The first night has all."""
        silver = [name for name in self.versions if name.startswith("silver/")]
        sizes = (self.lakehouse.size(name, self.versions[name]) for name in silver)
        return bool(silver) and sum(sizes) <= LITTLE_BYTES

    @property
    def has_session(self) -> bool:
        return "spark" in self.__dict__

    # -- reading

    def has(self, table: str | Table) -> bool:
        """Is the table in this night's state?"""
        return _name(table) in self.versions

    def has_rows(self, table: str | Table) -> bool:
        """Is the table in this night's state, and not empty?"""
        name = _name(table)
        return name in self.versions and self.lakehouse.size(name, self.versions[name]) > 0

    def count(self, table: str | Table) -> int:
        """Rows of the table at this night's version, as its log tells them; 0 where there is no such table."""
        name = _name(table)
        return self.lakehouse.count(name, self.versions[name]) if name in self.versions else 0

    def load(self, table: str | Table) -> "DataFrame":
        """The table at this night's version. Raises PortraitError where this night has no such table."""
        name = _name(table)
        if name not in self.versions:
            raise PortraitError(f"{name}: no such table as of {self.day}; run the stages before this one first")
        from jobs.runtime.snapshot import read_version

        self.stage.inputs[name] = self.versions[name]
        return read_version(self.spark, self.lakehouse, name, self.versions[name])

    def load_files(self, table: str | Table, names: Collection[str]) -> "DataFrame":
        """The rows of some of the table's data files, at this night's version."""
        from jobs.runtime.snapshot import read_version

        name = _name(table)
        return read_version(self.spark, self.lakehouse, name, self.versions[name], only=names)

    def reaches_past(self, table: Table, column: str, day: date) -> bool:
        """May a date column of the table hold a later day? As its log tells, without reading it."""
        greatest = self.lakehouse.greatest(table.name, self.versions[table.name], column)
        return greatest is None or greatest > day

    def view(self, entity: str) -> "DataFrame":
        """silver/<entity>: the rows that a run for this date may see, of all its sources."""
        from transforms.columns import known_at, visible

        # of what happened, each row keeps its time, however late it landed; all else is known only as it landed
        if ENTITIES[entity].time and self.day < self.landed_by:
            return self.versions_of(entity).where(known_at(day=self.day, as_of=self.as_of))
        return self.load(ENTITIES[entity].table).where(visible(day=self.day, as_of=self.as_of))

    def versions_of(self, entity: str) -> "DataFrame":
        """silver/<entity>: all versions that had landed by this night, for `known_at`."""
        from transforms.columns import with_first

        silver = ENTITIES[entity].table
        rows = self.load(silver)
        replaced = self.reaches_past(silver, "_valid_to", date.min)
        return with_first(rows.where(rows["_batch_date"] <= self.landed_by), replaced=replaced)

    def at(self, day: date) -> "Night":
        """This night as a cut-off of an earlier day sees it: what had happened by then, in tonight's release."""
        earlier = copy.copy(self)
        earlier.day, earlier.as_of = day, end_of(day, self.conf.pipeline.timezone)
        return earlier

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """A small table, without Spark: ops tables whole, tables of the night's state at its version."""
        if _of_state(table) and table.name not in self.versions:
            return []
        return self.lakehouse.rows(table, self.versions.get(table.name))

    @contextmanager
    def for_rows(self, rows: int) -> Iterator[None]:
        """Expressions over few rows are interpreted: to compile them would cost more than to run them."""
        with self._set_to(_INTERPRETED if rows <= FEW_ROWS else {}) as usual:
            self._usual, outer = self._usual or usual, self._usual
            try:
                yield
            finally:
                self._usual = outer

    @contextmanager
    def as_usual(self) -> Iterator[None]:
        """Within a block of `for_rows`: this part of it is over many rows, and is compiled as the session compiles."""
        with self._set_to(self._usual):
            yield

    @contextmanager
    def in_one_step(self, rows: int) -> Iterator[None]:
        """Chained steps over many rows become one, which shares what it uses twice: each would copy every column."""
        with self._set_to({"spark.sql.optimizer.collapseProjectAlwaysInline": "true"} if rows > FEW_ROWS else {}):
            yield

    @contextmanager
    def _set_to(self, settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Gives what was set before."""
        before = {name: str(self.spark.conf.get(name)) for name in settings}
        try:
            for name, value in settings.items():
                self.spark.conf.set(name, value)
            yield before
        finally:
            for name, value in before.items():
                self.spark.conf.set(name, value)

    # -- writing

    def save(
        self, data: "DataFrame | pa.Table | Iterator[pa.Table]", table: Table, *,
        mode: Mode = "overwrite", removed: Collection[str] = (), beside: Written | None = None,
        counted: Counted | None = None,
    ) -> Saved:  # fmt: skip
        """Write a table of the night's state in one commit: a frame, or what the driver holds as Arrow.

        An iterator gives Arrow's tables one at a time, with the table's own columns, and one at least.

        It conforms to the table's columns first. The state was rolled back to the base before the night began, so to
        append twice is not possible. `removed`: names of data files that what is appended takes the place of.
        `beside`: files of the table that were written before, for the same commit. `counted`: of a frame's rows.
        Raises LockedError where another run holds the lakehouse by now, or has written to the table.
        """
        from transforms.columns import conform

        upon = self.versions.get(table.name)
        mode = mode if upon is not None else "overwrite"
        if isinstance(data, pa.Table):
            self.holds()
            return self._wrote(table.name, self.lakehouse.write(table, data, mode=mode, upon=upon), data.num_rows)
        uri = self.lakehouse.path(table.name)
        at = dict.fromkeys(table.partition, self.day)
        if isinstance(data, Iterator):
            written = write_tables(data, uri, table, at, arrow_schema(table))
        else:
            written = write_files(conform(data, table), uri, table, at, counted)
        written = written.and_also(beside)
        self.holds()
        return self._wrote(table.name, commit(uri, table, written, mode=mode, removed=removed, upon=upon), written.rows)

    def write_apart(self, data: "DataFrame", table: Table, *, aside: str, counted: Counted) -> tuple[Written, str]:
        """Files for a later `save`, and the folder of the rows, marked by the column `aside`, that are not to be in it.

        What the table lacks is one column (REST) of the rows aside: each of many would cost every row a NULL.
        `counted`: the column PART tells of each row where it goes.
        """
        from pyspark.sql import functions as F

        from transforms.columns import typed_as

        own = [typed_as(data, column).alias(column.name) for column in table.columns]
        rest = F.struct(*(name for name in data.columns if name not in {*table.names, aside}))
        part = F.when(F.col(aside), "aside").otherwise("table")
        frame = data.select(*own, F.when(F.col(aside), rest).alias(REST), part.alias(PART))
        return write_apart(frame, self.lakehouse.path(table.name), table, counted)

    def read_aside(self, folder: str, table: Table, like: "DataFrame") -> "DataFrame":
        """The rows that `write_apart` set aside from a table: a frame with the columns of `like`."""
        from pyspark.sql.types import StructType

        if not exists(folder):
            return like.limit(0)
        own, rest = (
            [field for field in like.schema if (field.name in table.names) is is_own] for is_own in (True, False)
        )
        schema = StructType(own).add(REST, StructType(rest))
        places = (name if name in table.names else f"{REST}.`{name}`" for name in like.columns)
        return self.spark.read.schema(schema).parquet(folder).select(*places)

    def _wrote(self, name: str, version: int, rows: int) -> Saved:
        with self._lock:
            self.versions[name] = self.stage.outputs[name] = version
            self.stage.rows += rows
        return Saved(version, rows)

    def take_back(self, table: Table, version: int | None, *, rows: int) -> None:
        """Undo a write of this stage, of so many rows: the table's content is that of `version` again.

        None: this night's state had no such table. A release may still name one, so what lies there stays.
        """
        self.holds()
        restored = self.lakehouse.take_back(table.name, version) if version is not None else None
        with self._lock:
            self.stage.rows -= rows
            for state in (self.versions, self.stage.outputs):
                state.pop(table.name, None)
                if restored is not None:
                    state[table.name] = restored

    def replaced(self, table: str, version: int) -> None:
        """Rows were taken out of a table of the night's state: it is at that version now."""
        self._wrote(table, version, 0)

    def append(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows to a small table in one commit, without Spark. A table new to this night's state begins anew."""
        self.holds()
        state, upon = _of_state(table), self.versions.get(table.name)
        version = self.lakehouse.append(table, rows, anew=state and upon is None, upon=upon)
        if version is not None and state:
            self.versions[table.name] = self.stage.outputs[table.name] = version

    def forget(self, table: str | Table) -> None:
        """Take a table out of the night's state: the next save of it begins anew."""
        self.versions.pop(_name(table), None)

    # -- telling

    def now(self) -> datetime:
        """The time, later than all that earlier runs and this one have noted."""
        with self._lock:
            self._noted = now_after([self._noted])
            return self._noted

    def figure(self, name: str, value: Any) -> None:
        """A figure of the current stage, for ops/stage and the report. JSON-able; no personal data."""
        json.dumps(value)
        self.stage.figures[name] = value

    def warn(self, message: str) -> None:
        """A line for the people who run the night. No personal data."""
        self.stage.warnings.append(message)
        self._on_warning(message)

    def figures_of(self, stage: str) -> dict[str, Any]:
        """What an earlier stage of this night counted."""
        return self.finished[stage].figures if stage in self.finished else {}

    def check_room(self) -> None:
        """Raise PortraitError where the disk under a local lakehouse is nearly full."""
        if on_s3(self.lakehouse.uri):
            return
        free = shutil.disk_usage(self.lakehouse.uri).free
        if free < LEAST_FREE_BYTES:
            raise PortraitError(
                f"{self.lakehouse.uri}: only {free // 1_000_000} MB free, a night needs at least "
                f"{LEAST_FREE_BYTES // 1_000_000} MB; free some, or name another lakehouse in conf/pipeline.yml"
            )


def _of_state(table: Table) -> bool:
    """Is it a table that nights build on, rather than one that tells of them?"""
    return not table.name.startswith("ops/") or table.name in STATE_IN_OPS


def _name(table: str | Table) -> str:
    return table if isinstance(table, str) else table.name
