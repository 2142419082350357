"""`portrait audience insight`: how an audience differs from everyone, or from another, over all tags. No Spark."""

from dataclasses import asdict, dataclass
from math import isnan, log
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from jobs.engines.insight import Compared, apart, compare, members
from jobs.lookups.audience_preview import AD_HOC, Wanted, check_columns, outcome_table
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.audience_sql import MEMBER
from transforms.audiences import compile_rule, not_meant_for, reached
from transforms.errors import DefinitionError
from transforms.insight.tags import Cell, Number, TagInsight, day_of, is_date
from transforms.privacy import NO_ROLE
from transforms.profile import PROFILE, profile_table, tag_of_column
from transforms.roles import role_of
from transforms.schemas import GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER
from transforms.tags.changes import quoted
from transforms.tags.tag import Tag

Told = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """An audience, what it is set against (None: everyone), and the role that reads it."""

    one: Wanted
    other: Wanted | None = None
    role: str | None = None


@dataclass(frozen=True)
class Insight:
    """`left_out`: why -> tags; `by_rule`: the columns that the audience is cut by, which differ by themselves.

    `shared`: customers of both audiences, who are on neither side.
    """

    asked: Asked
    release: int
    date: Any
    found: Compared
    titles: dict[str, str]
    left_out: dict[str, list[str]]
    by_rule: frozenset[str]
    smallest: int
    shared: int = 0

    @property
    def name(self) -> str:
        audience = self.asked.one.audience
        return str(audience.where) if audience.audience == AD_HOC else audience.audience

    @property
    def base(self) -> str:
        return self.asked.other.name if self.asked.other else "everyone"

    def strongest(self, *, more: bool) -> list[tuple[TagInsight, Cell]]:
        """What they have more often, or less, and is to be believed: the strongest first.

        Not of the columns that the audience is cut by.
        """
        cells = [
            (tag, cell)
            for tag in self.found.tags
            for cell in tag.cells
            if cell.differs and tag.column not in self.by_rule and (cell.share > cell.base_share) == more
        ]
        return sorted(cells, key=lambda pair: (*_strength(pair[1]), pair[0].column, pair[1].value))


def _strength(cell: Cell) -> tuple[float, float]:
    """Ascending, the strongest first: how far from 100 the nearer end of the index's interval is, then the shares.

    Past eight times as often (or as seldom) it is the shares that tell what matters.
    """
    low, high = (log(max(end, 1) / 100) for end in (cell.low or 1, cell.high if cell.high is not None else 1e9))
    return -min(max(low, -high, 0.0), log(8)), -abs(cell.share - cell.base_share)


def show_insight(conf: Configuration, asked: Asked, screen: Screen, *, page: Path | None, rows: int) -> None:
    """Print the insight, and write it as a page if asked to. Raises DefinitionError for what cannot be told."""
    if page is not None and not page.absolute().parent.is_dir():
        raise DefinitionError(f"--page {page}: no folder {page.parent}; make it first")
    found = insight(conf, asked)
    if page is not None:
        from jobs.pages.audience import write_page

        write_page(found, page)
    _show(found, screen, rows)
    if page is not None:
        screen.say(f"all tags, with charts: {page}")
    screen.result(told(found))


def insight(conf: Configuration, asked: Asked) -> Insight:
    """The insight over the newest release. Raises DefinitionError for a group of too few, or an unknown role."""
    reader = Reader(conf)
    check_columns(reader, conf, asked.one)
    groups = [_members(reader, conf, one) for one in (asked.one, asked.other) if one]
    smallest = conf.privacy.smallest_group
    for one, group in zip((asked.one, asked.other), groups, strict=False):
        if one and group.num_rows < smallest:
            raise DefinitionError(
                f"{one.name}: has {'no' if not group.num_rows else f'fewer than {smallest}'} members in release "
                f"{reader.release.release}: nothing is told of so few (smallest_group in conf/privacy.yml)"
            )
    shared = 0
    if asked.other:
        *groups, shared = apart(groups[0], groups[1], f"{asked.one.name} against {asked.other.name}", smallest=smallest)
    profile = reader.dataset(PROFILE, coded=tag_of_column(conf.tags))
    assert profile is not None  # noqa: S101  (its columns were checked)
    columns, left_out = _columns(conf, asked, profile.schema.names)
    found = compare(
        profile, columns, groups[0], groups[1] if asked.other else None, smallest=smallest,
        timezone=conf.pipeline.timezone,
    )  # fmt: skip
    owners = tag_of_column(conf.tags)
    titles = {column: _title(column, owners[column]) for column in columns}
    by_rule = frozenset[str]().union(*(_rule_columns(conf, one) for one in (asked.one, asked.other) if one))
    release = reader.release
    return Insight(asked, release.release, release.date, found, titles, left_out, by_rule, smallest, shared)


def _title(column: str, tag: Tag) -> str:
    title = tag.title.get("en", tag.tag)
    return title if column == tag.tag else f"{title} ({column.removeprefix(f'{tag.tag}_').replace('_', ' ')})"


def _rule_columns(conf: Configuration, one: Wanted) -> frozenset[str]:
    table, zone = profile_table(conf.tags), conf.pipeline.timezone
    rules = (compile_rule(one.audiences[name], table, zone) for name in reached(one.name, one.audiences))
    return frozenset[str]().union(*(rule.columns for rule in rules if rule))


