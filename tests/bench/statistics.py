"""A hundred statistics over one entity's rows, beside DuckDB and beside two other ways of asking Spark.

    python -m tests.bench.statistics [thousands of rows, 1500 by default] [ways, all by default]

80 sums, counts, extremes and last times and 20 conditional distinct counts, over a year of order lines, 600 a customer,
read from the same Parquet. Ways: `planned` (what a night does: the chosen scans and the time of each are
shown), `duckdb` (its plain SQL), `each` (Spark, a query a tag), `giant` (Spark, one aggregate with everything).
The values of `planned` and `duckdb` are compared. Seconds are of this machine and this hour: look at the ratios.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.session import open_session
from transforms.tags import evaluate
from transforms.tags.definition import parse_tags
from transforms.tags.plan import EntityPlan, ValueScan, plan_tags

DAY = date(2025, 12, 31)
AS_OF = datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
CONDITIONS = ("channel = 'store'", "coupon is not null", "brand = 'b7'", "quantity > 3", "hour(ordered_at) < 12")
WINDOWS = (30, 90, 180, 365)
WAYS = ("planned", "duckdb", "each", "giant")
_ROWS = """
select cast(hash(i) % {customers} as varchar) as customer_id, 'o' || (hash(i, 1) % {orders}) as order_id,
    moment as ordered_at, moment as event_at, cast(moment as date) as event_date,
    'p' || (hash(i, 3) % 5000) as product_id, 'c' || (hash(i, 3) % 40) as category, 'b' || (hash(i, 3) % 300) as brand,
    's' || (hash(i, 4) % 60) as store_id, if(hash(i, 5) % 4 = 0, 'web', 'store') as channel,
    if(hash(i, 6) % 9 = 0, 'SAVE', null) as coupon, cast(1 + hash(i, 7) % 6 as decimal(18,4)) as quantity,
    cast((hash(i, 8) % 20000) / 100 as decimal(18,4)) as amount, cast((hash(i, 9) % 300) / 100 as decimal(18,4))
    as discount, if(hash(i, 10) % 50 = 0, 'cancelled', 'purchase') as status
