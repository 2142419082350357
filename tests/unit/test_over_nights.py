"""Nights beside each other, from what their stages noted."""

import json
from datetime import UTC, date, datetime
from typing import Any

from jobs.pages.over_nights import Bar, headline, migrated, moved, nights_told, over_nights, stages

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


def stage(day: date, run_id: str, name: str, hour: int, seconds: float, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": day, "run_id": run_id, "stage": name, "status": "done", "at": datetime(2026, 3, 3, hour, tzinfo=UTC),
        "seconds": seconds, "rows": 1, "jobs": 2, "figures": json.dumps(figures),
    }  # fmt: skip


ROWS = [
    stage(FIRST, "a", "bronze", 1, 6.0, {"landed": {"pos": 90, "crm": 10}}),
    stage(FIRST, "a", "silver", 2, 4.0, {"fates": {"pos": {"quarantined": 4}, "crm": {"quarantined": 1}}}),
    # the second night died once, and was run again under another id
    stage(SECOND, "dead", "bronze", 3, 99.0, {"landed": {"pos": 7}}),
    stage(SECOND, "b", "bronze", 4, 3.0, {"landed": {"pos": 20}}),
    stage(SECOND, "b", "identity", 5, 2.0, {"known": 1234, "new": 3, "merges": 2, "splits": 1, "id_churn": 0.001}),
    stage(SECOND, "b", "catalog", 6, 0.0, {"changes": {"data": 30, "time": 12}}),
    stage(SECOND, "replay-1", "silver", 7, 50.0, {}),
]


def test_each_night_is_told_by_its_newest_run() -> None:
    nights = nights_told(ROWS, until=SECOND)
    assert [(night.day, night.run_id) for night in nights] == [(FIRST, "a"), (SECOND, "b")]
    assert over_nights(nights).rows == [
        ["2026-03-01", 100, "5.00%", "", "", "", "", "", 0, 10.0, Bar(1.0)],
        ["2026-03-02", 20, "0.00%", 1234, 3, 2, 1, "0.10%", 42, 5.0, Bar(0.5)],
    ]
    assert [night.run_id for night in nights_told(ROWS, until=FIRST)] == ["a"]


def test_the_headline_tells_what_is_known() -> None:
    first, second = nights_told(ROWS, until=SECOND)
    assert headline(first.figures) == [("rows landed", "100"), ("refused", "5 (5.00%)")]
    assert headline(second.figures)[2:] == [
        ("known customers", "1,234"), ("merged, split", "2, 1"), ("values changed", "42"),
    ]  # fmt: skip


def test_every_attempt_of_a_stage_is_shown() -> None:
    rows = stages([ROWS[1], ROWS[0]]).rows
    assert rows == [["bronze", "done", 6.0, 1, 2, Bar(1.0)], ["silver", "done", 4.0, 1, 2, Bar(4 / 6)]]


def test_tags_that_moved_stand_in_order() -> None:
    def row(tag: str, changed: int | None, drift: float | None) -> dict[str, Any]:
        return {"tag": tag, "title_en": tag.upper(), "changed": changed, "customers": 40, "drift": drift}

    told = moved([row("still", 0, 0.0), row("new", None, None), row("list", 10, None), row("far", 2, 0.5)])
    assert told.rows == [["far", "FAR", 2, "5.0%", "0.500"], ["list", "LIST", 10, "25.0%", ""]]


def test_moves_between_segments_stand_largest_first_and_none_that_is_of_few() -> None:
    names = ("segment", "from_value", "to_value", "customers")
    moves = [
        ("rfm", "lost", "new", 6), ("rfm", "lost", "lost", 90), ("rfm", "new", "lost", None), ("rfm", None, "new", 8),
        ("clusters", "a", None, 6),
    ]  # fmt: skip
    rows = [dict(zip(names, move, strict=True)) for move in moves]
    assert migrated(rows).rows == [["rfm", "none", "new", 8], ["clusters", "a", "none", 6], ["rfm", "lost", "new", 6]]
    assert migrated(rows, most=1).rows == [["rfm", "none", "new", 8]]
