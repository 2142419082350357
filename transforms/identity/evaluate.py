"""How right the identities are, against known truth."""

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


def pairwise(assigned: pd.DataFrame, truth: pd.DataFrame) -> PairScores:
    """Pairwise precision, recall and F1 of `assigned` (source, key, customer_id) against `truth` (source, key, person).

    Counted over the records that both name. Pairs are not listed but counted from the contingency table: n records
    in a cell make n (n - 1) / 2 (Rand 1971; Fowlkes & Mallows 1983). Raises ValueError
    where a side names a record twice.
    """
    both = assigned[["source", "key", "customer_id"]].merge(
        truth[["source", "key", "person"]], on=["source", "key"], validate="one_to_one"
    )
    return PairScores(
        records=len(both),
        right=_pairs(both, ["customer_id", "person"]),
        said=_pairs(both, ["customer_id"]),
        true=_pairs(both, ["person"]),
    )


def _pairs(records: pd.DataFrame, by: list[str]) -> int:
    sizes = records.groupby(by, dropna=False).size()
    return int((sizes * (sizes - 1) // 2).sum())
