"""Nights of tags as tables, without Spark: profiles told by hand, what landed of whom, and the stage `catalog`."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from jobs import catalog as stage
from jobs.runtime import releases
from jobs.runtime.night import Ledger, Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.profile import profile_table
from transforms.schemas import ENTITIES, IDENTITY_CHANGE, IDENTITY_RECORD, Table
from transforms.tags.definition import parse_tags
from transforms.tags.freshness import freshness_of

HEAD = "tag: {tag}\ntitle: {{en: The {tag}, zh: 标签}}\ndescription: d\nowner: o\npurposes: [marketing]\n"
FIRST = date(2018, 3, 1)
Values = dict[str, dict[str, Any]]  # customer -> column -> value


def yaml_of(name: str, body: str) -> str:
    status = "" if "status:" in body else "status: online\n"
    return HEAD.format(tag=name) + status + body + "\n"


@dataclass
class Nights:
    """A lakehouse in which each night's profile is what the test says."""

    folder: Path
    bodies: dict[str, str]
    base: Release | None = None
    warned: list[str] = field(default_factory=list)
    timezone: str = "UTC"
    extra: dict[str, int] = field(default_factory=dict)  # tables that a test wrote itself -> version

    @property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(str(self.folder))

    def conf(self) -> Any:
        tags = parse_tags({f"tags/{name}.yml": yaml_of(name, body) for name, body in self.bodies.items()})
        return SimpleNamespace(
            tags=tags, sources={}, audiences={}, exports={}, lakehouse=str(self.folder),
            pipeline=SimpleNamespace(timezone=self.timezone, spark={}, mlflow=None),
            privacy=SimpleNamespace(smallest_group=2, roles={}),
        )  # fmt: skip

    def run(
        self, number: int, profile: Values, *, landed: dict[str, list[str]] | None = None,
        identity: list[tuple[str, str, list[str]]] | None = None, newest: dict[str, int] | None = None,
    ) -> Night:  # fmt: skip
        """The night of that number. `landed`: entity -> customers; `newest`: entity -> the night of its newest."""
        day = FIRST + timedelta(days=number)
        night = Night(
            conf=self.conf(), lakehouse=self.lakehouse, day=day, run_id=f"run-{number}", base=self.base,
            started_at=datetime.now(UTC), on_warning=self.warned.append,
        )  # fmt: skip
        night.versions |= self.extra
        came = {name: {"": FIRST + timedelta(days=at)} for name, at in (newest or {"transaction": number}).items()}
        fresh = freshness_of(night.conf.tags, came, day)
        night.finished["tags"] = Ledger(figures={"absent": fresh.absent, "silent": fresh.silent})
        self._save(night, profile_table(night.conf.tags), [{"customer_id": c, **row} for c, row in profile.items()])
        self._save(night, IDENTITY_RECORD, [{"record_id": f"r:{c}", "customer_id": c} for c in profile])
        for entity in ("transaction", "contact"):
            rows = [{"_batch_date": day, "_node": f"r:{c}"} for c in (landed or {}).get(entity, ())]
            self._save(night, ENTITIES[entity].table, rows, mode="append")
        changes = [
            {"run_id": night.run_id, "date": day, "kind": kind, "customer_id": customer, "from_ids": sources}
            for kind, customer, sources in identity or ()
        ]
        self._save(night, IDENTITY_CHANGE, changes, mode="append")
        stage.run(night)
        self.base = releases.publish(
            self.lakehouse, run_id=night.run_id, day=day, cause="night", versions=night.versions, configuration=""
        )
        return night

    def roll_back(self) -> None:
        """As a run does that begins where one failed: the next builds on the versions that this makes."""
        assert self.base
        self.base = replace(self.base, versions=self.lakehouse.roll_back(self.base.versions))

    def _save(self, night: Night, table: Table, rows: list[dict[str, Any]], mode: Any = "overwrite") -> None:
        whole = [{name: row.get(name) for name in table.names} for row in rows]
        night.save(pa.Table.from_pylist(whole, arrow_schema(table)), table, mode=mode)
