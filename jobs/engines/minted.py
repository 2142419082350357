"""Customer ids that a date's runs gave before: the date run again gives them once more, whatever key makes ids now."""

from pyarrow import dataset as ds

from jobs.runtime.night import Night
from jobs.runtime.releases import all_releases
from transforms.schemas import IDENTITY_CHANGE


def minted_before(night: Night) -> set[str]:
    """The ids that were new on this night's date, by every release of the date or a later one that can be read."""
    told: set[str] = set()
    tonight = (ds.field("date") == ds.scalar(night.day)) & ds.field("kind").isin(["new", "split"])
    for release in all_releases(night.lakehouse):
        version = release.versions.get(IDENTITY_CHANGE.name)
        if release.date < night.day or version is None or not night.lakehouse.holds(IDENTITY_CHANGE.name, version):
            continue
        found = night.lakehouse.dataset(IDENTITY_CHANGE.name, version)
        assert found is not None  # noqa: S101  (it is held)
        told.update(found.to_table(["customer_id"], filter=tonight)["customer_id"].to_pylist())
    return told
