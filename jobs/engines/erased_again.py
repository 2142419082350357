"""A person out of a night's whole state, bronze too; and out of a state that was made before the person was erased."""

from jobs.engines.erased_rows import InBronze, in_bronze
from jobs.engines.erasing import Removed, remove
from jobs.engines.erasures import erasures, note_gone, opened
from jobs.engines.persons import Person
from jobs.engines.state_rows import state_rows
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from transforms.erasure import Erased, entries_of


def without(night: Night, person: Person) -> Removed:
    """The night's state without the person. Its tables' heads are at the state's versions."""
    key = night.conf.privacy.keys.erasure[0]
    own = Erased((key,), frozenset(entries_of(person.own, person.records, (), key)))
    landed = in_bronze(night, own) if own.entries else InBronze()
    with state_rows(night.lakehouse, night.versions) as rows:
        return remove(rows, person, landed.places, landed.raws)


def erase_again(night: Night, since: Release | None) -> bool:
    """Make in the night's state, which goes on from the release `since`, every erasure that it may not know of.

    That is one asked for after that release (the night is run again, or an earlier release restored), or one that died
    half-way. Was there any? What is proven needs no more: no release that can be restored holds it.
    """
    if since is None:
        return False
    waiting = [known for known in erasures(night.lakehouse) if known.sealed and known.concerns(since.release)]
    for erasure in waiting:
        person = Person.of_secret(opened(erasure, night.conf.privacy.keys.erasure))
        night.versions = without(night, person).versions
    return bool(waiting)


def end_erasures(night: Night, release: Release) -> None:
    """Note that erasures which had died half-way, and were made in this run's state when it began, are done."""
    for erasure in (known for known in erasures(night.lakehouse) if known.release is None):
        note_gone(night.lakehouse, erasure, release.release, {})
