"""How a column writes dates and times, and the expression that reads them."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

# less is enough than for other kinds: nothing else is written so
LEAST_SHARE = 0.6
_LEAST_FORM = 0.01
_MOST_FORMS = 3
_MONTHS = "january february march april may june july august september october november december"
_TIME = (
    r"(?:(?P<gap>[ T]|, )(?P<h>\d{1,2}):(?P<min>\d{2})(?::(?P<s>\d{2})(?P<f>[.]\d{1,9})?)?"
    r"(?P<ap> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}))?)?"
)
_FORMS = {
    "ymd": re.compile(r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})" + _TIME),
    "dmy": re.compile(r"(?P<d>\d{1,2})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<y>\d{4}|\d{2})" + _TIME),
    "dby": re.compile(r"(?P<d>\d{1,2})(?P<sep>[-/ ])(?P<b>[A-Za-z]{3,9})(?P=sep)(?P<y>\d{4}|\d{2})" + _TIME),
    "bdy": re.compile(r"(?P<b>[A-Za-z]{3,9})(?P<sep> )(?P<d>\d{1,2}),? (?P<y>\d{4})" + _TIME),
    "cjk": re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日" + _TIME),
    "compact": re.compile(
        r"(?P<y>(?:19|20)\d{2})(?P<m>[01]\d)(?P<d>[0-3]\d)(?:(?P<h>[0-2]\d)(?P<min>[0-5]\d)(?P<s>[0-5]\d))?"
    ),
}  # fmt: skip
_EPOCHS = {  # unit -> (least, most, expression): from 1990 to 2100
    "seconds": (631_152_000, 4_102_444_800, "timestamp_seconds({})"),
    "milliseconds": (631_152_000_000, 4_102_444_800_000, "timestamp_millis({})"),
    "microseconds": (
        631_152_000_000_000, 4_102_444_800_000_000, "timestamp_seconds(cast({} as decimal(20,6)) / 1000000)",
    ),
}  # fmt: skip
Match = re.Match[str]
Form = tuple[str, str, bool, bool, bool]


@dataclass(frozen=True)
class Times:
    """How times are written. `patterns`: Spark's, most frequent first; none where they convert by themselves.

    `has_time`: more than a day; `offset`: each text tells its offset from UTC (a number of seconds since 1970 does).
    `order`: `day first`, `month first`, or empty where the text cannot be read in two ways.
    """

    patterns: tuple[str, ...]
    has_time: bool
    offset: bool
    share: float
    epoch: str = ""
    order: str = ""
    open_order: bool = False
    doubt: str = ""

    def expression(self, reference: str, *, as_date: bool, zoned: bool = False) -> str:
        """The date or time as an expression over the column; the bare column where it converts by itself.

        `zoned`: the source has a time zone, which must not be applied to a time that tells its offset.
        """
        if self.epoch:
            moment = _EPOCHS[self.epoch][2].format(reference)
            if as_date:
                return f"to_date({moment})"
            return f"concat(cast({moment} as string), '+00:00')" if zoned else moment
        if not self.patterns:
            return reference
        function = "to_date" if as_date else "to_timestamp"
        calls = [f"{function}({reference}, {_literal(pattern)})" for pattern in self.patterns]
        return calls[0] if len(calls) == 1 else f"coalesce({', '.join(calls)})"

    def turned(self) -> "Times":
        """The same with day and month the other way round."""
        swap = str.maketrans("dM", "Md")
        patterns = tuple(_swapped(pattern, swap) for pattern in self.patterns)
        return replace(self, patterns=patterns, order="month first" if self.order == "day first" else "day first")


def _literal(pattern: str) -> str:
    return f'"{pattern}"' if "'" in pattern else f"'{pattern}'"


def _swapped(pattern: str, swap: dict[int, int]) -> str:
    """Day and month exchanged in a pattern that begins with one of them."""
    match = re.match(r"([dM]+)(.)([dM]+)", pattern)
    if not match or "MMM" in match[0]:
        return pattern
    return match[0].translate(swap) + pattern[match.end() :]


def epoch(texts: Sequence[str]) -> Times | None:
    """Seconds, milli- or microseconds since 1970; None where the texts are none of it."""
    if not texts or not all(re.fullmatch(r"\d{9,16}(?:\.\d+)?", text) for text in texts):
        return None
    for unit, (least, most, _) in _EPOCHS.items():
        if all(least <= float(text) <= most for text in texts):
            return Times((), True, True, 1.0, epoch=unit)
    return None


def times(texts: Sequence[str]) -> Times | None:
    """How the texts write dates or times; None where too few are any."""
    by_form: dict[Form, list[Match]] = {}
    for text in texts:
        form = _form(text)
        if form:
            by_form.setdefault(form[0], []).append(form[1])
    forms = sorted(by_form.items(), key=lambda item: (-len(item[1]), item[0]))
    forms = [(form, found) for form, found in forms if len(found) >= _LEAST_FORM * len(texts)][:_MOST_FORMS]
    matches = [match for _, found in forms for match in found]
    share = len(matches) / max(len(texts), 1)
    if not forms or share < LEAST_SHARE:
        return None
    has_time = any(match["h"] for match in matches)
    offset = has_time and all(match.groupdict().get("zone") for match in matches if match["h"])
    if all(form[:2] == ("ymd", "-") for form, _ in forms) and _is_iso(matches):
        return Times((), has_time, offset, share)
    order, is_open, doubt = _order([m for form, found in forms if form[0] == "dmy" for m in found])
    patterns = tuple(_pattern(form[0], found, order) for form, found in forms)
    if any(len(match["y"]) == 2 for match in matches):
        doubt = "; ".join(part for part in (doubt, "two-digit years are read as 2000 to 2099") if part)
    return Times(patterns, has_time, offset, share, "", order, is_open, doubt)


def _form(text: str) -> tuple[Form, Match] | None:
    """What a text is written in: the order and separator of its date, and whether it has a time, seconds, an offset."""
    for name, shape in _FORMS.items():
        match = shape.fullmatch(text)
        if match and _possible(name, match):
            parts = match.groupdict()
            return (name, parts.get("sep") or "", bool(parts["h"]), bool(parts["s"]), bool(parts.get("zone"))), match
    return None


def _possible(form: str, match: Match) -> bool:
    if form in ("dby", "bdy"):
        return any(match["b"].lower() in (month, month[:3]) for month in _MONTHS.split())
    day, month = int(match["d"]), int(match["m"])
    return 1 <= day <= 31 and 1 <= month <= 31 and (form == "dmy" or month <= 12) and min(day, month) <= 12


def _is_iso(matches: Sequence[Match]) -> bool:
    """Does a cast read them all by itself?"""
    return all(
        m["sep"] == "-" and len(m["m"]) == len(m["d"]) == 2 and (not m["h"] or (m["s"] and len(m["h"]) == 2))
        and m["gap"] != ", " and not m["ap"] and not (m["zone"] or "").startswith(" ")
        and len(m["f"] or "") <= 7 for m in matches
    )  # fmt: skip


def _order(matches: Sequence[Match]) -> tuple[str, bool, str]:
    """Which of two numbers is the day; whether the sample leaves that open; and why it is not sure."""
    if not matches:
        return "", False, ""
    first = max(int(match["d"]) for match in matches)
    second = max(int(match["m"]) for match in matches)
    if first > 12 and second > 12:
        days = sum(1 for match in matches if int(match["d"]) > 12)
        months = sum(1 for match in matches if int(match["m"]) > 12)
        order = "day first" if days >= months else "month first"
        return order, False, f"day and month come in both orders; {min(days, months)} values will be NULL"
    if first > 12 or second > 12:
        return ("day first" if first > 12 else "month first"), False, ""
    return ("month first" if matches[0]["sep"] == "/" else "day first"), True, ""


def _pattern(form: str, matches: Sequence[Match], order: str) -> str:
    """Spark's pattern for texts of one form."""

    def width(group: str, letter: str) -> str:
        return letter * 2 if all(len(match[group]) == 2 for match in matches) else letter

    if form == "compact":
        return "yyyyMMdd" + ("HHmmss" if matches[0]["h"] else "")
    year = "yyyy" if all(len(match["y"]) == 4 for match in matches) else "yy"
    separator = matches[0].groupdict().get("sep") or ""
    if form in ("dby", "bdy"):
        month = "MMM" if all(len(match["b"]) == 3 for match in matches) else "MMMM"
        comma = "," if "," in matches[0][0] else ""
        date = (
            separator.join((width("d", "d"), month, year))
            if form == "dby"
            else f"{month} {width('d', 'd')}{comma} {year}"
        )
    elif form == "cjk":
        date = f"yyyy'年'{width('m', 'M')}'月'{width('d', 'd')}'日'"
    elif form == "ymd":
        date = separator.join(("yyyy", width("m", "M"), width("d", "d")))
    else:
        letters = ("M", "d") if order == "month first" else ("d", "M")
        date = separator.join((width("d", letters[0]), width("m", letters[1]), year))
    return date + (_clock(matches, width) if matches[0]["h"] else "")


