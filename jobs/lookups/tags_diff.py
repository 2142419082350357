"""`portrait tags diff`: what the definitions in the working tree would change, before they are merged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pyarrow import dataset as ds

from jobs import audiences
from jobs.engines.compared import compared
from jobs.lookups.rehearsal import Rehearsal, rehearsed, with_needs
from jobs.pages.tags_diff import markdown, summary, tables_of
from jobs.runtime.catalog import released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.exports import Export, columns_of, masked_columns
from transforms.profile import PROFILE, online, profile_table
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER
from transforms.tags.definition import parse_tags
from transforms.tags.differences import computed_anew, differences
from transforms.tags.life_cycle import check_life_cycle
from transforms.tags.segmentations import HIDDEN
from transforms.tags.tag import Tag

Told = dict[str, Any]


def show_difference(conf: Configuration, screen: Screen, *, as_markdown: bool, local: bool) -> None:
    """Print the difference. Raises as `difference` does."""
    found = difference(conf, local=local)
    if as_markdown:
        screen.say(markdown(found))
    else:
        screen.say(summary(found))
        screen.say()
        for table in tables_of(found):
            screen.table(table.title, table.header, table.rows)
        for line in found["problems"]:
            screen.warn(line)
    screen.result(found)


def difference(conf: Configuration, *, local: bool, session: Any = None) -> Told:
    """What the working tree's tags change against the newest release: tags, values, audiences, exports, problems.

    Values that a definition changes are computed anew over the tables of that release; nothing is written.
    Raises DefinitionError where no night was released, or none with a catalogue.
    """
    reader = Reader(conf)
    rows = released_catalog(reader.lakehouse, reader.release)
    if not rows:
        raise DefinitionError(f"release {reader.release.release} has no catalogue of tags yet; run a night first")
    released = parse_tags({row["place"]: row["yaml"] for row in rows.values() if not row["gone_since"]})
    try:
        check_life_cycle(conf.tags, rows)
        problems: list[str] = []
    except DefinitionError as error:
        problems = list(error.lines)
    found = differences(released, conf.tags)
    anew = computed_anew(released, conf.tags)
    left = [tag for tag in online(released) if tag.tag not in conf.tags or conf.tags[tag.tag].status != "online"]
    told: Told = {
        "release": reader.release.release, "date": reader.release.date, "problems": problems,
        "tags": [asdict(one) for one in found], "columns": [], "audiences": [],
        "columns_gone": [output.name for tag in left for output in tag.outputs],
    }  # fmt: skip
    changed: set[str] = set()
    outputs = [output for tags in (released, conf.tags) for tag in tags.values() for output in tag.outputs]
    hidden = {output.name for output in outputs if output.sensitivity in HIDDEN}
    if anew:
        with rehearsed(conf, reader.release, with_needs(anew, conf.tags), local=local, session=session) as night:
            told["columns"] = _columns(reader, conf, night, anew, hidden)
            changed = {row["column"] for row in told["columns"] if row["changed"]}
            told["audiences"] = _audiences(reader, conf, night, anew, changed)
    told["exports"] = exports_that_change(conf, released, changed, told["audiences"])
    return told


def _columns(
    reader: Reader, conf: Configuration, night: Rehearsal, anew: Sequence[str], hidden: Collection[str]
) -> list[Told]:
    before = reader.dataset(PROFILE)
    assert before is not None  # noqa: S101  (a release with a catalogue has a profile)
    columns = {output.name: name for name in anew for output in conf.tags[name].outputs}
    return compared(
        before, night.held(PROFILE), columns, conf.privacy.smallest_group, timezone=conf.pipeline.timezone,
        hidden=hidden,
    )  # fmt: skip


def _audiences(
    reader: Reader, conf: Configuration, night: Rehearsal, anew: Sequence[str], changed: set[str]
) -> list[Told]:
    """The audiences that resize, from the released profile with the columns that were computed anew in it."""
    if not conf.audiences or not changed:
        return []
    columns = [output.name for name in anew for output in conf.tags[name].outputs]
    others = night.released(PROFILE).drop(*columns)
    whole = others.join(night.load(PROFILE).select("customer_id", *columns), "customer_id", "inner")
    night.conf = conf
    night.save(whole, profile_table(conf.tags))
    audiences.build(night)
    today = ds.field("date") == ds.scalar(reader.release.date)
    before = {row["audience"]: row["size"] for row in reader.where(GOLD_AUDIENCE, today, ["audience", "size"])}
    was = _members(reader.where(GOLD_AUDIENCE_MEMBER, today, ["audience", "customer_id"]))
    now = _members(night.held(GOLD_AUDIENCE_MEMBER.name).to_table(["audience", "customer_id"]).to_pylist())
    told = [
        {
            "audience": row["audience"], "before": before.get(row["audience"]), "now": row["size"],
            "joined": len(now.get(row["audience"], set()) - was.get(row["audience"], set())),
            "left": len(was.get(row["audience"], set()) - now.get(row["audience"], set())),
        }
        for row in night.held(GOLD_AUDIENCE.name).to_table(["audience", "size"]).to_pylist()
    ]  # fmt: skip
    return [one for one in told if one["joined"] or one["left"] or one["before"] != one["now"]]


def _members(rows: Sequence[Told]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["audience"], set()).add(row["customer_id"])
    return found


def exports_that_change(
    conf: Configuration, released: Mapping[str, Tag], changed: set[str], resized: Sequence[Told]
) -> list[Told]:
    """The exports whose columns, values or receivers change. `changed`: the profile's columns that do."""
    found = []
    by_audience = {one["audience"]: one for one in resized}
    for name, export in conf.exports.items():
        (old, was_masked), (new, masked) = (_held(conf, export, tags) for tags in (released, conf.tags))
        other = changed | (was_masked ^ masked)
        there = set(profile_table(released).names)
        audience = by_audience.get(export.audience or "")
        told = {
            "export": name,
            "columns_added": [column for column in new if column not in old or column not in there],
            "columns_gone": [column for column in old if column not in new],
            "columns_changed": [column for column in new if column in other and column in old and column in there],
            "audience": audience and {key: audience[key] for key in ("audience", "before", "now", "joined", "left")},
        }
        if any(told[key] for key in told if key != "export"):
            found.append(told)
    return found


def _held(conf: Configuration, export: Export, tags: Mapping[str, Tag]) -> tuple[list[str], set[str]]:
    """The profile's columns that an export holds, and those of them that its role sees masked."""
    profile = profile_table(tags)
    columns = columns_of(export, conf.audiences, tags, profile, conf.privacy)
    return columns, set(masked_columns(export, columns, profile, conf.privacy))
