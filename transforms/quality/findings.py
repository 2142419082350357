"""The checks of a night as data: what was measured and what is allowed. Great Expectations judges them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transforms.sources.definition import Source


@dataclass(frozen=True)
class Finding:
    """One check of one night. `value` must lie within `at_least` and `at_most`.

    rows, failed: what `ops/quality` tells. A check of the night's rows as a whole has one row, and `failed` is None:
    it fails or it does not. stops: where it fails the night ends. detail: for people, without personal data.
    """

    source: str
    table: str
    check: str
    dimension: str
    gate: str
    value: float
    detail: str
    at_least: float | None = None
    at_most: float | None = None
    rows: int = 1
    failed: int | None = None
    stops: bool = False


def of_rows(
    source: Source, landed: int, fates: Mapping[str, int], reasons: Mapping[str, int], broken: Mapping[str, int]
) -> Iterator[Finding]:
    """The checks that looked at each row.

    landed: rows. fates: fate -> rows. reasons: rule -> rows refused by it. broken: check of the YAML -> rows.
    """
    lost = abs(landed - sum(fates.values()))
    yield of_share(source, "all_rows_accounted_for", "completeness", "stop", landed, lost, stops=True)
    wanted = landed - fates.get("filtered", 0) - fates.get("erased", 0)
    yield of_share(source, "no_duplicates", "uniqueness", "warn", wanted, fates.get("duplicate", 0), allowed=1.0)
    needed = {f"no_{column.name}": column.name for column in source.table.columns if column.required}
    for reason, column in needed.items():
        failed = reasons.get(reason, 0)
        yield of_share(source, f"has_{column}", "completeness", "quarantine", wanted, failed)
    own = {check.name for check in source.row_checks}
    for reason in sorted(reasons.keys() - own - needed.keys()):
        yield of_share(source, reason, "validity", "quarantine", wanted, reasons[reason])
    for check in source.row_checks:
        failed, limited = broken.get(check.name, 0), check.on_fail == "quarantine" and check.mostly is not None
        yield of_share(
            source, check.name, check.measures, check.on_fail, wanted, failed, allowed=check.allowed,
            stops=limited or check.on_fail == "stop",
        )  # fmt: skip


def of_share(
    source: Source, check: str, dimension: str, gate: str, rows: int, failed: int,
    *, allowed: float = 0.0, stops: bool = False,
) -> Finding:  # fmt: skip
    """A check that so many of the rows fail, and that the share `allowed` of them may fail."""
    value = failed / rows if rows else 0.0
    may = "none" if allowed == 0 else f"{allowed:.1%}"
    detail = f"{failed:,} of {rows:,} rows fail ({value:.1%}{f'; {may} may' if allowed < 1 else ''})"
    return Finding(
        source.source, source.table.table.name, check, dimension, gate, value, detail, at_most=allowed, rows=rows,
        failed=failed, stops=stops,
    )  # fmt: skip
