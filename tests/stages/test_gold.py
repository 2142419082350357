"""Profile and audiences as stages of a night, and the release that notebooks open."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs import audiences, profile
from jobs.gold import OpenRelease, open_release
from jobs.runtime import releases
from jobs.runtime.configuration import Configuration, Pipeline
from jobs.runtime.night import Night
from jobs.runtime.snapshot import read_version
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.audiences import Audience
from transforms.errors import DefinitionError, PortraitError
from transforms.privacy import Keys, Privacy, Purpose
from transforms.profile import PROFILE
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, Column, Table

FIRST_DAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Given:
    """What the profile asks of a tag."""

    tag: str
    outputs: tuple[Column, ...]
    purposes: tuple[str, ...] = field(default=("marketing", "service"))
    status: str = "online"
    kind: str = "statistic"
    place: str = "tag_definitions/value/any.yml"


TAGS: dict[str, Any] = {
    "spend": Given("spend", (Column("spend", "double", "EUR"),)),
    "favourites": Given("favourites", (Column("favourites", "array<string>", "categories"),)),
}
TAG_TABLE = Table(
    "tag/transaction", (Column("customer_id", "string", ""), Column("spend", "double", "")), ("customer_id",)
)


class House:
    """A lakehouse with golden records and a tag table, and nights over it."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.root, self.spark, self.lakehouse = root, spark, Lakehouse(str(root / "lakehouse"))
        self.audiences = {
            "rich": Audience(audience="rich", where="spend > 10", purpose="marketing", holdout=0.5, place="rich.yml"),
            "few": Audience(audience="few", where="spend > 10", purpose="service", min_size=100, place="few.yml"),
        }

    def night(self, spends: dict[str, float], day: int = 0) -> tuple[Night, list[str]]:
        """The night of these customers; every third has refused marketing. Gives the night and its warnings."""
        versions = {
            GOLD_CUSTOMER.name: self.write(GOLD_CUSTOMER, [
                {"customer_id": one, "email": f"{one}@x.org", "consents": [("marketing", place % 3 != 0)]}
                for place, one in enumerate(spends)
            ]),
            TAG_TABLE.name: self.write(TAG_TABLE, [
                {"customer_id": one, "spend": spend} for one, spend in spends.items()
            ]),
        }  # fmt: skip
        conf: Any = Configuration(
            root=self.root, pipeline=Pipeline(),
            privacy=Privacy(
                purposes={"marketing": Purpose(consent="opt_in"), "service": Purpose(consent="none")},
                keys=Keys(customer=["k" * 32], erasure=["e" * 32]), smallest_group=10,
            ),
            sources={}, identity=None, tags=TAGS, audiences=self.audiences, exports={}, hash="conf",
        )  # type: ignore[arg-type]  # fmt: skip
        told: list[str] = []
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=FIRST_DAY + timedelta(days=day), run_id=f"r{day}",
            started_at=datetime.now(UTC), base=releases.newest(self.lakehouse), on_warning=told.append,
        )  # fmt: skip
        night.__dict__["spark"] = self.spark
        night.versions |= versions
        profile.run(night)
        audiences.run(night)
        night.release = releases.publish(
            self.lakehouse,
            run_id=night.run_id,
            day=night.day,
            cause="night",
            versions=night.versions,
            configuration="conf",
        )
        return night, told

    def write(self, table: Table, rows: list[dict[str, Any]]) -> int:
        data = pa.Table.from_pylist(
            [{name: row.get(name) for name in table.names} for row in rows], arrow_schema(table)
        )
        write_deltalake(self.lakehouse.path(table.name), data, mode="overwrite")
        return DeltaTable(self.lakehouse.path(table.name)).version()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> House:
    house = House(tmp_path_factory.mktemp("gold"), spark)
    house.night({f"c{number:03d}": float(number % 20) for number in range(120)})
    house.night({f"c{number:03d}": float(number % 20 + 5) for number in range(119)}, day=1)
    return house


def test_a_night_writes_profile_members_and_sizes(house: House):
    night, told = house.night({f"c{number:03d}": float(number % 20) for number in range(120)}, day=2)
    assert told == ["audience few: withheld, fewer customers than its min_size or the smallest group"]
    gold = open_release(house.lakehouse.uri)
    assert gold.date == date(2026, 3, 3) and gold.run_id == "r2"
    connection = gold.duckdb()
    # by hand: spends 11 to 19 are nine in twenty, so 54 of 120; of every three customers one has refused
    rich = [number for number in range(120) if number % 20 > 10]
    agreed = {f"c{number:03d}" for number in rich if number % 3 != 0}
    members = dict(connection.sql("select customer_id, arm from audience_member where audience = 'rich'").fetchall())
    assert set(members) == agreed and set(members.values()) == {"target", "holdout"}
    sizes = connection.sql(
        "select audience, size, target, holdout, left_out from audience where date = '2026-03-03' order by 1"
    ).fetchall()
    held = sum(arm == "holdout" for arm in members.values())
    assert sizes == [
        ("few", 0, 0, 0, {"too_small": 54}),
        ("rich", len(agreed), len(agreed) - held, held, {"no_consent": 54 - len(agreed)}),
    ]
    assert connection.sql("select count(*) from audience where audience = 'rich'").fetchall() == [(3,)]  # a row a night
    assert connection.sql("select distinct audience from audience_member").fetchall() == [("rich",)]
    assert night.stage.figures["few"] == {"size": 0, "target": 0, "holdout": 0, "too_small": 54}


