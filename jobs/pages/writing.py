"""What pages and files for people share: two languages, tables in Markdown, and being written whole or not at all."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from jobs.runtime.stores import on_s3, put_file


def write_whole(path: str, text: str) -> str:
    """Write a file that somebody may be reading at any moment, its folder too. Gives its path.

    Raises OSError where that cannot be.
    """
    if on_s3(path):
        put_file(path, text.encode())
        return path
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(text, encoding="utf-8")
    return str(draft.replace(file))


def both(english: str, chinese: str | None) -> str:
    """A text of a page that is read in one of two languages; English where there is no Chinese."""
    return f"<span class=en>{escape(english)}</span><span class=zh>{escape(chinese or english)}</span>"


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown. `rows`: of texts that hold no bare `|` and no line break."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
