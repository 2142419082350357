"""Stage `profile`: the tag tables of tonight, joined to one wide row a known customer, and what is set by hand."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("profile")

from jobs.engines.overrides import by_hand
from jobs.runtime.night import FEW_ROWS, Night
from transforms.overrides import beside, settled
from transforms.profile import profile, profile_table
from transforms.schemas import ENTITIES, GOLD_CUSTOMER


def run(night: Night) -> None:
    """Write gold/customer_profile."""
    table = profile_table(night.conf.tags)
    customers, values = night.count(GOLD_CUSTOMER), by_hand(night, table.columns)
    frames = [night.load(name) for name in (GOLD_CUSTOMER.name, *tag_tables()) if night.has(name)]
    if customers <= FEW_ROWS:  # in one partition nothing need be sent anywhere to be joined
        frames = [frame.coalesce(1).hint("merge") for frame in frames]
    wide = profile(frames[0], frames[1:], table=table, as_of=night.as_of, run_id=night.run_id)
    with night.for_rows(customers):
        saved = night.save(settled(beside(wide, values)) if values else wide, table)
    night.figure("customers", saved.rows)
    night.figure("columns", len(table.columns))


def tag_tables() -> list[str]:
    """Every tag table that a night can have: one an entity, one across them, and one for tags over the customer."""
    return [*(f"tag/{entity}" for entity in ENTITIES), "tag/across", "tag/customer"]
