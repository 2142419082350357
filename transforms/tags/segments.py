"""Segments beside the tags they are made of: RFM scores with their cases, and K-Means clusters."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.expressions import at
from transforms.models.kmeans import score_kmeans
from transforms.models.rfm import METRICS, scores_of
from transforms.tags.formulas import rfm_segment
from transforms.tags.tag import Tag

# Cut points are exact, so that money goes back from the profile's double to the decimal that it came from.
_MONEY = "decimal(38,4)"


def rfm_base(frame: DataFrame, tag: Tag) -> DataFrame:
    """What RFM is fitted on. Grain: customer. Columns: customer_id, recency_days, frequency, monetary (decimal)."""
    return frame.select(
        "customer_id",
        F.col(f"{tag.tag}_recency_days").cast("int").alias("recency_days"),
        F.col(f"{tag.tag}_frequency").alias("frequency"),
        F.col(f"{tag.tag}_monetary").try_cast(_MONEY).alias("monetary"),
    )


def with_rfm(
    frame: DataFrame, tag: Tag, *, parameters: Mapping[str, Any] | None, timezone: str, day: date, as_of: datetime
) -> DataFrame:
    """`frame` with the scores and the segment of an RFM tag; NULL where there is no model."""
    names = {score: f"{tag.tag}_{score}" for score in "rfm"}
    if parameters is None:
        missing = {name: F.lit(None).cast("bigint") for name in names.values()}
        return frame.withColumns({**missing, f"{tag.tag}_segment": F.lit(None).cast("string")})
    metrics = {metric: F.col(f"{tag.tag}_{column}") for metric, column in METRICS.items()}
    scores = scores_of(parameters, **metrics)
    segment = F.expr(at(rfm_segment(tag, timezone=timezone).sql, day=day, as_of=as_of))
    scored = frame.withColumns({names[score]: value.cast("bigint") for score, value in scores.items()})
    return scored.withColumn(f"{tag.tag}_segment", segment)


def with_kmeans(frame: DataFrame, tag: Tag, *, parameters: Mapping[str, Any] | None) -> DataFrame:
    """`frame` with the cluster of each customer and the distance from its centre; NULL where there is no model."""
    names = {"segment": "string", "distance": "double"}
    if parameters is None or not {feature["name"] for feature in parameters["features"]} <= set(frame.columns):
        return frame.withColumns({f"{tag.tag}_{name}": F.lit(None).cast(ddl) for name, ddl in names.items()})
    return score_kmeans(frame, parameters=parameters, names=(f"{tag.tag}_segment", f"{tag.tag}_distance"))


def segment_names(tag: Tag, parameters: Mapping[str, Any] | None) -> list[str]:
    """The segments that a model can give, in their order."""
    if tag.kind == "rfm":
        return [str(case.value) for case in tag.cases] + ([str(tag.default)] if tag.default is not None else [])
    return list(parameters["names"].values()) if parameters else []
