"""An audience's insight as one HTML file that opens offline: charts in plain SVG, light and dark, wide and narrow."""

from collections.abc import Sequence
from html import escape
from math import isnan, log2
from pathlib import Path

from jobs.lookups.audience_insight import Insight, in_words, shown
from transforms.errors import DefinitionError
from transforms.insight.tags import Cell, TagInsight

MOST_BARS = 20
_REACH = 3.0  # the chart of indices ends at 8 times as often, and an eighth
_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);
--soft:color-mix(in srgb,currentColor 62%,transparent);--here:#0b6bcb;--base:#9aa4ad;--less:#b3541e}
@media(prefers-color-scheme:dark){:root{--here:#5aa9f5;--base:#6b747c;--less:#e58a4e}}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.6rem 0 .2rem}
p{margin:.3rem 0}.soft{color:var(--soft)}svg{width:100%;height:auto;display:block;overflow:visible}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:middle}
td.n,th.n{text-align:right;white-space:nowrap}td:first-child{min-width:7rem}td.bar{min-width:9rem;width:34%}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 .9em;vertical-align:-.05em}
rect.here,.key.here{fill:var(--here);background:var(--here)}rect.base,.key.base{fill:var(--base);background:var(--base)}
rect.less,.key.less{fill:var(--less);background:var(--less)}
line{stroke:currentColor}text{fill:currentColor;font:12px system-ui,sans-serif}text.soft{fill:var(--soft)}
.chart{max-width:46rem}
"""


def write_page(found: Insight, path: Path) -> None:
    """Write the page. Raises DefinitionError for a file that cannot be written."""
    try:
        path.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise DefinitionError(f"--page {path}: cannot be written: {error.strerror}") from None


def page(found: Insight) -> str:
    """The whole page: what sets the audience apart, then every tag."""
    title = f"{found.name} against {found.base}"
    sections = "".join(_tag(found, tag) for tag in found.found.tags if tag.cells)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f'<p class="soft">{found.found.size:,} customers against {found.found.base_size:,}, as of {found.date} '
        f"(release {found.release})</p>{_notes(found)}<h2>More often than the base</h2>{_indices(found, more=True)}"
        f"<h2>Less often</h2>{_indices(found, more=False)}"
        f"<h2>Every tag</h2><p class=soft><span class='key here'></span>{escape(found.name)}"
        f"<span class='key base'></span>{escape(found.base)}</p>{sections}</html>\n"
    )


def _notes(found: Insight) -> str:
    lines = [
        "Index: share / base share × 100; 100 is like the base. Intervals hold the truth 95 times of 100. "
        "Of the differences called such, at most one in twenty is chance (Benjamini and Hochberg)."
    ]
    if found.by_rule:
        lines.append(f"Cut by {', '.join(sorted(found.by_rule))}, which therefore differ.")
    lines += [f"Left out, {why}: {', '.join(columns)}." for why, columns in sorted(found.left_out.items())]
    lines.append(f"What is about fewer than {found.smallest} customers, or gives such away, is not told.")
    return "".join(f'<p class="soft">{escape(line)}</p>' for line in lines)


def _indices(found: Insight, *, more: bool) -> str:
    """Indices with their intervals, on a scale on which twice and half as often are as far from 100."""
    strongest = found.strongest(more=more)[:MOST_BARS]
    if not strongest:
        return "<p>Nothing that is more than chance would bring.</p>"
    left, width, step = 300, 700, 24
    height = step * len(strongest) + 30

    def x(index: float | None) -> float:
        place = log2(max(index or 1e-9, 1e-9) / 100)
        return left + (width - left) * (min(max(place, -_REACH), _REACH) + _REACH) / (2 * _REACH)

    parts = [
        f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="0" y2="{height - 24}" '
        f'stroke-opacity="{0.5 if at == 100 else 0.15}"/>'
        f'<text class="soft" x="{x(at):.1f}" y="{height - 8}" text-anchor="middle">{at:g}</text>'
        for at in (12.5, 25, 50, 100, 200, 400, 800)
    ]
    for number, (tag, cell) in enumerate(strongest):
        parts.append(_index_bar(found, tag, cell, number * step + 4, x, left))
    return f'<div class="chart"><svg viewBox="0 0 {width + 40} {height}" role="img">{"".join(parts)}</svg></div>'


def _index_bar(found: Insight, tag: TagInsight, cell: Cell, y: float, x, left: int) -> str:  # type: ignore[no-untyped-def]
    ends = sorted((x(100), x(cell.index)))
    label = f"{found.titles[tag.column]}: {cell.value}"
    short = label if len(label) <= 42 else label[:41] + "…"
    told = f"{label}: {cell.share:.1%} against {cell.base_share:.1%}, index {shown(cell.index)}"
    high = x(cell.high) if cell.high is not None else x(1e9)
    return (
        f"<g><title>{escape(told)}</title>"
        f'<text x="{left - 10}" y="{y + 12}" text-anchor="end">{escape(short)}</text>'
        f'<rect class="{"here" if (cell.index or 0) >= 100 else "less"}" x="{ends[0]:.1f}" y="{y + 2}" '
        f'width="{max(ends[1] - ends[0], 1):.1f}" height="12" rx="2"/>'
        f'<line x1="{x(cell.low):.1f}" x2="{high:.1f}" y1="{y + 8}" y2="{y + 8}" stroke-width="1.5"/></g>'
    )


def _tag(found: Insight, tag: TagInsight) -> str:
    top = max(max(cell.share, cell.base_share) for cell in tag.cells) or 1.0
    rows = "".join(_row(cell, top) for cell in _shown_cells(tag.cells))
    header = "<tr><th></th><th class=bar></th><th class=n>share</th><th class=n>base</th><th class=n>index</th>"
    header += "<th class=n>95 %</th><th class=n>q</th></tr>"
    return (
        f"<h3>{escape(found.titles[tag.column])} <span class=soft>{escape(tag.column)}</span></h3>{_number(tag)}"
        f'<div class="wide"><table>{header}{rows}</table></div>{_withheld(tag)}'
    )


def _shown_cells(cells: Sequence[Cell]) -> Sequence[Cell]:
    return (
        cells if len(cells) <= MOST_BARS else sorted(cells, key=lambda cell: (-cell.base_count, cell.value))[:MOST_BARS]
    )


def _row(cell: Cell, top: float) -> str:
    bars = "".join(
        f'<rect class="{name}" x="0" y="{y}" width="{100 * share / top:.2f}" height="5"/>'
        for name, share, y in (("here", cell.share, 0), ("base", cell.base_share, 6))
    )
    picture = (
        f'<svg viewBox="0 0 100 11" preserveAspectRatio="none" style="height:14px" aria-hidden="true">{bars}</svg>'
    )
    interval = f"{shown(cell.low)} – {shown(cell.high)}" if cell.index is not None else ""
    q = "" if isnan(cell.q) else f"{cell.q:.1g}"
    numbers = (
        f"{cell.share:.1%}",
        f"{cell.base_share:.1%}",
        shown(cell.index),
        interval,
        f"<b>{q}</b>" if cell.differs else q,
    )
    cells = "".join(f"<td class=n>{number}</td>" for number in numbers)
    return f"<tr><td>{escape(cell.value)}</td><td class=bar>{picture}</td>{cells}</tr>"


def _number(tag: TagInsight) -> str:
    number = tag.number
    if number is None or number.superiority is None:
        return ""
    median, base = (in_words(tag.kind, value) for value in (number.median, number.base_median))
    return (
        f"<p class=soft>Median {median}, of the base {base}; "
        f"one of them has more than one of the others in {number.superiority:.0%} of cases (q {number.q:.1g}).</p>"
    )


def _withheld(tag: TagInsight) -> str:
    return f"<p class=soft>{tag.withheld} values are not told.</p>" if tag.withheld else ""
