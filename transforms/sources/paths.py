"""The paths of extracts: which day a file is of, told by the `{date}` of its source's path."""

import fnmatch
import re

_DAY = r"(\d{4}-\d{2}-\d{2})"
_VARYING = re.compile(r"\{date\}|[*?\[]")
_LAST_DATE = rf"{_DAY}(?!.*\d{{4}}-\d{{2}}-\d{{2}})"


def fixed_folder(pattern: str) -> str:
    """The folder that a source's pattern names before anything in it varies, the `{date}` or a wildcard."""
    return _VARYING.split(pattern, maxsplit=1)[0].rsplit("/", 1)[0] or "/"


def shape(pattern: str) -> str:
    """A path's pattern as a regular expression, to Python and to Java, whose first group is the `{date}`."""
    return fnmatch.translate(pattern.replace("{date}", "\0")).replace("\0", _DAY)


def dated(pattern: str) -> tuple[str, ...]:
    """Regular expressions whose first group is the date of a file's path, the most exact first.

    Extracts may have moved since the file was taken, so it is enough that the path ends as the source's does, whatever
    dates the folders above have. A path that the source's no longer describes at all is of the last date in it, and
    so is what stands for a database's answer.
    """
    if not pattern:
        return (_LAST_DATE,)
    below = pattern.removeprefix(fixed_folder(pattern)).lstrip("/")
    ends = (rf"^(?:.*/)?{shape(text.lstrip('/'))}" for text in dict.fromkeys((pattern, below)))
    return (*ends, _LAST_DATE)
