"""What a customer will buy next: a list of values, the likeliest first, from those that weigh most by now.

The parameters, as JSON holds them (`jobs.engines.next_values` makes them):

    values   the values that can be foretold, the most popular first
    base     for each the share of customers who take it, whoever they are
    weights  a row for each value that a customer may have in the list: what it adds to the share of each value
    top      how many are named
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute as pc

from transforms.models.ranks import greatest

Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]
_DECIMALS = 6


def places(lists: pa.ListArray, values: Sequence[str]) -> NDArray[np.int64]:
    """Customers × ranks: the place in `values` of each item of a customer's list; len(values): none, or unknown."""
    known, rank, ends = _one_by_one(lists, values)
    lengths = np.diff(ends)
    found = np.full((len(lists), int(lengths.max()) if len(lengths) else 0), len(values))
    found[np.repeat(np.arange(len(lists)), lengths), rank] = known
    return found


def _one_by_one(lists: pa.ListArray, values: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """The items of all lists, one after another: their places as in `places`, their ranks; and where each list ends."""
    ends = np.concatenate([[0], np.cumsum(np.asarray(lists.value_lengths().fill_null(0)), dtype=np.int64)])
    flat = lists.flatten()
    known = pc.index_in(flat, value_set=pa.array(values, flat.type)).fill_null(len(values))
    return np.asarray(known, dtype=np.int64), np.arange(len(flat)) - np.repeat(ends[:-1], np.diff(ends)), ends


def weight(rank: Any) -> Any:
    """What the value at a rank of a customer's list counts for; of one rank, or of each of an array."""
    return 1 / (1 + rank)


def shares(lists: pa.ListArray, parameters: Mapping[str, Any]) -> Matrix:
    """Customers × values: how likely each takes each. Rows are summed rank by rank, so that batches change nothing."""
    from scipy.sparse import csr_array

    known, rank, ends = _one_by_one(lists, parameters["values"])
    weights = np.vstack([np.array(parameters["weights"], dtype=float), np.zeros(len(parameters["values"]))])
    given = csr_array((weight(rank), known, ends), shape=(len(lists), len(weights)))
    found = np.asarray(given @ weights)
    found += np.array(parameters["base"], dtype=float)  # where it lies: as much again is slow to come by
    return np.round(found, _DECIMALS, out=found)


def best(share: Matrix, top: int) -> NDArray[np.intp]:
    """The places of the likeliest values; of equals the more popular first."""
    return greatest(share, top)


def scored(parameters: Mapping[str, Any], columns: Sequence[pa.Array]) -> pa.Array:
    """Each customer's list; NULL for who never took anything."""
    (lists,) = columns
    chosen = best(shares(lists, parameters), int(parameters["top"]))
    texts = pa.array(parameters["values"], pa.string()).take(pa.array(chosen.ravel()))
    offsets = np.arange(0, chosen.size + 1, chosen.shape[1], dtype=np.int32)
    missing = np.asarray(lists.is_null())
    return pa.ListArray.from_arrays(pa.array(offsets), texts, mask=pa.array(missing))
