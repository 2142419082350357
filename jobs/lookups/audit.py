"""`portrait identity audit`: who is largest, who is most suspicious, and what was not believed. No Spark needed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from jobs.engines.bridges import bridges
from jobs.engines.tied import rows_of, tied
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.privacy import hint
from transforms.schemas import OPS_STAGE

# What speaks against one person, and how much: a birth date does not change, a name may.
_POINTS = {"birth_dates": 3, "genders": 2, "given_names": 1, "family_names": 1}
_SIZES = """
select t.customer_id as customer, count(distinct t.record_id) as records,
    count(distinct p.record_id) as persons,
    count(distinct (id_type, id_value)) filter (where holds and id_type <> 'record') as identifiers,
    count(*) filter (where holds) as ties, count(distinct t.source) as sources
from (
    select customer_id, record_id, id_type, id_value, holds, source from tie where record_id is not null
    union all select customer_id, record_id, null, null, false, split_part(record_id, ':', 1) from owner
        where record_id not in (select record_id from tie where record_id is not null)
) t left join (select distinct record_id from person) p using (record_id)
group by all
"""
_DISTINCT = """
select customer_id as customer, count(distinct birth_date) as birth_dates, count(distinct gender) as genders,
    count(distinct lower(strip_accents(given_name))) as given_names,
    count(distinct lower(strip_accents(family_name))) as family_names
from person join owner using (record_id) group by all
"""
_CUTS = """
select customer_id as customer, count(*) as cuts
from tie where not holds and holder is not null and holder <> customer_id group by all
"""
_LINKS = """
with several as (
    select customer_id from owner join (select distinct record_id from person) using (record_id)
    group by all having count(*) > 1)
select customer_id as customer, one_end, other_end, rule,
    one_end in (select record_id from person) as person, other_end in (select record_id from person) as other_person
from tie where holds and customer_id in (from several) order by all
"""
_REFUSED = """
select kind, id_type, id_value, members, detail from refused
order by kind, members desc, id_type, id_value
"""


def show_audit(conf: Configuration, screen: Screen, *, rows: int, clear: bool) -> None:
    """Print the customers worth a look, so many of each kind, and tonight's hubs, cuts and churn of ids.

    Identifiers are told by hints unless `clear`. Raises DefinitionError where no night was released.
    """
    reader = Reader(conf)
    with tied(reader, conf.identity.identifiers) as connection:
        sizes = connection.execute(_SIZES).df()
        told = _suspicions(connection, sizes)
        one_tie = told[told["smaller_part"] > 0]
        found = {
            "release": reader.release.release,
            "date": reader.release.date,
            **_night(reader),
            "customers": len(sizes),
            "known": connection.execute("select count(distinct customer_id) from held where known").fetchall()[0][0],
            "records": int(sizes["records"].sum()),
            "largest": _top(sizes, ["records", "persons", "identifiers"], rows),
            "most_connected": _top(sizes, ["identifiers", "ties", "records"], rows),
            "most_suspicious": _top(told[told["points"] > 0], ["points", "records"], rows),
            "held_by_one_tie": _top(one_tie, ["smaller_part", "points", "persons"], rows),
            "one_tie_customers": len(one_tie),
            "refused": _refused(connection, rows, clear=clear),
        }
    _print(found, screen)
    screen.result(found)


def _suspicions(connection: duckdb.DuckDBPyConnection, sizes: pd.DataFrame) -> pd.DataFrame:
    """What speaks against each customer of several persons' records. Grain: customer."""
    facts = connection.execute(_DISTINCT).df()
    several = sizes[sizes["persons"] > 1].merge(facts, on="customer", how="left")
    several = several.merge(connection.execute(_CUTS).df(), on="customer", how="left")
    several = several.merge(one_tie_parts(connection.execute(_LINKS).df()), on="customer", how="left")
    counted = [*_POINTS, "cuts", "smaller_part"]
    several[counted] = several[counted].fillna(0).astype(int)
    several["by"] = several["by"].fillna("")
    points = sum((several[name] - 1).clip(lower=0) * worth for name, worth in _POINTS.items())
    # one tie joins most duplicates, rightly: it counts where something else speaks against them
    alone = 2 * ((several["smaller_part"] > 0) & (points > 0))
    several["points"] = points + alone + several["cuts"]
    several["why"] = [_why(row) for row in rows_of(several)]
    return several


def _why(row: Mapping[str, Any]) -> str:
    counts = [f"{row[name]} {name.replace('_', ' ')}" for name in _POINTS if row[name] > 1]
    cuts = [f"{row['cuts']} ties to others cut"] if row["cuts"] else []
    return "; ".join([*counts, *cuts, *([f"held by one {row['by']}"] if row["smaller_part"] else [])])


