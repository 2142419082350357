"""What is held on a person as one page that opens offline and that the person can read."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}summary{cursor:pointer}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
"""
_CONSENT = {
    "opt_in": "only with your consent", "opt_out": "unless you refuse", "none": "without asking for consent",
}  # fmt: skip
_TITLES = {
    "gold/customer": "Who you are to us", "gold/audience_member": "Groups you are in",
    "gold/tag_change": "How your profile changed", "identity/customer_id": "Identifiers, and since when",
    "identity/edge": "What ties your records together", "silver/quarantine": "Rows that could not be used",
}  # fmt: skip


def page(told: Mapping[str, Any]) -> str:
    """The page of what `jobs.lookups.access.held_on` tells."""
    tags = [[t["title"], _text(t["value"]), t["from"] or "", ", ".join(t["purposes"])] for t in told["tags"]]
    sources = [[s["source"], s["owner"], s["entity"], s["rows"], len(s["files"])] for s in told["sources"]]
    ids = [[i["type"], i["value"], "yes" if i["others_have_it_too"] else ""] for i in told["identifiers"]]
    purposes = [[name, _CONSENT[consent]] for name, consent in told["purposes"].items()]
    receivers = [[r["title"], r["purpose"], r["audience"] or "everybody"] for r in told["receivers"]]
    parts = [
        _table("Your identifiers", ["kind", "value", "others have it too"], ids),
        _table("Where it came from", ["source", "kept by", "about", "rows", "files"], sources),
        _table("What it is used for", ["purpose", "used"], purposes),
        _table("Your profile", ["", "value", "made from", "for"], tags),
        _table("Who receives it", ["export", "purpose", "of"], receivers),
        *(_records(name, rows, told["kept_for_days"][name]) for name, rows in told["tables"].items()),
    ]
    title = f"What we hold on you, as of {told['as_of']}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>Every row that names customer {escape(told['customer_id'])}, in every version. What was delivered to us "
        f"is kept a second time as it came.</p>{''.join(parts)}</html>\n"
    )


def _records(name: str, rows: Sequence[Mapping[str, Any]], kept: int | None) -> str:
    """A table's rows, folded; columns that hold nothing are left out."""
    columns = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    cells = [[_text(row[column]) for column in columns] for row in rows]
    title = _TITLES.get(name, name.partition("/")[2].replace("_", " ").capitalize())
    how_long = f"kept for {kept} days" if kept else "kept for as long as you are a customer"
    return (
        f"<details><summary>{escape(title)}: {len(rows):,} rows ({escape(name)}, {how_long})</summary>"
        f"{_grid(columns, cells)}</details>"
    )


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return f"<h2>{escape(title)}</h2>{_grid(header, rows)}" if rows else ""


def _grid(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
