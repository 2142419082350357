"""Whom a holdout keeps aside: a lot by a hash of audience and customer, so that nobody else's coming or going tells.

xxhash64 (seed 42) of the text `<audience>/<customer_id>`, in millionths: another audience draws another lot.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from transforms.audiences import Audience
from transforms.xxhash import Words, xxhash64

_STEPS = 1_000_000
_PIECE = 1 << 14  # what a processor keeps at hand

Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Letters = NDArray[np.uint8]


def held_out(customer_id: SparkColumn, audience: Audience) -> SparkColumn:
    """Is the customer kept aside?"""
    if not audience.holdout:
        return F.lit(False)
    lot = F.pmod(F.xxhash64(F.concat(F.lit(_before(audience)), customer_id)), F.lit(_STEPS))
    return lot < _up_to(audience)


def spelled(customers: pa.StringArray) -> list[tuple[Places, Letters]]:
    """The ids letter by letter, those of one length together, with their places among the customers."""
    if not len(customers):
        return []
    _, starts, text = customers.buffers()
    starts = np.frombuffer(starts, np.int32)[customers.offset : customers.offset + len(customers)]
    letters, lengths = np.frombuffer(text, np.uint8), pc.binary_length(customers).to_numpy()
    by_length = ((length, np.flatnonzero(lengths == length)) for length in np.unique(lengths))
    return [(places, letters[starts[places, None] + np.arange(length)]) for length, places in by_length]


def kept_aside(ids: list[tuple[Places, Letters]], audience: Audience, asked: Flags) -> Flags:
    """The same in NumPy, of customers as they are `spelled`; nobody but those `asked` for is."""
    aside = np.zeros(len(asked), dtype=bool)
    for places, letters in ids if audience.holdout else ():
        mine = np.flatnonzero(asked[places])
        for start in range(0, len(mine), _PIECE):
            piece = mine[start : start + _PIECE]
            lots = xxhash64(*_written(_before(audience), letters.take(piece, axis=0))) % _STEPS
            aside[places[piece]] = lots < _up_to(audience)
    return aside


def _before(audience: Audience) -> str:
    return f"{audience.audience}/"


def _up_to(audience: Audience) -> int:
    return round(audience.holdout * _STEPS)


def _written(before: str, letters: Letters) -> tuple[Words, int]:
    """The texts that begin so and end in these letters, in words, and how long they are."""
    begun = len(before)
    length = begun + letters.shape[1]
    text = np.zeros((len(letters), -(-length // 8) * 8), np.uint8)
    text[:, :begun] = np.frombuffer(before.encode(), np.uint8)
    text[:, begun:length] = letters
    return text.view("<u8"), length
