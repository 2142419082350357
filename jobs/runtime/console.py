"""What people see of a run: a live line on a terminal, plain lines elsewhere, one object with --json."""

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

from rich.console import Console
from rich.table import Table

_E_MAIL = re.compile(r"[^\s@'\"]+@[^\s@'\"]+\.[a-z]+", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\+?\d[\d\s()/-]{6,}\d")
# What a terminal obeys rather than shows; lines and tabs are shown.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


# Columns of a table that goes to no terminal.
_UNBOUNDED = 160


class _Results(Console):
    """Whoever reads them may have enough, as `head` has: that is the end, and no mistake."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


class _Progress(Console):
    """A night goes on though nobody listens any more."""

    def on_broken_pipe(self) -> None:
        nowhere(sys.stderr)


class Screen:
    """Progress goes to standard error, results to standard output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # what is shown is the sources': none of it is a style, a smiley or a command to the terminal
        self.out = _Results(highlight=False, soft_wrap=True, markup=False, emoji=False)
        if not self.out.is_terminal and "COLUMNS" not in os.environ:
            self.out.width = _UNBOUNDED  # a file or the next command takes lines of any length
        self.err = _Progress(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def say(self, text: str = "") -> None:
        """A line for people; not shown with --json."""
        if not self.as_json:
            self.out.print(harmless(text))

    def table(self, title: str, header: list[str], rows: list[list[Any]]) -> None:
        """A table for people; numbers to the right. Not shown with --json."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for place, name in enumerate(header):
            right = all(isinstance(row[place], int | float) for row in rows)
            widest = max((len(_shown(row[place])) for row in rows), default=0) if right else None  # a number is not cut
            table.add_column(name, justify="right" if right else "left", overflow="fold", min_width=widest)
        for row in rows:
            table.add_row(*(_shown(value) for value in row))
        self.out.print(table)
        self.out.print()

    def result(self, data: dict[str, Any]) -> None:
        """The one object of --json; nothing otherwise."""
        if self.as_json:
            sys.stdout.write(as_json(data, indent=2) + "\n")

    def progress(self, text: str) -> None:
        """A plain line of progress."""
        self.err.print(harmless(text))

    def warn(self, text: str) -> None:
        self.err.print(f"warning: {harmless(text)}", style="yellow")

    def fail(self, text: str) -> None:
        self.err.print(harmless(text), style="red")

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A spinner on a terminal while the block runs."""
        if self.err.is_terminal and not self.as_json:
            with self.err.status(text):
                yield
        else:
            yield


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else harmless(str(value))


def harmless(text: str) -> str:
    """A text from outside as a terminal is to show it: what it would obey is escaped."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def nowhere(stream: TextIO) -> None:
    """Nobody reads the stream any more: what is written to it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def in_any_locale() -> None:
    """From now on a sign that the terminal's encoding lacks is shown as `?`, and nothing fails for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def as_json(data: Any, *, indent: int | None = None) -> str:
    """JSON for standard output: in whichever encoding that is written, it says the same."""
    return json.dumps(data, ensure_ascii=not in_utf8(), indent=indent, default=str)


def in_utf8() -> bool:
    """Is standard output written in UTF-8?"""
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"


def scrubbed(text: str) -> str:
    """A foreign error's first line without what may be personal: quoted values, e-mail addresses, long numbers."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return _LONG_NUMBER.sub("…", _E_MAIL.sub("…", re.sub(r"(['\"])(?:(?!\1).)*\1", r"\1…\1", line)))[:300]
