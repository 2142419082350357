"""The picture of a customer: what its audit found, as boxes and lines."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from transforms.errors import DefinitionError
from transforms.identity.picture import EVENTS, IDENTIFIER, PERSON, Box, Line, draw

_PICTURES = (".html", ".svg")
_PAGE = "body{margin:0;overflow-x:auto;background:#f6f7f9}@media(prefers-color-scheme:dark){body{background:#12161d}}"


def check_picture(picture: Path) -> None:
    """Raises DefinitionError where the file's name says another format."""
    if picture.suffix not in _PICTURES:
        raise DefinitionError(f"--picture {picture}: write it as {' or '.join(_PICTURES)}")


def write_picture(picture: Path, found: Mapping[str, Any]) -> None:
    """Draw what the audit of a customer found, as SVG or as a page that opens offline.

    Raises DefinitionError where the file cannot be written.
    """
    title = f"Customer {found['customer_id']} as of {found['date']}"
    text = draw(title, _boxes(found), _lines(found["ties"]))
    if picture.suffix == ".html":
        text = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)}</title><style>{_PAGE}</style><body>{text}</body></html>\n"
        )
    try:
        picture.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DefinitionError(f"--picture {picture}: cannot be written: {error.strerror}") from None


def _boxes(found: Mapping[str, Any]) -> list[Box]:
    records = [
        Box(
            f"record {row['number']}",
            PERSON if row["person"] else EVENTS,
            f"{row['number']} {row['record']}",
            f"since {row['since']}" if row["since"] else "tied by nothing",
        )
        for row in found["records"]
    ]
    held = {tie["identifier"] for tie in found["ties"] if tie["holds"]}
    identifiers = {
        tie["identifier"]: Box(
            f"identifier {tie['identifier']}",
            IDENTIFIER,
            tie["value"],
            f"{tie['type']}, weight {tie['weight']:g}" if tie["identifier"] in held else tie["why_not"],
            refused=tie["identifier"] not in held,
        )
        for tie in found["ties"]
        if tie["identifier"] is not None
    }
    return [*records, *identifiers.values()]


def _lines(ties: Sequence[Mapping[str, Any]]) -> list[Line]:
    return [
        Line(
            f"identifier {tie['of_identifier']}" if tie["record"] is None else f"record {tie['record']}",
            f"record {tie['other_record']}" if tie["identifier"] is None else f"identifier {tie['identifier']}",
            "refused" if not tie["holds"] else "alone" if tie["alone_holds"] else "holds",
            f"{tie['rule']}, {tie['first_seen']} to {tie['last_seen']}",
        )
        for tie in ties
    ]
