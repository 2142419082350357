"""A tiny project of a few sources whose nights run bronze and silver alone, and what silver shows as of a day."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs import bronze, silver
from jobs.runtime.night import Ledger, Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, dataset_of
from tests.bare import bare_configuration
from transforms.sources.definition import parse_source

FIRST = date(2026, 3, 1)


def day(number: int) -> date:
    """The business date of the night of that number; the first is 1."""
    return FIRST + timedelta(days=number - 1)


@dataclass
class Extracts:
    """A lakehouse, extracts, and nights that start from the state of the one before."""

    spark: SparkSession
    folder: Path
    yaml: dict[str, str]
    base: Release | None = None
    warned: list[str] = field(default_factory=list)
    last: Night | None = None

    def deliver(self, path: str, *lines: str) -> Path:
        """Write a file below extracts/."""
        file = self.folder / "extracts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    def night(self, number: int, *, full_refresh: bool = False) -> dict[str, dict[str, int]]:
        """Run it; gives the fates of each source's rows, without those of which there are none."""
        sources = [parse_source(text, place=f"conf/sources/{name}.yml") for name, text in self.yaml.items()]
        night = Night(
            conf=bare_configuration(self.folder, sources), lakehouse=Lakehouse(str(self.folder / "lakehouse")),
            day=day(number), run_id=f"night-{number}",
            started_at=datetime.now(UTC), base=self.base, full_refresh=full_refresh, on_warning=self.warned.append,
        )  # fmt: skip
        night.__dict__["spark"] = self.spark
        for stage in (bronze, silver):
            if not (full_refresh and stage is bronze):
                stage.run(night)
            night.finished[stage.__name__.rpartition(".")[2]], night.stage = night.stage, Ledger()
            self.last = night
        release = self.base.release + 1 if self.base else 1
        self.base = Release(release, night.run_id, night.day, datetime.now(UTC), "night", dict(night.versions), "")
        fates = night.figures_of("silver")["fates"]
        return {source: {fate: n for fate, n in told.items() if n} for source, told in fates.items()}

    def silver(self, entity: str) -> pd.DataFrame:
        """All versions of all records."""
        assert self.base
        name = f"silver/{entity}"
        table = DeltaTable(str(self.folder / "lakehouse" / name), version=self.base.versions[name])
        return dataset_of(table).to_table().to_pandas(date_as_object=True)

    def seen(self, entity: str, number: int, *columns: str) -> list[tuple[Any, ...]]:
        """What a run for that night sees of silver as it is now, sorted."""
        rows = self.silver(entity)
        at = rows["event_date"].map(lambda of: of is None or of <= day(number))
        ends = rows["_valid_to"].map(lambda end: end is None or end > day(number))
        shown = rows[(rows["_batch_date"] <= day(number)) & ends & at]
        return sorted(tuple(row) for row in shown[list(columns)].astype(str).itertuples(index=False))
