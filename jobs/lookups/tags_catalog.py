"""`portrait tags list` and `tags show TAG`: the newest release's catalogue, read without Spark."""

import json
from collections.abc import Mapping
from typing import Any

from pyarrow import dataset as ds

from jobs.runtime.catalog import costs, released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.profile import PROFILE
from transforms.schemas import GOLD_TAG_CHANGE

Row = dict[str, Any]
_BARS = "▁▂▃▄▅▆▇█"


def show_tags(conf: Configuration, screen: Screen, *, category: str | None = None, status: str | None = None) -> None:
    """Every tag of the catalogue, or those of a category (a folder) or a status."""
    rows = [
        row
        for row in sorted(_catalog(Reader(conf)).values(), key=lambda row: (row["category"], row["tag"]))
        if (not category or (row["category"] + "/").startswith(category.rstrip("/") + "/"))
        and (not status or row["status"] == status)
    ]
    header = ["tag", "title", "标题", "status", "coverage", "changed", "fresh as of", "used by"]
    for folder in dict.fromkeys(row["category"] for row in rows):
        shown = [
            [
                row["tag"], row["title_en"], row["title_zh"] or "", row["status"], percent(row["coverage"]),
                row["changed"], row["fresh_as_of"], len(row["used_by"] or []),
            ]
            for row in rows
            if row["category"] == folder
        ]  # fmt: skip
        screen.table(folder or "tags", header, shown)
    screen.say(f"{len(rows)} tags; changed: customers whose value is another than the night before")
    for row in rows:
        if row["stale"] and row["status"] == "online":
            screen.say(f"{row['tag']} is NULL for everybody: {row['stale']}")
    screen.result({"tags": [told(row) for row in rows]})


def show_tag(conf: Configuration, name: str, screen: Screen) -> None:
    """All that the catalogue holds of one tag, and how it changed last night."""
    reader = Reader(conf)
    row = row_of(_catalog(reader), name)
    causes, seconds = _causes(reader, row), costs(reader.lakehouse, reader.release).get(row["tag"])
    screen.say(f"{row['tag']}: {row['title_en']}{' · ' + row['title_zh'] if row['title_zh'] else ''}")
    screen.say(row["description"])
    screen.say()
    screen.table(
        "definition", ["", ""], [[key, value] for key, value in _facts(row, seconds).items() if value not in (None, "")]
    )
    screen.say(row["yaml"])
    for column, found in (json.loads(row["distribution"]) if row["distribution"] else {}).items():
        _show_distribution(column, found, row["customers"], screen)
    if row["changed"] is not None:
        share = f" ({row['changed'] / row['customers']:.1%})" if row["customers"] else ""
        screen.say(f"changed since the night before: {row['changed']:,} customers{share}")
        screen.table("why", ["cause", "values"], [[cause, number] for cause, number in causes.items()])
    screen.result({**told(row), "seconds": seconds, "causes": causes})


def preview_tag(conf: Configuration, name: str, screen: Screen, *, local: bool) -> None:
    """How the values of a tag as it is defined here would be distributed over the newest release. Writes nothing."""
    from jobs.engines.profiles import Profiles
    from jobs.lookups.rehearsal import rehearsed, with_needs

    if name not in conf.tags:
        raise DefinitionError(f"{name}: no such tag{nearest(name, conf.tags)}")
    tag = conf.tags[name]
    if tag.status == "retired":
        raise DefinitionError(f"{tag.place}: is retired; a retired tag is not computed any more")
    reader = Reader(conf)
    with rehearsed(conf, reader.release, with_needs([name], conf.tags), local=local) as night:
        hidden = [output.name for output in tag.outputs if output.sensitivity in ("personal", "sensitive")]
        profiles = Profiles(night.held(PROFILE), timezone=conf.pipeline.timezone)
        customers, found = profiles.summaries(hidden, conf.privacy.smallest_group)
    own = {output.name: found[output.name] for output in tag.outputs}
    screen.say(f"{name} ({tag.status}) as it is defined here, over release {reader.release.release}")
    screen.say()
    for column, values in own.items():
        screen.say(f"coverage {percent(values['known'] / customers if customers else None)} of {customers:,} customers")
        _show_distribution(column, values, customers, screen)
    screen.result({"tag": name, "release": reader.release.release, "customers": customers, "distribution": own})


