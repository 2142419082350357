"""The outputs of models that foretell, beside the tags that they are made from.

Scores are computed in Arrow batches: a customer's depends on that customer's row alone, so that neither batches nor
partitions change it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from transforms.tags.foretold import CLASSIFIERS
from transforms.tags.formulas import eligible_of
from transforms.tags.tag import Tag

_Score = Callable[[Mapping[str, Any], Sequence[pa.Array]], pa.Array]
Parameters = Mapping[str, Any]
_SCORED: dict[str, _Score] = {
    **dict.fromkeys(CLASSIFIERS, classifier.scored),
    "lifetime_value": lifetime.scored,
    "next_category": next_value.scored,
}


def with_predictions(
    frame: DataFrame, models: Iterable[tuple[Tag, Parameters | None]], *, timezone: str, day: date, as_of: datetime
) -> DataFrame:
    """`frame` with the outputs of models that foretell. Grain: customer. `models`: each tag with its parameters.

    NULL where there is no model, for who is not eligible, never bought (lifetime value), or never took anything (next
    category). All models look at each customer in one step: each step more would carry all columns past Python again.
    """
    scores: dict[str, SparkColumn] = {}
    values: dict[str, SparkColumn] = {}
    for tag, parameters in models:
        if parameters is None or not {*_features(parameters)} <= {*frame.columns}:
            frame = nothing(frame, tag.outputs)
            continue
        mine = f"_{tag.tag}"
        scores[mine] = _scores(tag, parameters)
        eligible = eligible_of(tag, timezone=timezone, columns=dict(frame.dtypes))
        counts = F.expr(at(eligible.sql, day=day, as_of=as_of)) if eligible else F.lit(True)
        for output, field in zip(tag.outputs, _fields(tag), strict=True):
            values[output.name] = F.when(counts, F.col(f"{mine}.{field}" if field else mine))
    return frame.withColumns(scores).withColumns(values).drop(*scores) if scores else frame


def _features(parameters: Parameters) -> list[str]:
    """What a classifier looks at; what other models do comes with their tag."""
    return [feature["name"] for feature in parameters.get("features", ())]


def _fields(tag: Tag) -> tuple[str, ...]:
    """What a model gives of a customer, as its module in `transforms.models` names it; "": one value without a name."""
    if tag.kind in CLASSIFIERS:
        return ("score", "band", "drivers")
    return tuple(output.name.removeprefix(tag.tag).removeprefix("_") for output in tag.outputs)


def _scores(tag: Tag, parameters: Parameters) -> SparkColumn:
    """What a model gives of each row: a struct of `_fields`, or one value."""
    types = [f"{field} {output.type}".strip() for field, output in zip(_fields(tag), tag.outputs, strict=True)]
    ddl = f"struct<{', '.join(types)}>" if all(_fields(tag)) else types[0]
    names = [column.name for column in tag.internal] or _features(parameters)
    read = (F.col(f"`{name}`") for name in names)
    # lists are looked at as they are, all else as numbers
    columns = [*read] if tag.kind == "next_category" else [column.cast("double") for column in read]
    return in_batches(_SCORED[tag.kind], parameters, ddl, columns)


def in_batches(score: _Score, parameters: Parameters, ddl: str, columns: Sequence[SparkColumn]) -> SparkColumn:
    """What `score` gives of `columns`, a value a row."""

    def of_batch(*batch: pa.Array) -> pa.Array:
        return score(parameters, batch)

    udf: Any = arrow_udf  # its stubs know no DDL of structs
    scores: SparkColumn = udf(of_batch, ddl)(*columns)
    return scores
