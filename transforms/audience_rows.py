"""Who is in each audience, of customers that one process holds: what `audience_members` does in Spark, in NumPy."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.audience_bits import bit, words
from transforms.audience_lots import Flags, kept_aside, spelled
from transforms.audience_members import OUTCOMES
from transforms.audiences import Audience, levels
from transforms.schemas import GOLD_AUDIENCE_MEMBER

# So many outcomes are held at a time, a byte each; as members they take some 15 bytes.
AT_ONCE = 4_000_000
_HOLDOUT, _NO_CONSENT, _EXCEPT = (OUTCOMES.index(name) for name in ("holdout", "no_consent", "except"))
_NEVER = len(OUTCOMES)

Outcomes = dict[str, NDArray[np.uint8]]


def parts(rows: pa.Table, audiences: Collection[str]) -> list[pa.Table]:
    """Customers in parts of at most `AT_ONCE` outcomes; one at least."""
    length = max(AT_ONCE // max(len(audiences), 1), 1)
    return [rows.slice(start, length).combine_chunks() for start in range(0, max(rows.num_rows, 1), length)]


def outcomes_of(part: pa.Table, audiences: Mapping[str, Audience], allowed: Mapping[str, str]) -> Outcomes:
    """What each audience means for each of these customers, as `OUTCOMES` are numbered; past them: nothing.

    `part`: customer_id and the columns of `audience_bits.bits`; `allowed`: of the purposes for which a decision
    counts, the column that says whether the customer may be used for it.
    """
    ids = spelled(part["customer_id"].combine_chunks())
    may = {purpose: part[column].to_numpy() for purpose, column in allowed.items()}
    fulfils = {word: part[word].to_numpy() for word in words(audiences)}
    bits = {name: bit(place) for place, name in enumerate(audiences)}
    members: dict[str, Flags] = {}
    found: Outcomes = {}
    for name in (name for level in levels(audiences) for name in level):
        one, (word, at) = audiences[name], bits[name]
        own = fulfils[word] & (1 << at) != 0
        candidate = reduce(or_, (members[other] for other in one.union), own)
        excepted = reduce(or_, (members[other] for other in one.except_), np.zeros_like(own))
        members[name] = candidate & ~excepted
        reached = members[name] & may[one.purpose] if one.purpose in may else members[name]
        flags = {
            _HOLDOUT: kept_aside(ids, one, reached),
            _NO_CONSENT: members[name] & ~reached,
            _EXCEPT: candidate & excepted,
            _NEVER: ~candidate,
        }  # of which one at most is set
        found[name] = reduce(or_, (flag * np.uint8(outcome) for outcome, flag in flags.items()))
    return found


def counts_of(outcomes: Outcomes) -> dict[str, int]:
    """`<audience>.<outcome>` -> customers."""
    return {
        f"{name}.{outcome}": int(number)
        for name, codes in outcomes.items()
        for outcome, number in zip(OUTCOMES, np.bincount(codes, minlength=_NEVER + 1), strict=False)
    }


def member_table(
    part: pa.Table, outcomes: Outcomes, *, audiences: Sequence[str], shown: Collection[str], day: date
) -> pa.Table:
    """gold/audience_member of the audiences in `shown`, of one of the `parts`; texts come as dictionaries."""
    found = {
        number: np.flatnonzero(outcomes[name] <= _HOLDOUT) for number, name in enumerate(audiences) if name in shown
    }
    arms = [outcomes[audiences[number]][rows] for number, rows in found.items()]
    return _table(part["customer_id"], audiences, found, arms, day)


def _table(
    customers: pa.ChunkedArray, names: Sequence[str], found: Mapping[int, NDArray[np.intp]],
    arms: list[NDArray[np.uint8]], day: date,
) -> pa.Table:  # fmt: skip
    """Members audience by audience; a customer's id is there once, and only if some audience has them."""
    place = np.concatenate([np.empty(0, dtype=np.intp), *found.values()])
    audience = np.repeat(np.array([*found], dtype=np.int32), [len(rows) for rows in found.values()])
    arm = np.concatenate([np.empty(0, dtype=np.uint8), *arms]).astype(np.int8)
    there = np.zeros(len(customers), dtype=bool)
    there[place] = True
    ids = customers.combine_chunks().filter(pa.array(there))
    columns = {
        "date": pa.repeat(pa.scalar(day, pa.date32()), len(place)),
        "audience": _coded(audience, pa.array(names, pa.string())),
        "customer_id": _coded((np.cumsum(there) - 1)[place].astype(np.int32), ids),
        "arm": _coded(arm, pa.array(OUTCOMES[: _HOLDOUT + 1])),
    }
    return pa.table({name: columns[name] for name in GOLD_AUDIENCE_MEMBER.names})


def _coded(codes: NDArray[np.signedinteger], texts: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), texts)
