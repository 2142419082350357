"""The lock: one run at a time holds a lakehouse, by a lease that expires and is renewed while the run lives."""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from transforms.errors import LockedError, PortraitError

LASTS = 90.0
RENEWED_EVERY = 20.0
WAIT_FOR_JVM = 30.0


class Lease:
    """Holds `<lakehouse>/_lease.json` while a run lives.

    A lease ends when it is released, when it expires, or, on the machine that took it, when its process is
    gone: so a killed run can be run again at once. Taken and renewed under a file lock. A run that could not renew
    it for so long that another has taken it learns so from `check`.
    """

    def __init__(self, lakehouse: str, run_id: str) -> None:
        self.folder = Path(lakehouse)
        self.file = self.folder / "_lease.json"
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
        with self._guard():
            if self._is_ours(self._held()):
                self.file.unlink(missing_ok=True)

    def take(self) -> None:
        """Take the lease. Raises LockedError naming the run that holds it, PortraitError where it cannot be written."""
        with self._guard(make=True):
            held = self._held()
            if held and self._lives(held):
                raise LockedError(f"{self.folder}: {_holder(held)}; wait for it to end")
            _wait_for_end(held.get("jvm") if held.get("host") == socket.gethostname() else None)
            self._since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            self._write()

    def names_run(self, run_id: str) -> None:
        """The run is known by another name now. Raises LockedError where the lease was lost."""
        with self._guard():
            self._check()
            self.run_id = run_id
            self._write()

    def names_jvm(self, pid: int) -> None:
        """Note the JVM that writes for this run, so that a successor waits until it is gone too."""
        self._jvm = pid
        with self._guard():
            self._check()
            self._write()

    def check(self) -> None:
        """Raise LockedError, naming who holds the lakehouse now, where this run has lost its lease."""
        with self._guard():
            self._check()

    def _check(self) -> None:
        held = self._held()
        if not self._is_ours(held):
            raise LockedError(
                f"{self.folder}: run {self.run_id} has lost its lease, {_holder(held)}; nothing more is written, "
                "run the night again"
            )

    def _is_ours(self, held: dict[str, Any]) -> bool:
        return (held.get("run_id"), held.get("host"), held.get("pid")) == (
            self.run_id, socket.gethostname(), os.getpid(),
        )  # fmt: skip

    def _renew(self) -> None:
        while not self._stop.wait(RENEWED_EVERY):
            # a store that is away for a moment is asked again, and where it stays away `check` tells
            with suppress(PortraitError), self._guard():
                if self._is_ours(self._held()):
                    self._write()

    def _held(self) -> dict[str, Any]:
        try:
            held = json.loads(self.file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return held if isinstance(held, dict) else {}

    def _lives(self, held: dict[str, Any]) -> bool:
        if held["host"] == socket.gethostname():
            return bool(held["pid"] != os.getpid() and _started(held["pid"]) == held["started"])
        return time.time() < float(held["expires"])

    def _write(self) -> None:
        pid = os.getpid()
        content = {
            "run_id": self.run_id, "host": socket.gethostname(), "pid": pid, "started": _started(pid),
            "jvm": self._jvm, "since": self._since, "expires": time.time() + LASTS,
        }  # fmt: skip
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        draft.replace(self.file)

    @contextmanager
    def _guard(self, *, make: bool = False) -> Iterator[None]:
        """One at a time. Raises PortraitError where the lakehouse cannot be written. `make`: its folder too."""
        try:
            if make:
                self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "_lease.guard").open("a") as guard:
                fcntl.flock(guard, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise PortraitError(
                f"{self.folder}: the lakehouse cannot be written ({error.strerror}); free some room or check its "
                "permissions, or name another in conf/pipeline.yml: lakehouse"
            ) from None


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
