"""A lakehouse of two tables without Spark, wherever it lies, and a place for its backup."""

import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet as pq

from jobs.runtime import releases
from jobs.runtime.commits import KEPT_LOG
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.releases import Release
from jobs.runtime.stores import delta_options, store_of
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.project import KEYS, ROOT
from transforms.schemas import OPS_RUN, OPS_STAGE

FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
PROFILE, CRM = "gold/customer_profile", "bronze/crm"


@dataclass
class House:
    """A lakehouse of two tables, and a place for its backup."""

    conf: Configuration
    to: str

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(self.conf.lakehouse)

    @property
    def files(self) -> set[str]:
        """Names of the data files that the backup's tables have."""
        return {file.name for file in (Path(self.to) / "tables").rglob("*.parquet") if "_delta_log" not in str(file)}

    def elsewhere(self, name: str) -> Configuration:
        """The same project over another lakehouse, which is not there yet."""
        folder = name if "://" in name else str(self.conf.root / name)
        return replace(self.conf, pipeline=self.conf.pipeline.model_copy(update={"lakehouse": folder}))

    def add(self, table: str, *customers: str) -> int:
        place, rows = self.lakehouse.path(table), pa.table({"customer_id": list(customers)})
        write_deltalake(
            place, rows, mode="append", configuration=KEPT_LOG, storage_options=delta_options(place)
        )  # fmt: skip
        return self.lakehouse.version(table) or 0

    def night(self, day: date, *customers: str) -> Release:
        """A night that lands and profiles these customers."""
        versions = {PROFILE: self.add(PROFILE, *customers), CRM: self.add(CRM, *customers)}
        row = {"run_id": str(day), "date": day, "status": "released", "at": pd.Timestamp.now("UTC")}
        self.lakehouse.append(OPS_RUN, [row | {"started_at": row["at"], "configuration": "c", "code_version": "1"}])
        return releases.publish(
            self.lakehouse, run_id=str(day), day=day, cause="night", versions=versions, configuration="c"
        )

    def dies(self, day: date) -> None:
        """A run that has finished a stage, and dies: past every release."""
        at = pd.Timestamp.now("UTC")
        row = {"run_id": "dead", "date": day, "at": at, "status": "running", "started_at": at, "base_release": 2}
        self.lakehouse.append(OPS_RUN, [row | {"configuration": "c", "code_version": "1", "options": "{}"}])
        outputs = {PROFILE: self.add(PROFILE, "half"), "gold/late": self.add("gold/late", "half")}
        done = {"stage": "profile", "status": "done", "inputs": {}, "outputs": outputs, "rows": 1, "seconds": 1.0}
        self.lakehouse.append(OPS_STAGE, [{"run_id": "dead", "date": day, "at": at, **done}])


def empty_house(folder: Path, lakehouse: str, to: str, monkeypatch: pytest.MonkeyPatch) -> House:
    """No night yet."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name, value in {**KEYS, "LAKEHOUSE": lakehouse}.items():
        monkeypatch.setenv(name, value)
    return House(load_configuration(folder / "conf", definitions=False), to)


def new_house(folder: Path, lakehouse: str, to: str, monkeypatch: pytest.MonkeyPatch) -> House:
    """Two nights, and a third that died."""
    made = empty_house(folder, lakehouse, to, monkeypatch)
    made.night(FIRST, "a", "b")
    made.night(SECOND, "c")
    made.dies(THIRD)
    return made


def held(lakehouse: Lakehouse, release: Release) -> dict[str, list[str]]:
    """Table -> its customers, as a release names it, read from the files that its log names."""
    found = {}
    for table, version in release.versions.items():
        opened = lakehouse.open(table, version)
        assert opened is not None
        files = [store_of(uri) for uri in opened.file_uris()]
        found[table] = sorted(v for store, path in files for v in pq.read_table(path, filesystem=store)[0].to_pylist())
    return found
