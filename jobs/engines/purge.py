"""What no release that can be restored names any more leaves the store: data files, and the log of earlier versions.

The lakehouse is held meanwhile, so that whatever no version names was left by a write that died.
"""

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.runtime.releases import Release
from jobs.runtime.tables import LAYERS, Lakehouse
from transforms.errors import PortraitError

_LOG = "_delta_log"


@dataclass
class Purged:
    """What went: data files and their bytes, commits and checkpoints of the log, whole tables."""

    files: int = 0
    size: int = 0
    commits: int = 0
    tables: int = 0


def purge(lakehouse: Lakehouse, releases: Iterable[Release]) -> Purged:
    """Leave of every table what these releases and its head name, and nothing else. Gives what went.

    Raises PortraitError at a table of which something that is named is not there: what lies there is another store then
    than the log tells of, and nothing of it goes.
    """
    purged, named = Purged(), list(releases)
    for folder in sorted(Path(lakehouse.uri).glob("*/*/")):
        if not (folder / _LOG).is_dir():
            continue
        table = f"{folder.parent.name}/{folder.name}"
        versions = {release.versions[table] for release in named if table in release.versions}
        if not versions and folder.parent.name in LAYERS:
            shutil.rmtree(folder)
            purged.tables += 1
        else:
            _tidy(lakehouse, table, versions, purged)
    return purged


def _tidy(lakehouse: Lakehouse, table: str, versions: Collection[int], purged: Purged) -> None:
    head = lakehouse.version(table)
    assert head is not None  # noqa: S101  (it has a log)
    # both by the path below the table's folder: from above, links and another spelling may lead there too
    kept = {file for version in {*versions, head} for file in lakehouse.files(table, version)}
    root = Path(lakehouse.path(table))
    if missing := sorted(file for file in kept if not (root / file).is_file()):
        raise PortraitError(
            f"{root}: {len(missing)} data files that a release names are not there ({missing[0]}, …); nothing of this "
            "table was purged; bring them back from a copy of the lakehouse"
        )
    for file in sorted(root.rglob("*")):
        within = file.relative_to(root)
        if file.is_file() and within.parts[0] != _LOG and _checked(within) not in kept:
            purged.files, purged.size = purged.files + 1, purged.size + file.stat().st_size
            file.unlink()
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        if folder.name != _LOG and not any(folder.iterdir()):
            folder.rmdir()
    _shorten_log(lakehouse, table, min({*versions, head}), purged)


def _checked(file: Path) -> str:
    """The data file itself, or the one whose checksum Spark keeps beside it."""
    name = file.name
    beside = name.startswith(".") and name.endswith(".crc")
    return str(file.with_name(name[1:].removesuffix(".crc")) if beside else file)


def _shorten_log(lakehouse: Lakehouse, table: str, first: int, purged: Purged) -> None:
    """A checkpoint at the first version that is kept, and nothing of those before it."""
    log = Path(lakehouse.path(table)) / _LOG
    older = [file for file in log.iterdir() if file.name[:20].isdigit() and int(file.name[:20]) < first]
    if not older:
        return
    opened = lakehouse.open(table, first)
    if opened is not None:
        opened.create_checkpoint()
        for file in older:
            file.unlink()
        purged.commits += len(older)
