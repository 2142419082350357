"""Decisions on what conf/privacy.yml does not name: they allow and forbid nothing, so the night says so."""

import re
from datetime import date
from itertools import groupby

import duckdb

from jobs.runtime.night import Night
from transforms.privacy import as_decided, shape
from transforms.schemas import CONSENT

MOST_NAMED = 5
_LIKE_A_NAME = re.compile(r"[^\W\d][\w .:/-]{0,39}")


def warn_of_unknown(night: Night, day: date) -> None:
    """A warning for each source whose decisions of a day are on purposes that are not known, with their counts.

    Without Spark: one scan of the day's decisions.
    """
    silver = night.lakehouse.dataset(CONSENT.table.name, night.versions[CONSENT.table.name])
    known = [as_decided(name) for name in night.conf.privacy.purposes]
    with duckdb.connect() as duck:
        duck.register("silver", silver)
        found = duck.execute(
            "select source, purpose, count(*) from silver where _batch_date = ? "
            "and not list_contains(?::varchar[], purpose) group by all order by source, count(*) desc, purpose",
            [day, known],
        ).fetchall()
    for source, rows in groupby(found, key=lambda row: row[0]):
        told = [(_named(purpose), count) for _, purpose, count in rows]
        named = [f"{name} ({count:,})" for name, count in told[:MOST_NAMED]]
        more = [f"{len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
        total = sum(count for _, count in told)
        night.warn(
            f"source {source}: {total:,} decisions count for nothing, for conf/privacy.yml does not name their "
            f"purposes: {', '.join(named + more)}; name them there, or mend columns.purpose of the source"
        )


def _named(purpose: str) -> str:
    """A purpose as it may be told; of what does not look like the name of one only its shape."""
    return purpose if _LIKE_A_NAME.fullmatch(purpose) else shape(purpose)[:40]
