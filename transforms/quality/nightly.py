"""The checks of what a night brought as a whole, beside the nights before it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from statistics import median

from transforms.quality.drift import alike, pooled, stability_index
from transforms.quality.findings import Finding, of_share
from transforms.quality.measures import Measures, usual
from transforms.sources.checks import Check
from transforms.sources.definition import Source

# Fewer nights say nothing of what is usual, fewer rows nothing of a share.
LEAST_NIGHTS = 5
LEAST_ROWS = 100
# Where the YAML is silent there are warnings, so wide that an ordinary night does not reach them.
USUAL_VOLUME = 0.75
USUAL_DAYS = 7
EMPTIER = 0.2
MORE_REFUSED = 0.1
OTHER_SIZE = 5.0
IN_FUTURE = 0.01
_DAY_SECONDS = 86_400


def of_night(
    source: Source, tonight: Measures, before: Mapping[date, Measures], *, as_of: datetime
) -> Iterator[Finding]:
    """Every check that can be judged tonight. before: the released nights of earlier dates.

    as_of: the end of the business day, UTC. A source that did not land is only asked how old its newest time is.
    """
    nights = usual(before)
    yield from _fresh(source, tonight, as_of)
    if tonight.landed:
        yield from _volume(source, tonight, nights)
        yield from _refused(source, tonight, nights)
    if tonight.accepted:
        yield from _unique(source, tonight)
        yield of_share(source, "not_in_future", "validity", "warn", tonight.accepted, tonight.future, allowed=IN_FUTURE)
        yield from _columns(source, tonight, nights)
        yield from _compared(source, tonight)
        yield from _drift(source, tonight, nights)


def _fresh(source: Source, tonight: Measures, as_of: datetime) -> Iterator[Finding]:
    """How old the newest time is. Where the YAML does not ask, a file that brings nothing newer will do."""
    check = _declared(source, "fresh")
    of_files = source.extract == "snapshot" or not tonight.newest
    moments = [tonight.delivered if of_files else tonight.newest, *([] if check else [tonight.delivered])]
    newest = max((moment for moment in moments if moment), default=None)
    if newest is None:
        return
    limit = check.fresh if check and check.fresh else USUAL_DAYS
    age = max((as_of - datetime.fromisoformat(newest)).total_seconds() / _DAY_SECONDS, 0.0)
    detail = f"the newest it has brought is of {age:.1f} days before the end of the night's day ({limit} may be)"
    yield _of_whole(source, check, "fresh", "timeliness", age, detail, at_most=float(limit))


def _volume(source: Source, tonight: Measures, nights: Sequence[Measures]) -> Iterator[Finding]:
    """Rows a day of extract, so that a night that catches up is no surprise."""
    if len(nights) < LEAST_NIGHTS:
        return
    check = _declared(source, "volume")
    within = check.volume if check and check.volume else USUAL_VOLUME
    middle = median(night.landed / max(night.days, 1) for night in nights)
    rows = tonight.landed / max(tonight.days, 1)
    low, high = max(1 - within, 0.0) * middle, (1 + within) * middle
    detail = (
        f"{rows:,.0f} rows a day of extract ({low:,.0f} to {high:,.0f} may be: {middle:,.0f}, the median of the last "
        f"{len(nights)} nights, give or take {within:.0%})"
    )
    yield _of_whole(source, check, "volume", "completeness", rows, detail, at_least=low, at_most=high)


def _refused(source: Source, tonight: Measures, nights: Sequence[Measures]) -> Iterator[Finding]:
    landed = sum(night.landed for night in nights)
    if tonight.landed < LEAST_ROWS or landed < LEAST_ROWS:
        return
    share = tonight.quarantined / tonight.landed
    limit = sum(night.quarantined for night in nights) / landed + MORE_REFUSED
    detail = f"{share:.1%} of the rows went to quarantine ({limit:.1%} may: the nights before, and {MORE_REFUSED:.0%})"
    yield _of_whole(source, None, "few_quarantined", "validity", share, detail, at_most=limit)


def _unique(source: Source, tonight: Measures) -> Iterator[Finding]:
    twice = tonight.accepted - tonight.records
    yield of_share(source, "one_version_a_record", "uniqueness", "stop", tonight.accepted, twice, stops=True)
    for check in source.checks:
        if check.unique:
            twice = tonight.accepted - tonight.distinct[check.name]
            yield _of_rows(source, check, tonight.accepted, twice)


def _columns(source: Source, tonight: Measures, nights: Sequence[Measures]) -> Iterator[Finding]:
    """A column that was filled and is empty; amounts that were dollars and are cents."""
    accepted = sum(night.accepted for night in nights)
    if tonight.accepted < LEAST_ROWS or accepted < LEAST_ROWS:
        return
    for column, filled in tonight.filled.items():
        known = [night for night in nights if column in night.filled]
        rows = sum(night.accepted for night in known)
        if rows < LEAST_ROWS:
            continue
        empty = 1 - filled / tonight.accepted
        limit = min(1 - sum(night.filled[column] for night in known) / rows + EMPTIER, 1.0)
        detail = f"{empty:.1%} of the rows have none ({limit:.1%} may: the nights before, and {EMPTIER:.0%})"
        yield _of_whole(source, None, f"{column}_as_filled", "completeness", empty, detail, at_most=limit)
        values = sum(night.filled[column] for night in known)
        size = sum(night.sums.get(column, 0.0) for night in known) / values if values else 0.0
        if column in tonight.sums and filled >= LEAST_ROWS and values >= LEAST_ROWS and size:
            now, low, high = tonight.sums[column] / filled, size / OTHER_SIZE, size * OTHER_SIZE
            detail = f"{now:,.2f} on average ({low:,.2f} to {high:,.2f} may be: {size:,.2f} in the nights before)"
            yield _of_whole(source, None, f"{column}_as_large", "validity", now, detail, at_least=low, at_most=high)


def _compared(source: Source, tonight: Measures) -> Iterator[Finding]:
    """Rows beside other sources' records: is their customer known, do they say the same?"""
    for check in source.checks:
        rows, failed = tonight.compared.get(check.name, (0, 0))
        if rows:
            yield _of_rows(source, check, rows, failed)


