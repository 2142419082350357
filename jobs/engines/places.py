"""What every kind of destination does: say what it holds, and take a delivery whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import DataFrame

from jobs.engines.delivered_files import Facts
from transforms.contracts import Schema

# Files as they were written, and the rows in them -> the manifest, and the contract's text where there is one.
Complete = Callable[[Sequence[Facts], int], tuple[dict[str, Any], str | None]]


@dataclass(frozen=True)
class Held:
    """What lies at a destination: the manifest of the delivery it holds whole; else `why` everything is owed."""

    manifest: dict[str, Any] | None
    why: str


class Place(Protocol):
    """A destination."""

    def held(self) -> Held:
        """What it holds now."""

    def put(self, df: DataFrame, *, schema: Schema, release: int, mode: str, complete: Complete) -> dict[str, Any]:
        """Deliver rows, all or none; gives the manifest. `complete` may refuse what was written by raising."""
