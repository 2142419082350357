"""A small copy of the demo: its configuration, a few households' extracts, and a lakehouse of its own."""

import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.demo.extracts import arrive, write_extracts
from jobs.pipeline import run_night
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, newest
from jobs.runtime.tables import Lakehouse, dataset_of

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLDS = 40
SINCE = date(2017, 12, 1)
KEYS = {"PORTRAIT_CUSTOMER_KEY": "c" * 40, "PORTRAIT_ERASURE_KEY": "e" * 40}
# what tells one run from another, and nothing of the data
_OF_THE_RUN = ["run_id", "_ingested_at"]


@dataclass(frozen=True)
class Project:
    """A folder with conf/, tag_definitions/, extracts/ and a lakehouse."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        places = {name.upper(): str(self.folder / name) for name in ("extracts", "lakehouse", "exports")}
        return {**os.environ, **KEYS, **places}

    @property
    def conf(self) -> Path:
        return self.folder / "conf"

    def load(self) -> Configuration:
        os.environ.update(self.environment)
        return load_configuration(self.conf)

    def night(self, day: date, spark: SparkSession, **options: Any) -> Night:
        arrive(self.folder, day)
        return run_night(self.load(), day, screen=Screen(as_json=True), session=spark, **options)

    @property
    def release(self) -> Release:
        found = newest(Lakehouse(str(self.folder / "lakehouse")))
        assert found is not None
        return found

    def table(self, name: str, release: Release | None = None) -> pd.DataFrame:
        """A table as a release names it, read without Spark, its rows and columns in a fixed order."""
        version = (release or self.release).versions[name]
        table = dataset_of(DeltaTable(str(self.folder / "lakehouse" / name), version=version)).to_table()
        frame = table.to_pandas().drop(columns=_OF_THE_RUN, errors="ignore")
        texts = frame.map(lambda value: str(sorted(value)) if isinstance(value, list) else str(value))
        return texts.sort_values(list(texts.columns)).reset_index(drop=True)

    def copy(self, folder: Path) -> "Project":
        """The same project and lakehouse in another folder, whose paths differ in nothing but that folder."""
        shutil.copytree(self.folder, folder)
        return Project(folder)


def new_project(folder: Path) -> Project:
    """The demo's configuration over the extracts of a few households."""
    for name in ("conf", "tag_definitions"):
        shutil.copytree(ROOT / name, folder / name)
    identity = folder / "conf" / "identity.yml"
    # so few customers: three merges are more than the share that a real night may lose
    identity.write_text(identity.read_text().replace("id_churn: 0.01", "id_churn: 0.5"))
    write_extracts(folder, households=HOUSEHOLDS, since=SINCE)
    return Project(folder)
