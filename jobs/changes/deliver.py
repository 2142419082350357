"""`portrait export`: deliver exports once more, from the newest release or from an earlier one."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.engines.erasures import erasures
from jobs.engines.owed import refused_since
from jobs.exports import deliver_all
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, all_releases, gone
from jobs.runtime.releases import newest as newest_release
from jobs.runtime.run_notes import log_file, shown_errors
from jobs.runtime.session import jvm_pid
from jobs.runtime.tables import Lakehouse
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.exports import Export


def deliver_again(
    conf: Configuration, name: str | None, number: int | None, *,
    screen: Screen, local: bool = True, session: Any = None,
) -> None:  # fmt: skip
    """Deliver one export, or all, of a release (None: the newest), whatever lies there already.

    Raises DefinitionError for an export or a release that there is not, PortraitError with a line for each that failed.
    """
    if name is not None and name not in conf.exports:
        raise DefinitionError(f"export {name}: no such export in conf/exports{nearest(name, conf.exports)}")
    lakehouse = Lakehouse(conf.lakehouse)
    _chosen(lakehouse, number)  # what is asked wrongly needs no lease
    now = datetime.now(UTC)
    run_id = f"export-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    with Lease(conf.lakehouse, run_id) as lease:
        release = _chosen(lakehouse, number)  # another may have released, or forgotten somebody, until now
        night = Night(
            conf=conf, lakehouse=lakehouse, day=release.date, run_id=run_id, started_at=now, base=release,
            log=log_file(conf, run_id), on_warning=screen.warn, local=local,
            on_session=lambda spark: lease.names_jvm(jvm_pid(spark)),
        )  # fmt: skip
        if session is not None:
            night.__dict__["spark"] = session
        chosen = [conf.exports[name]] if name else list(conf.exports.values())
        try:
            with shown_errors(night):
                _check_refused(night, release, chosen)
                deliver_all(night, release, chosen, again=True)
        finally:
            _show(night, release, screen)


def _chosen(lakehouse: Lakehouse, number: int | None) -> Release:
    releases = all_releases(lakehouse)
    if not releases:
        raise DefinitionError(f"{lakehouse.uri}: no night is released yet; portrait run --date YYYY-MM-DD")
    found = next((one for one in reversed(releases) if number in (None, one.release)), None)
    if found is None:
        known = f"{releases[0].release} to {releases[-1].release}"
        raise DefinitionError(f"--release {number}: no such release; there are {known} (portrait status)")
    if found.expired:
        raise DefinitionError(f"--release {number}: {gone(found, lakehouse)}")
    _check_erased(lakehouse, found)
    return found


def _check_erased(lakehouse: Lakehouse, release: Release) -> None:
    """Raise DefinitionError where a person was forgotten whom the release holds still."""
    for erasure in erasures(lakehouse):
        if erasure.concerns(release.release):
            held = f"release {release.release} of {release.date} holds a person who is forgotten"
            instead = f"deliver release {erasure.release} or a later one" if erasure.release else "portrait maintain"
            raise DefinitionError(f"{held} (erasure {erasure.erasure}); {instead}")


def _check_refused(night: Night, release: Release, exports: Sequence[Export]) -> None:
    """Raise DefinitionError where somebody whom an earlier release delivers may not be used for it any more."""
    newest = newest_release(night.lakehouse)
    if newest is None or newest.release == release.release:
        return
    for export in exports:
        if refused := refused_since(night, export, release, newest):
            raise DefinitionError(
                f"export {export.export}: release {release.release} of {release.date} holds {refused} customers who "
                f"may not be used for it any more (consent); deliver release {newest.release}"
            )


def _show(night: Night, release: Release, screen: Screen) -> None:
    delivered = night.stage.figures
    if not delivered:
        return
    kinds = ("added", "changed", "removed", "merged")
    rows = [[name, told["mode"], told["rows"], *(told.get(kind) for kind in kinds)] for name, told in delivered.items()]
    screen.table(
        f"Delivered from release {release.release} of {release.date}", ["export", "mode", "rows", *kinds], rows
    )
    screen.result({"release": release.release, "date": release.date, "delivered": delivered})
