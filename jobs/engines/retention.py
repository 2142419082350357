"""Which rows are past their retention (conf/privacy.yml), and whether a full refresh still has what it needs."""

from collections.abc import Mapping
from datetime import date, timedelta

from jobs.runtime.night import Night
from transforms.errors import PortraitError
from transforms.retention import OF_NIGHTS, kept_for
from transforms.schemas import ENTITIES, GOLD_TAG_CATALOG, OPS_FILE


def too_old(retention: Mapping[str, int], table: str, day: date) -> str | None:
    """What tells a row of a table that is past its retention as of a night, in SQL; None: none is."""
    kept = kept_for(retention, table)
    if kept is None:
        return None
    before = f"date '{day - timedelta(days=kept)}'"
    layer, _, name = table.partition("/")
    if layer == "bronze":
        # the date is a part of the files' names
        return f"cast(regexp_extract(_data_file, '_batch_date=([0-9-]+)', 1) as date) < {before}"
    if table in (*OF_NIGHTS, GOLD_TAG_CATALOG.name):
        return f"date < {before}"
    if layer != "silver":
        return None
    if name == "quarantine":
        return f"_batch_date < {before}"
    # of what is kept up to date only what is over
    return f"event_date < {before}" if ENTITIES[name].time else f"_valid_to < {before}"


def check_bronze(night: Night) -> None:
    """Raise PortraitError where silver holds nights of which bronze has expired: it could not be made anew."""
    for source in night.conf.sources:
        table = f"bronze/{source}"
        kept = kept_for(night.conf.privacy.retention, table)
        opened = night.lakehouse.open(table, night.versions[table]) if kept and night.has(table) else None
        if opened is None or kept is None:
            continue
        since, there = night.day - timedelta(days=kept), {str(part["_batch_date"]) for part in opened.partitions()}
        taken = {row["_batch_date"] for row in night.rows(OPS_FILE) if row["source"] == source}
        if gone := [day for day in taken if day < since and str(day) not in there]:
            raise PortraitError(
                f"--full-refresh: source {source}: what landed before {since} has expired in bronze (conf/privacy.yml: "
                f"retention), and silver holds nights since {min(gone)}; it cannot be made anew"
            )
