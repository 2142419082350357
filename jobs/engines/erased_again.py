"""A person out of a night's whole state, bronze too; and out of a state that was made before the person was erased."""

from collections.abc import Mapping
from dataclasses import replace

from jobs.engines.erasing import Removed, remove
from jobs.engines.erasures import Erasure, erasures, note_gone, opened
from jobs.engines.persons import Person
from jobs.engines.persons_rows import InBronze, in_bronze
from jobs.engines.state_rows import state_rows
from jobs.runtime.night import Night
from jobs.runtime.releases import Release, named_tables
from jobs.runtime.tables import Lakehouse
from transforms.erasure import Erased, entries_of


def without(night: Night, person: Person) -> Removed:
    """The night's state without the person. Its tables' heads are at the state's versions."""
    key = night.conf.privacy.keys.erasure[0]
    own = Erased((key,), frozenset(entries_of(person.own, person.records, (), key)))
    with state_rows(night.lakehouse, night.versions) as rows:
        landed = in_bronze(night, rows, person, own) if own.entries else InBronze()
        return remove(rows, person, landed.places, landed.raws)


def bring_to(night: Night, state: Mapping[str, int], since: Release | None) -> None:
    """Bring the tables to a run's state, which goes on from the release `since`, without those whom it may hold yet.

    What the run compares with, its base, is without them too: it would tell of them as of customers that ended.
    """
    lakehouse, base, keep = night.lakehouse, night.base, named_tables(night.lakehouse)
    waiting = _waiting(lakehouse, since)
    if base is not None and since is base and waiting:
        night.versions = lakehouse.roll_back(base.versions, keep=keep | state.keys())
        erase_again(night, base)
        night.base = replace(base, versions=night.versions, cause="erasure")
        state = {name: night.versions[name] if base.versions.get(name) == at else at for name, at in state.items()}
    night.versions = lakehouse.roll_back(state, keep=keep)
    if night.base is None or night.versions != night.base.versions:
        erase_again(night, since)
    if since is not None and night.release is since and waiting:
        night.release = replace(since, versions=night.versions)  # exports that died go on from it


def erase_again(night: Night, since: Release | None) -> bool:
    """Make in the night's state, which goes on from the release `since`, every erasure that it may not know of.

    That is one asked for after that release (the night is run again, or an earlier release restored), or one that died
    half-way. Was there any? What is proven needs no more: no release that can be restored holds it.
    """
    waiting = _waiting(night.lakehouse, since)
    for erasure in waiting:
        person = Person.of_secret(opened(erasure, night.conf.privacy.keys.erasure))
        night.versions = without(night, person).versions
    return bool(waiting)


def _waiting(lakehouse: Lakehouse, since: Release | None) -> list[Erasure]:
    if since is None:
        return []
    return [known for known in erasures(lakehouse) if known.sealed and known.concerns(since.release)]


def end_erasures(night: Night, release: Release) -> None:
    """Note that erasures which had died half-way, and were made in this run's state when it began, are done."""
    for erasure in (known for known in erasures(night.lakehouse) if known.release is None):
        note_gone(night.lakehouse, erasure, release.release, {})
