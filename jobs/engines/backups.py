"""A backup as it lies at its place: files of a lakehouse's tables, and the manifest that names them.

What lies under a name never changes. Data files are immutable; an entry of a log, which a table that was removed and
made anew has under the same name, is stored with the hash of its content in its name. So writing and removing files
never harms what the manifest names, and replacing the manifest, in one move, makes a new backup out of an old one.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pyarrow import ArrowException, fs
from pydantic import ValidationError, field_validator

from jobs.runtime.objects import DRAFT, OvertakenError, Shared, parts_of, remove_files, write_whole
from jobs.runtime.stores import named, names_in, on_s3, open_file, read_file, refusal, sizes_below, store_of
from transforms.definitions import Definition
from transforms.errors import DataError, DefinitionError, LockedError, PortraitError

MANIFEST, TABLES = "manifest.json", "tables"
LOG = "_delta_log"


class Stored(Definition):
    """A file of a backup: bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Newest(Definition):
    """The newest release that a backup holds."""

    release: int
    run_id: str
    date: str


class Manifest(Definition):
    """What a backup holds. `identity`: of the lakehouse, wherever it lies; `lakehouse`: where it lay.

    `versions`: table -> those that can be read. `files`: name below `tables/` -> the file. `newest`: None as long as no
    run was through.
    """

    format: Literal[1] = 1
    identity: str
    lakehouse: str
    made_at: datetime
    newest: Newest | None = None
    releases: list[int] = []
    versions: dict[str, list[int]] = {}
    files: dict[str, Stored] = {}

    @field_validator("files")
    @classmethod
    def _below_the_tables(cls, files: dict[str, Stored]) -> dict[str, Stored]:
        for name in files:
            if name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name} is not below the tables")
        return files


class Place:
    """A folder or URI that holds a backup, or is to hold one. Every error of its store is told in a line."""

    def __init__(self, path: str) -> None:
        if on_s3(path) and not named(path).removeprefix("s3a://").strip("/"):
            raise DefinitionError(f"{path}: is no place for a backup: it names no bucket")
        if "://" in path and not on_s3(path) and not path.startswith("file://"):
            # Arrow would look for some of these for a quarter of an hour
            raise DefinitionError(
                f"{path}: is no place for a backup: name a folder of this machine or s3a://BUCKET/FOLDER"
            )
        self.path = (named(path) if "://" in path else str(Path(path).absolute())).rstrip("/")
        with self._told("is no place for a backup"):
            store_of(self.path)
            self._manifest = Shared(f"{self.path}/{MANIFEST}") if on_s3(self.path) else None

    def overlaps(self, lakehouse: str) -> bool:
        """Does one of the two lie in the other?"""
        ours, theirs = _where(self.path), _where(lakehouse)
        return ours.is_relative_to(theirs) or theirs.is_relative_to(ours)

    def manifest(self) -> Manifest | None:
        """The manifest; None where nothing lies there. Raises DefinitionError where something else does."""
        with self._told("cannot be read"):
            # what a first run left that died while it wrote its manifest is nothing yet
            names = {name for name in names_in(self.path) if not name.endswith(DRAFT)}
            if MANIFEST not in names:
                if names:
                    raise DefinitionError(f"{self.path}: is not empty, and no backup; name another folder")
                return None
            text = self._manifest.read() if self._manifest else read_file(f"{self.path}/{MANIFEST}")
        try:
            return Manifest.model_validate_json(text or b"")
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "it is not JSON"
            raise DataError(f"{self.path}/{MANIFEST}: is damaged ({where}); back up to another folder") from None

    def whole(self) -> Manifest:
        """The manifest of a backup that can be restored. Raises DefinitionError where there is none."""
        manifest = self.manifest()
        if manifest is None:
            raise DefinitionError(f"{self.path}: there is no backup; portrait backup --to makes one")
        if manifest.newest is None:
            raise DefinitionError(f"{self.path}: its first backup died half-way; run portrait backup --to once more")
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """From now on the backup is what this manifest names.

        Raises LockedError where another has backed up to a place on S3 since its manifest was read.
        """
        text = manifest.model_dump_json(indent=1).encode()
        with self._writing():
            try:
                if self._manifest:
                    self._manifest.write(text)
                else:
                    write_whole(f"{self.path}/{MANIFEST}", [text])
            except OvertakenError:
                raise LockedError(f"{self.path}: another backup was made there meanwhile; run it again") from None

    def sizes(self) -> dict[str, int]:
        """Bytes of every file that lies below `tables/`, the manifest may name it or not."""
        with self._told("cannot be read"):
            return sizes_below(f"{self.path}/{TABLES}")

    def keep(self, source: str, name: str) -> Stored:
        """Copy a file below `tables/`, under its name only once it is whole."""
        told = Telling()
        with open_file(source) as stream, self._writing():
            write_whole(f"{self.path}/{TABLES}/{name}", told.passed(parts_of(stream)))
        return told.stored

    def remove(self, name: str) -> None:
        """Remove a file below `tables/`."""
        with self._writing():
            remove_files(f"{self.path}/{TABLES}", [name])

    def bring(self, name: str, stored: Stored, target: str | None) -> None:
        """Copy a file out of the backup (None: only read it). Raises DataError where it is not what was backed up."""
        told = Telling()
        with self._told("cannot be read"):
            try:
                source = open_file(f"{self.path}/{TABLES}/{name}")
            except FileNotFoundError:
                raise DataError(f"{self.path}/{TABLES}/{name}: is missing from the backup") from None
            with source:
                _written(told.passed(parts_of(source)), target)
        if told.stored != stored:
            raise DataError(f"{self.path}/{TABLES}/{name}: is not what was backed up: it is damaged")

    def _writing(self) -> AbstractContextManager[None]:
        return self._told("cannot be written")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ArrowException) as error:
            raise PortraitError(f"{self.path}: {what}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What the store says, in a few words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else refusal(error)


def sha256(file: str) -> Stored:
    """What a file would be in a backup."""
    told = Telling()
    with open_file(file) as stream:
        for _ in told.passed(parts_of(stream)):
            pass
    return told.stored


def stored_name(name: str, content: Stored) -> str:
    """The name below `tables/` of a lakehouse's file: that of an entry of a log tells its content too."""
    return f"{name}.{content.sha256[:16]}" if f"/{LOG}/" in name else name


def own_name(stored: str) -> str:
    """The name that a stored file has in the lakehouse."""
    return stored.rpartition(".")[0] if f"/{LOG}/" in stored else stored


class Telling:
    """What passed through it, as a file of a backup."""

    def __init__(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0

    def passed(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        """The same parts."""
        for part in parts:
            self._digest.update(part)
            self._size += len(part)
            yield part

    @property
    def stored(self) -> Stored:
        return Stored(size=self._size, sha256=self._digest.hexdigest())


def _where(path: str) -> PurePosixPath:
    """Where a path leads to: from the root of this machine, or from its store."""
    if on_s3(path):
        return PurePosixPath("s3a:") / named(path).removeprefix("s3a://")
    store, within = store_of(path)
    return PurePosixPath(Path(within).resolve() if isinstance(store, fs.LocalFileSystem) else path)


def _written(parts: Iterator[bytes], target: str | None) -> None:
    if target is None:
        for _ in parts:
            pass
        return
    try:
        write_whole(target, parts)
    except OSError as error:
        raise PortraitError(f"{target}: cannot be written: {reason(error)}") from None
