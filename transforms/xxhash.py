"""XXH64 of many texts at once, in NumPy: each step of the hash is taken for all of them together."""

from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

SEED = 42  # Spark's
_PRIMES = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_P1, _P2, _P3, _P4, _P5 = map(np.uint64, _PRIMES)
_FIRST, _SECOND, *_ = _PRIMES
_LANES = [np.uint64(start % (1 << 64)) for start in (SEED + _FIRST + _SECOND, SEED + _SECOND, SEED, SEED - _FIRST)]
_STRIPE = len(_LANES)

Words = NDArray[np.uint64]


def xxhash64(words: Words, length: int) -> NDArray[np.int64]:
    """What Spark's xxhash64 gives of each text (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).

    `words`: a text a row, its bytes eight a column, little end first; those past its `length` count for nothing.
    """
    whole, last = divmod(length, 8)
    striped = whole // _STRIPE * _STRIPE
    found = _striped(words[:, :striped]) if striped else np.full(len(words), np.uint64(SEED) + _P5, np.uint64)
    found = found + np.uint64(length)
    for place in range(striped, whole):
        found = _turned(found ^ _mixed(words[:, place] * _P2), 27) * _P1 + _P4
    if last >= 4:
        found = _turned(found ^ (words[:, whole] & np.uint64(0xFFFFFFFF)) * _P1, 23) * _P2 + _P3
    for byte in range(last & 4, last):
        found = _turned(found ^ (words[:, whole] >> np.uint64(8 * byte) & np.uint64(0xFF)) * _P5, 11) * _P1
    found = (found ^ found >> np.uint64(33)) * _P2
    found = (found ^ found >> np.uint64(29)) * _P3
    return (found ^ found >> np.uint64(32)).view(np.int64)


def _striped(words: Words) -> Words:
    """Each of the lanes takes every fourth word; then they become one."""
    lanes = [_mixed(words[:, lane] * _P2 + start) for lane, start in enumerate(_LANES)]
    for place in range(_STRIPE, words.shape[1]):
        lanes[place % _STRIPE] = _mixed(words[:, place] * _P2 + lanes[place % _STRIPE])
    found = reduce(add, (_turned(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)))
    for lane in lanes:
        found = (found ^ _mixed(lane * _P2)) * _P1 + _P4
    return found


def _mixed(words: Words) -> Words:
    return _turned(words, 31) * _P1


def _turned(words: Words, by: int) -> Words:
    return words << np.uint64(by) | words >> np.uint64(64 - by)
