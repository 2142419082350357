"""`portrait identity evaluate`: how right the identities of the newest release are, against known truth. No Spark."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from jobs.engines.tied import rows_of, tied
from jobs.engines.wrong_pairs import FALSE, MISS, MOST, listed, write_pairs
from jobs.lookups.truth import read_truth
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.identity.evaluate import BCubed, PairScores, bcubed, pair_scores, source_scores
from transforms.identity.joining import Joined, joined
from transforms.schemas import ENTITIES

ALIKE = "the same identifiers"
# What a matching blocks by, and what tells at a glance where it goes wrong.
BLOCKS = {
    "birth year": "year(try_cast(birth_date as date))",
    "first letter of the family name": "lower(strip_accents(left(family_name, 1)))",
    "postal code": "lower(postal_code)",
    "city": "lower(strip_accents(city))",
}
# a key is held as silver writes it: what parts it is escaped, and what is too long is its hash
_ESCAPED = r"replace(replace(replace(key, '\', '\\'), ':', '\:'), '#', '\#')"
_FOUND = rf"""
with silver as (select record_id, _node from seen),
escaped as (select *, {_ESCAPED} as part from truth)
select place, source, key, person, coalesce(a.record_id, b.record_id) as record_id,
    coalesce(a._node, b._node) as node, coalesce(customer_id, coalesce(a.record_id, b.record_id)) as customer_id
from escaped
left join silver a on a.record_id = source || ':' || key
left join silver b on b.record_id = source || ':' || if(length(part) > 200, sha256(part), part)
left join owner on owner.record_id = coalesce(a._node, b._node)
order by place
"""
_TIES = """
select one_end, other_end, rule, holds, (select min(kind) from refused r
        where (r.id_type, r.id_value) = (tie.id_type, tie.id_value) and kind <> 'cap') as kind
from tie
where customer_id in (select customer_id from both_sides)
    or (id_type, id_value) in (select (id_type, id_value) from tie t join both_sides b on b.node = t.record_id
        where not holds)
order by not holds, weight desc, first_seen, one_end, other_end
"""


def show_evaluation(
    conf: Configuration, truth: Path, screen: Screen, *, pairs: Path | None, values: bool, rows: int
) -> None:
    """Print the scores against the truth file, by rule, source and block, and pairs that are wrong.

    pairs: a CSV file for all wrong pairs. values: with the records' keys and fields in clear.
    Raises DefinitionError where the truth file cannot be used or the CSV file not be written.
    """
    known = read_truth(truth)
    reader = Reader(conf)
    with tied(reader, conf.identity.identifiers) as connection:
        both, unknown = _both(connection, reader, conf, known, truth)
        connection.register("both_sides", both)
        rules, joining = _by_rule(connection, both)
        wrong = listed(connection, both, joining.rule)
        found = {
            "release": reader.release.release,
            "date": reader.release.date,
            "truth": {"records": len(known), "persons": int(known["person"].nunique()), "unknown": unknown},
            "pairs": _told(pair_scores(both)),
            "b_cubed": _told(bcubed(both)),
            "by_rule": rules,
            "by_source": {source: _told(scores) for source, scores in source_scores(both).items()},
            "by_block": _by_block(connection),
            "differing_fields": wrong.fields,
            "false_merges": wrong.shown(FALSE, rows, clear=values),
            "misses": wrong.shown(MISS, rows, clear=values),
        }
        if pairs:
            found["pairs_file"] = {"path": str(pairs), "rows": write_pairs(pairs, wrong, values=values)}
    _print(found, screen)
    screen.result(found)


def _both(
    connection: duckdb.DuckDBPyConnection, reader: Reader, conf: Configuration, truth: pd.DataFrame, path: Path
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The truth's records that silver holds, with `record_id`, `node` and `customer_id`; and how many it does not.

    A record without identifiers has no node: it is nobody's, so a customer by itself.
    """
    named = sorted(set(truth["source"]))
    entities = sorted({conf.sources[name].entity for name in named if name in conf.sources})
    seen = [reader.dataset(ENTITIES[entity].table) for entity in entities]
    parts = [found.to_table(columns=["record_id", "_node"], filter=reader.current) for found in seen if found]
    connection.execute("create table seen (record_id varchar, _node varchar)")
    for part in parts:
        connection.register("part", part)
        connection.execute("insert into seen from part")
    connection.register(
        "truth", truth.sort_values(["source", "key"]).reset_index(names="line").assign(place=range(len(truth)))
    )
    found = connection.execute(_FOUND).df()
    lost = found["record_id"].isna()
    unknown = {str(source): int(count) for source, count in found[lost].groupby("source").size().items()}
    if lost.all():
        told = ", ".join(
            f"{source} {'' if source in conf.sources else '(no such source) '}{n}" for source, n in unknown.items()
        )
        raise DefinitionError(
            f"--truth {path}: none of its {len(truth)} records is in the release of {reader.release.date} ({told}); "
            "source is the name of a file in conf/sources/, key the record's key there"
        )
    known = found[~lost].reset_index(drop=True)
    return known.assign(place=range(len(known))), unknown


