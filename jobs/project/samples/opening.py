"""The first megabytes of a file, unpacked, and what kind of text they are."""

import bz2
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from transforms.errors import DataError

MOST_BYTES = 8 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_REFUSED = {
    b"PK\x03\x04": "a zip archive (or a spreadsheet)", b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture", b"7z\xbc\xaf": "a 7z archive",
    b"SQLite": "a SQLite database", b"Obj\x01": "an Avro file", b"\x7fELF": "a program",
}  # fmt: skip
_JAVA_NAMES = {
    "cp1250": "windows-1250", "cp1251": "windows-1251", "cp1252": "windows-1252", "latin_1": "ISO-8859-1",
    "big5": "Big5", "cp949": "EUC-KR", "euc_kr": "EUC-KR", "cp932": "Shift_JIS", "shift_jis": "Shift_JIS",
}  # fmt: skip
# mark -> the encoding behind it, and what Spark and Python call it with its mark; that of UTF-16 begins one of UTF-32
_BOMS = (
    (b"\xef\xbb\xbf", "UTF-8", "UTF-8"), (b"\xff\xfe\0\0", "UTF-32LE", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32BE", "UTF-32"), (b"\xff\xfe", "UTF-16LE", "UTF-16"), (b"\xfe\xff", "UTF-16BE", "UTF-16"),
)  # fmt: skip


@dataclass(frozen=True)
class Start:
    """The first bytes of a file, unpacked. `whole`: that is all of it."""

    data: bytes
    whole: bool


def start_of(path: Path, most: int = MOST_BYTES) -> Start:
    """The file's first bytes. Raises DataError, in one line, where there is nothing that could be read as rows."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        hint = f", such as {files[-1]}" if files else "; this one holds none"
        raise DataError(f"{path}: is a folder; name one of its files{hint}")
    try:
        with path.open("rb") as file:
            raw = file.read(most)
            whole = not file.read(1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not raw:
        raise DataError(f"{path}: the file has zero bytes; nothing can be told from it")
    for mark, what in _REFUSED.items():
        if raw.startswith(mark):
            raise DataError(f"{path}: is {what}; bring the data as csv, json, parquet, orc, xml or an access log")
    packing = next((name for mark, name in _PACKED.items() if raw.startswith(mark)), None)
    return _unpacked(path, packing, raw, most, whole) if packing else Start(raw, whole)


def _unpacked(path: Path, packing: str, raw: bytes, most: int, whole: bool) -> Start:
    try:
        data, ended = {"gzip": _gzip, "bz2": _bz2, "zstd": _zstd}[packing](raw, most)
    except (OSError, zlib.error, EOFError, pa.ArrowException):
        raise DataError(f"{path}: begins as {packing} but cannot be unpacked; deliver it again") from None
    if whole and not ended and len(data) < most:
        raise DataError(f"{path}: ends in the middle of its {packing} data; it is truncated: deliver it again")
    if not data:
        raise DataError(f"{path}: unpacked it has zero bytes; nothing can be told from it")
    return Start(data, ended)


def _gzip(raw: bytes, most: int) -> tuple[bytes, bool]:
    """Several members one after another are one file."""
    data = b""
    while raw and len(data) < most:
        member = zlib.decompressobj(wbits=31)
        data += member.decompress(raw, most - len(data))
        if not member.eof:
            return data, False
        raw = member.unused_data.lstrip(b"\0")
    return data, not raw


def _bz2(raw: bytes, most: int) -> tuple[bytes, bool]:
    data = b""
    while raw and len(data) < most:
        member = bz2.BZ2Decompressor()
        data += member.decompress(raw, most - len(data))
        if not member.eof:
            return data, False
        raw = member.unused_data
    return data, not raw


def _zstd(raw: bytes, most: int) -> tuple[bytes, bool]:
    data = b""
    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
        try:
            while len(data) < most and (more := stream.read(1 << 20)):
                data += more
        except OSError:
            if not data:
                raise
            return data, False
        return data, len(data) < most


def decoded(path: Path, start: Start) -> tuple[str, str, str]:
    """The text, the name of its encoding as Spark and Python know it, and why that is not sure.

    Raises DataError where it is no text.
    """
    for mark, encoding, name in _BOMS:
        if start.data.startswith(mark):
            return start.data[len(mark) :].decode(encoding, errors="replace"), name, ""
    head = start.data[:4096]
    if head.count(0) > len(head) // 4:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > 4 * min(even, odd):
            name = "UTF-16BE" if even > odd else "UTF-16LE"
            return start.data.decode(name, errors="replace"), name, ""
    if 0 in head or sum(byte < 32 and byte not in (9, 10, 13, 1, 27) for byte in head) > len(head) // 50:
        raise DataError(
            f"{path}: holds binary data of no known kind; csv, json, parquet, orc, xml and access logs are read"
        )
    try:
        return _cut(start).decode("utf-8"), "UTF-8", ""
    except UnicodeDecodeError:
        name, doubt = _other_encoding(start.data)
    return start.data.decode(name, errors="replace"), name, doubt


def _cut(start: Start) -> bytes:
    """Without the character that the bound may have split."""
    if start.whole:
        return start.data
    at = len(start.data)
    while at and len(start.data) - at < 4 and start.data[at - 1] & 0xC0 == 0x80:
        at -= 1
    return start.data[: at - 1] if at and start.data[at - 1] >= 0xC0 else start.data


def _other_encoding(data: bytes) -> tuple[str, str]:
    """The encoding of text that is not UTF-8. Bytes above ASCII stand in pairs in Chinese, alone in western texts."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+(?:[\x30-\x7e](?=[\x80-\xff]))?", data[: 1 << 20])]
    alone = sum(1 for run in runs if run == 1)
    if alone > 0.6 * len(runs):
        name = "windows-1252" if re.search(rb"[\x80-\x9f]", data) else "ISO-8859-1"
        return name, f"not UTF-8; accents look like {name}"
    chinese = data.decode("gb18030", errors="replace")
    han = [sign for sign in chinese if ord(sign) > 0x7F]
    common = sum(1 for sign in han if _is_common(sign))
    if han and common > 0.7 * len(han) and chinese.count("\ufffd") <= 0.001 * len(han) + 1:
        return "GB18030", ""
    return _detected(data)


def _is_common(sign: str) -> bool:
    """Is it one of the 3,755 most used Chinese characters, or their punctuation?"""
    try:
        return 0xA1 <= sign.encode("gb2312")[0] <= 0xD7
    except UnicodeEncodeError:
        return False


def _detected(data: bytes) -> tuple[str, str]:
    """What charset-normalizer makes of the lines that are not plain ASCII."""
    from charset_normalizer import from_bytes

    lines = [line for line in data.split(b"\n") if not line.isascii()]
    found = from_bytes(b"\n".join(lines)[:20_000]).best()
    if found is None:
        return "ISO-8859-1", "not UTF-8, and nothing tells what else: look at the accents"
    return _JAVA_NAMES.get(found.encoding, found.encoding), "not UTF-8; told from how often letters come"
