"""The catalogue of tags as a release holds it, read without Spark."""

from pathlib import Path
from typing import Any

from pyarrow import dataset as ds

from jobs.runtime.recovery import finished
from jobs.runtime.releases import Release, made_by, newest
from jobs.runtime.tables import Lakehouse
from transforms.schemas import GOLD_TAG_CATALOG
from transforms.tags.catalog import latest

Row = dict[str, Any]


def released_catalog(lakehouse: Lakehouse, release: Release | None) -> dict[str, Row]:
    """Tag -> its row of the catalogue as a release holds it; none where it has no catalogue yet."""
    version = release.versions.get(GOLD_TAG_CATALOG.name) if release else None
    if version is None:
        return {}
    found = lakehouse.dataset(GOLD_TAG_CATALOG.name, version)
    assert found is not None and release is not None  # noqa: S101  (a release names what is there)
    rows = found.to_table(filter=ds.field("date") == ds.scalar(release.date)).to_pylist(maps_as_pydicts="lossy")
    return latest(rows)


def costs(lakehouse: Lakehouse, release: Release) -> dict[str, float]:
    """Tag -> the seconds that it took of the night that made a release: its share of the scans that it is in."""
    told = [row["figures"] for row in finished(lakehouse, made_by(release.run_id)) if row["stage"] == "tags"]
    return dict(told[-1].get("costs", {})) if told else {}


def newest_catalog(uri: str) -> dict[str, Row]:
    """The newest release's; none where no night was released."""
    if "://" not in uri and not Path(uri, "ops", "release").is_dir():
        return {}
    lakehouse = Lakehouse(uri)
    return released_catalog(lakehouse, newest(lakehouse))