def test_arms_stay_while_others_come_and_go(house: House):
    first, second = (
        dict(
            open_release(house.lakehouse.uri, number)
            .duckdb()
            .sql("select customer_id, arm from audience_member")
            .fetchall()
        )
        for number in (1, 2)
    )
    both = set(first) & set(second)
    assert len(both) > 20 and set(second) - set(first)
    assert all(first[one] == second[one] for one in both)


def test_a_release_stays_as_it_was_in_every_view(house: House, spark: SparkSession):
    older = open_release(house.lakehouse.uri, 1)
    assert older.tables == ("gold/audience", "gold/audience_member", "gold/customer_profile")
    wide = older.pandas("customer_profile", ["customer_id", "spend"])
    assert len(wide) == 120 and wide["spend"].sum() == sum(range(20)) * 6
    assert older.arrow("gold/customer_profile").column_names == [
        "customer_id",
        "favourites",
        "spend",
        "as_of",
        "run_id",
    ]
    assert older.duckdb().sql("select count(*), max(spend) from customer_profile").fetchall() == [(120, 19.0)]
    assert older.duckdb().sql("select max(as_of)::text from customer_profile").fetchall() == [
        ("2026-03-01 23:59:59.999999+00",)
    ]
    assert older.spark("customer_profile").agg({"spend": "max"}).collect()[0][0] == 19.0
    # what ops tells of nights is in no release
    assert older.spark("ops.release").count() == len(releases.all_releases(house.lakehouse))
    fields = DeltaTable(house.lakehouse.path(PROFILE)).schema().fields
    assert {one.name: one.metadata["comment"] for one in fields}["spend"] == "EUR; sensitivity: normal"


def test_what_cannot_be_opened_is_told(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gold = open_release(house.lakehouse.uri)
    with pytest.raises(
        DefinitionError, match=r"gold/customer holds personal data; ask for it: open_release\(restricted=True\)"
    ):
        gold.pandas("customer")
    assert len(open_release(house.lakehouse.uri, restricted=True).pandas("customer")) > 100
    with pytest.raises(
        DefinitionError, match=r"no table 'custmer_profile' in release \d+; did you mean 'gold/customer_profile'\?"
    ):
        gold.arrow("custmer_profile")
    with pytest.raises(PortraitError, match="no release 99; there are 1 to "):
        open_release(house.lakehouse.uri, 99)
    with pytest.raises(PortraitError, match="no release yet; run a night first"):
        open_release(str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError, match="no folder conf/ here or above"):
        open_release()


def test_notebooks_need_no_jvm_and_no_spark(house: House):
    code = (
        "import sys; from jobs.gold import open_release\n"
        f"night = open_release({house.lakehouse.uri!r})\n"
        "assert night.duckdb().sql('select count(*) from customer_profile').fetchall()[0][0] > 100\n"
        "assert 'pyspark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_table_at_a_version_is_read_from_its_files(house: House, spark: SparkSession, tmp_path: Path):
    lakehouse, path = Lakehouse(str(tmp_path)), str(tmp_path / "gold" / "t")
    days = pa.array([date(2026, 3, 1), date(2026, 3, 1), None])
    first = pa.table(
        {"date": days, "name": ["a", "北京", None], "words": [["x", None], [], None], "number": [1, None, 3]}
    )
    write_deltalake(path, first, partition_by=["date"])
    write_deltalake(path, first.slice(1, 1), mode="append")
    DeltaTable(path).delete("name = 'a'")
    sizes = []
    for version in range(3):
        plain = read_version(spark, lakehouse, "gold/t", version)
        by_delta = spark.read.format("delta").option("versionAsOf", version).load(path)
        assert plain.dtypes == by_delta.dtypes
        assert sorted(map(str, plain.collect())) == sorted(map(str, by_delta.collect()))
        sizes.append(plain.count())
    assert sizes == [3, 4, 3]
    DeltaTable(path).delete()
    assert read_version(spark, lakehouse, "gold/t", 3).isEmpty()
    with pytest.raises(PortraitError, match="its version 77 can no longer be read"):
        read_version(spark, lakehouse, "gold/t", 77)


def test_opening_is_by_name_alone(house: House):
    gold = open_release(house.lakehouse.uri)
    assert isinstance(gold, OpenRelease)
    count = duckdb.from_arrow(gold.arrow("audience_member")).count("*").fetchall()[0][0]
    assert count == len(gold.pandas("gold/audience_member"))
    assert GOLD_AUDIENCE.name in gold.tables and GOLD_AUDIENCE_MEMBER.name in gold.tables
