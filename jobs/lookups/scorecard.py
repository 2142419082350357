"""The scorecard of the sources, by dimension, with its trend over the nights: for the terminal and for the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from jobs.lookups.figures import Shown
from jobs.runtime.tables import Lakehouse
from transforms.quality.scores import DIMENSIONS, Scores, judged, overall, scores, sparkline
from transforms.schemas import OPS_QUALITY

NIGHTS = 14
NONE = "–"
_EQUAL = 0.05
_WIDTH, _HEIGHT = 72, 16


@dataclass(frozen=True)
class Card:
    """A source's scores over the nights, oldest first: a night in which a dimension had no check has none for it."""

    source: str
    owner: str
    nights: list[tuple[date, Mapping[str, float]]]

    @property
    def scores(self) -> Mapping[str, float]:
        """The newest night's."""
        return self.nights[-1][1]

    def trend(self, dimension: str) -> list[float]:
        return [found[dimension] for _, found in self.nights if dimension in found]


def cards(lakehouse: Lakehouse, owners: Mapping[str, str], *, until: date | None = None) -> list[Card]:
    """A card for each source that the newest night (of those up to `until`) judged."""
    nights = {day: rows for day, rows in judged(lakehouse.rows(OPS_QUALITY)).items() if until is None or day <= until}
    by_night: list[tuple[date, Scores]] = [(day, scores(nights[day])) for day in list(nights)[-NIGHTS:]]
    newest = by_night[-1][1] if by_night else {}
    return [
        Card(source, owners.get(source, ""), [(day, found[source]) for day, found in by_night if source in found])
        for source in newest
    ]


def shown(found: Sequence[Card]) -> Shown:
    """As a table of text, 80 characters wide: arrows tell of the night before, bars of the last week's nights."""
    rows = [
        [
            card.source, card.owner, *(_with_arrow(card.trend(name), name in card.scores) for name in DIMENSIONS),
            sparkline([overall(scores) for _, scores in card.nights[-7:]]),
        ]
        for card in found
    ]  # fmt: skip
    short = [name[:5] if name[4] not in "aeiou" else name[:4] for name in DIMENSIONS]
    return Shown(f"Quality, of 100: {', '.join(DIMENSIONS)}", ["source", "owner", *short, "trend"], rows)


def told(found: Sequence[Card]) -> dict[str, Any]:
    """As JSON."""
    return {
        card.source: {
            "owner": card.owner, "date": card.nights[-1][0], "scores": dict(card.scores),
            "trend": [{"date": day, **scores} for day, scores in card.nights],
        }
        for card in found
    }  # fmt: skip


def section(found: Sequence[Card], pages: str | None) -> str:
    """As a part of an HTML page. `pages`: where all checks stand, relative to it."""
    if not found:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("source", "owner", *DIMENSIONS))
    body = "".join(
        f"<tr><td>{escape(card.source)}</td><td>{escape(card.owner)}</td>"
        + "".join(f"<td>{_cell(card, name)}</td>" for name in DIMENSIONS)
        + "</tr>"
        for card in found
    )
    note = f'<p><a href="{escape(pages)}">every check, and what is allowed</a></p>' if pages else ""
    return f'<h2>Quality, of 100</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>{note}'


def _cell(card: Card, dimension: str) -> str:
    if dimension not in card.scores:
        return NONE
    trend = card.trend(dimension)
    return f"{_figure(trend[-1])}<br>{_line(trend)}" if len(trend) > 1 else _figure(trend[-1])


def _line(trend: Sequence[float]) -> str:
    bottom = min([*trend, 90.0])
    points = " ".join(
        f"{place * (_WIDTH - 4) / (len(trend) - 1) + 2:.1f},"
        f"{_HEIGHT - 2 - (value - bottom) / (100 - bottom) * (_HEIGHT - 4):.1f}"
        for place, value in enumerate(trend)
    )
    label = f"{len(trend)} nights: {', '.join(map(_figure, trend))}"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _with_arrow(trend: Sequence[float], tonight: bool) -> str:
    if not tonight:
        return NONE
    change = trend[-1] - trend[-2] if len(trend) > 1 else 0.0
    arrow = " ↑" if change > _EQUAL else " ↓" if change < -_EQUAL else ""
    return f"{_figure(trend[-1])}{arrow}"


def _figure(score: float) -> str:
    """To a tenth, rounded down: what is not quite 100 does not look like it."""
    return "100" if score == 100 else f"{math.floor(score * 10) / 10:.1f}"
