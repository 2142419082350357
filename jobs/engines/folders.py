"""Folders that deliveries lie in, on any file system that Arrow reaches."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyarrow import fs

from jobs.runtime.stores import exists, folders_in, named, on_s3, store_of
from transforms.definitions import known_store
from transforms.errors import DefinitionError, PortraitError


@dataclass(frozen=True)
class Folder:
    """A folder of any file system that Arrow reaches. `uri` is how Spark and the user name it."""

    uri: str
    system: fs.FileSystem
    path: str

    def __truediv__(self, name: str) -> str:
        return f"{self.path}/{name}"

    @property
    def staging(self) -> "Folder":
        """The folder beside it; its name begins with _, which readers of folders skip."""
        parent, name = str(PurePosixPath(self.uri).parent), PurePosixPath(self.path).name
        if "://" in self.uri:
            parent = self.uri.rsplit("/", 1)[0]
        return Folder(f"{parent}/_{name}.staging", self.system, f"{PurePosixPath(self.path).parent}/_{name}.staging")

    def files(self) -> list[str]:
        """Paths of all files in it, relative to it, sorted; none where there is no such folder."""
        found = self.system.get_file_info(fs.FileSelector(self.path, recursive=True, allow_not_found=True))
        return sorted(item.path[len(self.path) + 1 :] for item in found if item.type == fs.FileType.File)

    def exists(self, name: str) -> bool:
        return bool(self.system.get_file_info(self / name).type == fs.FileType.File)

    def drop(self) -> None:
        if self.system.get_file_info(self.path).type != fs.FileType.NotFound:
            self.system.delete_dir(self.path)


def open_folder(uri: str) -> Folder:
    """The folder at a path or URI.

    Raises DefinitionError for a store that is none of those that are reached, PortraitError where such a one is not.
    """
    uri = uri.rstrip("/") or "/"
    try:
        known_store(uri)
    except ValueError as error:
        raise DefinitionError(str(error)) from None
    try:
        system, path = store_of(uri if "://" in uri else str(Path(uri).absolute()))
    except (OSError, ValueError) as error:
        raise PortraitError(f"{uri}: no such place can be reached: {error}") from None
    return Folder(uri if "://" in uri else path, system, path.rstrip("/"))


def stagings_of(path: str) -> list[str]:
    """The staging folders, on this machine or S3, of deliveries to a path, whichever date stands for its {date}."""
    if "://" in path and not on_s3(path):
        return []
    root, whole = ("s3a:/", named(path).removeprefix("s3a:/")) if on_s3(path) else ("", str(Path(path).absolute()))
    *parents, name = whole.strip("/").split("/")
    found = [root]
    for part in [*parents, f"_{name}.staging"]:
        if "{date}" in part:
            dated = re.compile(".*".join(map(re.escape, part.split("{date}"))))
            found = [f"{folder}/{day}" for folder in found for day in folders_in(folder) if dated.fullmatch(day)]
        else:
            found = [f"{folder}/{part}" for folder in found]
    return [folder for folder in found if exists(folder)]


def put_file(staging: Folder, folder: Folder, name: str, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    staging.system.create_dir(staging.path, recursive=True)
    with staging.system.open_output_stream(staging / name) as stream:
        stream.write(content)
    folder.system.move(staging / name, folder / name)


@contextmanager
def told_by_name(folder: Folder) -> Iterator[None]:
    """What a file system refuses, as one line that names the folder."""
    try:
        yield
    except OSError as error:
        told = re.search(r"\[errno \d+\] ([^.;]+)", str(error))
        cause = told[1] if told else error.strerror or type(error).__name__
        raise PortraitError(f"{folder.uri}: cannot be written: {cause}; mend the folder, or name another") from None
