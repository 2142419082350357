"""One run at a time: a living one keeps the others out, a killed or an expired one does not."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.runtime import lease as leases
from jobs.runtime.lease import Lease
from tests.end_to_end.project import ROOT
from transforms.errors import LockedError


def process(code: str) -> "subprocess.Popen[str]":
    """Python that runs `code` and then waits; back once it has printed a line."""
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('up', flush=True); import time; time.sleep(60)"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "up\n"
    return holder


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A living process that holds the lakehouse as run `first`."""
    with process(f"from jobs.runtime.lease import Lease; Lease({str(tmp_path)!r}, 'first').take()") as holder:
        yield holder
        holder.kill()


def test_two_runs_at_once(tmp_path: Path, other: "subprocess.Popen[str]") -> None:
    """A living run keeps the others out and is named; one that was killed does not."""
    with pytest.raises(LockedError, match="run first holds the lakehouse"), Lease(str(tmp_path), "second"):
        pass
    other.kill()
    other.wait()
    with Lease(str(tmp_path), "third") as lease:
        assert lease.run_id == "third"
        assert json.loads(lease.note.file.read_text())["pid"] == os.getpid()
    assert not lease.note.file.exists()


def elsewhere(lease: Lease, *, expires: float) -> None:
    """The lakehouse is held from another machine."""
    held = json.loads(lease.note.file.read_text())
    lease.note.file.write_text(
        json.dumps({**held, "run_id": "far", "host": "elsewhere", "expires": time.time() + expires})
    )


def test_a_run_on_another_machine_holds_until_its_lease_expires(tmp_path: Path) -> None:
    lease = Lease(str(tmp_path), "near")
    lease.take()
    elsewhere(lease, expires=60)
    with pytest.raises(LockedError, match=r"run far holds the lakehouse \(process \d+ on elsewhere, since 20"):
        lease.take()
    elsewhere(lease, expires=-1)
    lease.take()
    held = json.loads(lease.note.file.read_text())
    assert (held["run_id"], held["host"]) == ("near", socket.gethostname())
    assert held["expires"] > time.time()


def test_a_living_run_renews_its_lease_and_says_since_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWED_EVERY", 0.02)
    with Lease(str(tmp_path), "one") as lease:
        first = json.loads(lease.note.file.read_text())
        patience = time.monotonic() + 10
        while (now := json.loads(lease.note.file.read_text()))["expires"] < first["expires"] + 1.1:
            assert time.monotonic() < patience
            time.sleep(0.01)
        assert now == {**first, "expires": now["expires"]}


def test_a_lease_that_was_lost_is_neither_renewed_nor_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWED_EVERY", 0.02)
    with Lease(str(tmp_path), "one") as lease:
        lease.check()
        elsewhere(lease, expires=60)
        taken = lease.note.file.read_text()
        with pytest.raises(LockedError, match="run one has lost its lease, run far holds the lakehouse"):
            lease.check()
        with pytest.raises(LockedError, match="has lost its lease"):
            lease.names_run("two")
        time.sleep(0.2)  # ten renewals
        assert lease.note.file.read_text() == taken
    assert lease.note.file.read_text() == taken


def test_a_successor_waits_for_the_java_that_a_killed_run_left(
    tmp_path: Path, other: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until that is gone it may still commit."""
    monkeypatch.setattr(leases, "WAIT_FOR_JVM", 0.5)
    lease = Lease(str(tmp_path), "second")
    with process("open('/proc/self/comm', 'w').write('java')") as java:
        held = json.loads(lease.note.file.read_text())
        other.kill()
        other.wait()
        lease.note.file.write_text(json.dumps({**held, "jvm": java.pid}))
        with pytest.raises(LockedError, match=f"process {java.pid}, left over from a run that died, still runs"):
            lease.take()
        java.kill()
        java.wait()
    lease.take()
    assert json.loads(lease.note.file.read_text())["run_id"] == "second"
