"""Gold for notebooks: one consistent night, as pandas, Arrow, DuckDB or Spark.

    from jobs.gold import open_release
    night = open_release()
    night.pandas("customer_profile")
    night.duckdb().sql("select rfm_segment, count(*) from customer_profile group by all")

All views read the versions that one release names, whatever later nights write. Only `spark` starts a JVM.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.runtime.releases import Release, all_releases, gone
from jobs.runtime.tables import Lakehouse
from transforms.definitions import nearest
from transforms.errors import DefinitionError, PortraitError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_GOLD = "gold/"
RESTRICTED = ("gold/customer", "gold/override")


@dataclass(frozen=True)
class OpenRelease:
    """A release opened for reading. Tables are named with or without `gold/`."""

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
        name = self._known(table)
        found = self.lakehouse.dataset(name, self.named.versions[name])
        if found is None:
            raise PortraitError(f"{self.lakehouse.path(name)}: the table of release {self.release} is gone")
        return found

    def arrow(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table, or some of its columns, as an Arrow table."""
        return self.dataset(table).to_table(columns=list(columns) if columns else None)

    def pandas(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table, or some of its columns, as a pandas DataFrame."""
        frame: pd.DataFrame = self.arrow(table, columns).to_pandas()
        return frame

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A new DuckDB connection with a view a table, named as the table is without `gold/`. Times are UTC."""
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        for table in self.tables:
            connection.register(table.removeprefix(_GOLD), self.dataset(table))
        return connection

    def earlier_profile(self, night: datetime.date) -> pa.Table:
        """The profile as it was after an earlier night of this release's history, from gold/tag_change.

        Grain: customer known then; the columns that it had, without as_of and run_id.
        Raises DefinitionError for a night that the history does not have.
        """
        from jobs.history import earlier_profile

        return earlier_profile(self.lakehouse, self.named, night)

    def spark(self, table: str) -> "DataFrame":
        """A table as a Spark DataFrame, in the session that is open, or in a new one."""
        from jobs.runtime.session import open_session

        name = self._known(table)
        version = self.named.versions[name]
        frame: DataFrame = (
            open_session().read.format("delta").option("versionAsOf", version).load(self.lakehouse.path(name))
        )
        return frame

    def _known(self, table: str) -> str:
        name = table if table.startswith(_GOLD) else _GOLD + table
        if name in self.tables:
            return name
        if name in RESTRICTED:
            raise DefinitionError(f"{name} holds personal data; ask for it: open_release(restricted=True)")
        raise DefinitionError(f"no table '{table}' in release {self.release}{nearest(name, self.tables)}")


def open_release(
    lakehouse: str | None = None, release: int | None = None, *, restricted: bool = False, conf: str | None = None
) -> OpenRelease:
    """The newest release, or the one of that number, of a lakehouse.

    `lakehouse`: its path or URI; without it, that of the configuration in `conf`, or in the nearest folder `conf`
    here or above. `restricted`: with the tables that hold personal data.
    Raises PortraitError where there is no such release.
    """
    house = Lakehouse(lakehouse or _configured(Path(conf) if conf else _nearest_conf()))
    releases = {found.release: found for found in all_releases(house)}
    if not releases:
        raise PortraitError(f"{house.uri}: no release yet; run a night first: portrait run --date …")
    named = releases.get(release if release is not None else max(releases))
    if named is None:
        raise PortraitError(f"{house.uri}: no release {release}; there are {min(releases)} to {max(releases)}")
    if named.expired:
        raise PortraitError(f"{house.uri}: {gone(named, house)}")
    gold = (name for name in named.versions if name.startswith(_GOLD))
    return OpenRelease(house, named, tuple(sorted(name for name in gold if restricted or name not in RESTRICTED)))


def _configured(conf: Path) -> str:
    from jobs.runtime.configuration import load_configuration

    return load_configuration(conf).lakehouse


def _nearest_conf() -> Path:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "conf" / "pipeline.yml").is_file():
            return folder / "conf"
    raise DefinitionError("no folder conf/ here or above; say which lakehouse: open_release('path/to/lakehouse')")
