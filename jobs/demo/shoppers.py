"""Who of a household stood at the till: one copy's shoppers as arrays, found by the basket's number alone."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from jobs.demo import reach
from jobs.demo.chance import Floats, Ints, share
from jobs.demo.people import STEP, Person

# How a household's baskets fall to its first, second and third shopper, by how many there are.
_SHARES = {1: (1.0, 1.0), 2: (0.65, 1.0), 3: (0.55, 0.85)}
_WITH_CARD, _WITHOUT_CARD, _TILL = 0.04, 0.30, 0.984
RECEIPT_STEP = 100_000_000_000  # copy c's receipts are c * this + the package's basket


@dataclass(frozen=True)
class Shoppers:
    """`first[h]`: the first shopper of the package's household h; `up_to[h]`: the shares at which the next one's begin.

    `card`: 0 for those without one; `cards`: the same as text, NULL for those.
    `phones`: each shopper's as typed at the till, then the two of the tills.
    """

    copy: int
    first: Ints
    up_to: Floats
    card: Ints
    cards: pa.Array
    phones: pa.Array

    def of(self, household: Ints, receipt: Ints) -> Ints:
        """The shopper of each basket, by a stable hash of its number."""
        draws = share(receipt, salt=11 + self.copy)
        passed: Ints = (draws[:, None] >= self.up_to[household]).sum(axis=1)
        return self.first[household] + passed

    def phone_at_till(self, shopper: Ints, receipt: Ints) -> Ints:
        """Which of `phones` stands on the receipt; -1 for none."""
        draws = share(receipt, salt=100_003 + self.copy)
        told = draws < np.where(self.card[shopper] > 0, _WITH_CARD, _WITHOUT_CARD)
        till = len(self.card) + (draws >= (1 + _TILL) / 2)
        return np.where(told, shopper, np.where(draws >= _TILL, till, -1))


def as_arrays(people: list[Person], copy: int) -> Shoppers:
    """The people of one copy, in their order, which is household by household."""
    first = np.zeros(STEP, dtype=np.int64)
    up_to = np.full((STEP, 2), 1.0)
    position = 0
    for number, members in groupby(people, key=lambda person: person.household):
        size = len(list(members))
        first[number - copy * STEP], up_to[number - copy * STEP] = position, _SHARES[size]
        position += size
    phones = [_typed(person.till_phone) for person in people] + [
        _typed(reach.till_phone(copy, till)) for till in (0, 1)
    ]
    card = np.array([person.card for person in people], dtype=np.int64)
    return Shoppers(copy, first, up_to, card, pa.array(card, mask=card == 0).cast(pa.string()), pa.array(phones))


def _typed(phone: str) -> str:
    """A clerk types ten digits, and the code only of numbers from abroad."""
    return phone.removeprefix("+1") if phone.startswith("+1") and len(phone) == 12 else phone
