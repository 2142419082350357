"""The formats of extracts, and the options that each takes: what `validate` can say without looking at a file."""

import codecs
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from transforms.definitions import nearest, seconds

Problem = str | None


def _text(value: Any) -> Problem:
    return None if isinstance(value, str) and value else f"must be a text, not {value!r}"


def _truth(value: Any) -> Problem:
    return None if isinstance(value, bool) else f"must be true or false, not {value!r}"


def _character(value: Any) -> Problem:
    return None if isinstance(value, str) and len(value) == 1 else f"must be one character, not {value!r}"


def _character_or_none(value: Any) -> Problem:
    return None if value == "" else _character(value)


def _names(value: Any) -> Problem:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        return f"must be a list of names, not {value!r}"
    twice = [name for name in value if value.count(name) > 1]
    return f"has the name '{twice[0]}' twice" if twice else None


def _encoding(value: Any) -> Problem:
    try:
        codecs.lookup(str(value))
        "".encode(str(value))
    except LookupError:
        return f"no encoding '{value}'{nearest(str(value), _ENCODINGS)} (such as {', '.join(_ENCODINGS)})"
    return None


def _expansion(value: Any) -> Problem:
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return None if whole else f"must be a whole number, such as 1000, not {value!r}"


def _duration(value: Any) -> Problem:
    try:
        seconds(str(value))
    except ValueError as error:
        return str(error)
    return None


_ENCODINGS = ("utf-8", "utf-16", "gb18030", "gbk", "big5", "latin-1", "cp1252")
_PACKED: dict[str, Callable[[Any], Problem]] = {"encoding": _encoding, "max_expansion": _expansion}
OPTIONS: dict[str, dict[str, Callable[[Any], Problem]]] = {
    "csv": {
        "header": _truth, "columns": _names, "sep": _text, "quote": _character_or_none, "escape": _character,
        "comment": _character, "multiline": _truth, **_PACKED,
    },
    "json": {"multiline": _truth, "records": _text, **_PACKED},
    "xml": {"rowTag": _text, "max_expansion": _expansion},
    "access_log": {"extra": _names, "session_gap": _duration, **_PACKED},
    "parquet": {},
    "orc": {},
}  # fmt: skip
FORMATS = (*OPTIONS, "jdbc")
# What any source of hits may say, whatever its format.
_ANYWHERE: dict[str, Callable[[Any], Problem]] = {"session_gap": _duration}


def option_problems(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    """`read.options…: what is wrong`, for each option that the format does not take or that is not as it must be.

    A format of Spark's own name that is not known here takes whatever Spark does.
    """
    if name not in OPTIONS:
        return
    known = OPTIONS[name] | _ANYWHERE
    for key, value in options.items():
        if key not in known:
            near = nearest(key, OPTIONS[name])
            yield f"read.options: {name} has no option '{key}'{near} (it has {', '.join(OPTIONS[name]) or 'none'})"
        elif problem := known[key](value):
            yield f"read.options.{key}: {problem}"
    if name == "xml" and "rowTag" not in options:
        yield "read.options.rowTag: the element that is a record must be named, such as rowTag: order"
    if name == "csv":
        yield from _csv_problems(options)


def _csv_problems(options: Mapping[str, Any]) -> Iterator[str]:
    if "columns" in options and options.get("header", True):
        yield "read.options.columns: names the columns of files without a header; say header: false too"
    if options.get("multiline") and len(separator(options)) > 1:
        yield "read.options.sep: with multiline: true, a separator has one character"
    if options.get("multiline") and "comment" in options:
        yield "read.options.comment: with multiline: true, there are no comments"


def separator(options: Mapping[str, Any]) -> str:
    r"""The separator of a CSV dialect; `\t` is a tab, however YAML was asked to read it."""
    return str(options.get("sep", ",")).replace("\\t", "\t")
