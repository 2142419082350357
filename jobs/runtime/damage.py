"""What is wrong with a version of a table: data files that are gone or cut short, and a log that does not tell.

An empty entry of a log, as a power cut leaves one, is no mistake to a reader of Delta: it reads the version before.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

REMEDY = (
    "it is damaged: bring the file back from a copy, go back to a release without it (portrait restore --to RUN), or "
    "restore the backup (portrait restore --from PATH)"
)


def damage(folder: Path, version: int) -> str | None:
    """The first thing that is wrong with a table's version, and what to do, in a line; None where it is whole."""
    found = next(_of_log(folder / "_delta_log", version), None)
    if found is None:
        try:
            opened = DeltaTable(folder, version=version)
        except DeltaError:
            return f"{folder}: its version {version} cannot be read; {REMEDY}"
        found = next(_of_data(folder, opened), None)
    return f"{found}; {REMEDY}" if found else None


def _of_log(log: Path, version: int) -> Iterator[str]:
    """Entries since the last checkpoint up to the version that are gone, or hold no JSON."""
    names = {path.name for path in log.iterdir()} if log.is_dir() else set()
    numbers = sorted(int(name[:20]) for name in names if name[:20].isdigit() and ".checkpoint" in name)
    since = max((number for number in numbers if number <= version), default=-1)
    for number in range(since + 1, version + 1):
        entry = log / f"{number:020}.json"
        if entry.name not in names:
            yield f"{entry}: is gone"
        elif not _tells(entry):
            yield f"{entry}: is empty or cut short"


def _tells(entry: Path) -> bool:
    try:
        return all([json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines()] or [False])
    except ValueError:
        return False


def _of_data(folder: Path, opened: DeltaTable) -> Iterator[str]:
    actions = pa.table(opened.get_add_actions()).select(["path", "size_bytes"]).to_pylist()
    for action in actions:
        file = folder / unquote(action["path"])
        size = file.stat().st_size if file.is_file() else None
        if size != action["size_bytes"]:
            yield f"{file}: " + ("is gone" if size is None else f"has {size:,} bytes, not {action['size_bytes']:,}")
