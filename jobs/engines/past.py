"""What a model is fitted and tested on: customers at several cut-offs, and what followed, on the driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.customer_rows import nodes_of, rows_of, rows_that_count, within
from jobs.engines.cut_offs import extents, history, read_by, sampled, tags_at
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.expressions import Expression, at
from transforms.models.classifier import numbers
from transforms.models.cut_offs import cut_offs, not_known_then
from transforms.models.kmeans import Matrix
from transforms.tags.formulas import eligible_of, label_of
from transforms.tags.plan import TagPlan, plan_tags
from transforms.tags.tag import Tag

FOLDS = 4
_ID = "customer_id"


@dataclass(frozen=True)
class Past:
    """Customers at cut-offs, in an order that never changes. One entry of each array: a customer at a cut-off.

    `days`: the cut-offs, the earliest first; `cut`: the place of a row's cut-off in them; `raw`: feature -> values, NaN
    where missing; `label`: what the model foretells came true; `idle`: days since the label's event last happened, NaN
    if never; `fold`: the customer's, of `FOLDS` by hash. `dropped`: feature -> why it is not in `raw`.
    """

    days: tuple[date, ...]
    cut: NDArray[np.int64]
    raw: Mapping[str, Matrix]
    label: NDArray[np.bool_]
    idle: Matrix
    fold: NDArray[np.int64]
    dropped: Mapping[str, str]

    def of(self, chosen: NDArray[np.bool_]) -> "Past":
        """Some of the rows."""
        return replace(
            self, cut=self.cut[chosen], raw={name: column[chosen] for name, column in self.raw.items()},
            label=self.label[chosen], idle=self.idle[chosen], fold=self.fold[chosen],
        )  # fmt: skip


def past_of(night: Night, tag: Tag) -> Past:
    """A classifier's features and labels at its cut-offs, of a bounded sample of customers; two Spark jobs.

    Raises ModelError where there is too little history, no feature was known then, or a value is infinite.
    """
    assert tag.label  # noqa: S101  (checked with the tag's keys)
    plan = plan_tags(night.conf.tags, timezone=night.conf.pipeline.timezone, only=tag.depends_on)
    unknown = not_known_then(plan)
    dropped = {name: unknown[name] for name in tag.features if name in unknown}
    features = [name for name in tag.features if name not in dropped]
    eligible = _eligible(night, tag, unknown)
    reach = extents(night, {tag.label.event, *read_by(plan)})
    if tag.label.event not in reach:
        raise ModelError(f"no source of {tag.label.event} has ever come, so that nothing can be foretold of it")
    days = cut_offs(*reach[tag.label.event], ahead=tag.label.within, least=2, of=tag.label.event)
    first = {name: since for name, (since, _) in reach.items()}
    customers = sampled(night)
    nodes = nodes_of(night, customers).persist()
    followed = _followed(night, tag, days, nodes)
    frames = []
    with history(night, plan, nodes) as held:
        for place, day in enumerate(days):
            cut = night.at(day)
            frame = tags_at(cut, plan, customers=customers, nodes=nodes, held=held, first=first)
            if eligible:
                frame = frame.where(F.expr(at(eligible.sql, day=cut.day, as_of=cut.as_of)))
            else:
                frame = frame.join(there(cut, plan, nodes, first), _ID, "left_semi")
            frames.append(_told(frame.join(followed, _ID, "left"), features, place, day, happens=tag.label.happens))
        table = reduce(DataFrame.unionByName, frames).toArrow()
    nodes.unpersist()
    table = table.sort_by([("cut", "ascending"), ("hash", "ascending")])
    return _read(table, tuple(days), features, dropped)


def _eligible(night: Night, tag: Tag, unknown: Mapping[str, str]) -> Expression | None:
    """Who learns. Raises ModelError where that cannot be told of an earlier day."""
    columns = {output.name: output.type for other in night.conf.tags.values() for output in other.outputs}
    eligible = eligible_of(tag, timezone=night.conf.pipeline.timezone, columns=columns)
    for name in sorted((eligible.columns if eligible else frozenset()) & unknown.keys()):
        raise ModelError(f"eligible reads '{name}', which is not known of earlier days: {unknown[name]}")
    return eligible


def _followed(night: Night, tag: Tag, days: Sequence[date], nodes: DataFrame) -> DataFrame:
    """last<n>: the day of the label's event last seen at cut-off n; came<n>: did one follow? Grain: customer."""
    assert tag.label  # noqa: S101
    where = label_of(tag, timezone=night.conf.pipeline.timezone)
    rows = rows_that_count(night, tag.label.event, nodes, where=where)
    found: list[SparkColumn] = []
    for place, day in enumerate(days):
        before = F.when(F.col("event_date") <= F.lit(day), F.col("event_date"))
        found.append(F.max(before).alias(f"last{place}"))
        found.append(F.bool_or(within(day, tag.label.within)).alias(f"came{place}"))
    return rows.groupBy(_ID).agg(*found)


def there(cut: Night, plan: TagPlan, nodes: DataFrame, first: Mapping[str, date]) -> DataFrame:
    """customer_id of who had been seen by the cut-off in anything that the plan's tags are made from."""
    seen = [rows_of(cut, name, (), nodes) for name in sorted(read_by(plan)) if name in first and first[name] <= cut.day]
    if not seen:
        raise ModelError(f"nothing that its features are made from had come by {cut.day}")
    return reduce(DataFrame.unionByName, seen)


def _told(frame: DataFrame, features: Sequence[str], place: int, day: date, *, happens: bool) -> DataFrame:
    came = F.coalesce(F.col(f"came{place}"), F.lit(False))
    return frame.select(
        F.lit(place).alias("cut"),
        F.xxhash64(_ID).alias("hash"),
        (came if happens else ~came).alias("label"),
        F.datediff(F.lit(day), f"last{place}").cast("double").alias("idle"),
        *(F.col(f"`{name}`").cast("double").alias(f"feature {name}") for name in features),
    )


def _read(table: pa.Table, days: tuple[date, ...], features: Sequence[str], dropped: Mapping[str, str]) -> Past:
    columns: dict[str, Any] = {name: table[name].combine_chunks() for name in table.column_names}
    raw = {name: numbers(columns[f"feature {name}"]) for name in features}
    check_finite(raw)
    return Past(
        days=days, cut=np.asarray(columns["cut"], dtype=np.int64), raw=raw,
        label=np.asarray(columns["label"].to_numpy(zero_copy_only=False), dtype=bool), idle=numbers(columns["idle"]),
        fold=np.asarray(columns["hash"], dtype=np.int64) % FOLDS, dropped=dropped,
    )  # fmt: skip


def check_finite(raw: Mapping[str, Matrix]) -> None:
    """Raise ModelError where a value is infinite."""
    for name, column in raw.items():
        if infinite := int(np.isinf(column).sum()):
            raise ModelError(f"the feature '{name}' is infinite for {infinite} customers; mend its definition")
