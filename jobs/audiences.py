"""Stage `audiences`: who is in each audience tonight, from one scan of the profile; what came of their campaigns."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("audiences")

import pyarrow as pa

from jobs.engines import campaigns
from jobs.engines.audience_outcomes import found_in
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.audience_members import summaries, told_of
from transforms.audiences import cut_by
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER


def run(night: Night) -> None:
    """Write the members and the sizes, and what came of the campaigns that audiences name."""
    build(night)
    campaigns.evaluate(night)


def build(night: Night) -> None:
    """Write gold/audience_member (tonight's) and append tonight's rows to gold/audience."""
    audiences = night.conf.audiences
    if not audiences:
        if night.has(GOLD_AUDIENCE_MEMBER):
            night.save(arrow_schema(GOLD_AUDIENCE_MEMBER).empty_table(), GOLD_AUDIENCE_MEMBER)
        return
    with found_in(night) as found:
        rows = summaries(
            found.counts(), audiences=audiences, day=night.day, smallest_group=night.conf.privacy.smallest_group
        )
        shown = [row["audience"] for row in rows if row["size"]]
        night.save(found.members(shown, night.day), GOLD_AUDIENCE_MEMBER)
    columns = profile_table(night.conf.tags).names
    told = [
        row | {"cut_by": sorted(set().union(*cut_by(row["audience"], audiences, columns).values()))} for row in rows
    ]
    night.save(pa.Table.from_pylist(told, arrow_schema(GOLD_AUDIENCE)), GOLD_AUDIENCE, mode="append")
    customers = night.count(PROFILE)
    for row in rows:
        night.figure(row["audience"], {arm: row[arm] for arm in ("size", "target", "holdout")} | row["left_out"])
        if line := told_of(row, customers=customers):
            night.warn(f"audience {row['audience']}: {line}")
