"""How many edges a second and core components take: on the driver, and spread over Spark; Splink's beside, if asked.

    python -m tests.bench.components [edges in thousands, 4000 by default] [--splink]

A graph with 20 hubs of 10,000 leaves, a chain of 20,000 in a random order, and otherwise small groups.
"""

import sys
import time

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.engines.components import by_first, components
from jobs.engines.spread import spread_components
from jobs.runtime.session import open_session

Ints = npt.NDArray[np.int64]
CHAIN, HUBS, LEAVES = 20_000, 20, 10_000


def graph(edges: int, seed: int = 7) -> tuple[Ints, Ints, int]:
    """left, right, the number of vertices; about one vertex for an edge."""
    rng = np.random.default_rng(seed)
    chain = rng.permutation(CHAIN)
    hubs = np.repeat(CHAIN + np.arange(HUBS), LEAVES)
    leaves = CHAIN + HUBS + np.arange(HUBS * LEAVES)
    rest = edges - (CHAIN - 1) - HUBS * LEAVES
    start, people = CHAIN + HUBS + HUBS * LEAVES, rest
    group = rng.integers(0, people // 4, rest)
    left, right = start + group, start + people // 4 + rng.integers(0, 3 * people // 4, rest)
    # a value links records of one group or two: few long-range ties
    right = np.where(rng.random(rest) < 0.97, start + people // 4 + 3 * group + rng.integers(0, 3, rest), right)
    order = rng.permutation(edges)
    both = np.concatenate([chain[:-1], hubs, left])[order], np.concatenate([chain[1:], leaves, right])[order]
    return both[0], both[1], int(start + people)


def main() -> None:
    number = int(sys.argv[1]) * 1000 if len(sys.argv) > 1 and sys.argv[1].isdigit() else 4_000_000
    left, right, vertices = graph(number)
    began = time.process_time()
    expected = components(left, right, vertices=vertices)
    print(f"driver: {number / (time.process_time() - began):,.0f} edges a second and core", flush=True)
    spark = open_session({"spark.driver.memory": "4g"})
    cores = spark.sparkContext.defaultParallelism
    pieces = pa.table({"left": left, "right": right})
    spark.createDataFrame(pieces).write.mode("overwrite").parquet("/tmp/portrait_components")
    edges = spark.read.parquet("/tmp/portrait_components")
    for few in (2_000_000, 200_000):
        began = time.monotonic()
        found = spread_components(edges, few=few)
        found.write.format("noop").mode("overwrite").save()
        seconds = time.monotonic() - began
        told = spread_components(edges, few=few).toArrow()
        label = np.arange(vertices)
        label[told["vertex"].to_numpy()] = told["component"].to_numpy()
        same = np.array_equal(by_first(np.unique(label, return_inverse=True)[1]), expected)
        print(
            f"spread, {few:,} a task: {number / seconds / cores:,.0f} edges a second and core; same: {same}", flush=True
        )
    if "--splink" in sys.argv:
        from splink import SparkAPI
        from splink.clustering import cluster_pairwise_predictions_at_threshold

        nodes = spark.range(vertices).withColumnRenamed("id", "unique_id")
        pairs = edges.toDF("unique_id_l", "unique_id_r")
        began = time.monotonic()
        api = SparkAPI(spark_session=spark)
        result = cluster_pairwise_predictions_at_threshold(nodes, pairs, api, node_id_column_name="unique_id")
        result.as_spark_dataframe().write.format("noop").mode("overwrite").save()
        print(f"Splink on Spark: {number / (time.monotonic() - began) / cores:,.0f} edges a second and core")


if __name__ == "__main__":
    main()
