"""An extract's files: which lie there, and which were not taken yet."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pyarrow import ArrowException, fs

from transforms.errors import DataError
from transforms.sources.definition import Source

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_VARYING = re.compile(r"\{date\}|[*?\[]")


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
        store, folder = fs.FileSystem.from_uri(root) if "://" in root else (fs.LocalFileSystem(), root)
        found = store.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
    except (OSError, ArrowException) as error:
        raise DataError(f"{source.place}: read.path: {root} cannot be listed: {error}") from None
    scheme = root[: len(root) - len(folder)] if root.endswith(folder) else ""
    shape = re.compile(fnmatch.translate(pattern.replace("{date}", "\0")).replace("\0", f"({_DAY.pattern})"))
    files = [_file(info, scheme, root, shape) for info in found if info.type == fs.FileType.File]
    return sorted((file for file in files if file), key=lambda file: (file.file_date, file.path))


def fixed_folder(pattern: str) -> str:
    """The folder that a source's pattern names before anything in it varies, the `{date}` or a wildcard."""
    return _VARYING.split(pattern, maxsplit=1)[0].rsplit("/", 1)[0] or "/"


def _file(info: fs.FileInfo, scheme: str, root: str, shape: re.Pattern[str]) -> ExtractFile | None:
    path = scheme + info.path
    match = shape.match(path)
    if not match:
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    modified = info.mtime.astimezone(UTC) if info.mtime else datetime.fromtimestamp(0, UTC)
    return ExtractFile(path, path.removeprefix(root).lstrip("/"), info.size, modified, day)


def to_take(source: Source, files: Iterable[ExtractFile], taken: set[str], *, day: date) -> list[ExtractFile]:
    """The files that a night for `day` takes; `taken`: the names of those that earlier nights took.

    The night's own, those of the `lookback` days before that were not taken yet, and on a source's first night
    all up to its date. A snapshot is whole every night: only the newest counts.
    """
    first = not taken
    new = [file for file in files if file.name not in taken and file.file_date <= day]
    if source.extract == "snapshot":
        latest = max((file.file_date for file in new), default=None)
        newest = [file for file in new if file.file_date == latest]
        return newest if first or latest == day else []
    return [file for file in new if first or (day - file.file_date).days <= source.read.lookback]


def check_whole(source: Source, files: Iterable[ExtractFile]) -> None:
    """Raise DataError naming the first file that holds nothing at all."""
    for file in files:
        if file.size == 0:
            raise DataError(f"source {source.source}: {file.path}: the file has zero bytes; deliver it again")
