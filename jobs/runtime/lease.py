"""The lock: one run at a time holds a lakehouse, by a lease that expires and is renewed while the run lives."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from jobs.runtime.lease_notes import note_of
from jobs.runtime.objects import OvertakenError
from jobs.runtime.stores import refusal
from transforms.errors import LockedError, PortraitError

LASTS = 90.0
RENEWED_EVERY = 20.0
WAIT_FOR_JVM = 30.0


class Lease:
    """Holds `<lakehouse>/_lease.json` while a run lives.

    A lease ends when it is released, when it expires, or, on the machine that took it, when its process is
    gone: so a killed run can be run again at once. Taken and renewed so that one of two gets it (`lease_notes`). A run
    that could not renew it for so long that another has taken it learns so from `check`.
    """

    def __init__(self, lakehouse: str, run_id: str) -> None:
        self.lakehouse = lakehouse
        self.note = note_of(lakehouse)
        self.run_id = run_id
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._jvm: int | None = None
        self._since = ""

    def __enter__(self) -> "Lease":
        self.take()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        with suppress(OSError), self.note.guarded():  # where the store is away by now, the lease expires by itself
            if self._is_ours(self.note.read()):
                self.note.remove()

    def take(self) -> None:
        """Take the lease. Raises LockedError naming the run that holds it, PortraitError where it cannot be written."""
        try:
            self.note.make_place()
            with self.note.guarded():
                held = self.note.read()
                if held and self._lives(held):
                    raise LockedError(f"{self.lakehouse}: {_holder(held)}; wait for it to end")
                _wait_for_end(held.get("jvm") if held.get("host") == socket.gethostname() else None)
                self._since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
                self._write()
        except OvertakenError:
            raise LockedError(f"{self.lakehouse}: {_holder(self.note.read())}; wait for it to end") from None
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> PortraitError:
        return PortraitError(
            f"{self.lakehouse}: the lakehouse cannot be written ({error.strerror or refusal(error)}); "
            "free some room or check its permissions, or name another in conf/pipeline.yml: lakehouse"
        )

    def names_run(self, run_id: str) -> None:
        """The run is known by another name now. Raises LockedError where the lease was lost."""
        with self._ours():
            self.run_id = run_id
            self._write()

    def names_jvm(self, pid: int) -> None:
        """Note the JVM that writes for this run, so that a successor waits until it is gone too."""
        self._jvm = pid
        with self._ours():
            self._write()

    def check(self) -> None:
        """Raise LockedError, naming who holds the lakehouse now, where this run has lost its lease."""
        with self._ours():
            pass

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """The note is this run's in this block. Raises LockedError where it is not, or is not any more."""
        try:
            with self.note.guarded():
                if not self._is_ours(self.note.read()):
                    raise OvertakenError
                yield
        except OvertakenError:
            raise LockedError(
                f"{self.lakehouse}: run {self.run_id} has lost its lease, {_holder(self.note.read())}; "
                "nothing more is written, run the night again"
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None

    def _is_ours(self, held: dict[str, Any]) -> bool:
        return (held.get("run_id"), held.get("host"), held.get("pid")) == (
            self.run_id, socket.gethostname(), os.getpid(),
        )  # fmt: skip

    def _renew(self) -> None:
        while not self._stop.wait(RENEWED_EVERY):
            # a store that is away for a moment is asked again, and where it stays away `check` tells
            with suppress(OSError, OvertakenError), self.note.guarded():
                if self._is_ours(self.note.read()):
                    self._write()

    def _lives(self, held: dict[str, Any]) -> bool:
        if held["host"] == socket.gethostname():
            return bool(held["pid"] != os.getpid() and _started(held["pid"]) == held["started"])
        return time.time() < float(held["expires"])

    def _write(self) -> None:
        pid = os.getpid()
        self.note.write({
            "run_id": self.run_id, "host": socket.gethostname(), "pid": pid, "started": _started(pid),
            "jvm": self._jvm, "since": self._since, "expires": time.time() + LASTS,
        })  # fmt: skip


def _holder(held: dict[str, Any]) -> str:
    if not held:
        return "and nobody holds the lakehouse"
    return f"run {held['run_id']} holds the lakehouse (process {held['pid']} on {held['host']}, since {held['since']})"


def _started(pid: int) -> str | None:
    """When a process began, in clock ticks since boot: tells it from a later one of the same number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None if fields[0] == "Z" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _wait_for_end(jvm: int | None) -> None:
    """A JVM whose parent was killed ends by itself within moments; until then it may still commit."""
    patience = time.monotonic() + WAIT_FOR_JVM
    while jvm and _is_java(jvm) and time.monotonic() < patience:
        time.sleep(0.2)
    if jvm and _is_java(jvm):
        raise LockedError(f"process {jvm}, left over from a run that died, still runs; end it with: kill -9 {jvm}")


def _is_java(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.startswith("Name:\tjava") and "State:\tZ" not in status
