"""Where the days' files lie, told from the path of one of them."""

import re
from dataclasses import dataclass
from datetime import date

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH_DAY = r"(?:0[1-9]|1[0-2]){0}(?:0[1-9]|[12]\d|3[01])"
_OTHER_DAY = re.compile(
    rf"(?<!\d)20\d\d(?:{_MONTH_DAY.format('')}|{_MONTH_DAY.format('/')}|{_MONTH_DAY.format('_')})(?!\d)"
)
_COUNTER = re.compile(r"(?<!bz)(?<!\d)\d+(?=\.|$)")


@dataclass(frozen=True)
class Place:
    """`pattern` for `read.path`; `day`: the date in the sample's path; `doubt`: what to do where it has none."""

    pattern: str
    day: date | None
    doubt: str = ""


def place_of(path: str, name: str) -> Place:
    """The pattern of the path of one file, relative to the project's root or absolute.

    The last date in it becomes {date}; in the file's name, other dates and counters become *.
    """
    found = [match for match in _DAY.finditer(path) if _date(match[0])]
    folder, _, file = path.rpartition("/")
    if not found:
        proposed = f"${{EXTRACTS:-extracts}}/{name}/{{date}}/{_any(_OTHER_DAY.sub('*', file))}"
        other = _OTHER_DAY.search(path)
        why = f"the date in it is not written as 2026-01-31 ({other[0]})" if other else "the sample's path has no date"
        return Place(proposed, None, f"{why}: put each day's files into a folder of that day, or name the folder here")
    day = _date(found[-1][0])
    in_folder = [match for match in found if match.end() <= len(folder)]
    if in_folder:
        last = in_folder[-1]
        path = f"{folder[: last.start()]}{{date}}{folder[last.end() :]}/{_any(_DAY.sub('*', file))}"
        doubt = "" if len(in_folder) == 1 else "the path has more than one date: only the last one varies here"
        return Place(path, day, doubt)
    last = found[-1]
    start, end = last.start() - len(folder) - 1, last.end() - len(folder) - 1
    if not folder:
        start, end = last.start(), last.end()
    file = f"{_any(_DAY.sub('*', file[:start]))}{{date}}{_any(file[end:])}"
    return Place(f"{folder}/{file}" if folder else file, day)


def _any(file: str) -> str:
    """A file's name for all files of its kind: a counter before its ending becomes *."""
    return re.sub(r"\*+", "*", _COUNTER.sub("*", file))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def source_name(path: str) -> str:
    """A name for the source from its path: the file's name without dates, counters and endings, else its folder's."""
    parts = [part for part in path.split("/") if part and not _DAY.fullmatch(part)]
    for part in reversed(parts):
        stem = _OTHER_DAY.sub("", _DAY.sub("", part.split(".", 1)[0]))
        name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
        name = re.sub(r"[_0-9]+$", "", name)
        if name and name not in ("part", "data", "export", "extract", "chunk") and name[0].isalpha():
            return name
    return "new_source"
