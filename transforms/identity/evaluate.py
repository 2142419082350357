"""How right the identities are, against known truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class PairScores:
    """Pairs of records said to be one person, at the level of whole customers: every pair within one counts.

    A share of nothing is 1: where nobody should be linked and nobody is, all is right.
    """

    records: int
    right: int
    said: int
    true: int

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        total = self.said + self.true
        return 2 * self.right / total if total else 1.0

    @property
    def false(self) -> int:
        """Pairs said to be one person that are two."""
        return self.said - self.right

    @property
    def missed(self) -> int:
        """Pairs of one person that are not said to be."""
        return self.true - self.right


@dataclass(frozen=True)
class BCubed:
    """Bagga and Baldwin's measure: precision and recall of each record's own customer, averaged over the records."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 1.0


def matched(assigned: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The records that both `assigned` (source, key, customer_id) and `truth` (source, key, person) name.

    Raises ValueError where a side names a record twice.
    """
    return assigned[["source", "key", "customer_id"]].merge(
        truth[["source", "key", "person"]], on=["source", "key"], validate="one_to_one"
    )


def pairwise(assigned: pd.DataFrame, truth: pd.DataFrame) -> PairScores:
    """Pairwise precision, recall and F1 of `assigned` (source, key, customer_id) against `truth` (source, key, person).

    Counted over the records that both name. Raises ValueError where a side names a record twice.
    """
    return pair_scores(matched(assigned, truth))


def pair_scores(both: pd.DataFrame, within: Sequence[str] = ()) -> PairScores:
    """Of records with their `customer_id` and `person`. within: columns that a pair must have in common to count;
    a record that lacks one of them makes no pair.

    Pairs are not listed but counted from the contingency table: n records in a cell make n (n - 1) / 2
    (Rand 1971; Fowlkes & Mallows 1983).
    """
    kept = both.dropna(subset=list(within))
    return PairScores(
        records=len(kept),
        right=_pairs(kept, [*within, "customer_id", "person"]),
        said=_pairs(kept, [*within, "customer_id"]),
        true=_pairs(kept, [*within, "person"]),
    )


def source_scores(both: pd.DataFrame) -> dict[str, PairScores]:
    """Source -> the scores over the pairs of which at least one record is the source's."""
    whole = pair_scores(both)
    scores = {}
    for source, own in both.groupby("source"):
        rest = pair_scores(both[both["source"] != source])
        scores[str(source)] = PairScores(
            len(own), whole.right - rest.right, whole.said - rest.said, whole.true - rest.true
        )
    return scores


def bcubed(both: pd.DataFrame) -> BCubed:
    """B³ of records with their `customer_id` and `person`; 1 where there are none.

    A record's precision is the share of its customer's records that are of its person, its recall the share of its
    person's records that are in its customer (Bagga & Baldwin 1998; Amigó et al. 2009).
    """
    cells = both.groupby(["customer_id", "person"], dropna=False).size().rename("n").reset_index()
    if cells.empty:
        return BCubed(1.0, 1.0)
    squares = cells["n"] ** 2
    shares = (
        (squares / cells.groupby(side, dropna=False)["n"].transform("sum")).sum() / len(both)
        for side in ("customer_id", "person")
    )
    return BCubed(*map(float, shares))


def _pairs(records: pd.DataFrame, by: list[str]) -> int:
    sizes = records.groupby(by, dropna=False).size()
    return int((sizes * (sizes - 1) // 2).sum())
