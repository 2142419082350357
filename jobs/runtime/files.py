"""An extract's files: which lie there, and which were not taken yet."""

import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, fs

from jobs.runtime.stores import exists, store_of
from transforms.errors import DataError
from transforms.sources.definition import Source
from transforms.sources.paths import fixed_folder, shape

_PART = 1 << 22
_WIDEST_CHARACTER = 4  # bytes, in UTF-32
_DIGITS = re.compile(r"\d+")
_LAST_FEW = 5


@dataclass(frozen=True)
class ExtractFile:
    """A file of an extract. `file_date`: the `{date}` of its path.

    `name`: its path below the source's fixed folder. By it a file is known again, wherever the extracts are moved to.
    """

    path: str
    name: str
    size: int
    modified_at: datetime
    file_date: date


def files_of(source: Source, pattern: str) -> list[ExtractFile]:
    """All files that match the source's path, oldest date first.

    Raises DataError where the store cannot be listed.
    """
    root = fixed_folder(pattern)
    try:
        store, folder = store_of(root)
        # a listing leaves out links that lead nowhere
        lost = _lost_links(source, folder) if isinstance(store, fs.LocalFileSystem) else []
        found = store.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
        found += store.get_file_info(lost)
    except (OSError, ArrowException) as error:
        raise DataError(f"{source.place}: read.path: {root} cannot be listed: {error}") from None
    scheme = root[: len(root) - len(folder)] if root.endswith(folder) else ""
    matching = re.compile(shape(pattern))
    files = [_file(info, scheme, root, matching) for info in found if info.type != fs.FileType.Directory]
    return sorted((file for file in files if file), key=lambda file: (file.file_date, file.path))


def _lost_links(source: Source, folder: str) -> list[str]:
    """The links in a folder that lead nowhere.

    Raises DataError where one leads back to a folder above it: every file would be found again and again.
    """
    lost = []
    for place, folders, files in os.walk(folder, followlinks=True):
        for link in (f"{place}/{name}" for name in folders if Path(place, name).is_symlink()):
            above = {os.path.realpath(path) for path in (Path(place), *Path(place).parents)}
            if os.path.realpath(link) in above:
                raise DataError(
                    f"source {source.source}: {link}: a link that leads back to a folder above it; remove the link"
                )
        lost += [path for name in files if Path(path := f"{place}/{name}").is_symlink() and not exists(path)]
    return lost


def _file(info: fs.FileInfo, scheme: str, root: str, matching: re.Pattern[str]) -> ExtractFile | None:
    path = scheme + info.path
    match = matching.match(path)
    # markers, checksums and what is still being written: Spark would read nothing from a file of such a name
    if not match or info.base_name.startswith((".", "_")) or info.base_name.endswith("._COPYING_"):
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    modified = info.mtime.astimezone(UTC) if info.mtime else datetime.fromtimestamp(0, UTC)
    # a link to nothing, or a pipe, holds no bytes
    return ExtractFile(path, path.removeprefix(root).lstrip("/"), info.size or 0, modified, day)


def to_take(
    source: Source, files: Iterable[ExtractFile], taken: Mapping[str, date | None], *, day: date
) -> list[ExtractFile]:
    """The files that a night for `day` takes; `taken`: names and dates of those that earlier nights took.

    The night's own, those of the `lookback` days before that were not taken yet, and on a source's first night
    all up to its date. A snapshot is whole every night: only the newest counts, and only where it is newer than the
    one that was taken last, so that one that comes too late undoes nothing.
    """
    new = [file for file in files if file.name not in taken and file.file_date <= day]
    if source.extract == "snapshot":
        known = max((of for of in taken.values() if of), default=date.min)
        latest = max((file.file_date for file in new), default=known)
        return [file for file in new if file.file_date == latest > known]
    return [file for file in new if not taken or (day - file.file_date).days <= source.read.lookback]


def checksum(file: ExtractFile) -> str:
    """CRC-32 of the file's bytes: 0.05 s for 100 MB beside the time that it takes to read them.

    Raises DataError where the file cannot be read.
    """
    crc = 0
    try:
        store, path = store_of(file.path)
        with store.open_input_stream(path) as stream:
            while part := stream.read(_PART):
                crc = zlib.crc32(part, crc)
    except (OSError, ArrowException) as error:
        raise DataError(f"{file.path}: cannot be read: {error}") from None
    return f"{crc:08x}"


def is_as_listed(file: ExtractFile) -> bool:
    """Does a file still lie there as it did when it was listed? What is written meanwhile is read in part."""
    store, path = store_of(file.path)
    info = store.get_file_info(path)
    same_time = info.mtime is None or info.mtime.astimezone(UTC) == file.modified_at
    return (info.size or 0) == file.size and same_time


def is_as_taken(file: ExtractFile, taken: Mapping[str, Any]) -> bool:
    """Does a file still hold what it held when it was taken (a row of ops/file)?

    Only where it was written since is it read: a copy has another time, and the same bytes.
    """
    if file.size != taken["size"]:
        return False
    if file.modified_at == taken["modified_at"] or not taken.get("checksum"):
        return True
    return checksum(file) == str(taken["checksum"])


def signature(files: Iterable[ExtractFile]) -> str:
    """Tells whether the same files lie there still: equal for files of equal names, sizes and times."""
    told = sorted((file.name, file.size, file.modified_at.isoformat()) for file in files)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def check_whole(source: Source, files: Iterable[ExtractFile]) -> None:
    """Raise DataError naming the first file that holds nothing at all, or is none."""
    for file in files:
        if file.size == 0:
            raise DataError(f"source {source.source}: {file.path}: {_nothing_in(file)}; deliver it again")


def cut_short(new: Iterable[ExtractFile], taken: Iterable[ExtractFile]) -> list[ExtractFile]:
    """Of new plain files of lines those that end within one, where most of the last few others of such a name do not.

    Names that differ in digits alone are such; `taken`: files of nights before.
    """
    new = list(new)
    suspects = [file for file in new if not _ends_its_last_line(file)]
    known = [file for file in (*taken, *new) if file.size] if suspects else []
    return [file for file in suspects if _mostly_end(other for other in known if _alike(other, file))]


def _alike(other: ExtractFile, file: ExtractFile) -> bool:
    return other != file and _DIGITS.sub("#", other.name) == _DIGITS.sub("#", file.name)


def _mostly_end(files: Iterable[ExtractFile]) -> bool:
    ends = [_ends_its_last_line(file) for file in list(files)[-_LAST_FEW:]]
    return 2 * sum(ends) > len(ends)


def _ends_its_last_line(file: ExtractFile) -> bool:
    wide = min(file.size, _WIDEST_CHARACTER)
    try:
        store, path = store_of(file.path)
        with store.open_input_file(path) as stream:
            end = bytes(stream.read_at(wide, file.size - wide))
    except (OSError, ArrowException):  # what is gone is no sign of a cut, and others tell of it
        return True
    return end.rstrip(b"\0").endswith((b"\n", b"\r"))


def _nothing_in(file: ExtractFile) -> str:
    store, path = store_of(file.path)
    whole = store.get_file_info(path).type == fs.FileType.File
    return "the file has zero bytes" if whole else "is not a file (a link to nothing, a pipe, or gone again)"