def _members(reader: Reader, conf: Configuration, one: Wanted) -> pa.Table:
    """Both arms as released, where the release knows the audience as it is defined here; else as it would be."""
    tonight = (ds.field("audience") == one.name) & (ds.field("date") == ds.scalar(reader.release.date))
    rows = reader.where(GOLD_AUDIENCE, tonight, ["definition"])
    if rows and rows[0]["definition"] == one.audience.definition_hash:
        released = reader.dataset(GOLD_AUDIENCE_MEMBER, coded=GOLD_AUDIENCE_MEMBER.names)
        assert released is not None  # noqa: S101  (written with the sizes)
        return members(released, tonight)
    try:
        with outcome_table(reader, conf, one) as duck:
            sql = f"select customer_id from outcome where {quoted(one.name)} = '{MEMBER}'"
            return pa.table(duck.execute(sql).to_arrow_table())
    except duckdb.Error:
        raise DefinitionError(
            f"{one.audience.place}: where: DuckDB cannot be told this rule; its insight is to be had after a night"
        ) from None


def _columns(conf: Configuration, asked: Asked, there: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The profile's columns that may be told of, and why the others may not."""
    role = NO_ROLE if asked.role is None else role_of(conf.privacy.roles, asked.role)
    purpose = asked.one.audience.purpose
    kept, left_out = list[str](), dict[str, list[str]]()
    for column, tag in tag_of_column(conf.tags).items():
        sensitivity = next(output.sensitivity for output in tag.outputs if output.name == column)
        if column not in there:
            continue
        if role.shows(column, sensitivity) != "allow":
            left_out.setdefault("kept from the role" if column in role.columns else sensitivity, []).append(column)
        elif not_meant_for(tag, purpose):
            left_out.setdefault(f"not meant for {purpose}", []).append(column)
        else:
            kept.append(column)
    if not kept:
        raise DefinitionError(
            f"no tag may be told of for {purpose}; --purpose names another use, --role another reader"
        )
    return kept, left_out


def _show(found: Insight, screen: Screen, rows: int) -> None:
    screen.say(
        f"{found.name} ({found.found.size:,} customers) against {found.base} ({found.found.base_size:,}), "
        f"release {found.release} of {found.date}"
    )
    if found.shared:
        screen.say(f"{found.shared:,} customers are in both audiences and on neither side")
    screen.say()
    header = ["tag", "value", "share", "base share", "index", "95 % interval", "q"]
    for more, title in ((True, "More often than the base"), (False, "Less often")):
        strongest = found.strongest(more=more)
        shown_ones = [_line(tag, cell) for tag, cell in strongest[:rows]]
        screen.table(f"{title}: {len(shown_ones)} of {len(strongest)} values", header, shown_ones)
    numbers = [(tag, tag.number) for tag in found.found.tags if tag.number and tag.column not in found.by_rule]
    numbers = [(tag, number) for tag, number in numbers if number.q <= 0.05 and number.superiority is not None]
    numbers.sort(key=lambda pair: (-abs((pair[1].superiority or 0.5) - 0.5), pair[0].column))
    screen.table(
        "Numbers that tend to be higher (more than 50 %) or lower",
        ["tag", "median", "base median", "chance to be higher", "q"],
        [
            [
                tag.column,
                in_words(tag.kind, number.median),
                in_words(tag.kind, number.base_median),
                f"{number.superiority:.0%}",
                f"{number.q:.1g}",
            ]
            for tag, number in numbers[:rows]
        ],
    )
    if found.by_rule:
        screen.say(f"cut by {', '.join(sorted(found.by_rule))}, which therefore differ")
    for why, columns in sorted(found.left_out.items()):
        screen.say(f"left out, {why}: {', '.join(columns)}")
    withheld = sum(tag.withheld for tag in found.found.tags)
    if withheld:
        screen.say(f"{withheld} values are about fewer than {found.smallest} customers, or give such away: not told")


def _line(tag: TagInsight, cell: Cell) -> list[str]:
    shares = (f"{share:.1%}" for share in (cell.share, cell.base_share))
    interval = f"{shown(cell.low)} to {shown(cell.high)}"
    return [tag.column, cell.value, *shares, shown(cell.index), interval, f"{cell.q:.1g}"]


def shown(value: float | None) -> str:
    """An index or a number for people; empty where there is none."""
    return "" if value is None or isnan(value) else f"{value:,.0f}" if abs(value) >= 10 else f"{value:,.3g}"


def in_words(kind: str, median: float | None) -> str:
    """A tag's median for people; of a date the day."""
    return str(day_of(median)) if median is not None and is_date(kind) else shown(median)


def told(found: Insight) -> Told:
    """The whole as --json gives it."""

    def clean(part: Cell | Number) -> Told:
        return {
            key: None if isinstance(value, float) and isnan(value) else value for key, value in asdict(part).items()
        }

    tags = [
        {
            "column": tag.column, "title": found.titles[tag.column], "type": tag.kind,
            "in_rule": tag.column in found.by_rule,
            "values": [clean(cell) for cell in tag.cells], "number": clean(tag.number) if tag.number else None,
            "withheld": tag.withheld,
        }
        for tag in found.found.tags
    ]  # fmt: skip
    return {
        "audience": found.name, "against": found.base, "release": found.release, "date": found.date,
        "customers": found.found.size, "base_customers": found.found.base_size, "shared": found.shared,
        "smallest_group": found.smallest, "left_out": found.left_out, "tags": tags,
    }  # fmt: skip
