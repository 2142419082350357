"""Stage `journeys`: orders, visits and each customer's path over all channels, made anew from what silver holds.

DuckDB on the driver within a bound, Spark beyond it: the queries are the same. See docs/adr/0019.
"""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("journeys")

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import sqlglot

from jobs.engines.represented import represented
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.journeys import ENTITIES_READ, journey_sql, order_sql, reads_of, session_sql, view_of
from transforms.schemas import ENTITIES, GOLD_JOURNEY, GOLD_ORDER, GOLD_SESSION, IDENTITY_RECORD, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Of silver's files; some 40 M order lines. What DuckDB then hands over fits the driver of such a lakehouse.
MOST_BYTES = 1_500_000_000
_MEMORY = "2GB"  # beside the JVM; what is more goes to disk
Answer = Callable[[str], "pa.Table | DataFrame"]


def run(night: Night) -> None:
    """Write gold/order, gold/session and gold/journey. What has no source yet is empty."""
    entities = [name for name in ENTITIES_READ if night.has_rows(ENTITIES[name].table)]
    size = sum(night.lakehouse.size(f"silver/{name}", night.versions[f"silver/{name}"]) for name in entities)
    least = night.conf.privacy.smallest_group
    with (_duckdb if size <= MOST_BYTES else _spark)(night, entities) as answer:
        _save(night, GOLD_ORDER, answer, order_sql() if "transaction" in entities else None)
        _save(night, GOLD_SESSION, answer, session_sql(least) if "web_event" in entities else None)
        _save(night, GOLD_JOURNEY, answer, journey_sql(entities, least))
    night.figure("represented", represented(night))


def _save(night: Night, table: Table, answer: Answer, sql: str | None) -> None:
    data = answer(sql) if sql else arrow_schema(table).empty_table()
    night.figure(table.name.removeprefix("gold/"), night.save(data, table).rows)


@contextmanager
def _duckdb(night: Night, entities: list[str]) -> Iterator[Answer]:
    """Answers a query with DuckDB."""
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "journeys.duckdb")) as duck:
        duck.execute(f"set timezone = 'UTC'; set memory_limit = '{_MEMORY}'")

        def register(name: str, table: str) -> None:
            found = night.lakehouse.dataset(table, night.versions[table])
            night.stage.inputs[table] = night.versions[table]
            duck.register(name, found)

        register("record", IDENTITY_RECORD.name)
        for entity in entities:
            register(f"raw_{entity}", f"silver/{entity}")
            duck.execute(
                f"create temp view silver_{entity} as select customer_id, {', '.join(reads_of(entity))} "
                f"from raw_{entity} left join record on _node = record.record_id where _batch_date <= '{night.day}' "
                f"and (_valid_to is null or _valid_to > '{night.day}') "
                f"and (event_at is null or event_at <= '{night.as_of.isoformat()}')"
            )

        def answer(sql: str) -> pa.Table:
            if view_of(GOLD_ORDER.name) in sql:
                register(view_of(GOLD_ORDER.name), GOLD_ORDER.name)
            return duck.sql(sqlglot.transpile(sql, read="spark", write="duckdb")[0]).to_arrow_table()

        yield answer


@contextmanager
def _spark(night: Night, entities: list[str]) -> Iterator[Answer]:
    """Answers a query with Spark."""
    owners = night.load(IDENTITY_RECORD).withColumnsRenamed({"record_id": "_node"})
    views = {
        f"silver_{entity}": night.view(entity).select("_node", *reads_of(entity)).join(owners, "_node", "left")
        for entity in entities
    }
    for name, frame in views.items():
        frame.createOrReplaceTempView(name)

    def answer(sql: str) -> "DataFrame":
        if view_of(GOLD_ORDER.name) in sql:
            views[view_of(GOLD_ORDER.name)] = night.load(GOLD_ORDER)
            views[view_of(GOLD_ORDER.name)].createOrReplaceTempView(view_of(GOLD_ORDER.name))
        frame: DataFrame = night.spark.sql(sql)
        return frame

    try:
        yield answer
    finally:
        for name in views:
            night.spark.catalog.dropTempView(name)
