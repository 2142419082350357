"""Day first or month first, where a column alone does not tell: by other columns, the file's day, the money."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from transforms.sources.infer.times import Times, latest
from transforms.sources.infer.values import Look

_MONTH_FIRST = {"USD", "US", "USA", "UNITED STATES"}


def settled(looks: Sequence[Look], day: date | None) -> list[Look]:
    """The looks with every open order of day and month settled as well as it can be; what is left says its doubt."""
    told = {item.times.order for item in looks if item.times and item.times.order and not item.times.open_order}
    return [replace(item, times=_settled(item, looks, told, day)) if item.times else item for item in looks]


def _settled(item: Look, looks: Sequence[Look], told: set[str], day: date | None) -> Times | None:
    times = item.times
    if times is None or not times.open_order:
        return times
    if len(told) == 1:
        told_order = next(iter(told))
        doubt = f"{told_order}, as in the file's other dates: no value here tells"
        return replace(times if times.order == told_order else times.turned(), doubt=doubt)
    order = _by_the_file(item, day) or _by_the_money(looks)
    why = "by the day of the file" if _by_the_file(item, day) else "by the money" if order else "a guess"
    chosen = times if order in (None, times.order) else times.turned()
    other = chosen.turned()
    doubt = f"{chosen.order} ({why}): no value tells; the other way round the pattern is {other.patterns[0]}"
    return replace(chosen, doubt=doubt)


def _by_the_file(item: Look, day: date | None) -> str | None:
    """What an extract holds has happened by the day that its path names."""
    if day is None:
        return None
    fits = [order for order in ("day first", "month first") if latest(item.field.looked_at, order) <= day]
    return fits[0] if len(fits) == 1 else None


def _by_the_money(looks: Sequence[Look]) -> str | None:
    """A decimal comma speaks for the day first, dollars and the United States for the month."""
    if any(item.numbers and item.numbers.mark == "," for item in looks):
        return "day first"
    few = {text.upper() for item in looks if len(item.field.distinct) <= 3 for text in item.field.distinct}
    return "month first" if few & _MONTH_FIRST else None
