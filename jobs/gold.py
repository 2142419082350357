"""Gold for notebooks: one consistent night, as pandas, Polars, Arrow, DuckDB or Spark.

    from jobs.gold import open_release
    night = open_release()
    night.pandas("customer_profile")
    night.duckdb().sql("select rfm_segment, count(*) from customer_profile group by all")

All views read the versions that one release names, whatever later nights write; what ops tells of nights is there as
`ops.run` and the like. Only `spark` starts a JVM.
"""

import datetime
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb as duck
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.runtime.releases import Release, all_releases, gone
from jobs.runtime.tables import Lakehouse
from transforms.definitions import nearest
from transforms.errors import DefinitionError, PortraitError
from transforms.profile import PROFILE
from transforms.schemas import ENTITIES, FIXED_TABLES

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from pyspark.sql import DataFrame

_GOLD, _OPS, _SILVER = "gold/", "ops/", "silver/"
RESTRICTED = ("gold/customer", "gold/override")
# They tell of nights, are only ever appended to, and no release names them.
_OF_NIGHTS = tuple(name for name in FIXED_TABLES if name.startswith(_OPS))


@dataclass(frozen=True)
class OpenRelease:
    """A release opened for reading. Tables are named with or without `gold/`: `order`, `gold/order`, `gold.order`."""

    lakehouse: Lakehouse
    named: Release
    tables: tuple[str, ...]

    @property
    def release(self) -> int:
        return self.named.release

    @property
    def run_id(self) -> str:
        return self.named.run_id

    @property
    def date(self) -> date:
        """The business date that the release describes."""
        return self.named.date

    def dataset(self, table: str) -> ds.Dataset:
        """A table as an Arrow dataset: nothing is read yet. Raises DefinitionError for one that is not to be had."""
        name = self.known(table)
        version = self.named.versions.get(name)
        if version is not None:
            self._check(name, version)
        found = self.lakehouse.dataset(name, version)
        if found is None:
            raise PortraitError(self._gone(name))
        return found

    def arrow(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table, or some of its columns, as an Arrow table."""
        return self.dataset(table).to_table(columns=list(columns) if columns else None)

    def pandas(self, table: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table, or some of its columns, as a pandas DataFrame."""
        frame: pd.DataFrame = self.arrow(table, columns).to_pandas()
        return frame

    def polars(self, table: str) -> "pl.LazyFrame":
        """A table as a Polars LazyFrame: nothing is read before `collect`, and then what is asked for alone."""
        import polars as pl

        return pl.scan_pyarrow_dataset(self.dataset(table))

    def duckdb(self) -> duck.DuckDBPyConnection:
        """A new DuckDB connection with a view a table, `customer_profile` or `gold.customer_profile`. Times are UTC."""
        connection = duck.connect()
        self.show_to(connection, (*self.tables, *self.of_nights))
        return connection

    def show_to(self, connection: duck.DuckDBPyConnection, tables: Iterable[str]) -> None:
        """Make views of tables: `<layer>.<name>`, and `<name>` for one of gold. Of silver what the night saw."""
        connection.execute("set timezone = 'UTC'")
        for table in tables:
            layer, _, name = table.partition("/")
            held = name if layer == "gold" else f"{layer}_{name}"
            connection.register(held, self.dataset(table))
            connection.execute(f"create schema if not exists {layer}")
            seen = f" where {self._seen}" if layer == "silver" and name in ENTITIES else ""
            connection.execute(f'create view {layer}."{name}" as from "{held}"{seen}')

    @cached_property
    def of_nights(self) -> tuple[str, ...]:
        """The tables that tell of nights."""
        return tuple(name for name in _OF_NIGHTS if self.lakehouse.version(name) is not None)

    @property
    def _seen(self) -> str:
        day = f"date '{self.date}'"
        current = f"_batch_date <= {day} and (_valid_to is null or _valid_to > {day})"
        return f"{current} and coalesce(event_date, {day}) <= {day}"

    def earlier_profile(self, night: datetime.date) -> pa.Table:
        """The profile as it was after an earlier night of this release's history, from gold/tag_change.

        Grain: customer known then; the columns that it had, without as_of and run_id.
        Raises DefinitionError for a night that the history does not have.
        """
        from jobs.lookups.history import earlier_profile

        return earlier_profile(self.lakehouse, self.named, night)

    def spark(self, table: str) -> "DataFrame":
        """A table as a Spark DataFrame, in the session that is open, or in a new one."""
        from jobs.runtime.session import open_session

        name = self.known(table)
        version = self.named.versions.get(name)
        at = {} if version is None else {"versionAsOf": str(version)}
        path = self.lakehouse.path(name)
        frame: DataFrame = open_session(reaches=[path]).read.format("delta").options(**at).load(path)
        return frame

    def known(self, table: str) -> str:
        """The table's full name. Raises DefinitionError for one that is not to be had."""
        name = table.replace(".", "/", 1)
        name = name if "/" in name else _GOLD + name
        if name in self.tables or name in self.of_nights:
            return name
        if name in self.named.versions and _restricted(name):
            raise DefinitionError(f"{name} holds personal data; ask for it: open_release(restricted=True)")
        raise DefinitionError(
            f"no table '{table}' in release {self.release}{nearest(name, (*self.tables, *self.of_nights))}"
        )

    def _check(self, name: str, version: int) -> None:
        try:
            self.lakehouse.check({name: version})
        except PortraitError as error:
            raise PortraitError(self._gone(name) if " is gone" in str(error) else str(error)) from None

    def _gone(self, name: str) -> str:
        readable = [
            release.release
            for release in all_releases(self.lakehouse)
            if PROFILE in release.versions and self.lakehouse.holds(PROFILE, release.versions[PROFILE])
        ]
        instead = f"; releases that can be: {', '.join(map(str, readable))}" if readable else ""
        return (
            f"{name}: release {self.release} of {self.date} can no longer be read, its files were removed by "
            f"retention or by hand{instead}"
        )


def open_release(
    lakehouse: str | None = None,
    release: int | None = None,
    *,
    restricted: bool = False,
    conf: str | Path | None = None,
    env: str | None = None,
) -> OpenRelease:
    """The newest release, or the one of that number, of a lakehouse.

    `lakehouse`: its path or URI; without it, that of the configuration in `conf`, in the folder that the environment
    variable PORTRAIT_CONF names, or in the nearest folder `conf` here or above; `env`: as laid over by conf/env.
    `restricted`: with the tables that hold personal data: gold/customer, gold/override, silver and identity.
    Raises PortraitError where there is no such release.
    """
    house = Lakehouse(lakehouse or _configured(Path(conf) if conf else _nearest_conf(), env))
    releases = {found.release: found for found in all_releases(house)}
    if not releases:
        raise PortraitError(f"{house.uri}: no release yet; run a night first: portrait run --date …")
    named = releases.get(release if release is not None else max(releases))
    if named is None:
        raise PortraitError(f"{house.uri}: no release {release}; there are {min(releases)} to {max(releases)}")
    if named.expired:
        raise PortraitError(f"{house.uri}: {gone(named, house)}")
    shown = (name for name in named.versions if name.startswith(_GOLD) or _restricted(name))
    return OpenRelease(house, named, tuple(sorted(name for name in shown if restricted or not _restricted(name))))


def _restricted(table: str) -> bool:
    """Does a table hold personal data in clear, and people ask for it all the same?"""
    return table in RESTRICTED or table.startswith((_SILVER, "identity/"))


def _configured(conf: Path, env: str | None) -> str:
    from jobs.runtime.configuration import load_pipeline

    return load_pipeline(conf, env)[1]


def _nearest_conf() -> Path:
    if named := os.environ.get("PORTRAIT_CONF"):
        return Path(named)
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "conf" / "pipeline.yml").is_file():
            return folder / "conf"
    raise DefinitionError("no folder conf/ here or above; say which lakehouse: open_release('path/to/lakehouse')")
