"""The scorecard: how good a source is, by dimension, from what `ops/quality` holds."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

DIMENSIONS = ("completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy")
# Counts of what became of the rows, which are no checks.
COUNTED = "rows_"
_BARS = "▁▂▃▄▅▆▇█"

Scores = dict[str, dict[str, float]]  # source -> dimension -> 0 to 100


def judged(rows: Iterable[Mapping[str, Any]]) -> dict[date, list[Mapping[str, Any]]]:
    """Date -> the checks that the newest run told of each source, each as it was told last. Oldest date first.

    A run tells of earlier dates too where it works through them anew; what counts for a date is the run that was
    for it.
    """
    told = sorted(rows, key=lambda row: row["at"])
    own: dict[str, date] = {}
    for row in told:
        own[row["run_id"]] = max(row["date"], own.get(row["run_id"], row["date"]))
    # a replay tells of some sources alone: the others stay as the night before it told of them
    newest = {
        (row["date"], row["source"]): row["run_id"] for row in told if own[row["run_id"]] == row["date"]
    }  # fmt: skip
    nights: dict[date, dict[tuple[str, ...], Mapping[str, Any]]] = {
        day: {} for day in sorted({day for day, _ in newest})
    }
    for row in told:
        if newest.get((row["date"], row["source"])) == row["run_id"] and not row["check"].startswith(COUNTED):
            nights[row["date"]][row["table"], row["source"] or "", row["check"]] = row
    return {day: list(checks.values()) for day, checks in nights.items()}


def scores(checks: Iterable[Mapping[str, Any]]) -> Scores:
    """Source -> dimension -> score, for one night's checks.

    A check scores the share of its rows that meet it, of 100; one of the night's rows as a whole 100 or 0.
    A dimension scores the mean of its checks. A dimension without a check has no score.
    """
    shares: dict[str, dict[str, list[float]]] = {}
    for row in checks:
        if row["source"] and row["rows"]:
            shares.setdefault(row["source"], {}).setdefault(row["dimension"], []).append(row["share"])
    return {
        source: {name: 100 * (1 - sum(found[name]) / len(found[name])) for name in DIMENSIONS if name in found}
        for source, found in sorted(shares.items())
    }


def overall(found: Mapping[str, float]) -> float:
    """A source in one figure: the mean of the dimensions that have a score."""
    return sum(found.values()) / len(found)


def sparkline(values: Sequence[float], *, least: float = 90.0) -> str:
    """Scores as bars, the lowest one or `least` at the bottom and 100 at the top."""
    bottom = min([*values, least])
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - bottom) / (100 - bottom) * steps)] for value in values)
