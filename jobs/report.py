"""Stage `report`: how the night went, as one HTML file that opens offline."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("report")

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from pyarrow import dataset as ds

from jobs.engines import gate
from jobs.engines.quality import pages_of
from jobs.lookups.figures import Figures, Shown, tables
from jobs.lookups.scorecard import cards, section
from jobs.pages.model_cards import models_section, write_cards
from jobs.pages.over_nights import Bar, causes, headline, migrated, moved, nights_told, over_nights, stages
from jobs.pages.writing import write_whole
from jobs.runtime.night import Night
from jobs.runtime.releases import all_releases, made_by
from jobs.runtime.stores import exists
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.quality.scores import COUNTED
from transforms.schemas import GOLD_SEGMENT_MIGRATION, GOLD_TAG_CATALOG, OPS_QUALITY, OPS_STAGE, Table

_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td.n,th.n{text-align:right}.bar{height:.6rem;margin-top:.5rem;background:#3b6fb6;border-radius:2px}
.head{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1rem 0}
.head div{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .8rem;font-size:.85rem}
.head b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}
.warn{border-left:4px solid #c80;padding-left:.8rem}
"""


def run(night: Night) -> None:
    """Write the report of the night that has just been released."""
    if problem := gate.pages():
        night.warn(f"the checks could not be written as pages: {problem}")
    figures = {name: told.figures for name, told in night.finished.items()}
    warnings = [line for told in night.finished.values() for line in told.warnings]
    write_cards(night)
    path = _write(night.lakehouse, night.day, night.run_id, figures, warnings)
    night.figure("path", path)


def write_report(lakehouse: Lakehouse, day: date) -> str:
    """The report of an earlier night, again. Gives its path. Raises DefinitionError where that night never ran."""
    all_releases(lakehouse)  # it is a store that this Portrait can read
    nights = nights_told(lakehouse.rows(OPS_STAGE), until=day)
    if not nights or nights[-1].day != day:
        raise DefinitionError(f"--date {day}: no such night in {lakehouse.uri}; portrait status lists them")
    night = nights[-1]
    return _write(lakehouse, day, night.run_id, night.figures, night.warnings)


def _write(lakehouse: Lakehouse, day: date, run_id: str, figures: Figures, warnings: Sequence[str]) -> str:
    return write_whole(lakehouse.report(f"{day}.html"), _page(lakehouse, day, run_id, figures, warnings))


def _page(lakehouse: Lakehouse, day: date, run_id: str, figures: Figures, warnings: Sequence[str]) -> str:
    silver = figures.get("silver", {})
    pages = f"{pages_of(day)}/index.html" if exists(lakehouse.report(pages_of(day))) else None
    card = section(cards(lakehouse, silver.get("owners", {}), until=day), pages)
    told = list(lakehouse.rows(OPS_STAGE))
    shown = [
        *tables(figures), causes(figures),
        moved(_released(lakehouse, run_id, GOLD_TAG_CATALOG, ds.field("run_id") == run_id)),
        migrated(_released(lakehouse, run_id, GOLD_SEGMENT_MIGRATION, ds.field("date") == day)),
        _checks(lakehouse, run_id),
        stages(row for row in told if row["run_id"] == run_id), over_nights(nights_told(told, until=day)),
    ]  # fmt: skip
    models = models_section(lakehouse, day)
    parts = [_warnings(warnings), card, *(_section(table) for table in shown if table.rows), models, _cost(silver)]
    title = f"Night of {day}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>Run {escape(run_id)}</p>{_headline(figures)}{''.join(parts)}</html>\n"
    )


def _headline(figures: Figures) -> str:
    boxes = (f"<div><b>{escape(value)}</b>{escape(name)}</div>" for name, value in headline(figures))
    return f'<div class="head">{"".join(boxes)}</div>'


def _released(lakehouse: Lakehouse, run_id: str, table: Table, which: ds.Expression) -> list[dict[str, Any]]:
    """The rows of a gold table in the state that a run released; none where it released nothing."""
    released = [release for release in all_releases(lakehouse) if made_by(release.run_id) == run_id]
    version = released[-1].versions.get(table.name) if released else None
    found = lakehouse.dataset(table.name, version) if version is not None else None
    return found.to_table(filter=which).to_pylist() if found else []


def _checks(lakehouse: Lakehouse, run_id: str) -> Shown:
    told = sorted((row for row in lakehouse.rows(OPS_QUALITY) if row["run_id"] == run_id), key=lambda row: row["at"])
    # a run that died before it had noted the stage has told of its checks twice: the later counts
    latest = {(row["date"], row["table"], row["source"], row["check"]): row for row in told}
    rows = [row for row in latest.values() if row["failed"] and not row["check"].startswith(COUNTED)]
    shown = [
        [
            row["source"] or row["table"],
            row["check"],
            row["dimension"],
            row["rows"],
            row["failed"],
            row["detail"] or "",
            row["gate"],
            "yes" if row["passed"] else "NO",
        ]
        for row in rows
    ]
    return Shown(
        "Checks that something failed",
        ["of", "check", "dimension", "rows", "failed", "found", "gate", "passed"],
        shown,
    )


def _cost(silver: Mapping[str, Any]) -> str:
    """What the checks took of the stage that makes them."""
    told = silver.get("checking")
    if not told:
        return ""
    return (
        f"<p>Of silver, {told['measuring']:.1f} s went into measuring and {told['judging']:.1f} s into judging "
        f"{told['checks']} checks.</p>"
    )


def _warnings(lines: Sequence[str]) -> str:
    return "".join(f'<p class="warn">{escape(line)}</p>' for line in lines)


def _section(table: Shown) -> str:
    right = [all(_is_figure(row[place]) for row in table.rows) for place in range(len(table.header))]

    def line(tag: str, values: Sequence[Any]) -> str:
        cells = (
            f"<{tag}{' class=n' if right[place] else ''}>{_shown(value)}</{tag}>" for place, value in enumerate(values)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in table.rows)
    return f'<h2>{escape(table.title)}</h2><div class="wide"><table>{line("th", table.header)}{body}</table></div>'


def _shown(value: Any) -> str:
    if isinstance(value, Bar):
        return f'<div class="bar" style="width:{8 * value.share:.2f}rem"></div>'
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else escape(str(value))


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.strip("0123456789.,-%") == "")
