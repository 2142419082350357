"""What a night brought of one source, in figures that later nights are compared with. No personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

COMPARED = 7


@dataclass(frozen=True)
class Measures:
    """One source, one night.

    landed, quarantined: rows. days: how many days of extract they are of. newest: the newest of the source's times up
    to the night, and delivered: the end of the newest day that a file is of, both of this night or an earlier one.
    accepted: rows that entered silver, which all figures after it are of. future: rows of a time after the night.
    records: different records. filled: column -> rows that have a value. sums: column -> sum of absolute values.
    values: column -> value -> rows. distinct: check -> different rows. compared: check -> (rows that could be
    compared, of which failed).
    """

    landed: int = 0
    days: int = 0
    quarantined: int = 0
    newest: str | None = None
    delivered: str | None = None
    accepted: int = 0
    future: int = 0
    records: int = 0
    filled: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    distinct: Mapping[str, int] = field(default_factory=dict)
    compared: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def usual(nights: Mapping[date, Measures]) -> list[Measures]:
    """Of the nights before, those that tell what is usual: the last ones in which the source landed, but for its
    first, which brought all of its past."""
    landed = [nights[day] for day in sorted(nights) if nights[day].landed]
    return landed[1:][-COMPARED:]


def latest(told: str | None, nights: Mapping[date, Measures], what: str) -> str | None:
    """The latest of a moment told tonight and those that the nights before told as `what`."""
    moments = [told, *(getattr(night, what) for night in nights.values())]
    return max((moment for moment in moments if moment), default=None)
