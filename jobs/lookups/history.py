"""An earlier night's profile, rebuilt from a newer one and what has changed since."""

from datetime import date

import pyarrow as pa
from pyarrow import dataset as ds

from jobs.runtime.duck import connect
from jobs.runtime.releases import Release, all_releases, made_by
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.profile import NOT_TAGS, PROFILE
from transforms.schemas import GOLD_TAG_CATALOG, GOLD_TAG_CHANGE
from transforms.tags.changes import earlier_sql

_DUCK = {
    "double": "double", "bigint": "bigint", "string": "varchar", "boolean": "boolean", "date": "date",
    "timestamp": "timestamptz", "array<string>": "varchar[]",
}  # fmt: skip


def earlier_profile(lakehouse: Lakehouse, release: Release, night: date) -> pa.Table:
    """The profile after the last run for `night` that the release is built on. See `OpenRelease.earlier_profile`."""
    columns = _columns(lakehouse, release, night)
    duck = connect()
    duck.execute("set timezone = 'UTC'")
    profile = lakehouse.dataset(PROFILE, release.versions[PROFILE])
    changes = lakehouse.dataset(GOLD_TAG_CHANGE.name, release.versions[GOLD_TAG_CHANGE.name])
    assert profile is not None and changes is not None  # noqa: S101  (a release names what is there)
    # of one day the night came before what was done to it later
    order = {made_by(found.run_id): found.release for found in reversed(all_releases(lakehouse))}
    duck.register("runs", pa.table({"run_id": list(order), "place": list(order.values())}))
    duck.register("later", changes.to_table(filter=ds.field("date") > ds.scalar(night)))
    duck.execute("create temp view since as select place, customer_id, tag, old from later join runs using (run_id)")
    duck.register("now", profile)
    now = {name: "" for name in profile.schema.names if name not in NOT_TAGS}
    rebuilt: pa.Table = duck.sql(earlier_sql(columns, now)).to_arrow_table()
    return rebuilt


def _columns(lakehouse: Lakehouse, release: Release, night: date) -> dict[str, str]:
    """The columns that the profile had after that night -> DuckDB's type, by its catalogue."""
    version = release.versions.get(GOLD_TAG_CATALOG.name)
    found = lakehouse.dataset(GOLD_TAG_CATALOG.name, version) if version is not None else None
    rows = found.to_table(["date", "status", "gone_since", "columns"]).to_pylist() if found else []
    if not any(row["date"] == night for row in rows):
        nights = sorted({row["date"] for row in rows})
        gone = " (older ones may have expired: gold.tag_change in the retention of conf/privacy.yml)"
        told = ", ".join(map(str, nights)) + (gone if night < nights[0] else "") if nights else "none"
        raise DefinitionError(f"{night}: no night that this release is built on; there are {told}")
    shown = (row for row in rows if row["date"] == night and row["status"] == "online" and not row["gone_since"])
    return {name: _DUCK[kind] for row in shown for name, kind in dict(row["columns"]).items()}
