"""A lakehouse whose releases are written row by row, and deliveries from them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs import exports
from jobs.engines.delivery import read_manifest
from jobs.runtime import releases
from jobs.runtime.configuration import Configuration, Pipeline
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.audiences import Audience
from transforms.destinations import Destination
from transforms.exports import Export
from transforms.privacy import Keys, Privacy, Purpose, Role
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, IDENTITY_CHANGE, OPS_EXPORT, Column, Table

FIRST_DAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Given:
    """What an export asks of a tag."""

    tag: str
    outputs: tuple[Column, ...]
    purposes: list[str] = field(default_factory=lambda: ["marketing", "service"])
    status: str = "online"
    kind: str = "statistic"
    place: str = "tag_definitions/value/any.yml"


TAGS: dict[str, Any] = {
    "likes": Given("likes", (Column("likes", "array<string>", "categories"),)),
    "note": Given("note", (Column("note", "string", "what was said"),)),
    "spend": Given("spend", (Column("spend", "decimal(18,4)", "EUR"),)),
    "when": Given("when", (Column("seen", "timestamp", "UTC"),)),
}
Person = dict[str, Any]


class Killed(BaseException):
    """As if the process had died."""


def dies(*_: Any) -> None:
    """In place of a step at which it does."""
    raise Killed


class House:
    """A lakehouse whose releases are written row by row, without the stages before."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.root, self.spark = root, spark
        self.lakehouse = Lakehouse(str(root / "lakehouse"))
        self.exports: dict[str, Export] = {}
        self.secrets: dict[str, str] = {}
        self.role = Role()
        self.consent: Any = "opt_in"  # that marketing asks for

    @property
    def conf(self) -> Configuration:
        return Configuration(
            root=self.root, pipeline=Pipeline(),
            privacy=Privacy(
                purposes={"marketing": Purpose(consent=self.consent), "service": Purpose(consent="none")},
                keys=Keys(customer=["k" * 32], erasure=["e" * 32]), roles={"all": self.role},
            ),
            sources={}, identity=None, tags=TAGS,
            audiences={"vip": Audience(audience="vip", where="true", purpose="marketing")},
            exports=self.exports, secrets=self.secrets, hash="conf",
        )  # type: ignore[arg-type]  # fmt: skip

    def wants(self, name: str, **keys: Any) -> None:
        to = keys.pop("to", {})
        to = to if to.get("format") == "jdbc" else {"format": "csv", "path": f"out/{name}/{{date}}/", **to}
        self.exports[name] = Export(
            place=f"conf/exports/{name}.yml", export=name, role="all", to=Destination(**to), **keys
        )

    def release(
        self, people: dict[str, Person], *, day: int = 0, merges: dict[str, list[str]] | None = None, holdout: str = "",
        run_id: str = "", skipped: int = 0,
    ) -> Release:  # fmt: skip
        """Publish a release of these people: customer -> profile columns, email."""
        date_ = FIRST_DAY + timedelta(days=day)
        rows = [
            {"customer_id": one, "as_of": datetime(2026, 3, 1, tzinfo=UTC), "run_id": f"r{day}", **told}
            for one, told in people.items()
        ]
        members = [
            {"date": date_, "audience": "vip", "customer_id": one, "arm": "holdout" if one in holdout else "target"}
            for one in people
        ]
        changes = [
            {"run_id": run_id or f"r{day}", "date": date_, "kind": "merge", "customer_id": kept, "from_ids": ended}
            for kept, ended in (merges or {}).items()
        ]
        versions = {
            PROFILE: self.write(profile_table(TAGS), rows),
            GOLD_CUSTOMER.name: self.write(GOLD_CUSTOMER, rows),
            GOLD_AUDIENCE_MEMBER.name: self.write(GOLD_AUDIENCE_MEMBER, members),
            IDENTITY_CHANGE.name: self.write(IDENTITY_CHANGE, changes, mode="append"),
        }
        return releases.publish(
            self.lakehouse, run_id=run_id or f"r{day}", day=date_, cause="night", versions=versions,
            configuration="conf", skipped=skipped,
        )  # fmt: skip

    def write(self, table: Table, rows: list[dict[str, Any]], mode: Any = "overwrite") -> int:
        data = pa.Table.from_pylist(
            [{name: row.get(name) for name in table.names} for row in rows], arrow_schema(table)
        )
        write_deltalake(self.lakehouse.path(table.name), data, mode=mode)
        return DeltaTable(self.lakehouse.path(table.name)).version()

    def night(self) -> Night:
        newest = releases.newest(self.lakehouse)
        assert newest is not None
        night = Night(
            conf=self.conf, lakehouse=self.lakehouse, day=newest.date, run_id=newest.run_id,
            started_at=datetime.now(UTC), base=newest,
        )  # fmt: skip
        night.__dict__["spark"] = self.spark
        night.release = newest
        return night

    def deliver(self) -> None:
        exports.run(self.night())

    def noted(self, name: str = "x") -> list[dict[str, Any]]:
        return sorted(
            (row for row in self.lakehouse.rows(OPS_EXPORT) if row["export"] == name),
            key=lambda row: row["delivered_at"],
        )

    def out(self, name: str = "x", day: int = 0) -> Path:
        return self.root / "out" / name / (FIRST_DAY + timedelta(days=day)).isoformat()

    def manifest(self, name: str = "x", day: int = 0) -> dict[str, Any]:
        manifest = read_manifest(str(self.out(name, day)))
        assert manifest is not None
        return manifest


def people(**spend: int) -> dict[str, Person]:
    return {one: {"spend": euros, "email": f"{one}@x.org"} for one, euros in spend.items()}


def asked(**answers: bool | None) -> dict[str, Person]:
    """People and what they said to marketing; None: nothing."""
    told = {one: [("marketing", said)] if said is not None else [] for one, said in answers.items()}
    return {one: {"spend": 1, "consents": consents} for one, consents in told.items()}
