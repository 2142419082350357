"""The business day: the only clock that a night has."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of(day: date, timezone: str) -> datetime:
    """The last microsecond of a business day, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(timezone))
    return midnight.astimezone(UTC) - timedelta(microseconds=1)
