"""Figures of segmentations from profiles and silver, read as Arrow: no Spark job, and a bound on what is held."""

from collections.abc import Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import dataset as ds

from jobs.engines.clusters import one_thread
from transforms.insight.principles import explained_variance
from transforms.tags.changes import quoted

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]

# What is compared and tested is counted over at most so many customers, those with the lowest ids: ids are keyed
# hashes, so that is a random choice, and the same every night. Sizes and moves are counted over everybody.
CUSTOMERS = 200_000
# A silhouette's cost grows with the square.
SILHOUETTE_ROWS = 2_000
RESAMPLES = 4


def sampled(profile: ds.Dataset, columns: Sequence[str]) -> pa.Table:
    """customer_id and some columns of a profile, in the order of the ids, of at most CUSTOMERS customers."""
    ids = profile.to_table(columns=["customer_id"])["customer_id"].combine_chunks()
    chosen = None
    if len(ids) > CUSTOMERS:
        chosen = ds.field("customer_id") < ids[pc.partition_nth_indices(ids, CUSTOMERS)[CUSTOMERS].as_py()]
    return profile.to_table(columns=["customer_id", *columns], filter=chosen).sort_by("customer_id").combine_chunks()


def coded(column: pa.ChunkedArray, segments: Sequence[str]) -> Codes:
    """Each customer's segment as its place in `segments`; -1: none."""
    found = pc.index_in(column, value_set=pa.array(list(segments), pa.string())).fill_null(-1)
    return np.asarray(found.to_numpy(), dtype=np.intp)


def sizes(profile: ds.Dataset, columns: Sequence[str]) -> dict[str, dict[str | None, int]]:
    """Column -> segment -> customers, of everybody; None: those without a segment."""
    table = profile.to_table(columns=list(columns))
    return {
        name: {row["values"]: row["counts"] for row in pc.value_counts(table[name]).to_pylist()} for name in columns
    }


def moves(now: ds.Dataset, before: ds.Dataset, columns: Sequence[str]) -> list[tuple[str, str | None, str | None, int]]:
    """(column, from, to, customers), of everybody; from or to None: no segment, or not known that night."""
    shared = [name for name in columns if name in before.schema.names]
    if not shared:
        return []
    listed = ", ".join(map(quoted, ["customer_id", *shared]))
    duck = duckdb.connect()
    duck.register("now_", now)
    duck.register("before_", before)
    duck.execute(f"create temp table n as select {listed} from now_")
    duck.execute(f"create temp table b as select {listed} from before_")
    found: list[tuple[str, str | None, str | None, int]] = []
    for name in shared:
        sql = f"select b.{quoted(name)}, n.{quoted(name)}, count(*) from n full join b using (customer_id) group by all"
        found += [(name, *row) for row in duck.execute(f"{sql} order by 1 nulls first, 2 nulls first").fetchall()]
    return found


def spent_since(lines: ds.Dataset, owners: ds.Dataset, since: date, until: date) -> pa.Table:
    """customer_id and `spent`: purchases less refunds after one business day up to another, in the base currency."""
    duck = duckdb.connect()
    during = (ds.field("event_date") > ds.scalar(since)) & (ds.field("event_date") <= ds.scalar(until))
    current = ds.field("_valid_to").is_null() | (ds.field("_valid_to") > ds.scalar(until))
    wanted = during & current & (ds.field("_batch_date") <= ds.scalar(until))
    duck.register("lines", lines.scanner(columns=["_node", "amount", "status"], filter=wanted).to_reader())
    duck.register("owners", owners.scanner(columns=["record_id", "customer_id"]).to_reader())
    sql = """
        select customer_id, cast(sum(amount) as double) as spent
        from lines join owners on _node = record_id where status in ('purchase', 'refund') group by all
    """
    return pa.table(duck.sql(sql).to_arrow_table())


def explained(then: pa.Table, column: str, spent: pa.Table) -> float | None:
    """How much the segments of then (customer_id, `column`) explain of what the same customers spent since."""
    known = then.filter(then[column].is_valid())
    place = pc.index_in(known["customer_id"], value_set=spent["customer_id"].combine_chunks())
    values = pc.fill_null(spent["spent"].take(place), 0.0).to_numpy()
    codes = np.unique(np.asarray(known[column].to_pylist(), dtype=str), return_inverse=True)[1]
    found = explained_variance(np.asarray(values, dtype=float), codes) if len(codes) else float("nan")
    return None if np.isnan(found) else round(found, 4)


@one_thread("sklearn.metrics")
def silhouette(table: pa.Table, numbers: Sequence[str], codes: Codes, *, words: Sequence[str] = ()) -> float | None:
    """The silhouette (Rousseeuw 1987) of segments over what they are built on.

    Of numbers the ranks count, 0 to 1, because scales and outliers would decide otherwise, and a missing one as the
    median; words are alike (0) or not (1), none among them (Gower 1971). None where they are built on neither, or
    where there are not two segments of which one holds two customers.
    """
    from scipy.stats import rankdata
    from sklearn.metrics import silhouette_score

    there = np.flatnonzero(codes >= 0)[:SILHOUETTE_ROWS]
    seen = codes[there]
    if not (numbers or words) or not 2 <= len(np.unique(seen)) < len(seen):
        return None
    ranked = [(rankdata(_filled(table[name])[there]) / len(there))[:, None] for name in numbers]
    alike = [_alike(table[name].take(pa.array(there))) for name in words]
    return round(float(silhouette_score(np.hstack([*ranked, *alike]), seen)), 4)


def _alike(column: pa.ChunkedArray) -> Floats:
    """Customers × values, so that two with another value lie 1 apart."""
    values = np.unique(np.asarray([str(value) for value in column.to_pylist()]), return_inverse=True)[1]
    return np.asarray(np.eye(values.max() + 1)[values] / 2**0.5)


def _filled(column: pa.ChunkedArray) -> Floats:
    numbers = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=float)
    median = np.nanmedian(numbers) if not np.isnan(numbers).all() else 0.0
    return np.where(np.isnan(numbers), median, numbers)


def rfm_resample_ari(table: pa.Table, metrics: Sequence[str], *, scores: int, seed: int = 7) -> float | None:
    """How alike RFM scores are with cut points of one random half of the buyers and of the other: the mean adjusted
    Rand index (Hubert & Arabie 1985) over halvings. `metrics`: recency, frequency, monetary. None without buyers."""
    from sklearn.metrics import adjusted_rand_score

    columns = [np.asarray(table[name].cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=float) for name in metrics]
    bought = np.column_stack(columns)[columns[1] > 0]
    bought = bought[~np.isnan(bought).any(axis=1)]
    if len(bought) < 2 * scores:
        return None
    chance, levels = np.random.default_rng(seed), np.arange(1, scores) / scores

    def cells(half: Codes) -> Codes:
        cuts = np.quantile(bought[half], levels, axis=0, method="inverted_cdf")
        found = [(bought[:, metric, None] > cuts[:, metric]).sum(axis=1) for metric in range(3)]
        return np.asarray(np.ravel_multi_index(found, (scores,) * 3))

    agreed = []
    for _ in range(RESAMPLES):
        order = chance.permutation(len(bought))
        middle = len(order) // 2
        agreed.append(adjusted_rand_score(cells(order[:middle]), cells(order[middle:])))
    return round(float(np.mean(agreed)), 4)
