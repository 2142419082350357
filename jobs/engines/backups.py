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
from typing import BinaryIO, Literal, Protocol

from pyarrow import ArrowException, fs
from pydantic import ValidationError, field_validator

from jobs.runtime.stores import store_of
from transforms.definitions import Definition
from transforms.errors import DataError, DefinitionError, PortraitError

MANIFEST, TABLES = "manifest.json", "tables"
LOG = "_delta_log"
_DRAFT = ".part"
_PART = 1 << 22


class _Takes(Protocol):
    def write(self, part: bytes, /) -> object: ...


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
        self.path = (path if "://" in path else str(Path(path).absolute())).rstrip("/")
        with self._told("is no place for a backup"):
            self.store, self.root = store_of(self.path)

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine; None in a store elsewhere."""
        return Path(self.root).resolve() if isinstance(self.store, fs.LocalFileSystem) else None

    def manifest(self) -> Manifest | None:
        """The manifest; None where nothing lies there. Raises DefinitionError where something else does."""
        with self._told("cannot be read"):
            # what a first run left that died while it wrote its manifest is nothing yet
            found = self.store.get_file_info(fs.FileSelector(self.root, allow_not_found=True))
            names = {info.base_name for info in found if not info.base_name.endswith(_DRAFT)}
            if MANIFEST not in names:
                if names:
                    raise DefinitionError(f"{self.path}: is not empty, and no backup; name another folder")
                return None
            with self.store.open_input_stream(f"{self.root}/{MANIFEST}") as stream:
                text = stream.read()
        try:
            return Manifest.model_validate_json(text)
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
        """From now on the backup is what this manifest names."""
        with self._writing():
            self.store.create_dir(self.root)
            self._put(f"{self.root}/{MANIFEST}", manifest.model_dump_json(indent=1).encode())

    def sizes(self) -> dict[str, int]:
        """Bytes of every file that lies below `tables/`, the manifest may name it or not."""
        folder = f"{self.root}/{TABLES}"
        with self._told("cannot be read"):
            found = self.store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return {info.path[len(folder) + 1 :]: info.size for info in found if info.type == fs.FileType.File}

    def keep(self, source: Path, name: str) -> Stored:
        """Copy a file below `tables/`, under its name only once it is whole."""
        target = f"{self.root}/{TABLES}/{name}"
        with source.open("rb") as stream, self._writing():
            self.store.create_dir(target.rpartition("/")[0])
            with self.store.open_output_stream(target + _DRAFT) as sink:
                stored = _copied(stream, sink)
            self.store.move(target + _DRAFT, target)
        return stored

    def remove(self, name: str) -> None:
        """Remove a file below `tables/`."""
        with self._writing():
            self.store.delete_file(f"{self.root}/{TABLES}/{name}")

    def bring(self, name: str, stored: Stored, target: Path | None) -> None:
        """Copy a file out of the backup (None: only read it). Raises DataError where it is not what was backed up."""
        with self._told("cannot be read"):
            try:
                source = self.store.open_input_stream(f"{self.root}/{TABLES}/{name}")
            except FileNotFoundError:
                raise DataError(f"{self.path}/{TABLES}/{name}: is missing from the backup") from None
            with source:
                found = _written(source, target) if target else _copied(source, None)
        if found != stored:
            raise DataError(f"{self.path}/{TABLES}/{name}: is not what was backed up: it is damaged")

    def _writing(self) -> AbstractContextManager[None]:
        return self._told("cannot be written")

    def _put(self, target: str, content: bytes) -> None:
        with self.store.open_output_stream(target + _DRAFT) as sink:
            sink.write(content)
        self.store.move(target + _DRAFT, target)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ArrowException) as error:
            raise PortraitError(f"{self.path}: {what}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What the store says, in a few words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).splitlines()[0]


def sha256(file: Path) -> Stored:
    """What a file would be in a backup."""
    with file.open("rb") as stream:
        return _copied(stream, None)


def stored_name(name: str, content: Stored) -> str:
    """The name below `tables/` of a lakehouse's file: that of an entry of a log tells its content too."""
    return f"{name}.{content.sha256[:16]}" if f"/{LOG}/" in name else name


def own_name(stored: str) -> str:
    """The name that a stored file has in the lakehouse."""
    return stored.rpartition(".")[0] if f"/{LOG}/" in stored else stored


def _written(source: BinaryIO, target: Path) -> Stored:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as sink:
            return _copied(source, sink)
    except OSError as error:
        raise PortraitError(f"{target}: cannot be written: {reason(error)}") from None


def _copied(source: BinaryIO, sink: _Takes | None) -> Stored:
    digest, size = hashlib.sha256(), 0
    while part := source.read(_PART):
        digest.update(part)
        size += len(part)
        if sink is not None:
            sink.write(part)
    return Stored(size=size, sha256=digest.hexdigest())