def one_tie_parts(links: pd.DataFrame) -> pd.DataFrame:
    """The ties that alone hold two parts together, each with records of persons: `customer smaller_part by`.

    links: customer, one_end, other_end, rule, person, other_person; a tie that holds a row.
    Of a customer's ties the one with the largest smaller part, in persons' records. `by`: what ties it.
    """
    ends = [links["customer"] + "\n" + links[end] for end in ("one_end", "other_end")]
    codes, vertices = pd.factorize(pd.concat(ends, ignore_index=True), sort=True)
    left, right = codes[: len(links)], codes[len(links) :]
    persons = np.zeros(len(vertices), dtype=np.int64)
    persons[left[links["person"].to_numpy(dtype=bool)]] = 1
    persons[right[links["other_person"].to_numpy(dtype=bool)]] = 1
    found = bridges(left.astype(np.int64), right.astype(np.int64), persons)
    rows = links.iloc[found.tie][["customer", "rule"]].assign(below=found.below)
    whole = pd.Series(persons).groupby([name.split("\n", 1)[0] for name in vertices]).sum()
    rows["smaller_part"] = np.minimum(rows["below"], rows["customer"].map(whole) - rows["below"])
    rows = rows[rows["smaller_part"] > 0].sort_values(
        ["customer", "smaller_part", "rule"], ascending=[True, False, True]
    )
    return rows.drop_duplicates("customer").rename(columns={"rule": "by"})[["customer", "smaller_part", "by"]]


def _top(frame: pd.DataFrame, by: Sequence[str], rows: int) -> list[dict[str, Any]]:
    ordered = frame.sort_values([*by, "customer"], ascending=[*(False for _ in by), True]).head(rows)
    return [{name: _plain(value) for name, value in row.items()} for row in rows_of(ordered)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


def _refused(connection: duckdb.DuckDBPyConnection, rows: int, *, clear: bool) -> dict[str, Any]:
    """Kind -> how many identifiers, and those that touch most records."""
    found: dict[str, Any] = {}
    for kind, id_type, value, members, detail in connection.execute(_REFUSED).fetchall():
        told = found.setdefault(kind, {"count": 0, "most": []})
        told["count"] += 1
        if len(told["most"]) < rows:
            shown = value if clear else hint(id_type, value)
            told["most"].append({"type": id_type, "value": shown, "records": members, "why": detail})
    return found


def _night(reader: Reader) -> dict[str, Any]:
    """What the identity stage of the release's run counted of changes of ids."""
    rows = [
        row
        for row in reader.lakehouse.rows(OPS_STAGE)
        if row["stage"] == "identity" and row["status"] == "done" and row["date"] == reader.release.date
    ]
    figures = json.loads(max(rows, key=lambda row: row["at"])["figures"] or "{}") if rows else {}
    return {"id_churn": figures.get("id_churn")} | {
        name: figures.get(name, 0) for name in ("new", "merges", "splits", "retired")
    }


def _print(found: dict[str, Any], screen: Screen) -> None:
    screen.say(
        f"{found['customers']:,} customers ({found['known']:,} known) of {found['records']:,} records, "
        f"as of {found['date']} (release {found['release']})"
    )
    if found["id_churn"] is not None:
        screen.say(
            f"the last night: {found['new']} new, {found['merges']} merged, {found['splits']} split, "
            f"{found['retired']} retired; {found['id_churn']:.2%} of the known customers lost their id"
        )
    screen.say()
    sizes = ["customer", "records", "persons", "identifiers", "ties", "sources"]
    shown = {
        "largest": ("largest, by records", sizes),
        "most_connected": ("most connected, by identifiers", sizes),
        "most_suspicious": (
            "most suspicious (points: 3 a further birth date, 2 gender, 1 name or cut; 2 if also held by one tie)",
            ["customer", "points", "persons", "why"],
        ),
        "held_by_one_tie": (
            f"held together by one tie, by persons' records in the smaller part ({found['one_tie_customers']:,} are)",
            ["customer", "smaller_part", "persons", "by", "points"],
        ),
    }
    for name, (title, columns) in shown.items():
        if found[name]:
            header = [column.replace("_", " ") for column in columns]
            screen.table(title, header, [[row[column] for column in columns] for row in found[name]])
    titles = {"hub": "hubs: they tie nobody", "blocked": "blocked", "cut": "cut", "cap": "too full, and therefore cut",
              "unheard": "decisions by hand without effect"}  # fmt: skip
    for kind, told in found["refused"].items():
        values = [[row["type"], row["value"], row["records"], row["why"]] for row in told["most"]]
        screen.table(f"{titles.get(kind, kind)} ({told['count']:,})", ["type", "value", "records", "why"], values)
    screen.say("portrait identity audit ID shows how a customer is tied together")