from (select i, timestamp '2025-01-01' + to_seconds(hash(i, 2) % 31536000) as moment from range({rows}) t(i))
"""


def statistics() -> Iterator[tuple[str, str, str, str]]:
    """Tag, type, aggregate and condition, in words that Spark and DuckDB both understand; each has a window of days."""
    for condition in CONDITIONS:
        for window in WINDOWS:
            where = f"{condition}|{window}"
            yield f"distinct_{abs(hash_of(where))}", "integer", distinct(condition), where
            yield f"spent_{abs(hash_of(where))}", "number", "sum(amount)", where
            yield f"lines_{abs(hash_of(where))}", "integer", "count(*)", where
            yield f"most_{abs(hash_of(where))}", "number", "max(amount - discount)", where
            yield f"last_{abs(hash_of(where))}", "timestamp", "max(ordered_at)", where


def hash_of(text: str) -> int:
    return sum(position * ord(letter) for position, letter in enumerate(text, start=1))


def distinct(condition: str) -> str:
    """The twenty count different values of four columns."""
    return f"count(distinct {('order_id', 'product_id', 'store_id', 'category')[len(condition) % 4]})"


def files() -> dict[str, str]:
    """The statistics as tags: place -> YAML."""
    head = "title: {{en: A}}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\nfrom: transaction\n"
    body = "tag: {}\ntype: {}\nselect: {}\nwhere: {}\nwindow: {}d\n"
    return {
        f"t/{name}.yml": head.format() + body.format(name, kind, select, *where.split("|"))
        for name, kind, select, where in statistics()
    }


def plan() -> EntityPlan:
    return plan_tags(parse_tags(files()), timezone="UTC").entities[0]


def sql(dialect: str) -> dict[str, str]:
    """Tag -> its aggregate as plain SQL."""
    found = {}
    for name, _, select, where in statistics():
        condition, window = where.split("|")
        begin = f"date '{DAY}' - {window}" if dialect == "duckdb" else f"date_sub(date'{DAY}', {window})"
        rows = f"{condition} and status <> 'cancelled' and event_date > {begin}"
        found[name] = f"{select} filter (where {rows})"
    return found


def seconds(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def noop(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def planned(rows: DataFrame) -> DataFrame:
    return evaluate.over_rows(rows, customers=customers(rows), plan=plan(), day=DAY, as_of=AS_OF)


def customers(rows: DataFrame) -> DataFrame:
    return rows.sparkSession.read.parquet(str(Path(rows.inputFiles()[0]).parent / "customers.parquet"))


def in_duckdb(file: Path) -> pa.Table:
    asked = ", ".join(f"{aggregate} as {name}" for name, aggregate in sql("duckdb").items())
    return duckdb.sql(f"select customer_id, {asked} from '{file}' group by customer_id").to_arrow_table()


def by_scan(rows: DataFrame) -> None:
    """The chosen scans, and the seconds of each by itself."""
    chosen = plan()
    needed = evaluate.prepared(rows, plan=chosen, day=DAY, as_of=AS_OF)
    for scan in chosen.scans:
        by = f" by {', '.join(scan.values)}" if isinstance(scan, ValueScan) else ""
        taken = seconds(lambda scan=scan: noop(evaluate.aggregated(needed, scan, day=DAY, as_of=AS_OF)))
        print(f"  {scan.kind}{by}: {len(scan.columns)} aggregates, {taken:.1f} s", flush=True)


def check(rows: DataFrame, file: Path) -> None:
    """Raise SystemExit where a value differs; what no row matches is 0 in one and NULL in the other."""
    ours = planned(rows).toArrow().sort_by("customer_id")
    theirs = in_duckdb(file).sort_by("customer_id")
    for name, kind, *_ in statistics():
        one, other = ours[name].to_pylist(), theirs[name].to_pylist()
        if kind == "number":
            one, other = (
                [None if value is None else round(float(value), 4) for value in side] for side in (one, other)
            )
        if kind == "timestamp":
            one = [value and value.replace(tzinfo=None) for value in one]
        differing = sum((left or None) != (right or None) for left, right in zip(one, other, strict=True))
        if differing:
            raise SystemExit(f"{name}: {differing} of {len(one)} customers differ")


def main() -> None:
    number = int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else 1_500_000
    ways = sys.argv[2:] or WAYS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        made = _ROWS.format(rows=number, customers=max(number // 600, 1), orders=number // 10)
        duckdb.sql(f"copy ({made}) to '{file}'")
        duckdb.sql(f"copy (select distinct customer_id from '{file}') to '{file.parent / 'customers.parquet'}'")
        # DuckDB's times without a zone are times to Spark too
        spark = open_session({"spark.driver.memory": "6g", "spark.sql.parquet.inferTimestampNTZ.enabled": "false"})
        measured(spark, file, ways)


def measured(spark: SparkSession, file: Path, ways: tuple[str, ...] | list[str]) -> None:
    rows = spark.read.parquet(str(file))
    check(rows, file)  # and warms both
    print(f"{len(list(statistics()))} statistics over {rows.count():,} rows: the same values")
    plain = {name: F.expr(text) for name, text in sql("spark").items()}
    work: dict[str, Callable[[], Any]] = {
        "planned": lambda: noop(planned(rows)),
        "duckdb": lambda: in_duckdb(file),
        "each": lambda: [noop(rows.groupBy("customer_id").agg(column.alias(name))) for name, column in plain.items()],
        "giant": lambda: noop(rows.groupBy("customer_id").agg(*(c.alias(name) for name, c in plain.items()))),
    }
    taken = {way: min(seconds(work[way]) for _ in range(3 if way in WAYS[:2] else 1)) for way in ways}
    for way, spent in taken.items():
        print(f"{way:<8} {spent:8.1f} s   {spent / min(taken.get('planned', spent), 1e9):.2f} of planned", flush=True)
    by_scan(rows)


if __name__ == "__main__":
    main()