def _catalog(reader: Reader) -> dict[str, Row]:
    found = released_catalog(reader.lakehouse, reader.release)
    if not found:
        raise DefinitionError(f"release {reader.release.release} has no catalogue of tags yet; run a night first")
    return found


def row_of(rows: Mapping[str, Row], name: str) -> Row:
    """The row of a tag, or of the tag that gives a column of that name. Raises DefinitionError where there is none."""
    owners = {column: row for row in rows.values() for column in row["columns"]}
    found = rows.get(name) or owners.get(name)
    if found is None:
        raise DefinitionError(f"{name}: no such tag in the newest release{nearest(name, [*rows, *owners])}")
    return found


def told(row: Row) -> Row:
    """A row as --json gives it."""
    return {**row, "distribution": json.loads(row["distribution"]) if row["distribution"] else None}


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _facts(row: Row, seconds: float | None) -> dict[str, Any]:
    stale = f"NULL for everybody: {row['stale']}" if row["stale"] else None
    cost = None if seconds is None else f"{seconds:.2f} s of the night, its share of the scans it is in"
    gone = f"its file is gone since {row['gone_since']}" if row["gone_since"] else row["place"]
    return {
        "file": gone, "owner": row["owner"], "status": f"{row['status']}, version {row['version']}",
        "definition": row["definition"][:16], "kind": row["kind"],
        "type": " ".join(filter(None, (row["type"], row["unit"]))),
        "values": ", ".join(row["values"] or []), "purposes": ", ".join(row["purposes"] or []),
        "sensitivity": row["sensitivity"], "columns": ", ".join(row["columns"]),
        "made from": ", ".join(row["reads"] or []), "built on": ", ".join(row["depends_on"] or []),
        "used by": ", ".join(use.replace(":", " ") for use in row["used_by"] or []),
        "fresh as of": row["fresh_as_of"], "stale": stale, "costs": cost,
        "coverage": row["customers"] and f"{percent(row['coverage'])} ({row['known']:,} of {row['customers']:,})",
        "distinct values": row["distinct_values"],
        "drift": None if row["drift"] is None else f"{row['drift']:.3f} since the release before",
    }  # fmt: skip


def _causes(reader: Reader, row: Row) -> dict[str, int]:
    tonight = (ds.field("run_id") == row["run_id"]) & ds.field("tag").isin(list(row["columns"]))
    found: dict[str, int] = {}
    for change in reader.where(GOLD_TAG_CHANGE, tonight, ["cause"]):
        found[change["cause"]] = found.get(change["cause"], 0) + 1
    return dict(sorted(found.items()))


def _show_distribution(column: str, found: Row, customers: int, screen: Screen) -> None:
    known = f"{found['known']:,} known, {found['distinct']:,} different"
    if found.get("values"):
        rows = [
            [value, number, f"{number / customers:.1%}", "█" * round(24 * number / customers)]
            for value, number in found["values"].items()
        ]
        screen.table(f"{column}: {known}", ["value", "customers", "share", ""], rows)
    elif found.get("bins"):
        top = max(found["bins"])
        bars = "".join(_BARS[round(number / top * (len(_BARS) - 1))] for number in found["bins"])
        quantiles = found["quantiles"]
        screen.say(f"{column}: {known}")
        screen.say(f"  {found['from']:,.4g} {bars} {found['to']:,.4g}")
        screen.say(
            f"  mean {found['mean']:,.4g}, median {quantiles['0.5']:,.4g}, middle half {quantiles['0.25']:,.4g} to "
            f"{quantiles['0.75']:,.4g}"
        )
    else:
        screen.say(f"{column}: {known}; its values are not shown")
    screen.say()
