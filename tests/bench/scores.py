"""What it takes to score a million customers with as many models as the demo has, beside writing what they look at.

python -m tests.bench.scores [customers] [algorithm of the three classifiers]

K-Means, three classifiers, a lifetime value and a next category. Seconds, and seconds of the processor, which other
work on the machine hardly moves.
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.classifiers import fit_past
from jobs.engines.kmeans import fit_sample
from jobs.engines.past import Past
from jobs.runtime.session import open_session
from tests.bench.measure import processor_seconds
from transforms.models.kmeans import KMeansSpec
from transforms.models.spec import ALGORITHMS
from transforms.tags.predictions import with_classifier, with_lifetime, with_next
from transforms.tags.segments import with_kmeans
from transforms.tags.tag import Tag

FEATURES = tuple(f"f{place}" for place in range(15))
HEAD = {"title": {"en": "t"}, "description": "d", "owner": "o"}
LABEL = {"event": "transaction", "within": "60d", "happens": False}
CLOCK = {"timezone": "UTC", "day": date(2017, 6, 30), "as_of": datetime(2017, 6, 30, 23, tzinfo=UTC)}
KINDS = [f"kind {place}" for place in range(100)]


def past(rows: int = 8000) -> Past:
    chance = np.random.default_rng(1)
    raw = {name: chance.normal(size=rows) for name in FEATURES}
    odds = sum(np.sin(column * place) for place, column in enumerate(raw.values()))
    return Past(
        days=(CLOCK["day"],) * 4, cut=np.arange(rows) % 4, raw=raw, label=odds + chance.logistic(size=rows) > 0,
        idle=chance.random(rows), fold=np.arange(rows) // 4 % 4, dropped={},
    )  # fmt: skip


def customers(count: int, spark) -> DataFrame:
    def drawn(name: str) -> F.Column:
        return (F.pmod(F.xxhash64("id", F.lit(name)), F.lit(10_000)) / 2500 - 2).alias(name)

    known = F.transform(
        F.sequence(F.lit(1), F.lit(20)), lambda at: F.concat(F.lit("kind "), F.pmod(F.xxhash64("id", at), F.lit(100)))
    )
    days = F.pmod(F.xxhash64("id"), F.lit(80)) + 1
    return spark.range(count).select(
        F.col("id").cast("string").alias("customer_id"), *map(drawn, FEATURES), known.alias("next__known"),
        F.lit(300).alias("worth__age"), F.pmod("id", F.lit(200)).alias("worth__idle"), days.alias("worth__days"),
        (days * 7.5).alias("worth__total"), (days * 2.5).alias("worth__before"),
    )  # fmt: skip


def main(count: int, algorithm: str) -> None:
    spark = open_session({"spark.driver.memory": "4g"})
    tags = [Tag(tag=f"m{n}", model="churn", label=LABEL, features=FEATURES, **HEAD) for n in range(3)]
    fits = [fit_past(past(), tag.model_copy(update={"algorithm": algorithm, "gate": tag.gate}))[0] for tag in tags]
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
    taken = {"values": KINDS, "base": [0.1] * 100, "weights": weights.tolist(), "top": 3}

    def scored(frame: DataFrame) -> DataFrame:
        frame = with_kmeans(frame, parted, parameters=clusters)
        for tag, parameters in zip(tags, fits, strict=True):
            frame = with_classifier(frame, tag, parameters=parameters, **CLOCK)
        return with_next(with_lifetime(frame, worth, parameters=lifetime), following, parameters=taken)

    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(folder) / "source")
        customers(count, spark).write.parquet(source)
        for name, step in (("features alone", lambda frame: frame), ("with all scores", scored)) * 2:
            began, spent = time.monotonic(), processor_seconds()
            step(spark.read.parquet(source)).write.mode("overwrite").parquet(str(Path(folder) / "target"))
            spent = processor_seconds() - spent
            print(f"{name:<16} {count:>10,} customers {time.monotonic() - began:6.1f} s, processor {spent:6.1f} s")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
        sys.argv[2] if len(sys.argv) > 2 else ALGORITHMS[-1],
    )
