"""`portrait report --catalog`: the catalogue of tags as one page that opens anywhere, in English and Chinese."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from jobs.pages.writing import both, write_whole
from jobs.runtime.catalog import costs, released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.quality.drift import OTHERS

Row = dict[str, Any]
_WIDTH, _HEIGHT, _LINE, _MOST_BARS = 320, 72, 20, 10
_STYLE = """
:root{--ink:#1d2430;--dim:#667085;--line:#e3e6eb;--bar:#3b6fb6;--paper:#fff;--soft:#f6f7f9;--warn:#b54708}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#98a2b3;--line:#30363f;--bar:#6ea0e0;--paper:#15181d;
--soft:#1c2026;--warn:#f0a04b}}
*{box-sizing:border-box}body{font:15px/1.55 system-ui,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;
color:var(--ink);background:var(--paper);margin:0;display:grid;grid-template-columns:15rem minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.2rem;background:var(--soft);font-size:.9rem}
nav h2{font-size:.8rem;color:var(--dim);margin:1rem 0 .2rem}nav a{display:block;color:inherit;text-decoration:none}
nav a:hover{text-decoration:underline}main{padding:1.5rem 2rem;max-width:70rem}h1{font-size:1.5rem;margin:0 0 .2rem}
.bar{position:sticky;top:0;background:var(--paper);padding:.6rem 0;display:flex;gap:.6rem;flex-wrap:wrap;z-index:1}
input,button{font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.4rem;
background:var(--paper);
color:inherit}input{flex:1;min-width:12rem}article{border-top:1px solid var(--line);padding:1.1rem 0;
scroll-margin-top:4rem}
article h3{margin:0;font-size:1.1rem}article h3 code{font-weight:400;color:var(--dim);margin-left:.5rem}
.dim{color:var(--dim)}.warn{color:var(--warn)}.two{display:grid;grid-template-columns:minmax(0,1fr) 340px;gap:1.5rem}
dl{display:grid;grid-template-columns:8rem minmax(0,1fr);gap:.1rem .8rem;margin:.6rem 0;font-size:.9rem}
dt{color:var(--dim)}
dd{margin:0;overflow-wrap:anywhere}figure{margin:0 0 .8rem}figcaption{font-size:.8rem;color:var(--dim)}
svg{width:100%;height:auto}svg text{font:11px system-ui,"Noto Sans CJK SC",sans-serif;fill:var(--ink)}
rect{fill:var(--bar)}
pre{background:var(--soft);padding:.7rem;border-radius:.4rem;overflow:auto;font-size:.8rem}
.chip{border:1px solid var(--line);border-radius:1rem;padding:0 .5rem;font-size:.75rem;margin-left:.4rem;
font-weight:400}
body.zh .en,body.en .zh{display:none}[hidden]{display:none}
@media(max-width:800px){body{display:block}nav{display:none}.two{grid-template-columns:1fr}main{padding:1rem}}
"""
_SCRIPT = """
const input=document.querySelector('input'),say=l=>{document.body.className=l;document.documentElement.lang=l};
input.addEventListener('input',()=>{const w=input.value.toLowerCase();for(const a of
document.querySelectorAll('[data-words]'))a.hidden=!a.dataset.words.includes(w)});
document.querySelector('button').addEventListener('click',()=>say(document.body.className==='en'?'zh':'en'));
"""


def write_catalog(conf: Configuration) -> str:
    """Write the newest release's catalogue to ops/reports/catalog.html. Gives its path.

    Raises DefinitionError where there is none yet.
    """
    reader = Reader(conf)
    rows = released_catalog(reader.lakehouse, reader.release)
    if not rows:
        raise DefinitionError(f"release {reader.release.release} has no catalogue of tags yet; run a night first")
    seconds = costs(reader.lakehouse, reader.release)
    path = reader.lakehouse.report("catalog.html")
    return write_whole(path, page(rows, seconds, f"{reader.release.date}", reader.release.release))


def page(rows: Mapping[str, Row], costs: Mapping[str, float], day: str, release: int) -> str:
    """The catalogue as HTML that loads nothing. `rows`: tag -> its row; `costs`: tag -> its seconds of the night."""
    ordered = sorted(rows.values(), key=lambda row: (row["category"], row["tag"]))
    title = both("Catalogue of tags", "标签目录")
    told = both(
        f"{len(ordered)} tags, as of {day} (release {release})", f"{len(ordered)} 个标签，截至 {day}（发布 {release}）"
    )
    articles = "".join(_article(row, costs.get(row["tag"])) for row in ordered)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>Catalogue of tags · 标签目录</title><style>{_STYLE}</style><body class="en">'
        f"<nav>{''.join(_contents(ordered))}</nav><main><h1>{title}</h1><p class=dim>{told}</p>"
        f'<div class=bar><input type="search" aria-label="search" placeholder="name, title, owner, source … · 搜索">'
        f"<button>English / 中文</button></div>{articles}</main>"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _contents(rows: Sequence[Row]) -> Iterator[str]:
    category = None
    for row in rows:
        if row["category"] != category:
            category = row["category"]
            yield f"<h2>{escape(category or '')}</h2>"
        yield f'<a href="#{row["tag"]}" data-words="{_words(row)}">{both(row["title_en"], row["title_zh"])}</a>'


def _words(row: Row) -> str:
    """What a search looks in."""
    parts = [row["tag"], row["title_en"], row["title_zh"], row["description"], row["owner"], row["kind"], row["status"]]
    return escape(
        " ".join([*(part or "" for part in parts), *row["columns"], *(row["reads"] or [])]).lower(), quote=True
    )


def _article(row: Row, seconds: float | None) -> str:
    chips = "".join(
        f"<span class=chip>{escape(str(part))}</span>" for part in (row["status"], row["kind"], f"v{row['version']}")
    )
    stale = f"<p class=warn>{escape(row['stale'])}</p>" if row["stale"] and row["status"] == "online" else ""
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(row, seconds) if value)
    return (
        f'<article id="{row["tag"]}" data-words="{_words(row)}"><h3>{both(row["title_en"], row["title_zh"])}'
        f"<code>{row['tag']}</code>{chips}</h3><div>{escape(row['description'])}</div>{stale}"
        f"<div class=two><div><dl>{facts}</dl><details><summary>{both('definition', '定义')}</summary>"
        f"<pre>{escape(row['yaml'])}</pre></details></div><div>{''.join(_charts(row))}</div></div></article>"
    )


def _facts(row: Row, seconds: float | None) -> Iterator[tuple[str, str]]:
    if row["customers"]:
        known = f"{row['coverage']:.1%} ({row['known']:,} / {row['customers']:,})"
        yield both("coverage", "覆盖率"), known
    if row["changed"] is not None:
        yield both("changed last night", "昨夜变动"), f"{row['changed']:,}"
    yield both("drift", "漂移 (PSI)"), "" if row["drift"] is None else f"{row['drift']:.3f}"
    yield both("fresh as of", "数据截至"), str(row["fresh_as_of"] or "")
    yield both("owner", "负责人"), escape(row["owner"])
    yield both("type", "类型"), escape(" ".join(filter(None, (row["type"], row["unit"]))))
    yield both("purposes", "用途"), escape(", ".join(row["purposes"] or []))
    yield both("sensitivity", "敏感级别"), escape(row["sensitivity"] or "")
    yield both("made from", "来源"), escape(", ".join(row["reads"] or []))
    yield both("built on", "依赖"), ", ".join(f'<a href="#{need}">{need}</a>' for need in row["depends_on"] or [])
    yield both("used by", "被使用"), ", ".join(map(_use, row["used_by"] or []))
    yield both("costs", "耗时"), "" if seconds is None else f"{seconds:.2f} s"
    yield both("file", "文件"), escape(row["place"])


def _use(use: str) -> str:
    kind, _, name = use.partition(":")
    return f'<a href="#{name}">{name}</a>' if kind == "tag" else escape(f"{kind} {name}")


def _charts(row: Row) -> Iterator[str]:
    for column, found in (json.loads(row["distribution"]) if row["distribution"] else {}).items():
        name = column if len(row["columns"]) > 1 else ""
        if found.get("values"):
            told = both(f"{found['distinct']:,} different", f"{found['distinct']:,} 个不同值")
            yield _figure(_bars(_shown(found["values"], row), row["customers"]), name, told)
        elif found.get("bins"):
            median, mean = found["quantiles"]["0.5"], found["mean"]
            middle = both(f"median {median:,.4g} · mean {mean:,.4g}", f"中位数 {median:,.4g} · 平均 {mean:,.4g}")
            yield _figure(_histogram(found), name, middle)


def _shown(values: Mapping[str, int], row: Row) -> dict[str, int]:
    """The values to draw: of an enum in its own order, else the most frequent ones and all others as one."""
    if row["values"]:
        order = [*row["values"], *values]
        return {value: values[value] for value in dict.fromkeys(order) if value in values}
    named = [value for value in values if value != OTHERS][:_MOST_BARS]
    rest = sum(values.values()) - sum(values[value] for value in named)
    return {value: values[value] for value in named} | ({OTHERS: rest} if rest else {})


def _figure(chart: str, name: str, told: str) -> str:
    named = f"<code>{name}</code> · " if name else ""
    return f"<figure>{chart}<figcaption>{named}{told}</figcaption></figure>"


def _histogram(found: Row) -> str:
    bins, top = found["bins"], max(found["bins"])
    step = _WIDTH / len(bins)
    bars = "".join(
        f'<rect x="{place * step + 1:.1f}" y="{_HEIGHT - _HEIGHT * number / top:.1f}" width="{step - 2:.1f}" '
        f'height="{_HEIGHT * number / top:.1f}"><title>{number:,}</title></rect>'
        for place, number in enumerate(bins)
    )
    ends = f'<text x="0" y="{_HEIGHT + 14}">{found["from"]:,.4g}</text>'
    ends += f'<text x="{_WIDTH}" y="{_HEIGHT + 14}" text-anchor="end">{found["to"]:,.4g}</text>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 18}" role="img">{bars}{ends}</svg>'


def _bars(values: Mapping[str, int], customers: int) -> str:
    top = max((number for value, number in values.items() if value != OTHERS), default=1)
    lines = []
    for place, (value, number) in enumerate(values.items()):
        y = place * _LINE
        short = value if len(value) <= 22 else value[:21] + "…"
        text = f'<title>{escape(value)}</title><text x="0" y="{y + 14}">{escape(short)}</text>'
        bar = f'<rect x="140" y="{y + 4}" width="{120 * min(number / top, 1):.1f}" height="12"/>'
        share = f'<text x="{_WIDTH}" y="{y + 14}" text-anchor="end">{number / customers:.1%}</text>'
        lines.append(f"<g>{text}{bar}{share}</g>")
    return f'<svg viewBox="0 0 {_WIDTH} {len(values) * _LINE + 4}" role="img">{"".join(lines)}</svg>'
