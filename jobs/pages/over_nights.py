"""How nights compare: what each brought, refused and changed, and what it took. From ops alone, for the report."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from jobs.lookups.figures import Figures, Shown
from jobs.runtime.releases import OVERRIDE, REPLAY

NIGHTS = 14
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A cell of a table that is drawn: a bar of that share of the column's width."""

    share: float


@dataclass(frozen=True)
class Told:
    """A night as its newest run told of it: what its stages counted, and their seconds."""

    day: date
    run_id: str
    figures: Figures
    seconds: Mapping[str, float]

    @property
    def warnings(self) -> list[str]:
        return [line for told in self.figures.values() for line in told.get("warnings", [])]


def nights_told(stages: Iterable[Row], *, until: date) -> list[Told]:
    """The last nights up to a business date, oldest first. `stages`: rows of ops/stage.

    Replays and values set by hand are no nights.
    """
    by_day: dict[date, list[Row]] = {}
    for row in sorted(stages, key=lambda row: row["at"]):
        if row["date"] <= until and not row["run_id"].startswith((REPLAY, OVERRIDE)):
            by_day.setdefault(row["date"], []).append(row)
    return [_told(day, rows) for day, rows in sorted(by_day.items())[-NIGHTS:]]


def _told(day: date, rows: list[Row]) -> Told:
    run_id = rows[-1]["run_id"]
    mine = {row["stage"]: row for row in rows if row["run_id"] == run_id}
    figures = {stage: json.loads(row["figures"] or "{}") for stage, row in mine.items()}
    return Told(day, run_id, figures, {stage: row["seconds"] for stage, row in mine.items()})


def headline(figures: Figures) -> list[tuple[str, str]]:
    """What is worth knowing first of a night: a name and a figure each."""
    identity, landed, refused = figures.get("identity", {}), _landed(figures), _refused(figures)
    known = [
        ("release", figures.get("release", {}).get("release")),
        ("rows landed", landed),
        ("refused", f"{refused:,} ({refused / landed:.2%})" if landed else None),
        ("known customers", identity.get("known")),
        ("merged, split", f"{identity['merges']:,}, {identity['splits']:,}" if "merges" in identity else None),
        ("values changed", _changed(figures)),
    ]
    return [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in known if value is not None]


def over_nights(nights: list[Told]) -> Shown:
    """The nights beside each other, the newest last. Seconds are those of the stages."""
    longest = max((sum(night.seconds.values()) for night in nights), default=0)
    header = ["night", "landed", "refused", "known", "new", "merged", "split", "ids ended", "values changed", "seconds"]
    return Shown("Over the nights", [*header, ""], [_beside(night, longest) for night in nights])


def _beside(night: Told, longest: float) -> list[Any]:
    identity = night.figures.get("identity", {})
    landed, refused = _landed(night.figures), _refused(night.figures)
    churn = identity.get("id_churn")
    seconds = sum(night.seconds.values())
    return [
        night.day.isoformat(), landed, f"{refused / landed:.2%}" if landed else "",
        *(identity.get(name, "") for name in ("known", "new", "merges", "splits")),
        "" if churn is None else f"{churn:.2%}", _changed(night.figures) or 0, round(seconds, 1),
        Bar(seconds / longest if longest else 0),
    ]  # fmt: skip


def moved(catalog: Iterable[Row], *, most: int = 15) -> Shown:
    """The tags whose values moved most since the night before. `catalog`: the night's rows of gold/tag_catalog."""
    told = sorted(
        (row for row in catalog if row["changed"]), key=lambda row: (-(row["drift"] or 0), -row["changed"], row["tag"])
    )
    rows = [
        [
            row["tag"], row["title_en"], row["changed"], f"{row['changed'] / row['customers']:.1%}",
            "" if row["drift"] is None else f"{row['drift']:.3f}",
        ]
        for row in told[:most]
    ]  # fmt: skip
    return Shown("Tags that moved most", ["tag", "title", "customers", "share", "drift (PSI)"], rows)


def migrated(rows: Iterable[Row], *, most: int = 15) -> Shown:
    """The largest moves between segments since the night before. `rows`: the night's of gold/segment_migration.

    A move of too few customers to be told of is left out.
    """
    told = [row for row in rows if row["customers"] and row["from_value"] != row["to_value"]]
    told.sort(key=lambda row: (-row["customers"], *(str(row[name]) for name in ("segment", "from_value", "to_value"))))
    shown = [[row["segment"], *(row[name] or "none" for name in ("from_value", "to_value")), row["customers"]]
             for row in told[:most]]  # fmt: skip
    return Shown("Who moved between segments", ["segmentation", "from", "to", "customers"], shown)


def causes(figures: Figures) -> Shown:
    """Why values of the profile changed."""
    told = sorted(figures.get("catalog", {}).get("changes", {}).items(), key=lambda item: (-item[1], item[0]))
    return Shown("Why values changed", ["cause", "values"], [list(item) for item in told])


def stages(rows: Iterable[Row]) -> Shown:
    """A night's stages, every attempt, with what each took. `rows`: of ops/stage, of one run."""
    ordered = sorted(rows, key=lambda row: row["at"])
    longest = max((row["seconds"] for row in ordered), default=0)
    shown = [
        [
            row["stage"], row["status"], round(row["seconds"], 1), row["rows"], row["jobs"],
            Bar(row["seconds"] / longest if longest else 0),
        ]
        for row in ordered
    ]  # fmt: skip
    return Shown("How long it took", ["stage", "status", "seconds", "rows", "Spark jobs", ""], shown)


def _landed(figures: Figures) -> int:
    return sum(figures.get("bronze", {}).get("landed", {}).values())


def _refused(figures: Figures) -> int:
    return sum(_quarantined(figures))


def _quarantined(figures: Figures) -> Iterator[int]:
    for fates in figures.get("silver", {}).get("fates", {}).values():
        yield fates.get("quarantined", 0)


def _changed(figures: Figures) -> int | None:
    changes = figures.get("catalog", {}).get("changes")
    return None if changes is None else sum(changes.values())
