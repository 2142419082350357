"""`portrait report --segments`: a page a segment, with charts, in one file that opens anywhere, English and Chinese."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pyarrow import dataset as ds

from jobs.pages.writing import both, write_whole
from jobs.runtime.configuration import Configuration
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.insight.principles import Judged
from transforms.insight.words import Trait, strongest
from transforms.schemas import GOLD_SEGMENT_MIGRATION, GOLD_SEGMENT_PROFILE, GOLD_SEGMENTATION
from transforms.tags.tag import Tag

Row = dict[str, Any]
_ABOVE, _BELOW = 7, 3
_WIDTH, _LINE, _LABELS = 640, 26, 270
# The charts' scale of indices: a quarter of everyone's share to ten times it.
_LEAST, _MOST = 25.0, 1000.0
_STYLE = """
:root{--ink:#1d2430;--dim:#667085;--line:#e3e6eb;--bar:#3b6fb6;--less:#b4762a;--paper:#fff;--soft:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#98a2b3;--line:#30363f;--bar:#6ea0e0;--less:#e0a458;
--paper:#15181d;--soft:#1c2026}}
*{box-sizing:border-box}body{font:15px/1.55 system-ui,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;
color:var(--ink);background:var(--paper);margin:0 auto;max-width:60rem;padding:1.5rem 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.25rem;margin:2.5rem 0 .3rem;border-top:2px solid var(--line);
padding-top:1.2rem}
h3{font-size:1.1rem;margin:0}.dim{color:var(--dim)}.wide{overflow-x:auto}
nav a{margin-right:.8rem;color:inherit}button{font:inherit;padding:.3rem .7rem;border:1px solid var(--line);
border-radius:.4rem;background:var(--paper);color:inherit;float:right}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
td,th{padding:.2rem .9rem .2rem 0;text-align:left;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right}
article{background:var(--soft);border-radius:.6rem;padding:1.1rem 1.3rem;margin:1rem 0}
svg{max-width:100%;height:auto;display:block}svg text{font:12px system-ui,"Noto Sans CJK SC",sans-serif;
fill:var(--ink)}svg .more{fill:var(--bar)}svg .less{fill:var(--less)}svg line{stroke:var(--dim)}
.warn{border-left:4px solid #c80;padding-left:.8rem;margin:.3rem 0}
body.zh .en,body.en .zh{display:none}@media print{article{break-inside:avoid;break-before:page}button,nav{display:none}}
"""
_SCRIPT = """
document.querySelector('button').addEventListener('click',()=>{const l=document.body.className==='en'?'zh':'en';
document.body.className=l;document.documentElement.lang=l});
"""
# What the five principles are called, and the figure of each.
_PRINCIPLES = (
    ("relevant: explains of later spend", "相关性：对后续消费的解释度", "explained", "{:.1%}"),
    ("measurable: customers with a segment", "可衡量：有分群的客户", "coverage", "{:.1%}"),
    ("actionable: smallest segment", "可行动：最小分群人数", "smallest", "{:,}"),
    ("distinct: silhouette", "可区分：轮廓系数", "silhouette", "{:.2f}"),
    ("stable: moved without new facts", "稳定性：无新事实而移动", "moved_without_facts", "{:.1%}"),
    ("stable: resamples agree (ARI)", "稳定性：重抽样一致度 (ARI)", "resample_ari", "{:.2f}"),
)


def write_segments(conf: Configuration) -> str:
    """Write the newest release's segments to ops/reports/segments.html. Gives its path.

    Raises DefinitionError where no segmentation was judged yet.
    """
    reader = Reader(conf)
    judged, described = reader.dataset(GOLD_SEGMENTATION), reader.dataset(GOLD_SEGMENT_PROFILE)
    if judged is None or described is None:
        raise DefinitionError(
            f"release {reader.release.release} has no segments; define one (docs/guides/segments.md) and run a night"
        )
    moves = reader.where(GOLD_SEGMENT_MIGRATION, ds.field("date") == ds.scalar(reader.release.date))
    text = page(judged.to_table().to_pylist(), described.to_table().to_pylist(), moves, conf.tags, reader.release.date)
    return write_whole(reader.lakehouse.report("segments.html"), text)


def page(
    judged: Sequence[Row], described: Sequence[Row], moves: Sequence[Row], tags: Mapping[str, Tag], day: Any
) -> str:
    """All segmentations as HTML that loads nothing. `judged`, `described`, `moves`: rows of the three gold tables."""
    ordered = sorted(judged, key=lambda row: row["segmentation"])
    titles = {row["segmentation"]: _title(row, tags) for row in ordered}
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in titles.items())
    parts = []
    for row in ordered:
        name = row["segmentation"]
        mine = [line for line in described if line["segmentation"] == name]
        moved = [line for line in moves if line["segment"] == name]
        parts.append(f'<section id="{name}"><h2>{titles[name]}</h2>{"".join(_section(row, mine, moved))}</section>')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>Segments · 分群</title><style>{_STYLE}</style><body class="en"><button>English / 中文</button>'
        f"<h1>{both('Segments', '客户分群')}</h1><p class=dim>{both(f'as of {day}', f'截至 {day}')}</p>"
        f"<nav>{links}</nav>{''.join(parts)}<script>{_SCRIPT}</script></body></html>\n"
    )


def _title(row: Row, tags: Mapping[str, Tag]) -> str:
    title = tags[row["tag"]].title if row["tag"] in tags else {"en": row["tag"]}
    return both(title["en"], title.get("zh") or title["en"])


def _section(row: Row, described: Sequence[Row], moves: Sequence[Row]) -> Iterator[str]:
    told = both(f"judged on {row['date']}", f"评估日期 {row['date']}")
    yield f"<p class=dim><code>{escape(row['segmentation'])}</code> · {escape(row['kind'])} · {told}</p>"
    figures = "".join(
        f"<tr><td>{both(en, zh)}</td><td class=n>{'–' if row[key] is None else form.format(row[key])}</td></tr>"
        for en, zh, key, form in _PRINCIPLES
    )
    yield f"<div class=wide><table>{figures}</table></div>"
    whole = sorted(
        (line for line in described if line["tag"] is None), key=lambda line: (-line["size"], line["segment"])
    )
    yield from (f"<p class=warn>{both(*told)}</p>" for told in _shortcomings(row, whole))
    yield _sizes(whole)
    yield from _migration(moves)
    for line in whole:
        yield _persona(line, [one for one in described if one["segment"] == line["segment"] and one["tag"]])


def _shortcomings(row: Row, whole: Sequence[Row]) -> list[tuple[str, str]]:
    """The row's `warnings` in both languages, told anew from its figures: what older nights wrote is English alone."""
    figures = {name: row[name] for name in ("explained", "silhouette", "moved_without_facts", "resample_ari")}
    sizes = {line["segment"]: line["size"] for line in whole}
    return Judged(sizes, row["coverage"], row["min_size"], **figures).shortcomings()


def _sizes(whole: Sequence[Row]) -> str:
    bars = [(line["segment"], line["share"], f"{line['size']:,} ({line['share']:.1%})") for line in whole]
    most = max((share for _, share, _ in bars), default=1.0)
    room = _WIDTH - _LABELS - 110
    rows = "".join(
        f'<text x="0" y="{at * _LINE + 17}">{escape(_cut(name))}</text><rect class=more x="{_LABELS}" '
        f'y="{at * _LINE + 4}" width="{room * share / most:.1f}" height="{_LINE - 9}" rx="2"/>'
        f'<text x="{_LABELS + room * share / most + 6:.1f}" y="{at * _LINE + 17}">{told}</text>'
        for at, (name, share, told) in enumerate(bars)
    )
    return _svg(rows, len(bars) * _LINE, "sizes of the segments")


def _migration(moves: Sequence[Row]) -> Iterator[str]:
    """Who changed segment since the night before, the most first."""
    moved = [row for row in moves if row["from_value"] != row["to_value"]]
    moved.sort(key=lambda row: (-(row["customers"] or 0), str(row["from_value"]), str(row["to_value"])))
    if moved:
        none, few = "–", both("few", "少数")
        rows = "".join(
            f"<tr><td>{escape(row['from_value'] or none)}</td><td>{escape(row['to_value'] or none)}</td>"
            f"<td class=n>{few if row['customers'] is None else format(row['customers'], ',')}</td></tr>"
            for row in moved[:12]
        )
        head = f"<th>{both('from', '从')}<th>{both('to', '到')}<th class=n>{both('customers', '客户')}"
        told = [row["customers"] for row in moved if row["customers"] is not None]
        english, chinese = (" and few more", "余") if len(told) < len(moved) else ("", "")
        summary = both(f"{sum(told):,}{english} moved last night", f"昨夜有 {sum(told):,} {chinese}位客户移动")
        table = f"<div class=wide><table><tr>{head}</tr>{rows}</table></div>"
        yield f"<details><summary>{summary}</summary>{table}</details>"


def _persona(whole: Row, tags: Sequence[Row]) -> str:
    told = {
        Trait(
            row["tag"], "", "", row["value"], row["share"], row["base_share"], row["index"], row["low"], row["high"],
            row["false_discovery"],
        ): row
        for row in tags
    }  # fmt: skip
    above, below = strongest(list(told), above=_ABOVE, below=_BELOW)
    chosen = [told[trait] for trait in (*above, *below)]
    traits = "".join(f"<li>{both(row['sentence_en'], row['sentence_zh'])}</li>" for row in chosen)
    return (
        f"<article><h3>{escape(whole['segment'])}</h3>"
        f"<p>{both(whole['sentence_en'], whole['sentence_zh'])}</p>{_indices(chosen)}"
        f"<ul>{traits}</ul></article>"
    )


def _indices(rows: Sequence[Row]) -> str:
    """Indices as bars from 100, with their intervals, on a logarithmic scale."""
    if not rows:
        return ""

    def x(index: float) -> float:
        share = math.log(min(max(index, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
        return _LABELS + share * (_WIDTH - _LABELS - 60)

    parts = [f'<line x1="{x(100):.1f}" x2="{x(100):.1f}" y1="0" y2="{len(rows) * _LINE}"/>']
    for at, row in enumerate(rows):
        index, low, high = row["index"], x(row["low"]), x(row["high"])
        start, end = sorted((x(100), x(index)))
        middle, value = at * _LINE + _LINE / 2, f"{row['tag'].replace('_', ' ')}: {row['value']}"
        kind = "more" if index > 100 else "less"
        parts.append(
            f'<text x="0" y="{middle + 4}">{escape(_cut(value))}</text>'
            f'<rect class="{kind}" x="{start:.1f}" y="{middle - 7}" '
            f'width="{end - start:.1f}" height="14" rx="2"/>'
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke-width="2"/>'
            f'<text x="{_WIDTH - 50}" y="{middle + 4}">{index:.0f}</text>'
        )
    return _svg("".join(parts), len(rows) * _LINE, "index against everyone, 100 is average")


def _svg(inside: str, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-label="{label}">{inside}</svg>'
    )


def _cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
