"""What the stages counted, as tables that both the terminal and the report show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Mapping[str, Any]]  # stage -> what it counted
_FATES = ("accepted", "unchanged", "superseded", "duplicate", "filtered", "quarantined", "erased")


@dataclass(frozen=True)
class Shown:
    """A table for people."""

    title: str
    header: list[str]
    rows: list[list[Any]]


def tables(figures: Figures) -> list[Shown]:
    """Every table that has something to show, in the night's order."""
    all_tables = [
        _sources(figures), _reasons(figures), _identity(figures), _represented(figures), _disagreements(figures),
        *_segments(figures), _reached(figures),
    ]  # fmt: skip
    return [table for table in all_tables if table.rows]


def _sources(figures: Figures) -> Shown:
    bronze, fates = figures.get("bronze", {}), figures.get("silver", {}).get("fates", {})
    files = bronze.get("files", {})
    rows = [
        [source, files.get(source, 0), landed, *(fates.get(source, {}).get(fate, 0) for fate in _FATES)]
        for source, landed in bronze.get("landed", {}).items()
    ]
    return Shown("What came in", ["source", "files", "landed", *_FATES], rows)


def _reasons(figures: Figures) -> Shown:
    told = figures.get("silver", {}).get("reasons", {})
    rows = [[source, reason, count] for source, counts in told.items() for reason, count in _ranked(counts)]
    return Shown("What was refused, and why", ["source", "reason", "rows"], rows)


def _identity(figures: Figures) -> Shown:
    told = dict(figures.get("identity", {}))
    churn = churn_of(told)
    shares = [["id churn", churn]] if churn else []
    counts = [
        [name.replace("_", " "), value]
        for name, value in told.items()
        if isinstance(value, int | float) and not name.startswith("id_churn")
    ]
    return Shown("Who is who", ["figure", "count"], [*counts, *shares])


def _represented(figures: Figures) -> Shown:
    """How far what is told of known customers is told of the business."""
    identity, told = figures.get("identity", {}), figures.get("journeys", {}).get("represented", [])
    shares = [(f"{row['what']} of {row['source']}", row["total"], row["known"]) for row in told]
    if identity.get("customers"):
        shares.insert(0, ("customers", identity["customers"], identity["known"]))
    rows = [[name, total, known, f"{known / total:.1%}"] for name, total, known in shares]
    return Shown("How representative the known customers are", ["of", "all", "known customers'", "share"], rows)


def churn_of(identity: Mapping[str, Any]) -> str:
    """The share of the known customers whose id ended that night, beside what the limit allows; empty: not told."""
    if "id_churn" not in identity:
        return ""
    limit = identity.get("id_churn_limit")
    return f"{identity['id_churn']:.2%}" + (f" (at most {limit:.2%})" if limit is not None else "")


def _disagreements(figures: Figures) -> Shown:
    """Fields that sources tell differently of the same customers, the most disputed first."""
    told = figures.get("identity", {}).get("disagreements", {})
    rows = [
        [name, counts["told"], counts["differ"], f"{counts['differ'] / counts['told']:.1%}"]
        for name, counts in sorted(told.items(), key=lambda item: (-item[1]["differ"], item[0]))
        if counts["differ"]
    ]
    return Shown("Where sources differ about a customer", ["field", "told by several", "differ", "share"], rows)


def _segments(figures: Figures) -> Iterator[Shown]:
    for name, sizes in figures.get("tags", {}).items():
        if isinstance(sizes, dict) and name.endswith(("segment", "stage")):
            yield Shown(f"Segments by {name}", ["segment", "customers"], [list(item) for item in _ranked(sizes)])


def _reached(figures: Figures) -> Shown:
    rows = [
        [stage.removesuffix("s"), name, ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in told.items())]
        for stage in ("audiences", "exports")
        for name, told in figures.get(stage, {}).items()
        if isinstance(told, dict)
    ]
    return Shown("Audiences and exports", ["kind", "name", "figures"], rows)


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest first; equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
