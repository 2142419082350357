"""The outputs of models that foretell, beside the tags that they are made from.

Scores are computed in Arrow batches: a customer's depends on that customer's row alone, so that neither batches nor
partitions change it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import arrow_udf

from transforms.expressions import at
from transforms.models import classifier, lifetime, next_value
from transforms.tags.evaluate import nothing
from transforms.tags.formulas import eligible_of
from transforms.tags.tag import Tag

_Score = Callable[[Mapping[str, Any], Sequence[pa.Array]], pa.Array]


def with_classifier(
    frame: DataFrame, tag: Tag, *, parameters: Mapping[str, Any] | None, timezone: str, day: date, as_of: datetime
) -> DataFrame:
    """`frame` with the score, its band and its drivers; NULL for who is not eligible, and where there is no model."""
    names = [feature["name"] for feature in parameters["features"]] if parameters else []
    if parameters is None or not set(names) <= set(frame.columns):
        return nothing(frame, tag.outputs)
    fields = ("score", "band", "drivers")
    ddl = ", ".join(f"{field} {output.type}" for field, output in zip(fields, tag.outputs, strict=True))
    columns = [F.col(f"`{name}`").cast("double") for name in names]
    eligible = eligible_of(tag, timezone=timezone, columns=dict(frame.dtypes))
    counts = F.expr(at(eligible.sql, day=day, as_of=as_of)) if eligible else F.lit(True)
    mine = f"_{tag.tag}"
    found = frame.withColumn(mine, in_batches(classifier.scored, parameters, f"struct<{ddl}>", columns))
    values = {
        output.name: F.when(counts, F.col(f"{mine}.{field}")) for field, output in zip(fields, tag.outputs, strict=True)
    }
    return found.withColumns(values).drop(mine)


def with_lifetime(frame: DataFrame, tag: Tag, *, parameters: Mapping[str, Any] | None) -> DataFrame:
    """`frame` with value, p_alive and expected_orders; NULL for who never bought, and where there is no model."""
    if parameters is None:
        return nothing(frame, tag.outputs)
    fields = [output.name.removeprefix(f"{tag.tag}_") for output in tag.outputs]
    ddl = ", ".join(f"{field} double" for field in fields)
    columns = [F.col(column.name).cast("double") for column in tag.internal]
    mine = f"_{tag.tag}"
    found = frame.withColumn(mine, in_batches(lifetime.scored, parameters, f"struct<{ddl}>", columns))
    values = {output.name: F.col(f"{mine}.{field}") for field, output in zip(fields, tag.outputs, strict=True)}
    return found.withColumns(values).drop(mine)


def with_next(frame: DataFrame, tag: Tag, *, parameters: Mapping[str, Any] | None) -> DataFrame:
    """`frame` with the list; NULL for who never took anything, and where there is no model."""
    if parameters is None:
        return nothing(frame, tag.outputs)
    known = [F.col(column.name) for column in tag.internal]
    return frame.withColumn(tag.tag, in_batches(next_value.scored, parameters, "array<string>", known))


def in_batches(score: _Score, parameters: Mapping[str, Any], ddl: str, columns: Sequence[SparkColumn]) -> SparkColumn:
    """What `score` gives of `columns`, a value a row."""

    def of_batch(*batch: pa.Array) -> pa.Array:
        return score(parameters, batch)

    udf: Any = arrow_udf  # its stubs know no DDL of structs
    scores: SparkColumn = udf(of_batch, ddl)(*columns)
    return scores
