"""Records far longer than any that people write: found before Spark reads them.

Spark, Delta and Parquet hold a record several times over, so one of some dozens of megabytes takes the whole process
with it. What reads lines is given no file with such a line. In a plain file that costs next to nothing: of each stretch
that a line may be long, only its end is read, as a rule, to see that one ends there.
"""

from typing import Any

from pyarrow import ArrowException

from jobs.runtime.formats.landing import Landing
from jobs.runtime.formats.unpacked import is_packed, plain
from jobs.runtime.stores import store_of
from transforms.errors import DataError

# One of so many bytes is a file without line ends, or an open quote.
LONGEST_RECORD = 8_000_000
_FIRST_LOOK = 1 << 14


def check_lines(landing: Landing, paths: dict[str, str]) -> None:
    """Raise DataError naming a file that has a line of more than LONGEST_RECORD bytes.

    `paths`: path that Spark reads -> the extract's file. Lines end as Spark takes them to: CR, LF, or both.
    """
    for read, original in paths.items():
        packed = read == original and is_packed(original)
        try:
            at = _in_packed(landing, original) if packed else _in_plain(read)
        except (OSError, ArrowException) as error:
            raise landing.refused(original, f"cannot be opened: {error}") from None
        if at is not None:
            raise too_long(landing, original, f"the line that begins at byte {at:,}")


def too_long(landing: Landing, path: str, what: str) -> DataError:
    """The error that refuses a file for a record of it."""
    told = f"{what} is longer than {LONGEST_RECORD:,} bytes: is a line end missing, or a quote never closed?"
    return landing.refused(path, told)


def _in_plain(path: str) -> int | None:
    """Where the first line begins that is too long; None where all are short enough."""
    store, within = store_of(path)
    start = 0
    with store.open_input_file(within) as stream:
        size = stream.size()
        while size - start > LONGEST_RECORD:
            end = _last_end(stream, start, start + LONGEST_RECORD + 1)
            if end is None:
                return start
            start = end + 1
    return None


def _last_end(stream: Any, start: int, stop: int) -> int | None:
    """Where the last line end between two places is. It is looked for from behind, in ever longer pieces."""
    look = _FIRST_LOOK
    while stop > start:
        begin = max(start, stop - look)
        if (at := _last(stream.read_at(stop - begin, begin))) >= 0:
            return begin + at
        stop, look = begin, look * 4
    return None


def _in_packed(landing: Landing, path: str) -> int | None:
    """As `_in_plain`. Raises DataError where the file is not whole, or far too much comes out of it."""
    file = next(file for file in landing.files if file.path == path)
    start = read = 0
    with plain(landing, file) as pieces:
        for piece in pieces:
            last = _last(piece)
            first = len(piece) if last < 0 else min(at for end in b"\n\r" if (at := piece.find(end)) >= 0)
            if read + first - start > LONGEST_RECORD:
                return start
            read += len(piece)
            start = start if last < 0 else read - len(piece) + last + 1
    return None


def _last(piece: bytes) -> int:
    """Where the last line end of a piece is; -1 where there is none. A carriage return alone is one, too."""
    return max(piece.rfind(b"\n"), piece.rfind(b"\r"))
