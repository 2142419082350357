"""Where a lease is written: a file of this machine, under a lock, or an object of a store, by conditional puts."""

import fcntl
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from jobs.runtime.objects import OvertakenError, Shared
from jobs.runtime.stores import on_s3

NAME = "_lease.json"


class Note(Protocol):
    """Who holds a lakehouse: a note that one run at a time can take."""

    def make_place(self) -> None:
        """The place that the note is in. Raises OSError where that cannot be."""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What is read in this block is what a write in it replaces. Raises OSError where the place is not there."""

    def read(self) -> dict[str, Any]:
        """What stands there; nothing where nobody holds the lakehouse, or what stands there was cut off."""

    def write(self, content: Mapping[str, Any]) -> None:
        """Raises OvertakenError where somebody else has written it since, OSError where it cannot be written."""

    def remove(self) -> None:
        """Nobody holds the lakehouse any more."""


def note_of(lakehouse: str) -> Note:
    """The note of a lakehouse."""
    return _Object(lakehouse) if on_s3(lakehouse) else _File(Path(lakehouse))


def _parsed(text: bytes | str) -> dict[str, Any]:
    try:
        held = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return held if isinstance(held, dict) else {}


class _File:
    """A file, read and replaced under a lock of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME

    def make_place(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        with self.file.with_name("_lease.guard").open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield

    def read(self) -> dict[str, Any]:
        try:
            return _parsed(self.file.read_text())
        except FileNotFoundError:
            return {}

    def write(self, content: Mapping[str, Any]) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        draft.replace(self.file)

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)


class _Object:
    """An object of a store, by conditional puts."""

    def __init__(self, lakehouse: str) -> None:
        self._object = Shared(f"{lakehouse}/{NAME}")
        self._lock = threading.Lock()

    def make_place(self) -> None:
        """A store makes places by itself."""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        with self._lock:
            yield

    def read(self) -> dict[str, Any]:
        return _parsed(self._object.read() or b"")

    def write(self, content: Mapping[str, Any]) -> None:
        self._object.write(json.dumps(content).encode())

    def remove(self) -> None:
        # not deleted, for a store deletes what another has written since
        with suppress(OvertakenError):
            self.write({})
