"""Every byte of a store looked through for some values: decoded, decompressed, and in the forms they may have taken."""

import base64
import gzip
import html
import json
import re
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from jobs.runtime.damage import whole
from jobs.runtime.stores import at_once, read_file

# A shorter value is met by chance in what is not text; in texts it must stand by itself.
SHORTEST = 9
LEAST = 5
BLOT = "[erased]"
_BASE64_ENDS = 4  # characters at either end that depend on what stands beside


def searchable(value: str) -> bool:
    """Is a value so long that to find it somewhere means something?"""
    return len(value) >= LEAST


def forms(value: str) -> set[str]:
    """How a text may hold the value: as it is, in a URL, in JSON, in HTML, and in base64 wherever it begins."""
    texts = {
        value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], html.escape(value),
    }  # fmt: skip
    if len(value) >= SHORTEST:
        for before in range(3):
            coded = base64.b64encode(b"\0" * before + value.encode()).decode()
            texts.add(coded[_BASE64_ENDS:-_BASE64_ENDS])
    return texts


class Search:
    """Some values, looked for everywhere. Upper and lower case are the same."""

    def __init__(self, values: Iterable[str]) -> None:
        chosen = sorted({value for value in values if searchable(value)})
        alone: list[str] = []
        anywhere: list[str] = []
        for value in chosen:
            written = [re.escape(form) for form in sorted(forms(value))]
            (anywhere if len(value) >= SHORTEST else alone).extend(written)
        edges = [f"(?:^|[^0-9A-Za-z])(?:{'|'.join(alone)})(?:$|[^0-9A-Za-z])"] if alone else []
        self.pattern = "|".join([*edges, *anywhere])
        # what is so short may as well be another's postal code
        self.blotted = "|".join(anywhere)
        self.values = len(chosen)
        wide = [re.escape(v.encode(code)) for v in chosen if len(v) >= LEAST for code in ("utf-16-le", "utf-16-be")]
        self._text = re.compile(b"|".join([self.pattern.encode(), *wide]), re.IGNORECASE)
        # within what is compressed or binary only what cannot be there by chance
        long = [re.escape(value.encode()) for value in chosen if len(value) >= SHORTEST]
        self._raw = re.compile(b"|".join([*long, *wide]), re.IGNORECASE) if long else None

    def __bool__(self) -> bool:
        return self.values > 0

    def of_files(self, files: Collection[str]) -> dict[str, int]:
        """File -> how many cells or places hold one of the values; only those that do."""
        if not self:
            return {}
        with ThreadPoolExecutor(at_once(*files)) as pool:
            found = zip(files, pool.map(self.of_file, files), strict=True)
            return {file: count for file, count in found if count}

    def of_file(self, file: str) -> int:
        """How many cells or places of a file hold one of the values. Raises PortraitError where it is damaged."""
        content = read_file(file)
        with whole(file):
            return self._of_content(content)

    def _of_content(self, content: bytes) -> int:
        raw = sum(1 for _ in self._raw.finditer(content)) if self._raw else 0
        if content[:4] == b"PAR1":
            return max(raw, sum(self._in_cells(cells) for cells in _texts_of(content)))
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        elif content[:4] == b"\x28\xb5\x2f\xfd":
            with pa.input_stream(pa.BufferReader(content), compression="zstd") as stream:
                content = stream.read()
        return max(raw, sum(1 for _ in self._text.finditer(content)))

    def in_columns(self, file: str, columns: Collection[str]) -> bool:
        """Would `blot` find anything in the Parquet file? Raises PortraitError where it is damaged."""
        content = read_file(file)
        with whole(file):
            return any(self._to_blot(cells) for cells in _texts_of(content, columns))

    def blot(self, part: pa.Table, columns: Collection[str]) -> pa.Table:
        """Rows with whatever is found in the texts of some columns made unreadable, in lists, maps and structs too.

        Nothing is done for values shorter than SHORTEST.
        """
        found = re.compile(self.blotted, re.IGNORECASE)
        for at, field in enumerate(part.schema):
            chunks = part.column(at).chunks
            if field.name in columns and any(self._to_blot(texts) for cells in chunks for texts in _texts_in(cells)):
                values = [_unreadable(value, found) for value in part.column(at).to_pylist()]
                part = part.set_column(at, field, pa.array(values, field.type))
        return part

    def _in_cells(self, cells: pa.Array) -> int:
        return pc.sum(pc.match_substring_regex(cells, self.pattern, ignore_case=True)).as_py() or 0

    def _to_blot(self, cells: pa.Array) -> bool:
        return bool(self.blotted and pc.any(pc.match_substring_regex(cells, self.blotted, ignore_case=True)).as_py())


def _unreadable(value: Any, found: re.Pattern[str]) -> Any:
    """A cell without what is found in its texts. A map is a list of pairs."""
    if isinstance(value, str):
        return found.sub(BLOT, value)
    if isinstance(value, list | tuple):
        return type(value)(_unreadable(item, found) for item in value)
    return {name: _unreadable(item, found) for name, item in value.items()} if isinstance(value, dict) else value


def _texts_of(content: bytes, columns: Collection[str] | None = None) -> Iterator[pa.Array]:
    """Every text of a Parquet file, a part of a column at a time; a value that is repeated may come once."""
    file = pa.BufferReader(content)
    schema = pq.read_schema(file)
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is_text(kind)]
    chosen = None if columns is None else [name for name in schema.names if name in columns]
    with pq.ParquetFile(file, read_dictionary=texts) as opened:
        for number in range(opened.num_row_groups):
            for column in opened.read_row_group(number, chosen).columns:
                for chunk in column.chunks:
                    yield from _texts_in(chunk)


def _texts_in(cells: pa.Array) -> Iterator[pa.Array]:
    kind = cells.type
    if pa.types.is_dictionary(kind):
        yield from _texts_in(cells.dictionary)
    elif _is_text(kind):
        yield cells
    elif pa.types.is_map(kind):
        yield from _texts_in(cells.keys)
        yield from _texts_in(cells.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts_in(cells.flatten())
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _texts_in(cells.field(number))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )  # fmt: skip
