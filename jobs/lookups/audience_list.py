"""`portrait audience list`, `overlap` and `changes`: the audiences of released nights, read without Spark."""

from typing import Any

from pyarrow import dataset as ds

from jobs.lookups.audience_moves import Moves, moves
from jobs.lookups.audience_preview import left_out
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.duck import connect
from jobs.runtime.reader import Reader
from jobs.runtime.releases import Release, all_releases
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.insight.protection import suppressed
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER

Told = dict[str, Any]
_OVERLAP = """
select a.audience, b.audience, count(*) from member a join member b using (customer_id) group by all
"""


def show_audiences(conf: Configuration, screen: Screen) -> None:
    """Every audience of the newest release and of the configuration: size, arms, left out, change, who exports it."""
    reader = Reader(conf)
    found = [_row(conf, name, *nights) for name, nights in sorted(_nights(reader, conf).items())]
    header = [
        "audience",
        "title",
        "purpose",
        "size",
        "target",
        "holdout",
        "since last night",
        "left out",
        "exported by",
    ]
    screen.table(
        f"Audiences of {reader.release.date} (release {reader.release.release})",
        header,
        [
            [
                row["audience"], row["title"].get("en", ""), row["purpose"], row["size"], row["target"], row["holdout"],
                row["change"] if row["change"] is None else f"{row['change']:+,}", left_out(row),
                ", ".join(row["exported_by"]),
            ]
            for row in found
        ],
    )  # fmt: skip
    for row in found:
        if row["note"]:
            screen.say(f"{row['audience']}: {row['note']}")
    screen.result({"release": reader.release.release, "date": reader.release.date, "audiences": found})


def _nights(reader: Reader, conf: Configuration) -> dict[str, tuple[Told | None, Told | None]]:
    """Audience -> its row of the newest night and of the night before; those only in the configuration too."""
    rows = reader.where(GOLD_AUDIENCE, ds.field("date") <= ds.scalar(reader.release.date))
    days = sorted({row["date"] for row in rows} | {reader.release.date}, reverse=True)
    of_day = {(row["audience"], row["date"]): row for row in rows}
    last = days[1] if len(days) > 1 else None
    names = {*conf.audiences, *(row["audience"] for row in rows if row["date"] == days[0])}
    return {name: (of_day.get((name, days[0])), of_day.get((name, last)) if last else None) for name in names}


def _row(conf: Configuration, name: str, now: Told | None, before: Told | None) -> Told:
    audience = conf.audiences.get(name)
    note = None
    if now is None:
        note = f"not built yet: the next night builds it; its size now: portrait audience size {name}"
    elif audience is None:
        note = "its file is gone from conf/audiences: the next night drops it"
    elif audience.definition_hash != now["definition"]:
        note = f"its file says something else by now; its size then: portrait audience size {name}"
    elif before and before["definition"] != now["definition"]:
        note = "its definition changed last night"
    return {
        "audience": name,
        "title": dict(audience.title) if audience else {},
        "owner": audience.owner if audience else None,
        "purpose": now["purpose"] if now else audience and audience.purpose,
        "rule": now["rule"] if now else audience and audience.where,
        **{key: now and now[key] for key in ("size", "target", "holdout")},
        "left_out": dict(now["left_out"]) if now else {},
        "change": now["size"] - before["size"] if now and before else None,
        "exported_by": sorted(export for export, one in conf.exports.items() if one.audience == name),
        "campaigns": list(audience.campaigns) if audience else [],
        "note": note,
    }


# -- overlap


def show_overlap(conf: Configuration, screen: Screen, names: list[str]) -> None:
    """How many customers any two audiences share (both arms), of all audiences or those named."""
    reader = Reader(conf)
    members = reader.dataset(GOLD_AUDIENCE_MEMBER)
    with connect() as duck:
        if members is not None:
            duck.register("member", members)
        shared = {
            (one, other): number
            for one, other, number in (duck.execute(_OVERLAP).fetchall() if members is not None else [])
        }
    there = sorted({one for one, _ in shared})
    for name in names:
        if name not in there:
            raise DefinitionError(
                f"{name}: no such audience has members in release {reader.release.release}{nearest(name, there)}"
            )
    chosen = names or there
    smallest = conf.privacy.smallest_group

    def cell(one: str, other: str) -> int | None:
        number = shared.get((one, other), 0)
        parts = [number, *(shared[name, name] - number for name in (one, other))]  # in both, and in each alone
        return None if any(0 < part < smallest for part in parts) else number

    sizes = {name: cell(name, name) for name in chosen}
    rows = [[one, *(_cell(cell(one, other), sizes[one]) for other in chosen)] for one in chosen]
    screen.table("Customers in both, and their share of the line's audience", ["", *chosen], rows)
    if any("withheld" in row for row in rows):
        screen.say(f"withheld: fewer than {smallest} are in both, or in one and not in the other")
    pairs = [
        {"audience": one, "other": other, "customers": cell(one, other), "of": sizes[one]}
        for one in chosen
        for other in chosen
    ]
    screen.result({"release": reader.release.release, "date": reader.release.date, "overlap": pairs})


