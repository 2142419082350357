"""Who is in each audience, of customers that one process holds: what `audience_members` does in Spark, in NumPy."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.audience_bits import ASIDE, FULFILS, bit, words
from transforms.audience_members import OUTCOMES
from transforms.audiences import Audience, levels
from transforms.schemas import GOLD_AUDIENCE_MEMBER

# So many outcomes are held at a time, a byte each; as members they take some 15 bytes.
AT_ONCE = 4_000_000
_TARGET, _HOLDOUT, _NO_CONSENT, _EXCEPT = range(len(OUTCOMES))
_NEVER = len(OUTCOMES)

Flags = NDArray[np.bool_]
Outcomes = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Held:
    """Customers, a row each: `rows` has customer_id and the columns of `audience_bits.bits`; of `allowed` a column a
    purpose, where somebody's decision counts for it: may they be used for it?"""

    audiences: Mapping[str, Audience]
    rows: pa.Table
    allowed: Mapping[str, str]

    def counts(self) -> dict[str, int]:
        """`<audience>.<outcome>` -> customers."""
        found = {name: np.zeros(len(OUTCOMES), dtype=np.int64) for name in self.audiences}
        for part in self._parts():
            for name, outcomes in self._outcomes(part).items():
                found[name] += np.bincount(outcomes, minlength=_NEVER + 1)[:_NEVER]
        return {
            f"{name}.{outcome}": int(n) for name, row in found.items() for outcome, n in zip(OUTCOMES, row, strict=True)
        }

    def members(self, shown: Collection[str], day: date) -> Iterator[pa.Table]:
        """gold/audience_member of the audiences in `shown`, part by part, texts as dictionaries. At least one part."""
        for part in self._parts():
            outcomes = self._outcomes(part)
            found = {
                number: np.flatnonzero(outcomes[name] <= _HOLDOUT)
                for number, name in enumerate(self.audiences)
                if name in shown
            }
            arms = [outcomes[name][found[number]] for number, name in enumerate(self.audiences) if number in found]
            yield _table(part["customer_id"], list(self.audiences), found, arms, day)

    def _parts(self) -> Iterator[pa.Table]:
        length = max(AT_ONCE // max(len(self.audiences), 1), 1)
        for start in range(0, max(self.rows.num_rows, 1), length):
            yield self.rows.slice(start, length).combine_chunks()

    def _outcomes(self, part: pa.Table) -> Outcomes:
        """What each audience means for each of these customers, as `OUTCOMES` are numbered; `_NEVER`: nothing."""
        fulfils, aside = ([part[name].to_numpy() for name in words(what, self.audiences)] for what in (FULFILS, ASIDE))
        places = {name: bit(place) for place, name in enumerate(self.audiences)}
        allowed = {purpose: part[column].to_numpy() for purpose, column in self.allowed.items()}
        members: dict[str, Flags] = {}
        found: Outcomes = {}
        for name in (name for level in levels(self.audiences) for name in level):
            one, (word, at) = self.audiences[name], places[name]
            candidate, kept = ((flags[word] >> at) & 1 for flags in (fulfils, aside))
            candidate = candidate.astype(bool)
            for other in one.union:
                candidate = candidate | members[other]
            excepted = np.zeros_like(candidate)
            for other in one.except_:
                excepted = excepted | members[other]
            members[name] = candidate & ~excepted
            arm = kept.astype(np.uint8)  # 0 and 1: target and holdout
            reached = np.where(allowed[one.purpose], arm, np.uint8(_NO_CONSENT)) if one.purpose in allowed else arm
            found[name] = np.where(candidate, np.where(excepted, np.uint8(_EXCEPT), reached), np.uint8(_NEVER))
        return found


def _table(
    customers: pa.ChunkedArray, names: list[str], found: Mapping[int, NDArray[np.intp]],
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
