"""Which identifiers the rows of bronze give: asked of the values that they come from, of each once.

Where a source takes them from cells as they stand, the rules of their standard forms are enough; else Spark computes
its expressions first, as it does for silver.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.landed_rows import Landed
from jobs.runtime.night import Night
from transforms.schemas import BRONZE_COLUMNS
from transforms.sources import refine
from transforms.sources.context import Context
from transforms.sources.names import comment
from transforms.sources.plain_ids import Identifiers, own_columns, plain_ids, standard_ids
from transforms.sources.rules import RULES
from transforms.sources.typing import id_column

AT_ONCE = 3
PART = 10_000
Judge = Callable[[Identifiers], str | None]
Answer = TypeVar("Answer")


def judged(
    night: Night, sources: Sequence[Landed], values: Sequence[pa.Table], judges: Sequence[Judge]
) -> list[list[str | None]]:
    """Of each source what its judge says of the identifiers that values of its columns `asked` give, in their order."""
    rules = [plain_ids(source.compiled) for source in sources]
    hard = [(source, table) for source, table, rule in zip(sources, values, rules, strict=True) if rule is None]
    with ThreadPoolExecutor(1) as aside:  # a session takes seconds to start
        asked = aside.submit(at_once, night, partial(_by_expressions, night), hard)
        plain = [
            [judge(rule(cells)) for batch in _raw(source, table) for cells in batch.to_pylist()] if rule else []
            for source, table, rule, judge in zip(sources, values, rules, judges, strict=True)
        ]
        told = iter(asked.result())
    return [
        list(map(judge, next(told))) if rule is None else known
        for rule, judge, known in zip(rules, judges, plain, strict=True)
    ]


def _raw(source: Landed, values: pa.Table) -> list[pa.RecordBatch]:
    """The values under their raw names, in parts: as Python's they take far more room."""
    parts: list[pa.RecordBatch] = values.rename_columns([source.raw[name] for name in values.column_names]).to_batches(
        PART
    )
    return parts


def _by_expressions(night: Night, source: Landed, values: pa.Table) -> list[Identifiers]:
    """The same where Spark must compute what identifiers come from: that is all it does, and starts no Python."""
    compiled, entity = refine.identifying(source.compiled), source.source.table
    rows = refine.parsed(as_landed(night, source, values), compiled, day=night.day, as_of=night.as_of)
    if not entity.person and (finish := RULES[entity.name].finish):
        pipeline = night.conf.pipeline
        rows = finish(rows, context=Context(night.day, pipeline.timezone, pipeline.base_currency, few=True))
    own, held = own_columns(compiled), {kind: id_column(kind, each) for kind, each in compiled.ids.items()}
    columns = [*(F.col(name).cast("string") for name in own), *(F.col(name).alias(kind) for kind, name in held.items())]
    told = [frozenset[tuple[str, str]]()] * len(values)
    for number, *cells in rows.select("_file", *columns).collect():
        given = dict(zip(held, cells[len(own) :], strict=True))
        told[int(number)] = standard_ids(compiled, dict(zip(own, cells, strict=False)), given)
    return told


def pairs_in(text: str | None) -> Identifiers:
    """Identifiers as `_ids` and the names of nodes tell them."""
    told = json.loads(text or "{}")
    return frozenset((kind, value) for kind, values in told.items() for value in values)


def as_landed(night: Night, source: Landed, rows: pa.Table) -> DataFrame:
    """Rows as bronze has them, but for columns that are not there; their number from 0 rides in `_file`."""
    numbered = rows.append_column("_n", pa.array(range(len(rows)), pa.int64()))
    frame, given = night.spark.createDataFrame(numbered), set(rows.column_names)
    carried = {column.name: F.col(column.name) if column.name in given else F.lit(None) for column in BRONZE_COLUMNS}
    carried["_file"] = F.col("_n")
    return frame.select(
        *(
            F.col(f"`{landed}`").alias(landed, metadata={"comment": comment(raw, landed)})
            for landed, raw in source.raw.items()
            if landed in given
        ),
        *(carried[column.name].cast(column.type).alias(column.name) for column in BRONZE_COLUMNS),
    )


def at_once(
    night: Night, work: Callable[[Landed, pa.Table], Answer], asked: Sequence[tuple[Landed, pa.Table]]
) -> list[Answer]:
    """Some work of Spark's over small tables, several at a time; without any, no session is started."""
    if not asked:
        return []
    with night.for_rows(max(len(table) for _, table in asked)), ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda pair: work(*pair), asked))
