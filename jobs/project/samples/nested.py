"""JSON and XML: where in the document the records are."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from transforms.errors import DataError
from transforms.sources.infer.sample import MOST_ROWS, Sample, as_text, said

_BLANK = re.compile(r"[\s,]*")
_DEEPEST = 20


def read_json(path: Path, text: str, options: dict[str, Any], doubts: dict[str, str], whole: bool) -> Sample:
    """Lines of objects, a list of them, or a list below a key. Raises DataError where there are no records."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    records = list(islice((found for line in lines if (found := _object(line)) is not None), MOST_ROWS))
    alone = len(lines) == 1 and bool(records) and _below(text) is not None
    if records and len(records) >= 0.5 * min(len(lines), MOST_ROWS) and not alone:
        broken = min(len(lines), MOST_ROWS) - len(records)
        if broken:
            doubts = {**doubts, "format": f"{broken} of {len(lines)} lines are no JSON object and would be quarantined"}
        return _sample("json", records, options, doubts, whole and len(records) < MOST_ROWS)
    below = _below(text)
    if below is None:
        raise DataError(f"{path}: begins like JSON, but holds neither lines of objects nor a list of them")
    keys, start = below
    records = list(islice(_elements(text, start), MOST_ROWS))
    if not records:
        raise DataError(f"{path}: its list of records is empty or broken; nothing can be told from it")
    found = {"multiline": True, **({"records": ".".join(keys)} if keys else {}), **options}
    return _sample("json", records, found, doubts, whole and len(records) < MOST_ROWS)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _sample(
    form: str, records: list[dict[str, Any]], options: dict[str, Any], doubts: dict[str, str], whole: bool
) -> Sample:
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [said(as_text(record.get(name))) for record in records] for name in names}
    return Sample(form, columns, options, doubts, whole)


def _below(text: str) -> tuple[list[str], int] | None:
    """Where the first list of objects begins: the keys that lead there, and the place after its bracket."""
    decoder, at, keys = json.JSONDecoder(), _skip(text, 0), list[str]()
    try:
        while len(keys) < _DEEPEST:
            if text[at] == "[":
                inside = _skip(text, at + 1)
                return (keys, at + 1) if text[inside] == "{" else None
            at = _skip(text, at + 1)
            while text[at] == '"':
                key, at = scanstring(text, at + 1, True)
                at = _skip(text, text.index(":", at) + 1)
                if text[at] == "{" or (text[at] == "[" and text[_skip(text, at + 1)] == "{"):
                    deeper = _below(text[at:]) if text[at] == "{" else ([], 1)
                    if deeper:
                        return [*keys, key, *deeper[0]], at + deeper[1]
                _, at = decoder.raw_decode(text, at)
                at = _skip(text, at)
            return None
    except (ValueError, IndexError, RecursionError):
        return None
    return None


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _elements(text: str, at: int) -> Iterator[dict[str, Any]]:
    """The objects of a list, up to its end or to where the text was cut."""
    decoder = json.JSONDecoder(parse_float=_Number, parse_int=_Number)
    at = _skip(text, at)
    while at < len(text) and text[at] == "{":
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield value
        at = _skip(text, at)


def read_xml(path: Path, data: bytes, text: str, whole: bool) -> Sample:
    """The elements that repeat, each a record. `text`: the data, decoded. Raises DataError where none repeats."""
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("start", "end"))
    try:
        parser.feed(data)
        tag, rows = _repeated(parser.read_events())
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter of encodings that it does not know
        raise DataError(f"{path}: is not well-formed XML: {error}") from None
    if tag is None:
        raise DataError(f"{path}: no element of it repeats, so its records cannot be told")
    names = _as_written(text)
    records = [_record(row, names) for row in rows[:MOST_ROWS]]
    return _sample("xml", records, {"rowTag": names.get(tag, tag)}, {}, whole and len(rows) <= MOST_ROWS)


def _as_written(text: str) -> dict[str, str]:
    """Tag without its prefix -> with it, as Spark's reader names it."""
    tags = re.findall(r"<([\w.-]+):([\w.-]+)[\s/>]", text)
    return {tag: f"{prefix}:{tag}" for prefix, tag in reversed(tags)}


def _repeated(events: Iterable[Any]) -> tuple[str | None, list[ElementTree.Element]]:
    """The outermost tag that comes twice or more, and its elements that have ended.

    One with parts or attributes of its own is preferred.
    """
    depth, ended = 0, dict[tuple[int, str], list[ElementTree.Element]]()
    for event, element in events:
        depth += 1 if event == "start" else 0
        if event == "end":
            ended.setdefault((depth, element.tag), []).append(element)
            depth -= 1
    repeated = sorted((key for key, found in ended.items() if len(found) > 1 and key[0] > 1), key=lambda key: key[0])
    with_parts = [key for key in repeated if any(len(element) or element.attrib for element in ended[key])]
    chosen = next(iter(with_parts or repeated), None)
    return (_local(chosen[1]), ended[chosen]) if chosen else (None, [])


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _record(element: ElementTree.Element, names: dict[str, str]) -> dict[str, Any]:
    """An element as Spark's reader gives it: attributes with _ before their names, repeated ones as a list."""
    values: dict[str, Any] = {f"_{_local(name)}": value for name, value in element.attrib.items()}
    for child in element:
        name = names.get(_local(child.tag), _local(child.tag))
        value = _record(child, names) if len(child) or child.attrib else child.text
        if name in values:
            before = values[name]
            values[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            values[name] = value
    if element.attrib and not len(element) and said(element.text):
        values["_VALUE"] = element.text
    return values