class Joining:
    """Which rule brought two records together, and which of those not believed would."""

    def __init__(self, both: pd.DataFrame, ties: pd.DataFrame) -> None:
        nodes = both["node"].where(both["node"].notna(), both["record_id"])
        ends = pd.concat([nodes, ties["one_end"], ties["other_end"]], ignore_index=True)
        codes, names = pd.factorize(ends, sort=True)
        self.vertex = codes[: len(both)].tolist()
        left, right = codes[len(both) : len(both) + len(ties)], codes[len(both) + len(ties) :]
        self.held = int(ties["holds"].sum())
        kinds = ties["kind"].where(ties["kind"].notna(), "cut")
        self.rules = ties["rule"].where(ties["holds"].astype(bool), ties["rule"] + ", " + kinds).tolist()
        self.persons: dict[int, Counter[str]] = {}
        for vertex, person in zip(self.vertex, both["person"], strict=True):
            self.persons.setdefault(vertex, Counter())[person] += 1
        ends_of = zip(left.tolist(), right.tolist(), strict=True)
        self.joined: Joined = joined(ends_of, self.persons, vertices=len(names))

    def rule(self, one: int, other: int) -> str:
        """What brought the records of two places together, or would; empty: nothing does."""
        if self.vertex[one] == self.vertex[other]:
            return ALIKE
        tie = self.joined.tie(self.vertex[one], self.vertex[other])
        return self.rules[tie] if tie >= 0 else ""


def _by_rule(connection: duckdb.DuckDBPyConnection, both: pd.DataFrame) -> tuple[list[dict[str, Any]], Joining]:
    """What each kind of tie brought together, right and false; of those not believed what they would have."""
    joining = Joining(both, connection.execute(_TIES).df())
    counts = [(ALIKE, True, *_within(told)) for told in joining.persons.values()]
    ties = zip(joining.rules, joining.joined.right, joining.joined.false, strict=True)
    counts += [(rule, place < joining.held, right, false) for place, (rule, right, false) in enumerate(ties)]
    frame = pd.DataFrame(counts, columns=["rule", "believed", "right", "false"])
    sums = frame.groupby(["rule", "believed"])[["right", "false"]].sum().reset_index()
    sums = sums[sums["right"] + sums["false"] > 0].sort_values(
        ["believed", "right", "rule"], ascending=[False, False, True]
    )
    return [
        {**row, "right": int(row["right"]), "false": int(row["false"]), "believed": bool(row["believed"])}
        for row in rows_of(sums)
    ], joining


def _within(told: Counter[str]) -> tuple[int, int]:
    """Pairs of one person among records that share a node, and pairs of two."""
    total = told.total()
    alike = sum(records * (records - 1) // 2 for records in told.values())
    return alike, total * (total - 1) // 2 - alike


def _by_block(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Over records of persons: how right pairs are that agree in what a matching would block by.

    share_of_true: of all pairs of one person those that agree, which is the most that the block lets a matching find.
    """
    columns = ", ".join(f'{expression} as "{name}"' for name, expression in BLOCKS.items())
    people = connection.execute(
        f"select customer_id, b.person, {columns} from both_sides b join person p using (record_id)"
    ).df()
    whole = pair_scores(people)
    rows = []
    for name in BLOCKS:
        scores = pair_scores(people, within=[name])
        rows.append({"block": name, **_told(scores), "share_of_true": scores.true / whole.true if whole.true else 1.0})
    return rows


def _told(scores: PairScores | BCubed) -> dict[str, Any]:
    told: dict[str, Any] = {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
    if isinstance(scores, PairScores):
        told |= {"records": scores.records, "true": scores.true, "false_merges": scores.false, "misses": scores.missed}
    return told


def _print(found: Mapping[str, Any], screen: Screen) -> None:
    truth = found["truth"]
    screen.say(
        f"{found['pairs']['records']:,} of {truth['records']:,} records, {truth['persons']:,} persons; "
        f"as of {found['date']} (release {found['release']})"
    )
    if truth["unknown"]:
        told = ", ".join(f"{source} {count}" for source, count in truth["unknown"].items())
        screen.say(f"not in the release, and not counted: {told}")
    screen.say()
    measures = [[name, *_figures(found[key])] for name, key in (("pairs", "pairs"), ("B³", "b_cubed"))]
    screen.table("how right", ["measure", "precision", "recall", "F1"], measures)
    pairs = ["precision", "recall", "F1", "true", "false merges", "misses"]
    sources = [[source, *_row(told)] for source, told in found["by_source"].items()]
    screen.table("pairs with a record of a source", ["source", *pairs], sources)
    rules = [row for row in found["by_rule"] if row["believed"]]
    screen.table(
        "pairs by the tie that brought them together",
        ["tie", "right", "false", "precision"],
        [
            [row["rule"], row["right"], row["false"], f"{row['right'] / (row['right'] + row['false']):.4f}"]
            for row in rules
        ],
    )
    refused = [[row["rule"], row["right"], row["false"]] for row in found["by_rule"] if not row["believed"]]
    untied = found["pairs"]["misses"] - sum(row[1] for row in refused)
    screen.table(
        f"what was not believed would have brought together ({untied:,} misses share no identifier)",
        ["tie", "misses mended", "false merges more"],
        refused,
    )
    blocks = [[row["block"], f"{row['share_of_true']:.4f}", *_row(row)] for row in found["by_block"]]
    screen.table("pairs that agree in a block (records of persons)", ["block", "of true", *pairs], blocks)
    screen.table("fields that differ", ["field", "in false merges", "in misses"], found["differing_fields"])
    for kind, title in (("false_merges", "false merges"), ("misses", "misses")):
        rows = [[row["left"], row["right"], row["tie"], ", ".join(row["differ"])] for row in found[kind]]
        if rows:
            screen.table(f"{title}, the first", ["record", "and", "tie", "differ in"], rows)
    if "pairs_file" in found:
        screen.say(f"{found['pairs_file']['rows']:,} pairs: {found['pairs_file']['path']} (at most {MOST:,} of a kind)")


def _figures(told: Mapping[str, float]) -> list[str]:
    return [f"{told[name]:.4f}" for name in ("precision", "recall", "f1")]


def _row(told: Mapping[str, Any]) -> list[Any]:
    return [*_figures(told), told["true"], told["false_merges"], told["misses"]]
