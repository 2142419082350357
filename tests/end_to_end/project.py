"""A small copy of the demo: its configuration, a few households' extracts, and a lakehouse of its own."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from jobs.demo.extracts import arrive, write_extracts
from jobs.pipeline import run_night
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, newest
from jobs.runtime.tables import Lakehouse

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLDS = 40
PRODUCTS = 1000  # of 92,000, which no tag looks at
SINCE = date(2017, 12, 1)
KEYS = {"PORTRAIT_CUSTOMER_KEY": "c" * 40, "PORTRAIT_ERASURE_KEY": "e" * 40}
# what tells one run from another, and nothing of the data
_OF_THE_RUN = ["run_id", "_ingested_at"]
# for commands with a session of their own
_FEW_ROWS = """
  spark.driver.memory: 2g
  spark.sql.codegen.wholeStage: "false"
  spark.sql.codegen.factoryMode: NO_CODEGEN
"""
# an audience that a few households fill
_REACHABLE = """
audience: reachable
where: reachable_by_email
purpose: marketing
holdout: 0.3
"""


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

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(self.environment["LAKEHOUSE"])

    def load(self) -> Configuration:
        os.environ.update(self.environment)
        return load_configuration(self.conf)

    def night(self, day: date, spark: SparkSession, **options: Any) -> Night:
        arrive(self.folder, day)
        return run_night(self.load(), day, screen=Screen(as_json=True), session=spark, **options)

    def files(self, pattern: str) -> list[Path]:
        """The extracts' files of a pattern, such as `pos/2017-12-30/*`."""
        found = sorted((self.folder / "extracts").glob(pattern))
        assert found, f"no extract matches {pattern}"
        return found

    @property
    def release(self) -> Release:
        found = newest(self.lakehouse)
        assert found is not None
        return found

    def table(self, name: str, release: Release | None = None) -> pd.DataFrame:
        """A table as a release names it, read without Spark, its rows and columns in a fixed order."""
        return self.at(name, (release or self.release).versions[name])

    def at(self, name: str, version: int) -> pd.DataFrame:
        """A table at a version: as texts, rows and columns in a fixed order, without what tells only of the run.

        Files are named below the extracts' folder, which is another in each copy of a project.
        """
        found = self.lakehouse.dataset(name, version)
        assert found is not None
        frame = found.to_table().to_pandas().drop(columns=_OF_THE_RUN, errors="ignore")
        texts = frame.map(lambda value: str(sorted(value)) if isinstance(value, list) else str(value))
        if "_file" in texts:
            texts["_file"] = texts["_file"].str.partition("/extracts/")[2]
        return texts[sorted(texts.columns)].sort_values(sorted(texts.columns)).reset_index(drop=True)

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
    pipeline = folder / "conf" / "pipeline.yml"
    pipeline.write_text(pipeline.read_text().replace("  spark.driver.memory: 4g\n", _FEW_ROWS))
    (folder / "conf" / "audiences" / "reachable.yml").write_text(_REACHABLE)
    export = folder / "conf" / "exports" / "email_platform.yml"
    export.write_text(export.read_text().replace("audience: slipping_regulars", "audience: reachable"))
    write_extracts(folder, households=HOUSEHOLDS, since=SINCE)
    for catalogue in (folder / "extracts" / "products").rglob("*.csv"):
        catalogue.write_text("".join(catalogue.read_text().splitlines(keepends=True)[:PRODUCTS]))
    return Project(folder)


def assert_same(
    ours: Project, theirs: Project, *, tables: Iterable[str] | None = None, but_for: Sequence[str] = ()
) -> None:
    """The newest releases hold the same rows in the same tables (all of them by default), whoever made them how.

    `but_for`: columns that are not compared.
    """
    if tables is None:
        tables = ours.release.versions
        assert sorted(tables) == sorted(theirs.release.versions)
    for name in tables:
        one, other = (project.table(name).drop(columns=but_for, errors="ignore") for project in (ours, theirs))
        assert len(other), f"{name} is empty: nothing is compared"
        order = list(other.columns)
        pd.testing.assert_frame_equal(
            one.sort_values(order, ignore_index=True), other.sort_values(order, ignore_index=True), obj=name
        )
