"""What people see of a run: a live line on a terminal, plain lines elsewhere, one object with --json."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

_E_MAIL = re.compile(r"[^\s@'\"]+@[^\s@'\"]+\.[a-z]+", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\+?\d[\d\s()/-]{6,}\d")


# Columns of a table that goes to no terminal.
_UNBOUNDED = 160


class Screen:
    """Progress goes to standard error, results to standard output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        if not self.out.is_terminal and "COLUMNS" not in os.environ:
            self.out.width = _UNBOUNDED  # a file or the next command takes lines of any length
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str = "") -> None:
        """A line for people; not shown with --json."""
        if not self.as_json:
            self.out.print(text, markup=False)

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
            sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")

    def progress(self, text: str) -> None:
        """A plain line of progress."""
        self.err.print(text, markup=False)

    def warn(self, text: str) -> None:
        self.err.print(f"warning: {text}", style="yellow", markup=False)

    def fail(self, text: str) -> None:
        self.err.print(text, style="red", markup=False)

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
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def scrubbed(text: str) -> str:
    """A foreign error's first line without what may be personal: quoted values, e-mail addresses, long numbers."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return _LONG_NUMBER.sub("…", _E_MAIL.sub("…", re.sub(r"(['\"])(?:(?!\1).)*\1", r"\1…\1", line)))[:300]
