"""Compressed and foreign files: how much comes out of them, and those that Spark cannot read written anew.

Spark reads gz and bz2 by itself. Its zstd needs a native library that pip's Spark lacks, and its texts are split at
single bytes, which UTF-16 and UTF-32 do not allow: such files are written plain, as UTF-8, into the landing's scratch.
"""

import codecs
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ArrowException

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.landing import Landing
from jobs.runtime.stores import store_of
from transforms.sources.definition import Source

PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
# A day on which nothing happened leaves not a byte in a file of these.
HEADLESS = ("json", "access_log", "text")
# What becomes more than this many times its size, and more than so many bytes, is taken for a bomb.
MAX_EXPANSION = 200
HARMLESS_BYTES = 1 << 30
# Deflate makes nothing smaller than this part of it.
_MOST_OF_GZ = 1032
# So much must come out before its share of what went in, which is read 64 KiB at a time, tells anything.
_TELLING = 1 << 24
_CHUNK = 1 << 20
_NOT_WHOLE = "cannot be read to its end (truncated or not what its name says)"


def is_packed(path: str) -> bool:
    """Is a file compressed, as its name tells?"""
    return Path(path).suffix in PACKED


def is_utf8(source: Source) -> bool:
    """Is the source's text in UTF-8, as Spark reads it at once?"""
    return codecs.lookup(str(source.read.options.get("encoding", "utf-8"))).name in ("utf-8", "utf-8-sig", "ascii")


@contextmanager
def plain(landing: Landing, file: ExtractFile) -> Iterator[Iterator[bytes]]:
    """The file's bytes, unpacked, in pieces. Raises DataError where it is truncated, or far too much comes out."""
    with _opened(landing, file) as (_, stream):
        yield _pieces(landing, file, stream)


@contextmanager
def _opened(landing: Landing, file: ExtractFile) -> Iterator[tuple[Any, Any]]:
    """The file as it lies, and unpacked."""
    with ExitStack() as opened:
        try:
            store, path = store_of(file.path)
            raw = opened.enter_context(store.open_input_file(path))
            kind = PACKED.get(Path(file.path).suffix)
            stream = pa.CompressedInputStream(raw, kind) if kind else raw
        except (OSError, ArrowException) as error:
            raise landing.refused(file.path, f"cannot be opened: {error}") from None
        yield raw, stream


def _pieces(landing: Landing, file: ExtractFile, stream: Any) -> Iterator[bytes]:
    most = max(HARMLESS_BYTES, file.size * _expansion(landing))
    remedy = "deliver it again, or raise read.options.max_expansion"
    read = 0
    while True:
        try:
            piece = stream.read(_CHUNK)
        except (OSError, ArrowException):
            raise landing.refused(file.path, _NOT_WHOLE) from None
        if not piece:
            return
        read += len(piece)
        if read > most:
            raise landing.refused(file.path, f"{file.size} bytes become more than {most}", remedy)
        yield piece


def check_packed(landing: Landing) -> None:
    """Raise DataError naming a file that is not what its name says, is a bomb, or is empty once unpacked: where not
    even a header is there to tell that nothing happened, that is a quiet day.

    No more is read of a file that cannot become too large, or whose beginning shows that it does not.
    """
    for file in landing.files:
        suffix = Path(file.path).suffix
        if suffix not in PACKED:
            continue
        enough = 1 if suffix == ".gz" and file.size * _MOST_OF_GZ <= HARMLESS_BYTES else _TELLING
        read = 0
        with _opened(landing, file) as (raw, stream):
            for piece in _pieces(landing, file, stream):
                read += len(piece)
                if read >= enough and (enough == 1 or read <= _expansion(landing) * raw.tell()):
                    break
        if not read and landing.source.read.format not in HEADLESS:
            raise landing.refused(file.path, "the file holds nothing once it is unpacked")


def _expansion(landing: Landing) -> int:
    return int(landing.options.get("max_expansion", MAX_EXPANSION))


def readable(landing: Landing, *, decoded: bool) -> dict[str, str]:
    """The paths that Spark can read -> the extract's files that they hold. `decoded`: they must be UTF-8."""
    anew = decoded and not is_utf8(landing.source)
    paths = {}
    for place, file in enumerate(landing.files):
        packed = Path(file.path).suffix == ".zst"
        read = written_anew(landing, file, place, decoded=anew) if packed or anew else file.path
        paths[read] = file.path
    return paths


def written_anew(landing: Landing, file: ExtractFile, place: int, *, decoded: bool) -> str:
    """Write the file plain, and as UTF-8 if `decoded`, into the scratch; gives its path there."""
    with plain(landing, file) as pieces:
        texts = (text.encode() for text in decoded_texts(landing, pieces)) if decoded else pieces
        return in_scratch(landing, place, texts)


def decoded_texts(landing: Landing, pieces: Iterator[bytes]) -> Iterator[str]:
    """Pieces of bytes as text, without a mark of byte order; what is not in the encoding becomes U+FFFD."""
    encoding = str(landing.options.get("encoding", "utf-8"))
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8(landing.source) else encoding)(errors="replace")
    first = True
    for piece in pieces:
        text = decoder.decode(piece)
        yield text.removeprefix("\ufeff") if first else text
        first = False
    yield decoder.decode(b"", final=True)


def in_scratch(landing: Landing, place: int, pieces: Iterator[bytes], suffix: str = "txt") -> str:
    """Write pieces into a file of the landing's scratch; gives its path."""
    store, folder = store_of(landing.scratch)
    store.create_dir(folder, recursive=True)
    name = f"{place}.{suffix}"
    with store.open_output_stream(f"{folder}/{name}", compression=None) as sink:
        for piece in pieces:
            sink.write(piece)
    return f"{landing.scratch}/{name}"
