"""Pairs of records that are wrong: put together though two people, or kept apart though one."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from jobs.engines.tied import COMPARED
from transforms.errors import DefinitionError
from transforms.privacy import hint

# Of one customer or person that many records are paired, and that many pairs of a kind listed.
WITHIN, MOST = 200, 50_000
FALSE, MISS = "false merge", "miss"
_PAIRS = """
with ranked as (select *, row_number() over (partition by {same} order by place) as nth from both_sides
    qualify nth <= {within})
select '{kind}' as kind, a.place as left_place, b.place as right_place
from ranked a join ranked b on a.{same} = b.{same} and a.{other} <> b.{other} and a.place < b.place
order by left_place, right_place limit {most}
"""


@dataclass(frozen=True)
class Wrong:
    """pairs: kind, and of both records (`left_`, `right_`) source, key, record_id, person, customer_id and fields;
    `tie` that brought them together, or, of a miss, would have; `differ`: the fields both give, differently."""

    pairs: pd.DataFrame

    @property
    def fields(self) -> list[list[Any]]:
        """Field, false merges and misses in which it differs; the most telling first."""
        counts = {
            kind: Counter(field for fields in self.pairs.loc[self.pairs["kind"] == kind, "differ"] for field in fields)
            for kind in (FALSE, MISS)
        }
        rows = [[name, counts[FALSE][name], counts[MISS][name]] for name in COMPARED]
        return sorted((row for row in rows if row[1] or row[2]), key=lambda row: (-row[1] - row[2], row[0]))

    def shown(self, kind: str, rows: int, *, clear: bool) -> list[dict[str, Any]]:
        """The first pairs of a kind, records by hints unless `clear`."""
        return [
            {
                side: row[f"{side}_record_id"] if clear else hint("record", row[f"{side}_record_id"])
                for side in ("left", "right")
            }
            | {"tie": row["tie"], "differ": row["differ"]}
            for row in self.pairs[self.pairs["kind"] == kind].head(rows).to_dict("records")
        ]


def listed(connection: duckdb.DuckDBPyConnection, both: pd.DataFrame, rule: Callable[[int, int], str]) -> Wrong:
    """The wrong pairs among `both` (registered as both_sides: place, source, key, person, record_id, customer_id).

    rule: what brought two places together, or would.
    """
    kinds = [(FALSE, "customer_id", "person"), (MISS, "person", "customer_id")]
    found = pd.concat(
        connection.execute(_PAIRS.format(kind=kind, same=same, other=other, within=WITHIN, most=MOST)).df()
        for kind, same, other in kinds
    ).reset_index(drop=True)
    person = connection.execute("select * exclude (source) from person").df().set_index("record_id")
    told = both.set_index("place")[["source", "key", "record_id", "person", "customer_id"]]
    told = told.join(person[list(COMPARED)], on="record_id")
    left, right = (told.loc[found[f"{side}_place"]].reset_index(drop=True) for side in ("left", "right"))
    flags = pd.DataFrame({name: _differ(left[name], right[name]) for name in COMPARED}).to_numpy()
    ties = [rule(one, other) for one, other in zip(found["left_place"], found["right_place"], strict=True)]
    whole = pd.concat([found[["kind"]], left.add_prefix("left_"), right.add_prefix("right_")], axis=1)
    names = [[name for name, differ in zip(COMPARED, row, strict=True) if differ] for row in flags]
    return Wrong(whole.assign(tie=ties, differ=pd.Series(names, dtype=object)))


def _differ(left: pd.Series, right: pd.Series) -> pd.Series:
    """Where both give a value, and not the same; case is no difference."""
    return left.notna() & right.notna() & (left.str.casefold() != right.str.casefold())


def write_pairs(path: Path, wrong: Wrong, *, values: bool) -> int:
    """Write the pairs as CSV; with `values` the fields of both records too. Gives how many rows.

    Raises DefinitionError where the file cannot be written.
    """
    told = ["source", "key", "person", "customer_id", *(COMPARED if values else ())]
    header = ["kind", "tie", "differ", *(f"{side}_{name}" for name in told for side in ("left", "right"))]
    rows = wrong.pairs.assign(differ=[" ".join(fields) for fields in wrong.pairs["differ"]])[header]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([_harmless(value) for value in row] for row in rows.itertuples(index=False))
    except OSError as error:
        raise DefinitionError(f"--pairs {path}: cannot be written: {error.strerror}") from None
    return len(rows)


def _harmless(value: Any) -> str:
    """A cell that no spreadsheet runs as a formula; a phone number in E.164 stays as it is."""
    text = "" if pd.isna(value) else str(value)
    return f"'{text}" if text[:1] in {*"=+-@\t\r"} and not text[1:].isdigit() else text
