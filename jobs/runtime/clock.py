"""The business day, the only clock that a night has; and the order of what is noted, which no clock can upset."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of(day: date, timezone: str) -> datetime:
    """The last microsecond of a business day, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(timezone))
    return midnight.astimezone(UTC) - timedelta(microseconds=1)


def now_after(noted: Iterable[datetime]) -> datetime:
    """The time, in UTC, but later than all that is noted: what is read back in order was written in that order.

    A clock that was put back would otherwise let an older note count as the newest.
    """
    newest = max(noted, default=None)
    now = datetime.now(UTC)
    return now if newest is None or newest < now else newest + timedelta(microseconds=1)
