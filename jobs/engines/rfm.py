"""Fitting RFM: the cut points, found in one pass by Spark and kept until the next refit."""

from typing import Any

from pyspark.sql import DataFrame

from transforms.errors import ModelError
from transforms.models.rfm import METRICS, cut_points_frame


def fit_rfm(base: DataFrame, *, scores: int) -> dict[str, Any]:
    """The parameters that `score_rfm` scores with, JSON-able: `scores`, `customers`, and the cut points of each metric.

    `base`: customer_id, recency_days (int), frequency (bigint), monetary (decimal); one row a customer. Customers
    whose frequency is 0 or NULL are left out. Cut points are texts, so that money stays exact in JSON.
    Three rows come to the driver, whatever the number of customers.
    Raises ModelError where `scores` is below 2, nobody bought, or a metric has no value at all.
    """
    if scores < 2:
        raise ModelError(f"RFM needs at least 2 scores, not {scores}")
    found = {row.metric: row for row in cut_points_frame(base, scores=scores).collect()}
    if not found:
        raise ModelError("RFM: no customer has a frequency above 0 in the window, so there is nothing to rank")
    for metric in METRICS:
        if metric not in found:
            raise ModelError(f"RFM: {metric} is NULL for every customer who bought")
    return {
        "scores": scores,
        "customers": max(row.customers for row in found.values()),
        **{metric: [format(cut, "f") for cut in found[metric].cuts] for metric in METRICS},
    }