def _cell(number: int | None, of: int | None) -> str:
    if number is None:
        return "withheld"
    return f"{number:,} ({number / of:.0%})" if of else f"{number:,}"


# -- who entered and left


def show_changes(conf: Configuration, name: str, screen: Screen, *, since: int | None = None) -> None:
    """Who entered, left or changed arms between two releases, and why, counted."""
    reader = Reader(conf)
    earlier = _earlier(reader, since)
    found = moves(reader, conf, name, earlier)
    screen.say(
        f"{name}: {found.before:,} members after {earlier.date} (release {earlier.release}), "
        f"{found.now:,} after {reader.release.date} (release {reader.release.release})"
    )
    screen.say()
    told = protected(found, smallest=conf.privacy.smallest_group)
    for key, title in (("entered", "entered"), ("left", "left"), ("arms", "changed arms")):
        if told[key]:
            rows = sorted(told[key].items(), key=lambda item: (-(item[1] or 0), item[0]))
            total = told["totals"][key]
            screen.table(
                f"{title}: {_number(total)}", ["why", "customers"], [[why, _number(number)] for why, number in rows]
            )
        else:
            screen.say(f"{title}: nobody")
    screen.result({"audience": name, **_between(earlier, reader.release), **told})


def _number(number: int | None) -> str:
    return "withheld" if number is None else f"{number:,}"


def protected(found: Moves, *, smallest: int) -> Told:
    """What `changes` tells: None in place of what is about 1 to `smallest` - 1 customers, and of what would tell it.

    Sizes are known, so of those who entered and those who left one tells the other: both totals are told, or neither.
    """
    moved = {"entered": found.entered, "left": found.left, "arms": found.arms}
    totals: dict[str, int | None] = {key: sum(counts.values()) for key, counts in moved.items()}
    few = {key for key, total in totals.items() if total and total < smallest}
    few |= {"entered", "left"} if few & {"entered", "left"} else set()
    told: Told = {"before": found.before, "now": found.now, "totals": totals | dict.fromkeys(few)}
    for key, counts in moved.items():
        whys = sorted(counts, key=lambda why: (counts[why], why))
        hidden = suppressed([[counts[why] for why in whys]], smallest=smallest)[0] if whys else []
        given_away = key in few and not any(hidden)  # the reasons' numbers would sum up to the total
        told[key] = {
            why: None if off or (given_away and place == 0) else counts[why]
            for place, (why, off) in enumerate(zip(whys, hidden, strict=True))
        }
    return told


def _between(earlier: Release, later: Release) -> Told:
    return {
        "from": {"release": earlier.release, "date": earlier.date},
        "to": {"release": later.release, "date": later.date},
    }


def _earlier(reader: Reader, since: int | None) -> Release:
    """The release of that number; by default the last one of an earlier date."""
    releases = [one for one in all_releases(reader.lakehouse) if one.release < reader.release.release]
    fitting = [one for one in releases if one.release == since or (since is None and one.date < reader.release.date)]
    if not fitting:
        known = ", ".join(str(one.release) for one in releases) or "none"
        wanted = "no release of an earlier night" if since is None else f"--since {since}: no such earlier release"
        raise DefinitionError(f"{wanted}; there are {known}")
    earlier = fitting[-1]
    for table in (GOLD_AUDIENCE_MEMBER.name, "gold/customer_profile", "gold/customer"):
        version = earlier.versions.get(table)
        if version is None or not reader.lakehouse.holds(table, version):
            raise DefinitionError(f"release {earlier.release} of {earlier.date}: its {table} can no longer be read")
    return earlier
