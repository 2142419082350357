"""Exports of a million customers, full and as changes, beside the floor: the same rows written as they are.

    python -m tests.bench.exports [--rows 1000000]

One customer in twenty has another value on the second night, one in a hundred is gone, one in a hundred is new.
Everything runs twice, and the second counts: the first compiles. Figures are of this machine and of this hour.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake

from jobs.runtime import releases
from jobs.runtime.session import open_session
from jobs.runtime.tables import arrow_schema
from tests.stages.delivering import FIRST_DAY, TAGS, Given, House
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_CUSTOMER, IDENTITY_CHANGE, Column

NUMBERS, TEXTS, LISTS = 18, 10, 2
DAY = "timestamp '2026-03-01 00:00:00'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    root = Path(tempfile.mkdtemp(prefix="exports"))
    spark = open_session({"spark.driver.memory": "6g"})
    try:
        _tags()
        house = House(root, spark)
        shape = {"columns": ["*"], "key": "k" * 40, "identifiers": {"customer_id": "hmac"}}
        house.wants("full", to={"format": "parquet", "files": 2}, **shape)
        house.wants("changes", mode="changes", to={"format": "parquet", "files": 2}, **shape)
        house.wants("csv", to={"format": "csv", "files": 2, "compression": "gzip"}, **shape)
        told: dict[str, list[float]] = {}
        for night in range(3):
            version = _release(house, rows, night)
            profile = house.lakehouse.path(PROFILE)
            read = spark.read.format("delta").option("versionAsOf", version).load(profile)
            plain = read.drop("as_of", "run_id").repartition(2, "customer_id")
            floor = _seconds(lambda: plain.write.mode("overwrite").parquet(str(root / "floor")))  # noqa: B023
            told.setdefault("floor: repartitioned and written as Parquet", []).append(floor)
            wanted = dict(house.exports)
            for name, export in wanted.items():
                house.exports = {name: export}
                told.setdefault(name, []).append(_seconds(house.deliver))
            house.exports = wanted
        base = told["floor: repartitioned and written as Parquet"][-1]
        for name, seconds in told.items():
            print(f"{name:<45} {seconds[-1]:6.1f} s   {seconds[-1] / base:4.1f} x", flush=True)
        print([row["counts"] for row in house.noted("changes")])
    finally:
        spark.stop()
        shutil.rmtree(root)


def _tags() -> None:
    columns = [
        *(Column(f"n{n}", "decimal(18,4)", "EUR") for n in range(NUMBERS)),
        *(Column(f"t{n}", "string", "text") for n in range(TEXTS)),
        *(Column(f"l{n}", "array<string>", "list") for n in range(LISTS)),
    ]
    TAGS.clear()
    TAGS.update({column.name: Given(column.name, (column,)) for column in columns})


def _release(house: House, rows: int, night: int) -> int:
    moved = f"case when (i * 7 + {night}) % 20 = 0 then {night} else 0 end"
    columns = [
        *(f"((i * {n + 3} + {moved}) % 100000 / 7)::decimal(18,4) as n{n}" for n in range(NUMBERS)),
        *(f"'text ' || (i * {n + 1} % 5000) as t{n}" for n in range(TEXTS)),
        *(f"['a' || i % 30, 'b' || i % {n + 40}] as l{n}" for n in range(LISTS)),
    ]
    step = rows // 100
    known = f"{DAY} as as_of, 'r{night}' as run_id"
    sql = f"select 'c' || i as customer_id, {', '.join(columns)}, {known} from range(?, ?) customers(i)"
    found = duckdb.execute(sql, [night * step, rows + night * step]).to_arrow_table()
    table = profile_table(TAGS)
    write_deltalake(
        house.lakehouse.path(PROFILE), found.select(table.names).cast(arrow_schema(table)), mode="overwrite"
    )
    none: list[dict[str, object]] = []
    empty = {each.name: house.write(each, none) for each in (GOLD_CUSTOMER, IDENTITY_CHANGE)}
    version = DeltaTable(house.lakehouse.path(PROFILE)).version()
    releases.publish(
        house.lakehouse, run_id=f"r{night}", day=FIRST_DAY + timedelta(days=night), cause="night",
        versions={PROFILE: version, **empty}, configuration="conf",
    )  # fmt: skip
    return version


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
