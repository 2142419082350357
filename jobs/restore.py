"""`portrait restore`: an earlier release becomes the newest."""

from jobs.runtime import releases
from jobs.runtime.configuration import Configuration
from jobs.runtime.lease import Lease
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.errors import PortraitError


def restore_release(conf: Configuration, run_id: str) -> Release:
    """Bring every table back to the content of a run's release, and publish that as the newest one.

    Nothing of later releases is removed: they can be restored in turn.
    Raises DefinitionError for a run without a release, PortraitError where its versions are gone.
    """
    lakehouse = Lakehouse(conf.lakehouse)
    with Lease(conf.lakehouse, f"restore to {run_id}"):
        wanted = releases.of_run(lakehouse, run_id)
        gone = [table for table, version in wanted.versions.items() if not lakehouse.holds(table, version)]
        if gone:
            raise PortraitError(
                f"--to {run_id}: {', '.join(gone)}: the versions of that release are gone; restore a later one"
            )
        return releases.publish(
            lakehouse,
            run_id=f"{releases.RESTORE}{run_id}",
            day=wanted.date,
            cause="restore",
            versions=lakehouse.roll_back(wanted.versions, keep=releases.named_tables(lakehouse)),
            configuration=wanted.configuration,
        )
