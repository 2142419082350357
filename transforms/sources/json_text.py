"""JSON by its text: the fields of an object, or the records of a document, each exactly as it was written.

Spark's parser turns numbers into doubles and takes the last of two equal keys; where that would show, this is used.
"""

import json
import re
from collections.abc import Iterator

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_SPACE = re.compile(r"[ \t\r\n]*")
# Text in which Spark's parser may show a number otherwise than it is written, or refuse what others write.
NEEDS_EXACT = (
    r"[0-9][eE][+-]?[0-9]|\.[0-9]+0(?![0-9])|[0-9]{7}\.[0-9]|0\.00|(?=[0-9.]{17})[0-9]+\.[0-9]"
    r"|-0(?![.0-9])|NaN|Infinity"
)


def object_fields(text: str) -> dict[str, str | None] | None:
    """Key -> value of one JSON object: texts as they are, null as None, anything else as its own text.

    None where `text` is not one object and nothing more, or has a key twice.
    """
    try:
        fields: dict[str, str | None] = {}
        start = _skip(text, 0)
        if not text.startswith("{", start):
            return None
        end = start
        for key, at, end in _members(text, start):
            if key in fields:
                return None
            if key is not None:
                fields[key] = _value(text, at, end)
        return fields if _skip(text, end) == len(text) else None
    except (ValueError, RecursionError):
        return None


def document_records(text: str, path: str | None) -> Iterator[str]:
    """The text of each record of a whole document: the elements of an array, or one object.

    `path`: the keys, with dots between them, below which they are. Raises ValueError where the document is not JSON
    to its end or has no such key.
    """
    document = text.removeprefix("\ufeff")
    start = _skip(document, 0)
    _, end = _decoded(document, start)
    if _skip(document, end) != len(document):
        raise ValueError("more follows the end of the document")
    for key in path.split(".") if path else ():
        places = {name: at for name, at, _ in _members(document, start) if name is not None}
        if key not in places:
            raise ValueError(f"no key '{key}' (read.options.records)")
        start = places[key]
    if document.startswith("[", start):
        yield from (document[at:end] for at, end in _elements(document, start))
    else:
        yield document[start : _decoded(document, start)[1]]


def _value(text: str, at: int, end: int) -> str | None:
    if text[at] == '"':
        # a half of a surrogate pair has no UTF-8
        return str(_decoded(text, at)[0]).encode("utf-8", "replace").decode()
    return None if text[at:end] == "null" else text[at:end]


def _members(text: str, at: int) -> Iterator[tuple[str | None, int, int]]:
    """(key, where its value begins, where it ends) of the object at `at`; last (None, …, where the object ends)."""
    if not text.startswith("{", at):
        raise ValueError("not an object")
    at = _skip(text, at + 1)
    more = not text.startswith("}", at)
    while more:
        key, at = _decoded(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or not text.startswith(":", at):
            raise ValueError("no key and colon")
        start = _skip(text, at + 1)
        _, end = _decoded(text, start)
        yield key, start, end
        at = _skip(text, end)
        more = text.startswith(",", at)
        if more:
            at = _skip(text, at + 1)
            if not text.startswith('"', at):
                raise ValueError("no key after a comma")
    if not text.startswith("}", at):
        raise ValueError("the object does not end")
    yield None, at, at + 1


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """(where it begins, where it ends) of each element of the array at `at`, which is known to be JSON."""
    at = _skip(text, at + 1)
    while not text.startswith("]", at):
        end = _decoded(text, at)[1]
        yield at, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text.startswith(",", at) else at


def _decoded(text: str, at: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
