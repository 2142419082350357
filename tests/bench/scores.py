"""What it takes to score a million customers with as many models as the demo has, beside writing what they look at.

python -m tests.bench.scores [customers] [algorithm of the three classifiers]

Life cycle and RFM as the demo defines them, K-Means, three classifiers, a lifetime value and a next category, in the
order of the stage `tags`. What they look at comes from two tables, last night's stages from a third. Seconds, and
seconds of the processor, which other work on the machine hardly moves.
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engines.classifiers import fit_past
from jobs.engines.kmeans import fit_sample
from jobs.engines.past import Past
from jobs.engines.rfm import fit_rfm
from jobs.runtime.commits import write_files
from jobs.runtime.session import open_session
from tests.bench.measure import processor_seconds
from transforms.models.kmeans import KMeansSpec
from transforms.models.spec import ALGORITHMS
from transforms.schemas import Column, Table
from transforms.tags.definition import parse_tags
from transforms.tags.foretold import scattered
from transforms.tags.lifecycle import last_stages, stages_of, with_lifecycle
from transforms.tags.predictions import with_predictions
from transforms.tags.segments import rfm_base, with_kmeans, with_rfm
from transforms.tags.tag import Tag

ROOT = Path(__file__).parents[2]
FEATURES = tuple(f"f{place}" for place in range(15))
HEAD = {"title": {"en": "t"}, "description": "d", "owner": "o"}
LABEL = {"event": "transaction", "within": "60d", "happens": False}
CLOCK: dict[str, Any] = {"day": date(2017, 6, 30), "as_of": datetime(2017, 6, 30, 23, tzinfo=UTC)}
KINDS = [f"kind {place}" for place in range(100)]
ID = "customer_id"


def past(seed: int = 1, rows: int = 8000) -> Past:
    chance = np.random.default_rng(seed)
    raw = {name: chance.normal(size=rows) for name in FEATURES}
    odds = sum(np.sin(column * place) for place, column in enumerate(raw.values()))
    return Past(
        days=(CLOCK["day"],) * 4, cut=np.arange(rows) % 4, raw=raw, label=odds + chance.logistic(size=rows) > 0,
        idle=chance.random(rows), fold=np.arange(rows) // 4 % 4, dropped={},
    )  # fmt: skip


def write_customers(count: int, spark: SparkSession, folder: str) -> None:
    """Three tables of `count` customers: what is known of them, what their orders tell, and last night's stages."""

    def drawn(name: str, below: int) -> F.Column:
        return F.pmod(F.xxhash64("id", F.lit(name)), F.lit(below))

    known = F.transform(
        F.sequence(F.lit(1), F.lit(20)), lambda at: F.concat(F.lit("kind "), F.pmod(F.xxhash64("id", at), F.lit(100)))
    )
    days, idle = drawn("days", 80) + 1, drawn("idle", 200)
    stage = F.element_at(F.array(*map(F.lit, ("new", "loyal", "lapsed", "prospect"))), (drawn("s", 4) + 1).cast("int"))
    orders = {
        "rfm_recency_days": idle, "rfm_frequency": days, "rfm_monetary": days * 7.25, "orders_total": days,
        "days_since_order": idle, "days_as_customer": drawn("age", 160) + 200, "orders_90d": drawn("of_90", 9),
        "next__known": known, "worth__age": drawn("age", 160) + 200, "worth__idle": idle, "worth__days": days,
        "worth__total": days * 7.5, "worth__before": days * 2.5,
    }  # fmt: skip
    last = {"lifecycle__stage": stage, "lifecycle__days_in_stage": idle, "lifecycle__previous": stage}
    tables = {"known": {name: drawn(name, 10_000) / 2500 - 2 for name in FEATURES}, "orders": orders, "last": last}
    for name, columns in tables.items():
        own = (column.alias(alias) for alias, column in columns.items())
        spark.range(count).select(F.md5(F.col("id").cast("string")).alias(ID), *own).write.parquet(f"{folder}/{name}")


def main(count: int, algorithm: str) -> None:
    spark = open_session({"spark.driver.memory": "4g"})
    demo = parse_tags({str(p.relative_to(ROOT)): p.read_text() for p in (ROOT / "tag_definitions").rglob("*.yml")})
    rfm, lifecycle = demo["rfm"], demo["lifecycle"]
    types = {output.name: output.type for tag in demo.values() for output in tag.outputs}
    stages = stages_of(lifecycle, timezone="UTC", columns=types)
    tags = [Tag(tag=f"m{n}", model="churn", label=LABEL, features=FEATURES, **HEAD) for n in range(3)]
    tags = [tag.model_copy(update={"algorithm": algorithm}) for tag in tags]
    models = [(tag, fit_past(past(seed), tag)[0]) for seed, tag in enumerate(tags)]
    parted = Tag(tag="parted", model="kmeans", features=FEATURES[:7], **HEAD)
    clusters, _ = fit_sample(past().raw, spec=KMeansSpec(FEATURES[:7], k=(5, 5)))
    worth = Tag(tag="worth", model="lifetime_value", amount="amount", **HEAD, **{"from": "transaction"})
    lifetime = {
        "horizon": 90, "method": "combined", "combined": {"bg_nbd": 0.5, "before": 0.5},
        "bg_nbd": {"r": 0.24, "alpha": 31.0, "a": 0.8, "b": 2.4},
        "gamma_gamma": {"p": 6.25, "q": 3.74, "v": 15.44},
    }  # fmt: skip
    following = Tag(tag="next", model="next_category", of="category", **HEAD, **{"from": "transaction"})
    weights = np.random.default_rng(1).normal(size=(100, 100)).round(5)
    models += [
        (worth, lifetime),
        (following, {"values": KINDS, "base": [0.1] * 100, "weights": weights.tolist(), "top": 3}),
    ]

    with tempfile.TemporaryDirectory() as folder:
        write_customers(count, spark, folder)

        def known() -> DataFrame:
            return spark.read.parquet(f"{folder}/known").join(spark.read.parquet(f"{folder}/orders"), ID, "left")

        def scored(frame: DataFrame) -> DataFrame:
            last = last_stages(spark.read.parquet(f"{folder}/last"), lifecycle)
            frame = with_lifecycle(frame, lifecycle, stages=stages, last=last, elapsed=1, **CLOCK)
            frame = with_rfm(frame, rfm, parameters=cuts, timezone="UTC", **CLOCK)
            frame = with_kmeans(frame, parted, parameters=clusters)
            return with_predictions(frame, models, timezone="UTC", **CLOCK)

        spread = scattered([parted, *(tag for tag, _ in models)])
        cuts = fit_rfm(rfm_base(known(), rfm), scores=rfm.scores)

        def scores_alone(frame: DataFrame) -> DataFrame:
            """As a night writes them: what they look at lies in tables of its own."""
            return scored(frame).drop(*(name for name in frame.columns if name != ID))

        steps = {"features alone": lambda frame: frame, "with all scores": scored, "scores alone": scores_alone}
        for name, step in [*steps.items()] * 2:
            began, spent = time.monotonic(), processor_seconds()
            frame = step(known())
            columns = (Column(field.name, field.dataType.simpleString(), "") for field in frame.schema.fields)
            write_files(frame, folder, Table("tag/customer", tuple(columns), scattered=spread), {})
            spent = processor_seconds() - spent
            print(f"{name:<16} {count:>10,} customers {time.monotonic() - began:6.1f} s, processor {spent:6.1f} s")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
        sys.argv[2] if len(sys.argv) > 2 else ALGORITHMS[-1],
    )
