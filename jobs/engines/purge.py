"""What no release that can be restored names any more leaves the store: data files, and the log of earlier versions.

The lakehouse is held meanwhile, so that whatever no version names was left by a write that died.
"""

import re
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from jobs.runtime.objects import remove_files
from jobs.runtime.releases import Release
from jobs.runtime.stores import at_once, exists, folders_in, on_s3, remove_folder, sizes_below
from jobs.runtime.tables import LAYERS, Lakehouse
from transforms.errors import PortraitError

_LOG = "_delta_log"
# A place that a write chooses below a table's folder (`jobs.runtime.commits`), in its partition.
_OURS = re.compile(r"(?:[^/]+=[^/]+/)*[0-9a-f]{16}/")


@dataclass
class Purged:
    """What went: data files and their bytes, commits and checkpoints of the log, whole tables."""

    files: int = 0
    size: int = 0
    commits: int = 0
    tables: int = 0


def purge(lakehouse: Lakehouse, releases: Iterable[Release], *, of: str | None = None) -> Purged:
    """Leave of every table what these releases and its head name, and nothing else. Gives what went. `of`: one table.

    Raises PortraitError at a table of which something that is named is not there: what lies there is another store then
    than the log tells of, and nothing of it goes.
    """
    purged, named = Purged(), list(releases)
    for layer in folders_in(lakehouse.uri):
        for table in (f"{layer}/{name}" for name in folders_in(lakehouse.path(layer))):
            if of not in (None, table):
                continue
            if not exists(f"{lakehouse.path(table)}/{_LOG}"):
                _remove_unborn(lakehouse.path(table), purged)
                continue
            versions = {release.versions[table] for release in named if table in release.versions}
            if not versions and layer in LAYERS:
                _remove(lakehouse.path(table))
                purged.tables += 1
            else:
                _tidy(lakehouse, table, versions, purged)
    return purged


def _remove_unborn(path: str, purged: Purged) -> None:
    """What a write left that died before the table's first commit, and that nobody took up again: no log names it. A
    folder that holds anything else is not ours."""
    there = sizes_below(path)
    if there and all(_OURS.match(file) for file in there):
        remove_folder(path)
        purged.files, purged.size = purged.files + len(there), purged.size + sum(there.values())


def _remove(path: str) -> None:
    """A table goes with its log last: by that it is known again where this died half-way."""
    remove_files(path, [file for file in sizes_below(path) if not file.startswith(f"{_LOG}/")])
    remove_folder(path)


def _tidy(lakehouse: Lakehouse, table: str, versions: Collection[int], purged: Purged) -> None:
    head = lakehouse.version(table)
    assert head is not None  # noqa: S101  (it has a log)
    # both by the path below the table's folder: from above, links and another spelling may lead there too
    with ThreadPoolExecutor(at_once(lakehouse.uri)) as pool:
        kept = set(chain.from_iterable(pool.map(partial(lakehouse.files, table), {*versions, head})))
    root = lakehouse.path(table)
    there = sizes_below(root)
    if missing := sorted(kept - there.keys()):
        raise PortraitError(
            f"{root}: {len(missing)} data files that a release names are not there ({missing[0]}, …); nothing of this "
            "table was purged; bring them back from a copy of the lakehouse"
        )
    gone = sorted(file for file in there if not file.startswith(f"{_LOG}/") and _checked(file) not in kept)
    remove_files(root, gone)
    purged.files, purged.size = purged.files + len(gone), purged.size + sum(there[file] for file in gone)
    if not on_s3(root):  # which has no folders
        _remove_empty(Path(root))
    _shorten_log(lakehouse, table, min({*versions, head}), there, purged)


def _remove_empty(root: Path) -> None:
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        if folder.name != _LOG and not any(folder.iterdir()):
            folder.rmdir()


def _checked(file: str) -> str:
    """The data file itself, or the one whose checksum Spark keeps beside it."""
    path = PurePosixPath(file)
    beside = path.name.startswith(".") and path.name.endswith(".crc")
    return str(path.with_name(path.name[1:].removesuffix(".crc"))) if beside else file


def _shorten_log(lakehouse: Lakehouse, table: str, first: int, files: Iterable[str], purged: Purged) -> None:
    """A checkpoint at the first version that is kept, and nothing of those before it."""
    names = [file.removeprefix(f"{_LOG}/") for file in files if file.startswith(f"{_LOG}/")]
    older = [name for name in names if name[:20].isdigit() and int(name[:20]) < first]
    opened = lakehouse.open(table, first) if older else None
    if opened is not None:
        opened.create_checkpoint()
        remove_files(f"{lakehouse.path(table)}/{_LOG}", older)
        purged.commits += len(older)
