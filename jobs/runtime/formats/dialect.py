"""How a CSV file is written, and what its first record says."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.landing import MOST_COLUMNS, Landing
from jobs.runtime.formats.unpacked import decoded_texts, plain
from transforms.sources.definition import Source
from transforms.sources.formats import separator

_LEAST_LOOKED_AT = 1 << 16
_LONGEST_HEADER = 1 << 24


@dataclass(frozen=True)
class Dialect:
    """Separator, quote (none: an empty text), what escapes a quote, what begins a comment (or None)."""

    sep: str
    quote: str
    escape: str
    comment: str | None

    @classmethod
    def of(cls, source: Source) -> "Dialect":
        options = source.read.options
        quote = str(options.get("quote", '"'))
        return cls(separator(options), quote, str(options.get("escape", quote or '"')), options.get("comment"))

    def record(self, text: str) -> tuple[list[str], str] | None:
        """The fields of the record at the start of `text`, and its own text; None where a quote in it does not close.

        As Spark reads them: a quote counts at the start of a field, and closes before a separator or the line's end.
        """
        fields: list[str] = []
        at = 0
        while True:
            quoted = bool(self.quote) and text.startswith(self.quote, at)
            field = self._quoted(text, at + 1) if quoted else self._bare(text, at)
            if field is None:
                return None
            fields.append(field[0])
            at = field[1]
            if not text.startswith(self.sep, at):
                return fields, text[:at]
            at += len(self.sep)

    def _bare(self, text: str, at: int) -> tuple[str, int]:
        ends = [place for mark in (self.sep, "\n", "\r") if (place := text.find(mark, at)) >= 0]
        end = min(ends, default=len(text))
        return text[at:end], end

    def _quoted(self, text: str, at: int) -> tuple[str, int] | None:
        told: list[str] = []
        while at < len(text):
            if text.startswith(self.escape + self.quote, at):
                told.append(self.quote)
                at += 2
            elif text[at] == self.quote and self._ends(text, at + 1):
                return "".join(told), at + 1
            else:
                told.append(text[at])
                at += 1
        return None

    def _ends(self, text: str, at: int) -> bool:
        return at >= len(text) or text[at] in "\r\n" or text.startswith(self.sep, at)


@dataclass(frozen=True)
class Header:
    """The columns of a file. `lines`: how the header's own line is written. `multiline`: values hold line breaks."""

    names: tuple[str, ...]
    lines: tuple[str, ...] = ()
    multiline: bool = False


def headers(landing: Landing, dialect: Dialect) -> dict[Header, list[ExtractFile]]:
    """The files by their columns. Raises DataError where files of one day have different ones."""
    by_names: dict[tuple[str, ...], tuple[list[Header], list[ExtractFile]]] = {}
    by_day: dict[date, tuple[tuple[str, ...], str]] = {}
    for file in landing.files:
        header = _header(landing, dialect, file)
        other, path = by_day.setdefault(file.file_date, (header.names, file.path))
        if other != header.names:
            raise landing.refused(
                file.path,
                f"its header differs from that of {path}",
                "files of one extract must have the same columns in the same order",
            )
        found, files = by_names.setdefault(header.names, ([], []))
        found.append(header)
        files.append(file)
    return {
        Header(names, tuple(sorted({line for h in found for line in h.lines})), any(h.multiline for h in found)): files
        for names, (found, files) in by_names.items()
    }


def _header(landing: Landing, dialect: Dialect, file: ExtractFile) -> Header:
    given = landing.options.get("columns")
    text, whole = _start(landing, dialect, file)
    record = dialect.record(text)
    if record is None:
        raise landing.refused(file.path, "the first line has a quote that does not close")
    fields, line = record
    multiline = _breaks_in_values(dialect, text, whole)
    if landing.options.get("header", True):
        names = tuple(name.strip() for name in fields)
        _check(landing, file, names)
        return Header(names, (line,), multiline or "\n" in line)
    if given and len(given) != len(fields):
        told = f"its first line has {len(fields)} fields, read.options.columns names {len(given)}"
        raise landing.refused(file.path, told, "deliver it again, or mend the names")
    return Header(tuple(given or (f"_c{place}" for place in range(len(fields)))), (), multiline)


def _check(landing: Landing, file: ExtractFile, names: tuple[str, ...]) -> None:
    # a file without its header has a person's values in its first line: places are told, not names
    first: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if not name:
            raise landing.refused(file.path, f"the header has no name for column {place}", "each column needs its own")
        if first.setdefault(name, place) != place:
            wrong = f"the header has one name for columns {first[name]} and {place}"
            raise landing.refused(file.path, wrong, "each column needs its own")


def _start(landing: Landing, dialect: Dialect, file: ExtractFile) -> tuple[str, bool]:
    """The text from the first record on, at least as far as that ends, and whether it is all of the file."""
    text = ""
    with plain(landing, file) as pieces:
        texts = decoded_texts(landing, pieces)
        whole = False
        while len(text) < _LONGEST_HEADER:
            piece = next(texts, None)
            whole = piece is None
            text = _from_record(text + (piece or ""), dialect)
            if whole or (len(text) > _LEAST_LOOKED_AT and "\n" in text):
                break
    if not text:
        raise landing.refused(file.path, "the file holds nothing, not even a header")
    first = text.split("\n", 1)[0]
    if first.count(dialect.sep) >= MOST_COLUMNS:
        told = (
            f"its first line has {first.count(dialect.sep) + 1} fields, more than the {MOST_COLUMNS} a table may have"
        )
        raise landing.refused(file.path, told)
    return text, whole


def _from_record(text: str, dialect: Dialect) -> str:
    """Without the blank lines and comments before the first record."""
    text = text.lstrip("\r\n")
    while dialect.comment and text.startswith(dialect.comment) and "\n" in text:
        text = text.split("\n", 1)[1].lstrip("\r\n")
    return text


def can_break(dialect: Dialect) -> bool:
    """Can the reader that knows line breaks in values read it? It has neither comments nor longer separators."""
    return bool(dialect.quote) and len(dialect.sep) == 1 and not dialect.comment


def _breaks_in_values(dialect: Dialect, text: str, whole: bool) -> bool:
    """Do quoted values in the file's first part hold line breaks?"""
    if not can_break(dialect) or dialect.quote not in text:
        return False
    looked_at = text if whole else text[:_LEAST_LOOKED_AT]
    return any("\n" in value for row in rows_of(dialect, io.StringIO(looked_at, newline="")) for value in row)


def rows_of(dialect: Dialect, lines: io.TextIOBase | Iterator[str], *, to_end: bool = False) -> Iterator[list[str]]:
    """Rows by Python's own reader, which is strict: up to the first that is not well formed, or with `to_end`
    an error (csv.Error) there."""
    doubled = dialect.escape == dialect.quote
    reader = csv.reader(
        lines,
        delimiter=dialect.sep,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=doubled,
        escapechar=None if doubled or not dialect.quote else dialect.escape,
        strict=True,
    )
    try:
        yield from reader
    except csv.Error:
        if to_end:
            raise
