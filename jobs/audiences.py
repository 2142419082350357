"""Stage `audiences`: who is in each audience tonight, from one scan of the profile."""

from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.audience_members import counted, members, outcomes, summaries
from transforms.audiences import compile_rule
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER


def run(night: Night) -> None:
    """Write gold/audience_member (tonight's) and append tonight's rows to gold/audience."""
    audiences = night.conf.audiences
    if not audiences and not night.has(GOLD_AUDIENCE_MEMBER):
        return
    # read twice, for the sizes that decide what is withheld and for the members: kept, so that the profile is read once
    found = _outcomes(night).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        counts = counted(found).collect()[0].asDict() if audiences else {}
        rows = summaries(counts, audiences=audiences, day=night.day, smallest_group=night.conf.privacy.smallest_group)
        shown = [row["audience"] for row in rows if row["size"]]
        night.save(members(found, shown=shown, day=night.day), GOLD_AUDIENCE_MEMBER)
    finally:
        found.unpersist()
    if rows:
        night.save(_table(rows), GOLD_AUDIENCE, mode="append")
    for row in rows:
        night.figure(row["audience"], {arm: row[arm] for arm in ("size", "target", "holdout")} | row["left_out"])
        _tell(night, row)


def _outcomes(night: Night) -> DataFrame:
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


def _tell(night: Night, row: dict[str, object]) -> None:
    left_out = row["left_out"]
    if isinstance(left_out, dict) and "too_small" in left_out:
        night.warn(f"audience {row['audience']}: withheld, fewer customers than its min_size or the smallest group")
    elif not row["size"]:
        night.warn(f"audience {row['audience']}: nobody is in it tonight")
