"""Patterns that a user writes inside an expression (regular expressions, LIKE, date formats), checked before they run.

Java raises on a pattern that it cannot read, in the middle of a night; so only what is surely readable passes.
"""

import re

from transforms.sql.backtracking import Backtracking

_DATE_LETTERS = {
    "y": (1, 4), "M": (1, 4), "L": (1, 4), "d": (1, 2), "D": (1, 3), "H": (1, 2), "h": (1, 2), "m": (1, 2),
    "s": (1, 2), "S": (1, 9), "a": (1, 1), "Z": (1, 5), "X": (1, 5), "x": (1, 5),
}  # fmt: skip
_ONLY_WRITTEN = {"E": (1, 4), "Q": (1, 4), "q": (1, 4)}
_ESCAPED_LETTERS = set("dDsSwWbBtnrf")
_GROUP_STARTS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?i)")
_TOO_MUCH = (
    "has three repetitions that can take the same letters from each other: on long texts it never ends; say what may "
    "not be between them, such as [^,]*, or use like '%a%b%'"
)
_REPEAT = re.compile(r"[*+?]|\{(\d{1,3})(,(\d{0,3}))?\}")


def date_format_problem(text: str, *, reading: bool) -> str | None:
    """What is wrong with a date format; None for one that Spark reads (`reading`) or writes without an error."""
    letters = _DATE_LETTERS if reading else {**_DATE_LETTERS, **_ONLY_WRITTEN}
    bare = re.sub(r"'(?:[^']|'')*'", "", text)
    if "'" in bare:
        return "has a quote without its partner"
    if not re.search("[A-Za-z]", bare):
        return "has no letter that stands for a part of a date"
    for match in re.finditer(r"([A-Za-z])\1*", bare):
        low, high = letters.get(match[1], (0, 0))
        if not low <= len(match[0]) <= high:
            return f"has '{match[0]}', which is not a part of a date; see Spark's datetime patterns"
    if re.search(r"[{}#]", bare):
        return "has one of { } #, which date formats reserve"
    if reading and re.search(r"[\[\]]", bare) and not re.fullmatch(r"[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*", bare):
        return "has brackets that do not match"
    if not reading and re.search(r"[\[\]]", bare):
        return "has brackets, which only reading knows"
    return None


def like_problem(text: str) -> str | None:
    r"""What is wrong with a LIKE pattern; None where each backslash stands before %, _ or \."""
    return (
        None
        if re.fullmatch(r"(?:[^\\]|\\[%_\\])*", text, re.DOTALL)
        else "has a backslash before something else than % or _"
    )


def regex_problem(text: str) -> str | None:
    """What is wrong with a regular expression; None for one that Java reads, and that ends on any text.

    A group that repeats without bound and holds another repetition or an alternative is refused: on some texts it takes
    for ever, or overflows the stack. So are three repetitions that can take the same letters from each other.
    """
    if len(text) > 500:
        return "is longer than 500 characters"
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"cannot be read: {error}"
    return _Walk(text).problem() or (_TOO_MUCH if Backtracking(text).too_much else None)


def groups(text: str) -> int:
    """The number of groups of a regular expression that `regex_problem` let pass."""
    return re.compile(text).groups


class _Walk:
    """One pass over a regular expression that Python can read, for what Java reads otherwise."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open: list[bool] = [False]  # for each open group: does it hold a repetition or an alternative
        self.quantifiable = False

    def problem(self) -> str | None:
        while self.at < len(self.text):
            found = self._step()
            if found:
                return found
        return None

    def _step(self) -> str | None:
        letter = self.text[self.at]
        if letter == "\\":
            return self._escape()
        if letter == "[":
            return self._class()
        if letter == "(":
            return self._group()
        if letter == "|":
            self.open[-1] = True
        if letter in "*+?{":
            return "has a repetition sign that repeats nothing; write it with two backslashes before it"
        if letter == "}":
            return "has a '}' alone; write it with two backslashes before it"
        self.at += 1
        inner = self.open.pop() if letter == ")" else False
        if letter == ")":
            self.open[-1] = self.open[-1] or inner
        return self._repetition(inner) if letter not in "|^$" else None

    def _escape(self) -> str | None:
        following = self.text[self.at + 1]
        if following.isalnum() and following not in _ESCAPED_LETTERS:
            return f"has '\\{following}', which is not allowed here"
        self.at += 2
        return self._repetition(False)

    def _class(self) -> str | None:
        end = self.at + 1 + (self.text[self.at + 1] == "^")
        start = end
        while end < len(self.text) and (self.text[end] != "]" or end == start):
            if self.text[end] == "\\":
                if self.text[end + 1].isalnum() and self.text[end + 1] not in _ESCAPED_LETTERS - {"b", "B"}:
                    return f"has '\\{self.text[end + 1]}' between brackets, which is not allowed here"
                end += 1
            elif self.text[end] in "[&" or (self.text[end] == "]" and end == start):
                return f"has '{self.text[end]}' between brackets; write it with two backslashes before it"
            end += 1
        self.at = end + 1
        return self._repetition(False)

    def _group(self) -> str | None:
        rest = self.text[self.at :]
        start = next((start for start in _GROUP_STARTS if rest.startswith(start)), "(")
        if start == "(" and rest.startswith("(?"):
            return "has a group of a kind that is not allowed here; (?: (?= (?! (?<= (?<! and (?i) are"
        self.at += len(start)
        if start != "(?i)":
            self.open.append(False)
        return None

    def _repetition(self, group_is_complex: bool) -> str | None:
        match = _REPEAT.match(self.text, self.at)
        if not match:
            return None
        most = _most(match)
        if group_is_complex and (most is None or most > 4):
            return "repeats a group that holds a repetition or an alternative: on some texts it never ends"
        self.open[-1] = True
        self.at = match.end()
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1
        elif self.text[self.at : self.at + 1] in ("*", "+", "{"):
            return "has two repetition signs in a row"
        return None


def _most(match: re.Match[str]) -> int | None:
    """How often a repetition repeats at most; None where it has no bound."""
    if match[0] == "?":
        return 1
    if match[0] in "*+" or match[2] == ",":
        return None
    return int(match[3] or match[1])
