"""A night that changes nothing: tags and audiences computed anew over a release, in a folder of their own."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import dataset as ds
from pyarrow import parquet

from jobs import profile, tags
from jobs.runtime.commits import Counted, Mode, Written, write_parquet
from jobs.runtime.configuration import Configuration
from jobs.runtime.night import Night, Saved
from jobs.runtime.releases import Release
from jobs.runtime.snapshot import read_version
from jobs.runtime.tables import Lakehouse
from transforms.errors import PortraitError
from transforms.schemas import Table
from transforms.tags.catalog import built_on
from transforms.tags.tag import Tag

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Rehearsal(Night):
    """The night of a release once more. What it saves lies in `folder`, and is read from there."""

    def __init__(
        self, conf: Configuration, release: Release, folder: Path, *, local: bool, session: Any = None
    ) -> None:
        super().__init__(
            conf=conf, lakehouse=Lakehouse(conf.lakehouse), day=release.date, run_id="rehearsal", base=release,
            started_at=datetime.now(UTC), full_refresh=True, local=local,
        )  # fmt: skip
        self.folder = folder
        self.places: dict[str, Path] = {}
        self._numbers = count()
        if session is not None:
            self.__dict__["spark"] = session

    def save(
        self, data: "DataFrame | pa.Table | Iterator[pa.Table]", table: Table, *,
        mode: Mode = "overwrite", removed: Collection[str] = (), beside: Written | None = None,
        counted: Counted | None = None,
    ) -> Saved:  # fmt: skip
        """Write the table into the folder, in place of what the release holds of it."""
        from transforms.columns import conform

        place = self.folder / str(next(self._numbers))  # a table may be made from what it was
        if isinstance(data, pa.Table):
            place.mkdir()
            parquet.write_table(data, place / "rows.parquet")
        elif isinstance(data, Iterator):
            write_parquet(data, str(place))
        else:
            rows = conform(data, table)
            (counted.over(rows) if counted else rows).write.parquet(str(place))
        self.places[table.name] = place
        return self._wrote(table.name, -1, self.held(table.name).count_rows())

    def held(self, table: str) -> ds.Dataset:
        """What was saved of a table."""
        return ds.dataset(str(self.places[table]), format="parquet")

    def released(self, table: str) -> "DataFrame":
        """The table as the release holds it."""
        assert self.base  # noqa: S101  (a rehearsal is of a release)
        return read_version(self.spark, self.lakehouse, table, self.base.versions[table])

    def count(self, table: str | Table) -> int:
        name = table if isinstance(table, str) else table.name
        return self.held(name).count_rows() if name in self.places and self.has(name) else super().count(name)

    def load(self, table: str | Table) -> "DataFrame":
        name = table if isinstance(table, str) else table.name
        if name in self.places and self.has(name):
            return self.spark.read.parquet(str(self.places[name]))
        return super().load(table)


@contextmanager
def rehearsed(
    conf: Configuration, release: Release, wanted: Mapping[str, Tag], *, local: bool, session: Any = None
) -> Iterator[Rehearsal]:
    """The values of tags (all online in this) over a release: gold/customer_profile with their columns alone.

    `wanted`: the tags asked for and those that they are built on. Nothing of it is left at the end of the block.
    """
    shown = {name: tag.model_copy(update={"status": "online"}) for name, tag in wanted.items()}
    with tempfile.TemporaryDirectory(prefix="portrait-") as folder:
        # what is tried out is nobody's model: it is not registered
        pipeline = conf.pipeline.model_copy(update={"mlflow": None})
        night = Rehearsal(
            replace(conf, tags=shown, pipeline=pipeline), release, Path(folder), local=local, session=session
        )
        missing = [name for name in ("gold/customer", "identity/record") if not night.has(name)]
        if missing:
            raise PortraitError(f"release {release.release}: holds no {missing[0]}; run a night to its end first")
        tags.run(night)
        profile.run(night)
        yield night


def with_needs(names: Collection[str], tags: Mapping[str, Tag]) -> dict[str, Tag]:
    """The named tags and those that they are built on, in the order of `tags`."""
    needed = set[str]().union(*(built_on(tags[name], tags) for name in names))
    return {name: tag for name, tag in tags.items() if name in needed}
