"""Every kind of model fitted and scored in a process of its own, on so many cores and with so many partitions.

python -m tests.unit.on_cores CORES PARTITIONS

Prints all parameters, figures and scores as JSON, and on how many threads fits ran.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from jobs.engines import clusters, learners, likelihoods
from jobs.engines.classifiers import fit_past
from jobs.engines.clusters import one_thread
from jobs.engines.kmeans import fit_kmeans
from jobs.engines.lifetimes import fit_states
from jobs.engines.next_values import fit_lists
from jobs.engines.rfm import fit_rfm
from jobs.runtime.session import open_session
from tests.conftest import FEW_ROWS
from tests.unit import test_classifiers, test_kmeans, test_lifetimes, test_next_value, test_recommended
from transforms.models.recommended import fit_recommender, recommend
from transforms.models.spec import ALGORITHMS
from transforms.tags.predictions import with_predictions
from transforms.tags.segments import rfm_base, with_kmeans, with_rfm
from transforms.tags.tag import Tag

CUSTOMERS = 600
HEAD: dict[str, Any] = {"title": {"en": "t"}, "description": "d", "owner": "o"}
CLOCK: dict[str, Any] = {"timezone": "UTC", "day": date(2017, 6, 30), "as_of": datetime(2017, 6, 30, 23, tzinfo=UTC)}
RFM = Tag(
    tag="rfm", model="rfm", recency="ordered_at", frequency="count(*)", monetary="sum(amount)", default="rest",
    cases=[{"value": "best", "when": "r >= 4 and m >= 4"}], **HEAD, **{"from": "transaction"},
)  # fmt: skip
KINDS = Tag(tag="kinds", model="kmeans", features=test_kmeans.FEATURES, k="2..5", **HEAD)


class Watched:
    """What fits, and before its threads are given back a look at how many there were."""

    threads: set[int] = set()

    def __init__(self, fit: Callable[..., Any]) -> None:
        self.fit = fit

    def __call__(self, *given: Any, **named: Any) -> Any:
        found = self.fit(*given, **named)
        self.threads.update(pool["num_threads"] for pool in threadpool_info())
        return found


def customers(spark: SparkSession, partitions: int) -> DataFrame:
    """customer_id and all that the models look at."""
    whole: dict[str, Any] = {"customer_id": [f"c{place:05}" for place in range(CUSTOMERS)]}
    whole |= test_kmeans.planted(CUSTOMERS)[0]
    whole |= {name: values[:CUSTOMERS] for name, values in test_classifiers.planted()[0].raw.items() if name != "spend"}
    lately = test_lifetimes.told(CUSTOMERS, 4)
    whole |= {f"worth__{name}": lately[name] for name in ("age", "idle", "days", "total", "before")}
    whole["next__known"] = test_next_value.planted(CUSTOMERS)["known"]
    whole |= {"rfm_recency_days": whole["recency"].astype(int), "rfm_frequency": whole["orders"].astype(int)}
    whole["rfm_monetary"] = whole["spend"].round(2)
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in whole.items()})
    return spark.createDataFrame(table).repartition(partitions)


def fitted(frame: DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name of a tag -> its parameters, and -> the figures of its fit."""
    found = {"rfm": (fit_rfm(rfm_base(frame, RFM), scores=5), {}), "kinds": fit_kmeans(frame, spec=KINDS.kmeans)}
    past, _ = test_classifiers.planted()
    for name in ALGORITHMS:
        found[name] = fit_past(past, test_classifiers.tag(algorithm=name))
    found["worth"] = fit_states([test_lifetimes.told(500, seed) for seed in (1, 2, 3)], test_lifetimes.tag())
    found["next"] = fit_lists(test_next_value.planted(900), test_next_value.TAG)
    return {name: one for name, (one, _) in found.items()}, {name: told for name, (_, told) in found.items()}


def scores(frame: DataFrame, parameters: dict[str, Any]) -> list[Any]:
    """A row a customer, in the order of their ids."""
    foretell = [test_classifiers.tag(algorithm=name).model_copy(update={"tag": name}) for name in ALGORITHMS]
    foretell += [test_lifetimes.tag(), test_next_value.TAG]
    frame = with_rfm(frame, RFM, parameters=parameters["rfm"], **CLOCK)
    frame = with_kmeans(frame, KINDS, parameters=parameters["kinds"])
    frame = with_predictions(frame, [(tag, parameters[tag.tag]) for tag in foretell], **CLOCK)
    outputs = [output.name for tag in (RFM, KINDS, *foretell) for output in tag.outputs]
    return sorted([list(row) for row in frame.select("customer_id", *outputs).collect()], key=lambda row: row[0])


def recommended() -> dict[str, Any]:
    rows = test_recommended.bought(test_recommended.tastes(600))
    ids = np.unique(rows.customer)
    later = test_recommended.bought([(c, f"{'ab'[int(c[1:]) % 2]}{i}", 1.0, 0) for c in ids for i in range(10)])
    day = test_recommended.DAY
    with one_thread():
        parameters, quality = fit_recommender(rows, rows, later, since=day, leave_out=60)
        told = list(recommend(rows, parameters, day=day, leave_out=60, top=4))
    return {"items": parameters, "recall": quality["recall_at_10"], "recommended": told}


def main(cores: str, partitions: str) -> None:
    clusters._centres = Watched(clusters._centres)
    likelihoods._most_likely = one_thread("scipy.optimize")(Watched(likelihoods._most_likely))
    learners._LEARNERS.update({name: Watched(fit) for name, fit in learners._LEARNERS.items()})
    settings = {"spark.master": f"local[{cores}]", "spark.sql.shuffle.partitions": partitions}
    # Python's workers too may have as many threads
    spark = open_session({**FEW_ROWS, **settings, "spark.executorEnv.OMP_NUM_THREADS": cores}, light=True)
    frame = customers(spark, int(partitions)).cache()
    parameters, quality = fitted(frame)
    told = {"parameters": parameters, "quality": quality, "scores": scores(frame, parameters)}
    told |= recommended()
    print(
        json.dumps({"cores": spark.sparkContext.defaultParallelism, "threads": sorted(Watched.threads), "told": told})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
