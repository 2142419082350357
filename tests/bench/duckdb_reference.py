"""The same profile by hand: DuckDB over the same extracts, for the time it takes.

Reads, types and deduplicates the extracts (records.sql, people.sql), finds who is who by shared identifiers
(identity.sql; connected components by scipy on the distinct ties), and writes the wide profile to Parquet
(profile.sql). What it leaves out: bronze, quarantine and its reasons, versions, stable ids and the cuts of
`per_customer`, consent, K-Means, the sentiment of texts, audiences, exports, and any table but the profile.

    python -m tests.bench.duckdb_reference EXTRACTS FOLDER DAY     prints {"customers": …, "columns": …, "parts": {…}}
"""

import json
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import phonenumbers
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HERE = Path(__file__).parent
SYSTEMS = ("pos", "web", "social", "campaign_events", "crm", "loyalty")


def main(extracts: Path, folder: Path, day: date) -> None:
    began = time.monotonic()
    parts: dict[str, float] = {}
    con = duckdb.connect()
    name_files(con, extracts, day)
    for name in ("records", "people"):
        run(con, name, parts)
    con.register("phone", phone_numbers(con))
    run(con, "identity", parts)
    con.register("component", components(con))
    run(con, "profile", parts)
    folder.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy profile to '{folder / 'profile.parquet'}' (format parquet)")
    customers = con.execute("select count(*) from profile").fetchall()[0][0]
    columns = len(con.execute("describe profile").fetchall())
    told = {"customers": customers, "columns": columns, "without_start": time.monotonic() - began, "parts": parts}
    print(json.dumps(told))


def name_files(con: duckdb.DuckDBPyConnection, extracts: Path, day: date) -> None:
    """The files up to `day` as variables; of the shop's accounts, a snapshot, the newest alone."""
    for system in SYSTEMS:
        files = sorted(str(path) for path in (extracts / system).glob("*/*") if path.parent.name <= day.isoformat())
        con.execute(f"set variable {system} = {files!r}")
    con.execute(f"set variable shop = {[str(extracts / 'shop' / day.isoformat() / 'accounts.csv')]!r}")
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo("America/New_York"))
    con.execute(f"set variable day = date '{day}'")
    con.execute(f"set variable as_of = timestamptz '{midnight.isoformat()}'")


def run(con: duckdb.DuckDBPyConnection, name: str, parts: dict[str, float]) -> None:
    """A file of statements, one after the other."""
    began = time.monotonic()
    for statement in (HERE / f"{name}.sql").read_text().split(";\n"):
        if statement.strip():
            con.execute(statement)
    parts[name] = time.monotonic() - began


def phone_numbers(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each distinct number as it is written, with its country, and in E.164."""
    found = con.execute(
        "select distinct phone as raw, coalesce(country, 'US') as country from contact where phone is not null "
        "union select distinct phone_raw, 'US' from line where phone_raw is not null order by all"
    ).fetchall()
    return pa.table(
        {
            "raw": [raw for raw, _ in found],
            "country": [country for _, country in found],
            "e164": [e164(*pair) for pair in found],
        }
    )


def e164(raw: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(raw, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def components(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each vertex with the number of its component."""
    ends = con.execute(
        "select n.number as left_, v.number as right_ from believed as b join vertex as n on n.name = b.node "
        "join vertex as v on v.name = b.type || ':' || b.value"
    ).fetchnumpy()
    size = con.execute("select count(*) from vertex").fetchall()[0][0]
    ones = np.ones(len(ends["left_"]), dtype=np.int8)
    graph = coo_array((ones, (ends["left_"], ends["right_"])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return pa.table({"number": np.arange(size), "customer": labels})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3]))
