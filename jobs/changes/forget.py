"""`portrait forget ID`: a person is suppressed at once and taken out of every layer, in a release of its own.

First the person goes onto the erasure list, by keyed hashes: from then on nothing of theirs enters silver. Then the
files that hold the person are written anew without them, and that is released. Whatever dies on the way is taken up by
the same command, by the next night or by `portrait maintain`. What is proven and when: `jobs/changes/maintain.py`.
"""

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jobs import pipeline
from jobs.engines import erasures
from jobs.engines.erased_again import without
from jobs.engines.erasing import Removed
from jobs.engines.erasures import Erasure
from jobs.engines.folders import stagings_of
from jobs.engines.persons import Person, person_of
from jobs.engines.search import Search
from jobs.engines.state_rows import state_rows
from jobs.lookups.whose import whose
from jobs.runtime import releases
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.lease_notes import NAME as NOTE
from jobs.runtime.night import Night
from jobs.runtime.objects import versions_kept
from jobs.runtime.reader import Reader
from jobs.runtime.recovery import Begin, time_of
from jobs.runtime.releases import Release, named_tables
from jobs.runtime.run_notes import shown_errors
from jobs.runtime.stores import files_below, refusal, remove_folder
from jobs.runtime.tables import Lakehouse
from transforms.erasure import CUSTOMER, Erased, entries_of


@dataclass(frozen=True)
class Forgotten:
    """rows: table -> rows taken out. own, shared: how many identifiers were the person's alone, or others' too."""

    erasure: Erasure
    release: Release
    rows: Mapping[str, int]
    own: int
    shared: int
    seconds: float


def forget(
    conf: Configuration, identifier: str, *, screen: Screen, local: bool = True, session: Any = None
) -> Forgotten:
    """Erase the person behind a customer id or an identifier from every layer of the newest release.

    `session`: a Spark session to use instead of starting one. Raises DefinitionError where nobody has the identifier,
    it may be several people's, or the person is erased already; LockedError where another run holds the lakehouse.
    """
    began = time.monotonic()
    with Lease(conf.lakehouse, f"forget (process {os.getpid()})") as lease:
        owner = whose(Reader(conf), conf, identifier).customer_id
        with _state(conf, screen, lease, local=local, session=session) as night:
            with state_rows(night.lakehouse, night.versions) as rows:
                person = person_of(rows, conf, owner)
            erasure = _asked(night, person)
            removed = without(night, person)
            release = _publish(night, removed)
            erasures.note_gone(night.lakehouse, erasure, release.release, removed.rows)
        _forget_staging(conf, screen)
        _tell_of_files(conf, person, screen)
        if kept := versions_kept(f"{conf.lakehouse}/{NOTE}"):
            screen.warn(kept)
    return Forgotten(
        erasure, release, removed.rows, len(person.own), len(person.shared), time.monotonic() - began
    )  # fmt: skip


def finish(conf: Configuration, *, screen: Screen, lease: Lease, local: bool = True, session: Any = None) -> list[str]:
    """End erasures that died half-way, in one release; gives their names. The caller holds the lakehouse."""
    half = [erasure for erasure in erasures.erasures(Lakehouse(conf.lakehouse)) if erasure.release is None]
    if not half:
        return []
    with _state(conf, screen, lease, local=local, session=session) as night:
        rows: dict[str, Mapping[str, int]] = {}
        for erasure in half:
            person = Person.of_secret(erasures.opened(erasure, conf.privacy.keys.erasure))
            removed = without(night, person)
            night.versions, rows[erasure.erasure] = removed.versions, removed.rows
        release = _publish(night, Removed(night.versions))
        for erasure in half:
            erasures.note_gone(night.lakehouse, erasure, release.release, rows[erasure.erasure])
    _forget_staging(conf, screen)
    return [erasure.erasure for erasure in half]


