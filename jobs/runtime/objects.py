"""What is written to a store and removed from it: whole or not at all, and on S3 by one of several writers alone.

Arrow finishes an object even where the rest of it never came, knows no conditions and removes one file at a time. So on
S3 this goes through `obstore`, the library that is within `deltalake`.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any

from pyarrow import NativeFile

from jobs.runtime.stores import at_once, make_folder, named, on_s3, open_file, plain_http, store_of

# Ends the name of what is not whole yet, on a disk.
DRAFT = ".part"
_PART = 1 << 22
# A store that is away for longer is away.
_PATIENCE = timedelta(seconds=15)


class OvertakenError(Exception):
    """Another has written an object since it was read here."""


def write_whole(path: str, parts: Iterable[bytes]) -> None:
    """Write a file of any size, its folder too, so that it has its name only once it is whole."""
    if on_s3(path):
        _put(path, iter(parts))
        return
    make_folder(path.rpartition("/")[0])
    store, within = store_of(path)
    with store.open_output_stream(within + DRAFT) as sink:
        for part in parts:
            sink.write(part)
    store.move(within + DRAFT, within)


def parts_of(source: NativeFile) -> Iterator[bytes]:
    """What an opened file holds, a part after the other."""
    return iter(partial(source.read, _PART), b"")


def copied(path: str) -> IO[bytes]:
    """A copy of a store's file on this machine, which has no name: it is gone when the process is, however it ends."""
    copy = TemporaryFile()  # noqa: SIM115  (the caller closes it)
    with open_file(path) as source:
        for part in parts_of(source):
            copy.write(part)
    copy.flush()
    return copy


def remove_files(path: str, names: Collection[str]) -> None:
    """Remove files below a folder."""
    if on_s3(path):
        import obstore

        with _told():
            obstore.delete(_bucket(path), [_key(f"{path}/{name}") for name in names])
        return
    store, within = store_of(path)
    for name in names:
        store.delete_file(f"{within}/{name}")


def copy_objects(source: str, target: str, names: Iterable[str]) -> None:
    """Copy files below a folder of an S3 store to another folder of its bucket; they do not leave the store."""
    import obstore

    bucket = _bucket(source)

    def copy(name: str) -> None:
        obstore.copy(bucket, _key(f"{source}/{name}"), _key(f"{target}/{name}"))

    with _told(), ThreadPoolExecutor(at_once(source)) as pool:
        list(pool.map(copy, names))


def versions_kept(path: str) -> str | None:
    """What is to be said of a bucket that keeps what is removed from it, in a line. A file that is there tells it."""
    import obstore

    if not on_s3(path):
        return None
    with _told():
        version = obstore.head(_bucket(path), _key(path))["version"]
    if version in (None, "null"):
        return None
    return (
        f"{'/'.join(named(path).split('/')[:3])}: the bucket keeps versions of its objects: what was removed stays in "
        "them, unseen by any search, until its lifecycle rule lets them expire (docs/guides/privacy.md)"
    )


class Shared:
    """An object of an S3 store that several may write: each names the state that it replaces, which it has read before,
    and the store refuses it where that is another by now. There is no lock to take."""

    def __init__(self, path: str) -> None:
        self._bucket, self._key = _bucket(path), _key(path)
        self._state: str | None = None  # None: there is no object

    def read(self) -> bytes | None:
        """What stands there; None for nothing."""
        import obstore

        try:
            with _told():
                found = obstore.get(self._bucket, self._key)
                content = bytes(found.bytes())
        except FileNotFoundError:
            self._state = None
            return None
        self._state = found.meta["e_tag"]
        return content

    def write(self, content: bytes) -> None:
        """Raises OvertakenError where somebody else has written it since, OSError where it cannot be written."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = {"e_tag": self._state} if self._state else "create"
        try:
            with _told(but=(AlreadyExistsError, PreconditionError)):
                self._state = obstore.put(self._bucket, self._key, content, mode=mode)["e_tag"]
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            if isinstance(error, FileNotFoundError) and self._state is None:
                raise OSError(str(error)) from None  # there is no such bucket
            # a put whose answer was lost is asked for again, and then refused: what stands there may be our own
            if self.read() != content:
                raise OvertakenError from None


def _put(path: str, parts: Iterator[bytes]) -> None:
    """What a stream of Arrow's has taken in it finishes even where the rest never comes: this gives up instead."""
    import obstore

    first, second = next(parts, b""), next(parts, None)
    with _told():
        obstore.put(_bucket(path), _key(path), first if second is None else chain((first, second), parts))


def _key(path: str) -> str:
    """An S3 path within its bucket."""
    return "/".join(filter(None, named(path).removeprefix("s3a://").split("/")[1:]))


def _bucket(path: str) -> Any:
    """The bucket of an S3 path."""
    told = frozenset((variable, value) for variable, value in os.environ.items() if variable.startswith("AWS_"))
    with _told():
        return _opened(named(path).removeprefix("s3a://").partition("/")[0], told)


@cache
def _opened(name: str, told: frozenset[tuple[str, str]]) -> Any:
    """`told`: what the environment says, which the client reads once."""
    from obstore.store import S3Store

    return S3Store.from_url(
        f"s3://{name}",
        client_options={"allow_http": plain_http()},
        retry_config={"max_retries": 5, "retry_timeout": _PATIENCE},
    )


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
