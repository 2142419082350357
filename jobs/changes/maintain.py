"""`portrait maintain`: erasures ended and proven, what is past its retention expired, the store tidied.

In this order: erasures that died half-way; rows past their retention; tables of many small files; one release of that.
Then releases expire, and with them whatever they alone named: data files, the log, statistics. Then the proof.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.changes.forget import finish
from jobs.engines import erasures
from jobs.engines.blotting import blot
from jobs.engines.erasing import count
from jobs.engines.erasures import Erasure
from jobs.engines.persons import Person
from jobs.engines.purge import Purged, purge
from jobs.engines.retention import too_old
from jobs.engines.search import SHORTEST, Search
from jobs.engines.state_rows import StateRows, state_rows
from jobs.runtime import releases
from jobs.runtime.commits import MOST_ROWS
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.lease_notes import NAME as NOTE
from jobs.runtime.objects import versions_kept
from jobs.runtime.reader import Reader
from jobs.runtime.releases import Release, all_releases, named_tables, newest
from jobs.runtime.rewriting import take_out
from jobs.runtime.stores import sizes_below
from jobs.runtime.tables import Lakehouse
from transforms.retention import RELEASES
from transforms.schemas import OPS_ERASURE, OPS_EXPORT, OPS_LINEAGE, OPS_QUALITY, OPS_RUN, OPS_STAGE, Table

# What is written in many small commits is put together past so many files of less than that on average.
MANY_FILES, SMALL_FILE = 32, 8_000_000
# No larger: a file is written anew where one of its rows ends.
PUT_TOGETHER = 16_000_000
# Proofs are made so many days before they are due, as maintenance may run once a week only.
IN_GOOD_TIME = 7
_TOLD_OF_RUNS = (OPS_RUN, OPS_STAGE, OPS_QUALITY, OPS_LINEAGE, OPS_EXPORT)


@dataclass
class Maintained:
    """What was done. `expired`: rows by table. `releases`: those that expired. `left`: erasure -> where something is
    left; `blotted`: those of which texts of others were blotted out. `alike`: proven ones -> where a value stands that
    is like one of the person's, and too short to be told from chance. `waiting`: erasures whose proof is not due yet,
    with the day on which it is. `late`: unproven past their time. `kept_by_store`: what a store keeps all the same.
    """

    ended: list[str] = field(default_factory=list)
    expired: dict[str, int] = field(default_factory=dict)
    compacted: list[str] = field(default_factory=list)
    releases: list[int] = field(default_factory=list)
    purged: Purged = field(default_factory=Purged)
    proven: list[str] = field(default_factory=list)
    left: dict[str, dict[str, int]] = field(default_factory=dict)
    blotted: list[str] = field(default_factory=list)
    alike: dict[str, dict[str, int]] = field(default_factory=dict)
    waiting: dict[str, date] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    kept_by_store: str | None = None


def maintain(
    conf: Configuration, *, screen: Screen, prove_now: bool = False, now: datetime | None = None, local: bool = True,
    session: Any = None,
) -> Maintained:  # fmt: skip
    """Keep the lakehouse in order. `prove_now`: expire every release that holds an erased person, due or not.

    `now`: the clock that erasures' terms are measured by. `session`: a Spark session for erasures that died half-way.
    Raises DefinitionError before the first release, LockedError where another run holds the lakehouse.
    """
    done, lakehouse, at = Maintained(), Lakehouse(conf.lakehouse), now or datetime.now(UTC)
    with Lease(conf.lakehouse, f"maintain (process {os.getpid()})") as lease:
        Reader(conf)  # there is something to keep in order
        done.kept_by_store = versions_kept(f"{conf.lakehouse}/{NOTE}")
        done.ended = finish(conf, screen=screen, lease=lease, local=local, session=session)
        _tidy_state(conf, lakehouse, done, lease)
        _tidy_ops(conf, lakehouse, done)
        every = erasures.erasures(lakehouse)
        erasures.check_keys(every, conf.privacy.keys.erasure)
        due = [one for one in every if one.proven is None and (prove_now or at >= _due(one, conf))]
        done.releases = _expired(lakehouse, conf.privacy.retention.get(RELEASES), due)
        releases.expire(lakehouse, done.releases)
        done.purged = purge(lakehouse, [one for one in all_releases(lakehouse) if not one.expired])
        _prove(conf, lakehouse, every, done, lease)
        done.late = [one.told for one in erasures.late(lakehouse, conf.privacy.erasure.proven_within, at)]
        done.waiting = {
            one.erasure: _due(one, conf).date() for one in every if one.erasure not in {*done.proven, *done.left}
            and one.proven is None
        }  # fmt: skip
    return done


def _due(erasure: Erasure, conf: Configuration) -> datetime:
    return erasure.asked + timedelta(days=max(0, conf.privacy.erasure.proven_within - IN_GOOD_TIME))


def _tidy_state(conf: Configuration, lakehouse: Lakehouse, done: Maintained, lease: Lease) -> None:
    """Rows past their retention and tables of many small files, in one release if there are any."""
    base = newest(lakehouse)
    assert base is not None  # noqa: S101  (asked before)
    versions = lakehouse.roll_back(base.versions, keep=named_tables(lakehouse))
    before = dict(versions)
    with state_rows(lakehouse, versions) as rows:
        for table in sorted(versions):
            if condition := too_old(conf.privacy.retention, table, base.date):
                versions[table] = _expire_rows(rows, table, condition, done)
    for table in sorted(versions):
        versions[table] = _compacted(lakehouse, table, versions[table], done)
    if versions != before:
        releases.publish(
            lakehouse, run_id=f"{releases.MAINTAINED}{base.run_id}", day=base.date, cause="maintenance",
            versions=versions, configuration=base.configuration, holds=lease.check,
        )  # fmt: skip


def _expire_rows(rows: StateRows, table: str, condition: str, done: Maintained) -> int:
    places = rows.whole_files(table, condition)
    if places:
        done.expired[table] = rows.number(places)
    return take_out(rows.lakehouse, table, rows.versions[table], places)


def _tidy_ops(conf: Configuration, lakehouse: Lakehouse, done: Maintained) -> None:
    """What is told of runs, past its retention; of exports the newest delivery stays, for what is owed builds on it."""
    base = newest(lakehouse)
    kept = conf.privacy.retention.get("ops")
    if kept is not None and base is not None:
        before = base.date - timedelta(days=kept)
        for table in (table for table in _TOLD_OF_RUNS if "date" in table.names):
            _expire_told(lakehouse, table, before, done)
    for name in lakehouse.tables_of_ops():
        if base is None or name not in base.versions:
            _compacted(lakehouse, name, lakehouse.version(name) or 0, done)


def _expire_told(lakehouse: Lakehouse, table: Table, before: date, done: Maintained) -> None:
    rows = lakehouse.rows(table)
    told = sorted(rows, key=lambda row: (row["release"], row["delivered_at"])) if table is OPS_EXPORT else []
    last = {row["export"]: row for row in told}
    kept = [row for row in rows if row["date"] >= before or row in last.values()]
    if len(kept) < len(rows):
        done.expired[table.name] = len(rows) - len(kept)
        lakehouse.append(table, kept, anew=True)


def _compacted(lakehouse: Lakehouse, table: str, version: int, done: Maintained) -> int:
    """The version with its many small files put together; the same where it has none."""
    opened = lakehouse.open(table, version)
    files = pa.table(opened.get_add_actions()).to_pylist() if opened else []
    # what holds as many rows as a file may is not small, however little room they take
    small = [file["size_bytes"] for file in files if file["num_records"] < MOST_ROWS / 2]
    if opened is None or len(small) < MANY_FILES or sum(small) / len(small) > SMALL_FILE:
        return version
    if opened.optimize.compact(target_size=PUT_TOGETHER)["numFilesRemoved"]:
        done.compacted.append(table)
    return opened.version()


def _expired(lakehouse: Lakehouse, kept: int | None, due: Collection[Erasure]) -> list[int]:
    """The releases that expire: past their retention, or from before an erasure that is to be proven."""
    living = [release for release in all_releases(lakehouse) if not release.expired]
    oldest = living[-1].date - timedelta(days=kept) if kept is not None else date.min
    return [
        release.release
        for release in living[:-1]
        if release.date < oldest or any(erasure.concerns(release.release) for erasure in due)
    ]


def _prove(conf: Configuration, lakehouse: Lakehouse, every: Iterable[Erasure], done: Maintained, lease: Lease) -> None:
    """Look for everybody whose erasure no release is older than; where nothing is found, that is the certificate."""
    living = [release for release in all_releases(lakehouse) if not release.expired]
    proven: dict[str, Mapping[str, Any]] = {}
    for erasure in every:
        if erasure.proven is None and not any(erasure.concerns(release.release) for release in living):
            person = Person.of_secret(erasures.opened(erasure, conf.privacy.keys.erasure))
            values = [*(value for _, value in person.own), *person.texts, *person.customers]
            search = Search(value for value in values if len(value) >= SHORTEST)
            files = files_searched(conf)
            found = _found(lakehouse, living, person, search, files)
            if found:
                done.left[erasure.erasure] = _below(lakehouse, found)
                if _blot(conf, lakehouse, erasure, search, found, lease):
                    done.blotted.append(erasure.erasure)
            else:
                # what is so short others' rows hold by chance: people are told of it, and nothing waits for it
                alike = Search(value for value in values if len(value) < SHORTEST)
                held = alike.of_files(files)
                if held:
                    done.alike[erasure.erasure] = _below(lakehouse, held)
                proven[erasure.erasure] = {
                    **_certificate(person, search, alike, sum(held.values()), files),
                    "versions_kept": done.kept_by_store is not None,
                }
    if proven:
        erasures.note_proven(lakehouse, proven)
        purge(lakehouse, living, of=OPS_ERASURE.name)  # what was sealed
        done.proven = sorted(proven)


def _below(lakehouse: Lakehouse, found: Mapping[str, int]) -> dict[str, int]:
    """The same by the files' paths from the lakehouse's folder."""
    return {file.removeprefix(f"{lakehouse.uri}/"): places for file, places in found.items()}


def _found(
    lakehouse: Lakehouse, living: Iterable[Release], person: Person, search: Search, files: Collection[str]
) -> dict[str, int]:
    """Where the person is found still: file or table -> how often."""
    found = search.of_files(files)
    for release in living:
        with state_rows(lakehouse, release.versions) as rows:
            found |= {f"{table} (release {release.release})": n for table, n in count(rows, person).items()}
    return found


def _blot(
    conf: Configuration, lakehouse: Lakehouse, erasure: Erasure, search: Search, found: Mapping[str, int],
    lease: Lease,
) -> bool:  # fmt: skip
    """What others wrote of the person is made unreadable, in a release of its own: the next search proves it.

    Was there any such text?
    """
    base = newest(lakehouse)
    assert base is not None  # noqa: S101  (asked before)
    versions = blot(conf, lakehouse, base.versions, search, found)
    if versions == base.versions:
        return False
    release = releases.publish(
        lakehouse, run_id=f"{releases.ERASED}{base.run_id}", day=base.date, cause="erasure", versions=versions,
        configuration=base.configuration, holds=lease.check,
    )  # fmt: skip
    erasures.note_gone(lakehouse, erasure, release.release, {"texts of others": sum(found.values())})
    return True


def _certificate(person: Person, search: Search, short: Search, alike: int, files: Mapping[str, int]) -> dict[str, Any]:
    """What was looked through, and for how much: nothing of the person. `alike`: places that hold a short value."""
    return {
        "files": len(files), "bytes": sum(files.values()), "identifiers": len(person.own),
        "searched_for": search.values, "left": 0, "short": short.values, "alike": alike,
    }  # fmt: skip


def files_searched(conf: Configuration) -> dict[str, int]:
    """The files that Portrait may have written something of a person into, with their bytes: the lakehouse's, its logs,
    and what experiments keep."""
    folders = [Lakehouse(conf.lakehouse).uri, *(str(conf.root / name) for name in ("logs", "mlartifacts", "mlruns"))]
    found = {f"{folder}/{name}": size for folder in folders for name, size in sorted(sizes_below(folder).items())}
    if conf.pipeline.mlflow:  # of a server's store only its keeper can tell
        store = conf.root / conf.pipeline.mlflow.removeprefix("sqlite:///")
        found |= {str(store): store.stat().st_size} if store.is_file() else {}
    return found
