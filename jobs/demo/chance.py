"""Chance that can be repeated: generators by topic, and numbers that hang on an id alone."""

import zlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def generator(seed: int, *topic: object) -> np.random.Generator:
    """A generator of its own for each topic, so that one extract's draws do not move another's."""
    return np.random.default_rng([seed, *(zlib.crc32(str(part).encode()) for part in topic)])


def share(ids: Ints, *, salt: int) -> Floats:
    """A number in [0, 1) for each id, always the same for the same id and salt (splitmix64, Steele et al. 2014)."""
    z = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 0x632BE59BD9B4E019 & 2**64 - 1)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Floats = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return mixed


def scattered(number: int, size: int) -> int:
    """A number below `size`, another one for each `number` below it: a bijection, so that nobody shares it by chance.

    `size` must have no prime factors but 2 and 5.
    """
    return (number * 48_271 + 7_919_001) % size
