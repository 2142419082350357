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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb as duck
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.lookups.known_members import NIGHTS, KnownMembers, known_members
from jobs.lookups.seen import Seen, seen
from jobs.runtime.releases import Release, all_releases, gone
from jobs.runtime.tables import Lakehouse
from transforms.definitions import nearest
from transforms.errors import DefinitionError, PortraitError
from transforms.privacy import Role
from transforms.profile import PROFILE
from transforms.roles import role_of
from transforms.schemas import ENTITIES, FIXED_TABLES, GOLD_AUDIENCE

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
    """A release opened for reading. Tables are named with or without `gold/`: `order`, `gold/order`, `gold.order`.

    `role`: who reads; what is kept from them is not there, or masked. None: all that the tables hold.
    """

    lakehouse: Lakehouse
    named: Release
    tables: tuple[str, ...]
    role: Role | None = None

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
        """A table as an Arrow dataset: nothing is read yet. Raises DefinitionError for one that is not to be had.

        Under a role it has the columns and members alone that the role sees in clear.
        """
        return self._opened(table)[0]

    def _opened(self, table: str) -> tuple[ds.Dataset, Seen]:
        """A table's columns and rows in clear, and what the role sees of it."""
        found = self._whole(table)
        view = seen(found.schema, self.role)
        if self.role is None:
            return found, view
        members = self._members(table)
        return (found.filter(members.rule) if members else found).replace_schema(view.clear), view

    def _members(self, table: str) -> KnownMembers | None:
        """Which of a table's rows the role sees; None: all."""
        name = self.known(table)
        if self.role is None or name not in NIGHTS:
            return None
        return known_members(name, self.role, self._whole(PROFILE).schema, self._whole(GOLD_AUDIENCE.name))

    def _whole(self, table: str) -> ds.Dataset:
        name = self.known(table)
        version = self.named.versions.get(name)
        try:
            if version is not None:
                self._check(name, version)
            found = self.lakehouse.dataset(name, version)
        except OSError:
            raise PortraitError(
                f"{name}: the store does not let it be read; whoever grants its folders can say why"
            ) from None
        if found is None:
            raise PortraitError(self._gone(name))
        return found

    def arrow(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table, or some of its columns, as an Arrow table. Raises DefinitionError for a column that is not there."""
        found, view = self._opened(table)
        wanted = list(columns) if columns else view.names
        for name in wanted:
            if name not in view.names:
                raise DefinitionError(f"{table}: no column '{name}'{nearest(name, view.names)}")
        return view.masking(found.to_table([name for name in wanted if name not in view.masked]), wanted)

    def pandas(self, table: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table, or some of its columns, as a pandas DataFrame."""
        frame: pd.DataFrame = self.arrow(table, columns).to_pandas()
        return frame

    def polars(self, table: str) -> "pl.LazyFrame":
        """A table as a Polars LazyFrame: nothing is read before `collect`, and then what is asked for alone."""
        import polars as pl

        found, view = self._opened(table)
        return view.masking_polars(pl.scan_pyarrow_dataset(found))

    def duckdb(self) -> duck.DuckDBPyConnection:
        """A new DuckDB connection with a view a table, `customer_profile` or `gold.customer_profile`. Times are UTC."""
        connection = duck.connect()
        self.show_to(connection, self.readable)
        return connection

    def show_to(self, connection: duck.DuckDBPyConnection, tables: Iterable[str]) -> None:
        """Make views of tables: `<layer>.<name>`, and `<name>` for one of gold. Of silver what the night saw."""
        connection.execute("set timezone = 'UTC'")
        for table in tables:
            layer, _, name = table.partition("/")
            held = name if layer == "gold" else f"{layer}_{name}"
            found, view = self._opened(table)
            view.register(connection, held, found)
            connection.execute(f"create schema if not exists {layer}")
            current = f" where {self._current}" if layer == "silver" and name in ENTITIES else ""
            connection.execute(f'create view {layer}."{name}" as from "{held}"{current}')

    @cached_property
    def of_nights(self) -> tuple[str, ...]:
        """The tables that tell of nights."""
        return tuple(name for name, head in self._heads(_OF_NIGHTS) if head is not None)

    @property
    def readable(self) -> list[str]:
        """The tables that the store does not keep from whoever asks.

        A role has those of members only with what tells of their audiences.
        """
        found = [name for name, _ in self._heads(self.tables)]
        if self.role and not {PROFILE, GOLD_AUDIENCE.name} <= {*found}:
            found = [name for name in found if name not in NIGHTS]
        return [*found, *self.of_nights]

    def _heads(self, names: Iterable[str]) -> Iterator[tuple[str, int | None]]:
        """Those of the tables that the store does not keep from whoever asks, with the version of their heads."""
        for name in names:
            with suppress(OSError):
                yield name, self.lakehouse.version(name)

    @property
    def _current(self) -> str:
        day = f"date '{self.date}'"
        current = f"_batch_date <= {day} and (_valid_to is null or _valid_to > {day})"
        return f"{current} and coalesce(event_date, {day}) <= {day}"

    def earlier_profile(self, night: datetime.date) -> pa.Table:
        """The profile as it was after an earlier night of this release's history, from gold/tag_change.

        Grain: customer known then; the columns that it had, without as_of and run_id.
        Raises DefinitionError for a night that the history does not have.
        """
        from jobs.lookups.history import earlier_profile

        rebuilt = earlier_profile(self.lakehouse, self.named, night)
        if self.role is None:
            return rebuilt
        view = seen(self._whole(PROFILE).schema, self.role)  # a column that is gone since tells no sensitivity
        return view.masking(rebuilt, [name for name in rebuilt.column_names if name in view.names])

    def spark(self, table: str) -> "DataFrame":
        """A table as a Spark DataFrame, in the session that is open, or in a new one."""
        from jobs.runtime.session import open_session

        name = self.known(table)
        version = self.named.versions.get(name)
        at = {} if version is None else {"versionAsOf": str(version)}
        path = self.lakehouse.path(name)
        frame: DataFrame = open_session(reaches=[path]).read.format("delta").options(**at).load(path)
        if self.role is None:
            return frame
        members = self._members(table)
        return self._opened(table)[1].masking_spark(members.of_spark(frame) if members else frame)

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
    role: str | None = None,
    conf: str | Path | None = None,
    env: str | None = None,
) -> OpenRelease:
    """The newest release, or the one of that number, of a lakehouse.

    `lakehouse`: its path or URI; without it, that of the configuration in `conf`, in the folder that the environment
    variable PORTRAIT_CONF names, or in the nearest folder `conf` here or above; `env`: as laid over by conf/env.
    `restricted`: with the tables that hold personal data: gold/customer, gold/override, silver and identity.
    `role`: as that role of conf/privacy.yml sees gold; with the two tables of persons where it sees personal data.
    Raises PortraitError where there is no such release, DefinitionError where there is no such role.
    """
    if restricted and role:
        raise DefinitionError("--restricted shows everything, --role what that role may see; say one of them")
    place = Path(conf) if conf else _nearest_conf() if role or not lakehouse else Path()
    reader = _reader(place, env, role) if role else None
    house = Lakehouse(lakehouse or _configured(place, env))
    releases = {found.release: found for found in all_releases(house)}
    if not releases:
        raise PortraitError(f"{house.uri}: no release yet; run a night first: portrait run --date …")
    named = releases.get(release if release is not None else max(releases))
    if named is None:
        raise PortraitError(f"{house.uri}: no release {release}; there are {min(releases)} to {max(releases)}")
    if named.expired:
        raise PortraitError(f"{house.uri}: {gone(named, house)}")
    shown = (name for name in named.versions if name.startswith(_GOLD) or _restricted(name))
    may = (name for name in shown if restricted or not _restricted(name) or (reader and _sees_people(reader, name)))
    return OpenRelease(house, named, tuple(sorted(may)), reader)


def _restricted(table: str) -> bool:
    """Does a table hold personal data in clear, and people ask for it all the same?"""
    return table in RESTRICTED or table.startswith((_SILVER, "identity/"))


def _sees_people(role: Role, table: str) -> bool:
    return table in RESTRICTED and role.shows("", "personal") != "deny"


def _reader(conf: Path, env: str | None, name: str) -> Role:
    from jobs.runtime.configuration import load_roles

    return role_of(load_roles(conf, env), name)


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
