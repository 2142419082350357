"""Stage `audiences`: who is in each audience tonight, from one scan of the profile; what came of their campaigns."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("audiences")

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from jobs.engines import campaigns
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.audience_members import by_outcome, counted, members, outcomes, summaries, told_of
from transforms.audiences import compile_rule
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER


def run(night: Night) -> None:
    """Write the members and the sizes, and what came of the campaigns that audiences name."""
    build(night)
    campaigns.evaluate(night)


def build(night: Night) -> None:
    """Write gold/audience_member (tonight's) and append tonight's rows to gold/audience."""
    audiences = night.conf.audiences
    if not audiences and not night.has(GOLD_AUDIENCE_MEMBER):
        return
    # read twice, for the sizes that decide what is withheld and for the members: kept, so that the profile is read once
    found, names = found_in(night).persist(StorageLevel.MEMORY_AND_DISK), list(audiences)
    try:
        counts = counts_of(found, names) if audiences else {}
        rows = summaries(counts, audiences=audiences, day=night.day, smallest_group=night.conf.privacy.smallest_group)
        shown = [row["audience"] for row in rows if row["size"]]
        night.save(members(found, audiences=names, shown=shown, day=night.day), GOLD_AUDIENCE_MEMBER)
    finally:
        found.unpersist()
    if not rows:
        return
    night.save(_table(rows), GOLD_AUDIENCE, mode="append")
    customers = night.count(PROFILE)
    for row in rows:
        night.figure(row["audience"], {arm: row[arm] for arm in ("size", "target", "holdout")} | row["left_out"])
        if line := told_of(row, customers=customers):
            night.warn(f"audience {row['audience']}: {line}")


def counts_of(found: DataFrame, audiences: Sequence[str]) -> dict[str, int]:
    """How many customers came to which outcome of these audiences; one Spark job. See `by_outcome`."""
    return by_outcome(counted(found).collect(), audiences)


def found_in(night: Night) -> DataFrame:
    """What each audience means for each known customer. See `transforms.audience_members.outcomes`."""
    conf = night.conf
    table = profile_table(conf.tags)
    compiled = {
        name: compile_rule(audience, table, conf.pipeline.timezone) for name, audience in conf.audiences.items()
    }
    return outcomes(
        night.load(PROFILE),
        night.load(GOLD_CUSTOMER),
        audiences=conf.audiences,
        rules={name: rule for name, rule in compiled.items() if rule},
        purposes=conf.privacy.purposes,
        day=night.day,
        as_of=night.as_of,
    )


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, arrow_schema(GOLD_AUDIENCE))