def _clock(matches: Sequence[Match], width: Callable[[str, str], str]) -> str:
    """The part of a pattern that reads the time of day."""
    halves = next((match["ap"] for match in matches if match["ap"]), "")
    gap = Counter(match["gap"] for match in matches).most_common(1)[0][0].replace("T", "'T'")
    seconds = ":ss" if matches[0]["s"] else ""
    fraction = "[.SSSSSSSSS]" if any(match["f"] for match in matches) else ""
    half = (" a" if halves.startswith(" ") else "a") if halves else ""
    zone = next((match["zone"] for match in matches if match["zone"]), "")
    letters = ("XXX" if ":" in zone or zone.strip() == "Z" else "XX") if zone else ""
    blank = " " if zone.startswith(" ") else ""
    return f"{gap}{width('h', 'h' if halves else 'H')}:mm{seconds}{fraction}{half}{blank}{letters}"


def latest(texts: Sequence[str], order: str) -> date:
    """The last day among texts of two numbers and a year, read day first or month first."""
    days = []
    for text in texts:
        match = _FORMS["dmy"].fullmatch(text)
        if match:
            day, month = int(match["d"]), int(match["m"])
            day, month = (day, month) if order == "day first" else (month, day)
            year = int(match["y"]) + (2000 if len(match["y"]) == 2 else 0)
            with suppress(ValueError):
                days.append(date(year, month, day))
    return max(days, default=date.min)
