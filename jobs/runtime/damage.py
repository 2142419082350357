"""What is wrong with a version of a table: data files that are gone or cut short, and a log that does not tell.

An empty entry of a log, as a power cut leaves one, is no mistake to a reader of Delta: it reads the version before.
What an S3 store has taken in whole it keeps whole: there it is looked at whether all is there, and at no entry's text.
"""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from jobs.runtime.stores import delta_options, on_s3, read_file, sizes_below, sizes_of
from transforms.errors import PortraitError

REMEDY = (
    "it is damaged: bring the file back from a copy, go back to a release without it (portrait restore --to RUN), or "
    "restore the backup (portrait restore --from PATH)"
)


@contextmanager
def whole(file: str) -> Iterator[None]:
    """Read a file of the lakehouse within. Raises PortraitError, naming it, where what it holds is cut or broken.

    A disk or a store that cannot be reached says so, with a number or by its name: that is no fault of the file.
    """
    try:
        yield
    except (pa.ArrowInvalid, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and (error.errno is not None or "AWS Error" in str(error)):
            raise
        raise PortraitError(f"{file}: cannot be read; {REMEDY}") from error


def damage(folder: str, version: int) -> str | None:
    """The first thing that is wrong with a table's version, and what to do, in a line; None where it is whole."""
    found = next(_of_log(f"{folder}/_delta_log", version), None)
    if found is None:
        try:
            opened = DeltaTable(folder, version=version, storage_options=delta_options(folder))
        except DeltaError:
            return f"{folder}: its version {version} cannot be read; {REMEDY}"
        found = next(_of_data(folder, opened), None)
    return f"{found}; {REMEDY}" if found else None


def _of_log(log: str, version: int) -> Iterator[str]:
    """Entries since the last checkpoint up to the version that are gone, or hold no JSON."""
    sizes = sizes_below(log)
    numbers = sorted(int(name[:20]) for name in sizes if name[:20].isdigit() and ".checkpoint" in name)
    since = max((number for number in numbers if number <= version), default=-1)
    for number in range(since + 1, version + 1):
        entry = f"{number:020}.json"
        if entry not in sizes:
            yield f"{log}/{entry}: is gone"
        elif not sizes[entry] or not (on_s3(log) or _tells(f"{log}/{entry}")):
            yield f"{log}/{entry}: is empty or cut short"


def _tells(entry: str) -> bool:
    try:
        return all(json.loads(line) for line in read_file(entry).decode().splitlines())
    except ValueError:
        return False


def _of_data(folder: str, opened: DeltaTable) -> Iterator[str]:
    actions = pa.table(opened.get_add_actions()).select(["path", "size_bytes"]).to_pylist()
    named = {unquote(action["path"]): action["size_bytes"] for action in actions}
    sizes = sizes_of(folder, named)
    for name, expected in named.items():
        if (size := sizes.get(name)) != expected:
            yield f"{folder}/{name}: " + ("is gone" if size is None else f"has {size:,} bytes, not {expected:,}")
