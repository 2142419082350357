"""How a difference of tags reads: as tables on a screen, or as Markdown in a pull request."""

from collections.abc import Iterator, Sequence
from typing import Any

from jobs.lookups.figures import Shown
from jobs.pages.writing import grid

_WHAT = {
    "added": "new", "removed": "removed", "changed": "another meaning", "follows": "follows what it is built on",
    "status": "another status", "described": "described differently",
}  # fmt: skip
Told = dict[str, Any]


def summary(told: Told) -> str:
    """The whole in one line."""
    if not told["tags"]:
        return f"no tag is another than in release {told['release']} of {told['date']}"
    moved = [row for row in told["columns"] if row["changed"]]
    most = max((row["changed"] for row in moved), default=0)
    return (
        f"{len(told['tags'])} tags are another than in release {told['release']} of {told['date']}: "
        f"{len(moved)} columns change, for up to {most:,} customers; {len(told['audiences'])} audiences and "
        f"{len(told['exports'])} exports change"
    )


def tables_of(told: Told) -> Iterator[Shown]:
    """Everything there is to tell, each table only where it has rows."""
    for table in (_tags(told), _columns(told), _moves(told), _audiences(told), _exports(told)):
        if table.rows:
            yield table


def _tags(told: Told) -> Shown:
    rows = [[one["tag"], _WHAT[one["what"]], _why(one), one["place"]] for one in told["tags"]]
    return Shown("Tags", ["tag", "what", "why", "file"], rows)


def _why(one: Told) -> str:
    keys = [f"{key}: {_change(old, new)}" for key, (old, new) in one["keys"].items()]
    through = [f"through {', '.join(one['through'])}"] if one["through"] else []
    return "; ".join([*keys, *through])


def _columns(told: Told) -> Shown:
    rows = [
        [
            row["column"], row["changed"], f"{row['changed'] / row['customers']:.1%}" if row["customers"] else "",
            f"{row['known_before']:,} → {row['known_now']:,}", _mean(row),
        ]
        for row in told["columns"]
        if row["changed"]
    ]  # fmt: skip
    gone = [[name, "", "", "leaves the profile", ""] for name in told["columns_gone"]]
    return Shown("Values", ["column", "customers changed", "share", "known", "mean"], [*rows, *gone])


def _mean(row: Told) -> str:
    if row.get("mean_now") is None:
        return ""
    if row["mean_before"] is None:
        return f"{row['mean_now']:,.4g}"
    return f"{row['mean_before']:,.4g} → {row['mean_now']:,.4g} ({row['up']:,} up, {row['down']:,} down)"


def _moves(told: Told) -> Shown:
    rows = [
        [row["column"], _value(move["from"]), _value(move["to"]), move["customers"]]
        for row in told["columns"]
        if "mean_now" not in row
        for move in row["moves"]
    ]
    return Shown("From what to what", ["column", "from", "to", "customers"], rows)


def _audiences(told: Told) -> Shown:
    rows = [[one["audience"], one["before"], one["now"], one["joined"], one["left"]] for one in told["audiences"]]
    return Shown("Audiences", ["audience", "size before", "size now", "join", "leave"], rows)


def _exports(told: Told) -> Shown:
    rows = [
        [
            one["export"], ", ".join(one["columns_added"]), ", ".join(one["columns_gone"]),
            ", ".join(one["columns_changed"]),
            f"{one['audience']['before']} → {one['audience']['now']}" if one["audience"] else "",
        ]
        for one in told["exports"]
    ]  # fmt: skip
    return Shown("Exports", ["export", "new columns", "columns gone", "other values in", "customers"], rows)


def _value(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _change(old: Any, new: Any) -> str:
    """From what to what; of lists and mappings only what is another in them."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return ", ".join(f"{name}: {_change(old.get(name), new.get(name))}" for name in names)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return "; ".join(_change(was, now) for was, now in zip(old, new, strict=True) if was != now)
    return f"{_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def markdown(told: Told) -> str:
    """The same for a pull request."""
    parts = [f"**Tags:** {summary(told)}", *(f"> {line}" for line in told["problems"])]
    for table in tables_of(told):
        parts.append(f"### {table.title}\n\n{_grid(table.header, table.rows)}")
    return "\n\n".join(parts) + "\n"


def _grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return grid(header, [[_cell(value) for value in row] for row in rows])


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value or "")
    return text.replace("|", "\\|").replace("\n", " ")
