"""What a night's identity stage costs where 1% of the records are new, against the same night computed whole.

    python -m tests.bench.identity_night [contacts in thousands, 1000 by default] [folder]

Contacts of an invented company (an e-mail for most, a phone shared by some, a household's address), with the cookies of
half as many visitors. The first night is whole; the second brings 1% more contacts and visitors, and closes 0.1%.
It is run as it is, then again from the same state with --full-refresh; both must give the same tables.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import identity
from jobs.engines import tonights_part
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.session import open_session
from jobs.runtime.tables import Lakehouse
from tests.bench.measure import processor_seconds
from transforms.identity.definition import Identity
from transforms.identity.manual import Decisions
from transforms.schemas import (
    CONTACT,
    GOLD_CUSTOMER,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
    WEB_EVENT,
)

RULES = {
    "known_by": ["crm_id", "email", "phone"],
    "identifiers": {
        "crm_id": {"priority": 1, "per_customer": 3},
        "email": {"priority": 2, "per_customer": 5, "max_linked": 4},
        "phone": {"priority": 3, "per_customer": 5, "max_linked": 5},
        "cookie": {"priority": 5, "per_customer": 50, "max_linked": 3, "max_age": "180d"},
    },
}
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
TABLES = (IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, IDENTITY_CONFLICT, GOLD_CUSTOMER)


def contacts(spark: SparkSession, since: int, until: int, of: int, day: date) -> DataFrame:
    """Records since … until - 1, of people of whom every fifth has a second record."""
    person = F.expr(f"id % {of * 4 // 5}")
    ids = F.map_from_arrays(
        F.expr("array('crm_id', 'email', 'phone')"),
        F.array(
            F.array(F.concat(F.lit("c"), F.expr("id div 1").cast("string"))),
            F.when(F.expr("xxhash64(id, 1) % 10 < 8"), F.array(F.format_string("p%08d@mail.example", person))),
            F.when(
                F.expr("xxhash64(id, 2) % 10 < 5"),
                F.array(F.format_string("+4930%09d", F.expr(f"abs(xxhash64(id % {of * 4 // 5}, 3)) % {of}"))),
            ),
        ),
    )
    return spark.range(since, until).select(
        F.lit(day).alias("_batch_date"), F.lit(None).cast("date").alias("_valid_to"), F.lit("crm").alias("source"),
        F.format_string("crm:c%d", "id").alias("record_id"), F.format_string("crm:c%d", "id").alias("_node"),
        F.map_filter(ids, lambda _, value: value.isNotNull()).alias("ids"),
        F.format_string("Name%d", F.expr("id % 5000")).alias("family_name"),
        F.format_string("City%d", F.expr("id % 300")).alias("city"),
        F.format_string("p%08d@mail.example", person).alias("email"),
        F.timestamp_seconds(F.expr("1700000000 + id")).alias("updated_at"),
    )  # fmt: skip


def visits(spark: SparkSession, since: int, until: int, of: int, day: date) -> DataFrame:
    """Hits of visitors: three each, one in five of them with an e-mail."""
    ids = F.create_map(F.lit("cookie"), F.array(F.format_string("k%d", F.expr("id div 3"))))
    mail = F.create_map(
        F.lit("email"), F.array(F.format_string("p%08d@mail.example", F.expr(f"id div 3 % {of * 4 // 5}")))
    )
    given = F.when(F.expr("id div 3 % 5 = 0"), F.map_concat(ids, mail)).otherwise(ids)
    return spark.range(since * 3, until * 3).select(
        F.lit(day).alias("_batch_date"), F.lit(None).cast("date").alias("_valid_to"),
        F.lit(datetime(2026, 2, 1, tzinfo=UTC)).alias("event_at"), F.lit("web").alias("source"),
        F.format_string("web:%d", "id").alias("record_id"), given.alias("ids"),
        F.concat(F.lit("web:"), F.to_json(given)).alias("_node"),
    )  # fmt: skip


class Bench:
    def __init__(self, folder: Path, number: int) -> None:
        self.lakehouse, self.number = Lakehouse(str(folder)), number
        self.spark = open_session({"spark.driver.memory": "6g"}, log=folder / "spark.log")
        self.base: Release | None = None

    def night(self, day: date, *, full: bool = False) -> Night:
        conf: Any = SimpleNamespace(
            identity=Identity.model_validate(RULES), decisions=Decisions(), hash="0", tags={},
            sources={"crm": SimpleNamespace(entity="contact"), "web": SimpleNamespace(entity="web_event")},
            privacy=SimpleNamespace(keys=SimpleNamespace(customer=["k" * 32])),
            pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None), places=[],
        )  # fmt: skip
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=day, run_id=f"run-{day}", full_refresh=full,
            started_at=datetime(2026, 3, 1, 23, tzinfo=UTC), base=self.base,
        )  # fmt: skip
        night.__dict__["spark"] = self.spark
        return night

    def run(self, night: Night) -> str:
        began, spent = time.monotonic(), processor_seconds()
        identity.run(night)
        return f"{time.monotonic() - began:.1f} s, {processor_seconds() - spent:.1f} s of the processor"

    def release(self, night: Night) -> None:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        self.base = Release(1, night.run_id, night.day, at, "night", dict(night.versions), night.conf.hash)


@contextmanager
def timed(names: list[tuple[Any, str]]) -> Iterator[dict[str, float]]:
    """Seconds within each of some functions, while this block runs."""
    seconds: dict[str, float] = {}
    before = [(place, name, getattr(place, name)) for place, name in names]

    def watched(name: str, call: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return call(*args, **kwargs)
            finally:
                seconds[name] = seconds.get(name, 0) + time.monotonic() - began

        return run

    for place, name, call in before:
        setattr(place, name, watched(name, call))
    try:
        yield seconds
    finally:
        for place, name, call in before:
            setattr(place, name, call)


def main() -> None:
    number = int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else 1_000_000
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp())
    bench = Bench(folder, number)
    spark, half, new = bench.spark, number // 2, number // 100
    watched = [
        *((identity, name) for name in ("tonights_part", "link", "edge_table", "_ledger", "_save_golden", "_save")),
        *((tonights_part, name) for name in ("tonights_ties", "both", "judged", "coded", "guard", "released")),
        *((identity.stable_ids, name) for name in ("remember", "assign")),
        (Night, "save"),
    ]
    first = bench.night(FIRST)
    first.save(contacts(spark, 0, number, number, FIRST), CONTACT.table)
    first.save(visits(spark, 0, half, number, FIRST), WEB_EVENT.table)
    with timed(watched) as seconds:
        print(
            f"first night: {bench.run(first)}",
            {k: round(v, 1) for k, v in seconds.items()},
            first.stage.figures,
            flush=True,
        )
    bench.release(first)
    found: dict[bool, Any] = {}
    for full in (False, True):
        second = bench.night(SECOND, full=full)
        ends = F.when(F.expr("xxhash64(record_id) % 1000 = 0"), F.lit(SECOND)).alias("_valid_to")
        held = second.load(CONTACT.table).withColumn("_valid_to", ends)
        second.save(held.unionByName(contacts(spark, number, number + new, number, SECOND), allowMissingColumns=True),
                    CONTACT.table)  # fmt: skip
        second.save(visits(spark, half, half + new // 2, number, SECOND), WEB_EVENT.table, mode="append")
        with timed(watched) as seconds:
            taken = bench.run(second)
        print(
            f"second night{', whole' if full else ''}: {taken}",
            {k: round(v, 1) for k, v in seconds.items()},
            flush=True,
        )
        found[full] = [sorted_rows(bench.lakehouse, table.name) for table in TABLES]
        assert bench.base
        second.versions = bench.lakehouse.roll_back(bench.base.versions)
        bench.base = Release(**{**vars(bench.base), "versions": second.versions})
    for table, one, other in zip(TABLES, *found.values(), strict=True):
        print(table.name, one.num_rows, "same" if one.equals(other) else "DIFFERENT")


def sorted_rows(lakehouse: Lakehouse, table: str) -> Any:
    rows = lakehouse.dataset(table).to_table()  # type: ignore[union-attr]
    plain = [name for name in rows.column_names if not str(rows.schema.field(name).type).startswith("map")]
    return rows.select(plain).sort_by(
        [(name, "ascending") for name in plain if "list" not in str(rows.schema.field(name).type)]
    )


if __name__ == "__main__":
    main()