@contextmanager
def _state(conf: Configuration, screen: Screen, lease: Lease, *, local: bool, session: Any) -> Iterator[Night]:
    """The newest release's state, with every table's head at it, as a run may write it."""
    night = opened_state(conf, screen, lease, local=local, session=session)
    with shown_errors(night):
        night.versions = night.lakehouse.roll_back(night.versions, keep=named_tables(night.lakehouse))
        yield night


def opened_state(
    conf: Configuration, screen: Screen, lease: Lease | None, *, local: bool, session: Any, at: Release | None = None
) -> Night:
    """A run upon a release (the newest), outside the nights."""
    base = at or Reader(conf).release
    start = Begin(f"state-{secrets.token_hex(4)}", time_of(Lakehouse(conf.lakehouse)), base)
    night = pipeline.opened(conf, base.date, start, screen=screen, lease=lease, local=local, session=session)
    night.brief = True
    return night


def _asked(night: Night, person: Person) -> Erasure:
    """The erasure of this person: a new one, or the one that died half-way."""
    keys = night.conf.privacy.keys.erasure
    entries = entries_of(person.own, person.records, person.customers, keys[0])
    for erasure in erasures.erasures(night.lakehouse):
        known = Erased(tuple(keys), erasure.entries)
        if erasure.release is None and any(known.holds(CUSTOMER, customer) for customer in person.customers):
            return erasure
    return erasures.ask(night.lakehouse, entries, person.secret, keys)


def _publish(night: Night, removed: Removed) -> Release:
    base = night.base
    assert base is not None  # noqa: S101  (opened upon a release)
    return releases.publish(
        night.lakehouse, run_id=f"{releases.ERASED}{base.run_id}", day=base.date, cause="erasure",
        versions=removed.versions, configuration=base.configuration, holds=night.holds,
    )  # fmt: skip


def _forget_staging(conf: Configuration, screen: Screen) -> None:
    """What deliveries that died had written beside their destination. Delivered files are the receivers'."""
    for path in (conf.resolve(export.to.path) for export in conf.exports.values() if export.to.path):
        try:
            for folder in stagings_of(path):
                remove_folder(folder)
        except OSError as error:
            told = f"what deliveries that died left beside it cannot be removed ({refusal(error)}); remove it there"
            screen.warn(f"{path}: {told}")


def _tell_of_files(conf: Configuration, person: Person, screen: Screen) -> None:
    """Warn of what people wrote that names the person: decisions by hand, lists that are imported."""
    search = Search([*(value for _, value in person.own), *person.texts])
    folders = [str(conf.root / "conf"), conf.resolve(conf.pipeline.definitions)]
    files = [f"{folder}/{name}" for folder in folders for name in sorted(files_below(folder))]
    manual = conf.identity.manual
    files += [conf.resolve(path) for path in (manual.same, manual.different) if path]
    files += [conf.resolve(line.place.rpartition(":")[0]) for lines in conf.imports.values() for line in lines]
    for file, places in search.of_files(list(dict.fromkeys(files))).items():
        screen.warn(f"{file}: names the person in {places} places; it is yours to edit, or they come back from there")


def show_forgotten(told: Forgotten, conf: Configuration, screen: Screen) -> None:
    """What was done, what is not, and who must do what. Nothing of the person."""
    screen.table("Taken out", ["table", "rows"], [[table, count] for table, count in sorted(told.rows.items())])
    screen.say(
        f"erasure {told.erasure.erasure}: {sum(told.rows.values()):,} rows of {len(told.rows)} tables are gone in "
        f"release {told.release.release}; {told.own} identifiers keep landing out, {told.shared} are others' "
        "too and do not"
    )
    screen.say(
        f"earlier versions still hold the person until portrait maintain has purged them, at the latest "
        f"{conf.privacy.erasure.proven_within} days from now; exports tell their receivers at the next delivery"
    )
    screen.result(
        {
            "erasure": told.erasure.erasure, "release": told.release.release, "rows": dict(told.rows),
            "identifiers": {"own": told.own, "shared": told.shared}, "seconds": round(told.seconds, 1),
        }
    )  # fmt: skip
