"""Where a lease is written: a file of this machine, under a lock, or an object of a store, by conditional puts."""

import fcntl
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from jobs.runtime.stores import named, on_s3, plain_http

NAME = "_lease.json"
# A store that is away for longer is away; what a living run could not renew now, it renews the next time.
_PATIENCE = timedelta(seconds=15)


class OvertakenError(Exception):
    """Another run has written the note since it was read here."""


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
    """An object of a store. There is no lock to take: a write names the state that it replaces, and the store refuses
    it where that is another by now."""

    def __init__(self, lakehouse: str) -> None:
        from obstore.store import S3Store

        self._store: Any = S3Store.from_url(
            named(lakehouse).replace("s3a://", "s3://", 1),
            client_options={"allow_http": plain_http()},
            retry_config={"max_retries": 5, "retry_timeout": _PATIENCE},
        )
        self._state: str | None = None  # None: there is no object
        self._lock = threading.Lock()

    def make_place(self) -> None:
        """A store makes places by itself."""

    @contextmanager
    def guarded(self) -> Iterator[None]:
        with self._lock:
            yield

    def read(self) -> dict[str, Any]:
        import obstore

        try:
            with _told():
                found = obstore.get(self._store, NAME)
                text = bytes(found.bytes())
        except FileNotFoundError:
            self._state = None
            return {}
        self._state = found.meta["e_tag"]
        return _parsed(text)

    def write(self, content: Mapping[str, Any]) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        text = json.dumps(content).encode()
        mode: Any = {"e_tag": self._state} if self._state else "create"
        try:
            with _told(but=(AlreadyExistsError, PreconditionError)):
                self._state = obstore.put(self._store, NAME, text, mode=mode)["e_tag"]
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            if isinstance(error, FileNotFoundError) and self._state is None:
                raise OSError(str(error)) from None  # there is no such bucket
            # a put whose answer was lost is asked for again, and then refused: what stands there may be our own
            if self.read() != content:
                raise OvertakenError from None

    def remove(self) -> None:
        # not deleted, for a store deletes what another has written since
        with suppress(OvertakenError):
            self.write({})


@contextmanager
def _told(but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """What a store refuses, as the error that a disk would raise."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        if isinstance(error, but):
            raise
        raise OSError(str(error)) from None
