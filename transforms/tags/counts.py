"""What is counted while tag/customer is written: the sizes of segments, and the values that fail a tag's checks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from transforms.expressions import compile_expression
from transforms.sql.operands import text_literal
from transforms.tags.tag import SEVERAL, Tag


@dataclass(frozen=True)
class Count:
    """Customers for whom `condition` (SQL over all tag columns) holds; told as `key` of `figure`."""

    figure: str
    key: str
    condition: str


@dataclass(frozen=True)
class Failed:
    """A check of a tag that too many values fail."""

    tag: str
    expect: str
    failed: int
    known: int
    on_fail: str

    def __str__(self) -> str:
        return f"{self.tag}: {self.failed} of {self.known} values fail the check: {self.expect}"


def segment_counts(names: Mapping[str, Iterable[str]]) -> list[Count]:
    """One count a segment. `names`: segment column -> its segments."""
    return [
        Count(column, segment, f"`{column}` = {text_literal(segment)}")
        for column, segments in names.items()
        for segment in dict.fromkeys(segments)
    ]


def check_counts(tags: Iterable[Tag], *, timezone: str) -> list[Count]:
    """Two counts a check that has an `expect`: the values that there are, and those that fail it."""
    return [count for tag in tags for at, _ in enumerate(tag.checks) for count in _counts(tag, at, timezone)]


def _counts(tag: Tag, at: int, timezone: str) -> list[Count]:
    expect = tag.checks[at].expect
    if expect is None:
        return []
    column = tag.outputs[0].name
    several = tag.kind in SEVERAL
    # a check names the outputs of a model without the tag's name
    held = {output.name.removeprefix(f"{tag.tag}_"): output.name for output in tag.outputs} if several else None
    own = {output.name.removeprefix(f"{tag.tag}_"): output.type for output in tag.outputs}
    columns = own if several else {"value": tag.outputs[0].type}
    place = f"{tag.place}: checks[{at}].expect"
    rule = compile_expression(expect, place=place, columns=columns, timezone=timezone, held=held)
    # `value` is a variable, so that a text in the rule is never taken for it
    failing = f"(not {rule.sql})" if several else f"exists(array(`{column}`), `value` -> not {rule.sql})"
    figure = f"{tag.tag} {at}"
    return [
        Count(figure, "known", f"`{column}` is not null"),
        Count(figure, "failed", f"`{column}` is not null and {failing}"),
    ]


def by_figure(counts: Iterable[Count], found: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Figure -> key -> customers. `found`: the counts by their place, as `c0`, `c1` …"""
    told: dict[str, dict[str, int]] = {}
    for place, count in enumerate(counts):
        told.setdefault(count.figure, {})[count.key] = int(found[f"c{place}"] or 0)
    return told


def failed_checks(tags: Iterable[Tag], counted: Mapping[str, Mapping[str, int]]) -> list[Failed]:
    """The checks whose share of failing values is more than they allow."""
    failed = []
    for tag in tags:
        for at, check in enumerate(tag.checks):
            counts = counted.get(f"{tag.tag} {at}")
            allowed = 1 - Decimal(str(check.mostly))  # as it is written: 1 - 0.9 is less than 0.1
            if counts and counts["failed"] > allowed * counts["known"]:
                failed.append(Failed(tag.tag, str(check.expect), counts["failed"], counts["known"], check.on_fail))
    return failed