def _drift(source: Source, tonight: Measures, nights: Sequence[Measures]) -> Iterator[Finding]:
    for check in (check for check in source.checks if check.drift and check.at_most):
        counted = [night.values.get(str(check.drift), {}) for night in nights]
        *known, now = alike([*(one for one in counted if one), tonight.values.get(str(check.drift), {})])
        before = pooled(known)
        if min(sum(now.values()), sum(before.values())) < LEAST_ROWS:
            continue
        index = stability_index(before, now)
        moved = max(sorted({*now, *before}), key=lambda value: abs(_share(now, value) - _share(before, value)))
        detail = (
            f"its values moved by {index:.2f} ({check.at_most} may be); most of all '{moved}': "
            f"{_share(before, moved):.1%} of the rows before, {_share(now, moved):.1%} tonight"
        )
        yield _of_whole(source, check, check.name, check.measures, index, detail, at_most=check.at_most)


def _share(counts: Mapping[str, int], value: str) -> float:
    return counts.get(value, 0) / sum(counts.values())


def _declared(source: Source, kind: str) -> Check | None:
    return next((check for check in source.checks if check.kind == kind), None)


def _of_rows(source: Source, check: Check, rows: int, failed: int) -> Finding:
    stops = check.on_fail == "stop"
    return of_share(source, check.name, check.measures, check.on_fail, rows, failed, allowed=check.allowed, stops=stops)


def _of_whole(
    source: Source, check: Check | None, name: str, dimension: str, value: float, detail: str,
    *, at_least: float | None = None, at_most: float | None = None,
) -> Finding:  # fmt: skip
    gate = check.on_fail if check else "warn"
    return Finding(
        source.source, source.table.table.name, check.name if check else name, dimension, gate, value, detail,
        at_least, at_most, stops=gate == "stop",
    )  # fmt: skip
