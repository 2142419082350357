"""A customer as a picture: people's records, the identifiers that tie them, and what else gives these. SVG alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

PERSON, IDENTIFIER, EVENTS = 0, 1, 2
MOST = 60  # boxes a column; nobody can follow more
Style = Literal["holds", "alone", "refused"]
_HEADS = ("what sources say of people", "identifiers", "what else gives them")
_WIDTH, _BOX, _STEP, _TOP, _GAP = 1080, 236, 46, 74, 18
_LEFT = (96, 446, 796)
_SWEEPS = 4
_STYLE = """
svg{--ink:#1c2330;--soft:#5b6472;--card:#fff;--page:#f6f7f9;--holds:#7d8aa0;--alone:#c26a00;--refused:#c0322b;
background:var(--page);font:13px system-ui,sans-serif}
@media(prefers-color-scheme:dark){svg{--ink:#e6e9ef;--soft:#9aa4b2;--card:#1d2430;--page:#12161d;--holds:#65738a;
--alone:#f0a33f;--refused:#ff7b72}}
text{fill:var(--ink)}.soft{fill:var(--soft);font-size:11px}.title{font-size:15px;font-weight:600}
rect{fill:var(--card);stroke:var(--holds)}rect.refused{stroke:var(--refused);stroke-dasharray:4 3}
path{fill:none;stroke:var(--holds);stroke-width:1.4}path.alone{stroke:var(--alone);stroke-width:3}
path.refused{stroke:var(--refused);stroke-dasharray:5 4}
"""


@dataclass(frozen=True)
class Box:
    """A record or an identifier. column: PERSON, IDENTIFIER or EVENTS. refused: it ties nobody here."""

    key: str
    column: int
    label: str
    below: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Line:
    """A tie between two boxes: it holds, holds two parts together alone, or was refused."""

    left: str
    right: str
    style: Style
    title: str = ""


def draw(title: str, boxes: Sequence[Box], lines: Sequence[Line]) -> str:
    """The SVG. The same boxes and lines give the same picture, in whatever order they come.

    Of a column that holds more than MOST boxes those with most ties are drawn, and the rest counted.
    """
    shown = [_most_tied([box for box in boxes if box.column == column], lines) for column in range(len(_HEADS))]
    place = _placed(shown, lines)
    height = _TOP + _STEP * max(map(len, shown)) + 60
    drawn = sorted((line for line in lines if line.left in place and line.right in place), key=_order)
    left_out = [sum(box.column == column for box in boxes) - len(kept) for column, kept in enumerate(shown)]
    heads = (
        f'<text class="soft" x="{_LEFT[column]}" y="58">{head}{f" ({left_out[column]} more)" * bool(left_out[column])}'
        "</text>"
        for column, head in enumerate(_HEADS)
        if shown[column]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f'<text class="title" x="{_LEFT[0]}" y="30">{escape(title)}</text>{"".join(heads)}'
        f"{''.join(_path(line, place) for line in drawn)}"
        f"{''.join(_card(box, place) for kept in shown for box in kept)}{_legend(height - 26)}</svg>\n"
    )


def _order(line: Line) -> tuple[int, str, str]:
    """What matters most is drawn last, above the rest."""
    return ("holds", "refused", "alone").index(line.style), line.left, line.right


def _most_tied(boxes: Sequence[Box], lines: Sequence[Line]) -> list[Box]:
    ties = {box.key: 0 for box in boxes}
    for line in lines:
        for end in (line.left, line.right):
            if end in ties:
                ties[end] += 1 + 1000 * (line.style != "holds")
    return sorted(sorted(boxes, key=lambda box: (-ties[box.key], box.key))[:MOST], key=lambda box: box.key)


def _placed(shown: Sequence[list[Box]], lines: Sequence[Line]) -> dict[str, tuple[int, float]]:
    """Column and height of each box. A box moves to the mean height of those it is tied to, so that few lines cross."""
    beside: dict[str, list[str]] = {box.key: [] for kept in shown for box in kept}
    for line in lines:
        if line.left in beside and line.right in beside:
            beside[line.left].append(line.right)
            beside[line.right].append(line.left)
    tallest = max(map(len, shown))
    at: dict[str, float] = {}
    for kept in shown:
        at.update(_spread(kept, tallest))
    for _ in range(_SWEEPS):
        for kept in (shown[IDENTIFIER], shown[EVENTS], shown[IDENTIFIER], shown[PERSON]):
            mean = {box.key: _mean([at[key] for key in beside[box.key]], at[box.key]) for box in kept}
            kept.sort(key=lambda box: (mean[box.key], box.key))
            at.update(_spread(kept, tallest))
    return {box.key: (column, at[box.key]) for column, kept in enumerate(shown) for box in kept}


def _spread(kept: Sequence[Box], tallest: int) -> dict[str, float]:
    """A column's boxes over the height of the tallest one."""
    step = _STEP * tallest / max(len(kept), 1)
    return {box.key: _TOP + step * (number + 0.5) for number, box in enumerate(kept)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _path(line: Line, place: Mapping[str, tuple[int, float]]) -> str:
    (one, y1), (other, y2) = sorted((place[line.left], place[line.right]))
    told = f"<title>{escape(line.title)}</title>" if line.title else ""
    x1, x2 = _LEFT[one] + _BOX, _LEFT[other]
    bend = (x1 + x2) / 2
    if one == other:  # between two records: around their left
        x1 = x2 = _LEFT[one]
        bend = x1 - 30 - min(50.0, abs(y2 - y1) / 6)
    curve = f"M{x1} {y1:.1f}C{bend:.1f} {y1:.1f} {bend:.1f} {y2:.1f} {x2} {y2:.1f}"
    return f'<path class="{line.style}" d="{curve}">{told}</path>'


def _card(box: Box, place: Mapping[str, tuple[int, float]]) -> str:
    column, y = place[box.key]
    x, height = _LEFT[column], _STEP - 8
    below = (
        f'<text class="soft" x="{x + 10}" y="{y + 13:.1f}">{escape(_short(box.below, 38))}</text>' if box.below else ""
    )
    return (
        f'<g><title>{escape(box.label)}</title><rect class="{"refused" if box.refused else "holds"}" x="{x}" '
        f'y="{y - height / 2:.1f}" width="{_BOX}" height="{height}" rx="7"/>'
        f'<text x="{x + 10}" y="{y - 1 if box.below else y + 4:.1f}">{escape(_short(box.label, 29))}</text>{below}</g>'
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _legend(y: int) -> str:
    told = (("holds", "ties"), ("alone", "alone holds two parts together"), ("refused", "not believed"))
    parts = []
    for number, (style, text) in enumerate(told):
        x = _LEFT[0] + 260 * number
        parts.append(
            f'<path class="{style}" d="M{x} {y}h36"/><text class="soft" x="{x + 44}" y="{y + 4}">{text}</text>'
        )
    return "".join(parts)
