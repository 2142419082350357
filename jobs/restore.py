"""`portrait restore`: an earlier release becomes the newest."""

from typing import Any

from jobs import pipeline
from jobs.engines.erased_again import erase_again
from jobs.forget import opened_state
from jobs.runtime import releases
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from transforms.errors import PortraitError


def restore_release(
    conf: Configuration, run_id: str, *, screen: Screen | None = None, local: bool = True, session: Any = None
) -> Release:
    """Bring every table back to the content of a run's release, and publish that as the newest one.

    Nothing of later releases is removed: they can be restored in turn. Who was erased since is erased again.
    `session`: a Spark session to use, should that need one, instead of starting one.
    Raises DefinitionError for a run without a release, PortraitError where its versions are gone.
    """
    lakehouse = Lakehouse(conf.lakehouse)
    with Lease(conf.lakehouse, f"restore to {run_id}") as lease:
        wanted = releases.of_run(lakehouse, run_id)
        gone = [table for table, version in wanted.versions.items() if not lakehouse.holds(table, version)]
        if gone:
            raise PortraitError(
                f"--to {run_id}: {', '.join(gone)}: the versions of that release are gone; restore a later one"
            )
        night = opened_state(conf, screen or Screen(), lease, local=local, session=session, at=wanted)
        with pipeline.shown_errors(night):
            night.versions = lakehouse.roll_back(wanted.versions, keep=releases.named_tables(lakehouse))
            again = erase_again(night, wanted)
        return releases.publish(
            lakehouse,
            run_id=f"{releases.RESTORE}{run_id}",
            day=wanted.date,
            cause="erasure" if again else "restore",
            versions=night.versions,
            configuration=wanted.configuration,
        )
