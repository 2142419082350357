"""What a normal day's tags cost beside the same night computed whole: a day's order lines on top of a year.

    python -m tests.bench.tags_night [thousands of lines, 15000] [lines a customer and year, 15] [folder]

The hundred statistics of `tests.bench.statistics` over a year of baskets of five lines. The first night is whole; on
the second a day's lines come, and as many leave each window. It is run as it is, then again from the same state with
--full-refresh; both must give the same table. Seconds of the stage, and of the processor.
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa

from jobs import tags
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.run_notes import code_version
from jobs.runtime.session import open_session
from jobs.runtime.tables import Lakehouse, arrow_schema
from tests.bench.measure import processor_seconds
from tests.bench.statistics import files
from transforms.schemas import GOLD_CUSTOMER, IDENTITY_RECORD, OPS_RUN, OPS_STAGE, TRANSACTION
from transforms.tags.definition import parse_tags

FIRST, SECOND = date(2025, 12, 31), date(2026, 1, 1)
AT = datetime(2026, 1, 1, tzinfo=UTC)
# a basket's lines share what the basket's number decides
_LINES = """
select date '{landed}' as _batch_date, null::date as _valid_to, 'till' as source, 'till:' || i as record_id,
    'till:' || (hash(b) % {customers}) as _node, 'o' || b as order_id, moment as ordered_at, moment as event_at,
    cast(moment as date) as event_date, 'p' || (hash(i, 3) % 5000) as product_id, 'c' || (hash(i, 3) % 40) as category,
    'b' || (hash(i, 3) % 300) as brand, 's' || (hash(b, 4) % 60) as store_id,
    if(hash(b, 5) % 4 = 0, 'web', 'store') as channel, if(hash(b, 6) % 9 = 0, 'SAVE', null) as coupon,
    cast(1 + hash(i, 7) % 6 as decimal(18,4)) as quantity, cast((hash(i, 8) % 20000) / 100 as decimal(18,4)) as amount,
    cast((hash(i, 9) % 300) / 100 as decimal(18,4)) as discount,
    if(hash(b, 10) % 50 = 0, 'cancelled', 'purchase') as status
from (
    select i, i // 5 as b, (timestamptz '{begin} 00:00:00+00' + to_seconds(hash(i // 5, 2) % {seconds})) as moment
    from range({since}, {until}) t(i)
)
"""


def lines(since: int, until: int, customers: int, begin: date, landed: date, days: int) -> pa.Table:
    """Order lines since … until - 1, within so many days."""
    made = _LINES.format(
        since=since, until=until, customers=customers, begin=begin, landed=landed, seconds=days * 86_400
    )  # fmt: skip
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        rows = duck.sql(made).to_arrow_table()
    schema = arrow_schema(TRANSACTION.table)
    absent = {name: pa.nulls(len(rows), schema.field(name).type) for name in TRANSACTION.table.names}
    own = {name: rows[name].cast(schema.field(name).type) for name in rows.column_names}
    return pa.table({**absent, **own}, schema=schema)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.lakehouse = Lakehouse(str(folder))
        self.spark = open_session({"spark.driver.memory": "6g"}, log=folder / "spark.log")
        self.base: Release | None = None

    def night(self, day: date, *, full: bool = False) -> Night:
        conf: Any = SimpleNamespace(
            tags=parse_tags(files()), pipeline=SimpleNamespace(timezone="UTC", spark={}, mlflow=None), imports={},
            sources={}, hash="0", places=[],
        )  # fmt: skip
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=day, run_id=f"run-{day}", started_at=AT, base=self.base,
            full_refresh=full,
        )  # fmt: skip
        night.__dict__["spark"] = self.spark
        return night

    def run(self, night: Night) -> str:
        began, spent = time.monotonic(), processor_seconds()
        tags.run(night)
        reached = night.stage.figures.get("reached_transaction")
        told = f"{time.monotonic() - began:.1f} s, {processor_seconds() - spent:.1f} s of the processor"
        return f"{told}, {reached:,} customers reached" if reached is not None else told

    def release(self, night: Night) -> None:
        """Note what a released night leaves."""
        told = {"run_id": night.run_id, "date": night.day, "at": AT, "seconds": 1.0}
        run = {"status": "released", "started_at": AT, "configuration": "0", "code_version": code_version()}
        done = {"stage": "tags", "status": "done", "rows": 1, "inputs": {}, "outputs": dict(night.stage.outputs)}
        self.lakehouse.append(OPS_RUN, [{**told, **run}])
        self.lakehouse.append(OPS_STAGE, [{**told, **done, "figures": "{}"}])
        self.base = Release(1, night.run_id, night.day, AT, "night", dict(night.versions), "0")


def main() -> None:
    number = int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else 15_000_000
    customers = max(number // (int(sys.argv[2]) if len(sys.argv) > 2 else 15), 1)
    bench = Bench(Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp(prefix="portrait_tags_")))
    first = bench.night(FIRST)
    step, names = max(number // 5, 5) // 5 * 5, [f"{n}" for n in range(customers)]
    first.save(
        (lines(at, min(at + step, number), customers, date(2025, 1, 1), FIRST, 365) for at in range(0, number, step)),
        TRANSACTION.table,
    )
    nodes = pa.table({"record_id": [f"till:{n}" for n in names], "customer_id": names})
    first.save(nodes, IDENTITY_RECORD)
    people = arrow_schema(GOLD_CUSTOMER)
    first.save(
        pa.table(
            {field.name: pa.array(names) if field.name == "customer_id" else pa.nulls(customers, field.type)
             for field in people},
            schema=people,
        ),
        GOLD_CUSTOMER,
    )  # fmt: skip
    print(f"{number:,} lines of {customers:,} customers; first night: {bench.run(first)}", flush=True)
    bench.release(first)
    came = lines(number, number + number // 365, customers, SECOND, SECOND, 1)
    found = {}
    for full in (False, True):
        second = bench.night(SECOND, full=full)
        assert bench.base
        second.versions = bench.lakehouse.roll_back(bench.base.versions)
        second.save(came, TRANSACTION.table, mode="append")
        print(f"a day more{', whole' if full else ''}: {bench.run(second)}", flush=True)
        rows = bench.lakehouse.dataset("tag/transaction", second.versions["tag/transaction"]).to_table()  # type: ignore[union-attr]
        found[full] = rows.select([name for name in rows.column_names if not name.startswith("_")]).sort_by(
            "customer_id"
        )
        bench.base = Release(**{**vars(bench.base), "versions": bench.base.versions})
    print("the same" if found[True].equals(found[False]) else "DIFFERENT")


if __name__ == "__main__":
    main()
