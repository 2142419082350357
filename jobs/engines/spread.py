"""Connected components of a graph that no single machine need hold: contracted by Spark until one task can end it.

Each task finds the components of its own edges (jobs.engines.components) and names each after one of its vertices. A
vertex that several tasks met ties their names together: these ties are the next, smaller graph. A vertex leaves a task
once, however many edges it has there, so hubs skew nothing; and names are chosen in a mixed order of the vertices, so
that a chain shrinks by a constant share each time, whatever the order of its numbers (after Karloff, Suri &
Vassilvitskii 2010, and Lulli et al. 2017).
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engines.components import by_first, components
from jobs.runtime.frames import frame_of

Ints = npt.NDArray[np.int64]
# What one task takes at once: about 100 bytes an edge.
FEW_EDGES = 2_000_000
_FOUND = "vertex bigint, name bigint"


def spread_components(edges: DataFrame, *, few: int = FEW_EDGES) -> DataFrame:
    """vertex, component: the smallest vertex of its component. Grain: vertex that an edge (left, right: bigint) names.

    few: how many edges one task may take. The result depends on neither the order nor the partitions of the edges.
    """
    edges = edges.select("left", "right")
    met: list[DataFrame] = []
    while (number := edges.count()) > few:
        tasks = max(edges.sparkSession.sparkContext.defaultParallelism, -(-number // few))
        named = edges.repartition(tasks).mapInArrow(_names, _FOUND)
        # the least of its names speaks for a vertex
        found = named.groupBy("vertex").agg(F.min("name").alias("name"), F.collect_set("name").alias("names"))
        found = found.localCheckpoint()
        met.append(found.select("vertex", "name"))
        others = found.where(F.size("names") > 1).select(F.col("name").alias("left"), F.explode("names").alias("right"))
        edges = others.where(F.col("left") != F.col("right")).distinct().localCheckpoint()
    result = edges.coalesce(1).mapInArrow(_names, _FOUND)
    for found in reversed(met):
        ends = result.select(F.col("vertex").alias("name"), F.col("name").alias("end"))
        result = found.join(ends, on="name", how="left").select("vertex", F.coalesce("end", "name").alias("name"))
    least = result.groupBy("name").agg(F.min("vertex").alias("component"))
    return result.join(least, on="name", how="inner").select("vertex", "component")


def on_spark(spark: SparkSession, left: Ints, right: Ints, *, vertices: int) -> Ints:
    """What jobs.engines.components.components gives, found by Spark."""
    label = np.arange(vertices)
    if len(left):
        found = spread_components(frame_of(spark, pa.table({"left": left, "right": right}))).toArrow()
        label[found["vertex"].to_numpy()] = found["component"].to_numpy()
    return by_first(label)


def _names(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The vertices of a task's edges, each with the name of its component among them."""
    own = list(batches)
    if not own:
        return
    table = pa.Table.from_batches(own)
    left, right = (table[side].to_numpy() for side in ("left", "right"))
    vertex, ends = np.unique(np.concatenate([left, right]), return_inverse=True)
    order = np.argsort(_mixed(vertex))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ends = place[ends]
    label = components(ends[: len(left)], ends[len(left) :], vertices=len(vertex))
    # components are numbered by their first vertex, here in the mixed order
    first = np.unique(label, return_index=True)[1]
    found = pa.table({"vertex": vertex[order], "name": vertex[order][first][label]})
    yield from found.to_batches(max_chunksize=100_000)


def _mixed(vertex: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Another number for each vertex, no two alike: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = vertex.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
