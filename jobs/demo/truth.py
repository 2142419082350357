"""What is true about the invented people, written where the pipeline does not look."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

PERSONS = ("source", "key", "person")
PLANTED = ("kind", "source", "key", "person", "detail")
BAD_ROWS = ("system", "date", "kind", "rows")


class Truth:
    """Collects who is who, what was planted and what was spoilt, and writes it in portions to bound memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bad_rows: Counter[tuple[str, str, str]] = Counter()
        self._persons: list[tuple[str, str, str]] = []
        self._planted: list[tuple[str, str, str, str, str]] = []
        folder.mkdir(parents=True, exist_ok=True)
        for name, header in (("truth", PERSONS), ("planted", PLANTED)):
            self._write(name, [header], mode="w")

    def person(self, source: str, key: str, person: str) -> None:
        """The record `key` of a source is about this person."""
        self._persons.append((source, key, person))

    def planted(self, kind: str, source: str, key: str, person: str = "", detail: str = "") -> None:
        """Something was put there on purpose."""
        self._planted.append((kind, source, key, person, detail))

    def spoilt(self, system: str, day: date, counts: Mapping[str, int]) -> None:
        """So many bad rows of each kind lie in a system's extract of a day."""
        for kind, rows in counts.items():
            self.bad_rows[system, day.isoformat(), kind] += rows

    def flush(self) -> None:
        """Write what has been collected so far."""
        self._write("truth", self._persons)
        self._write("planted", self._planted)
        self._persons, self._planted = [], []

    def close(self) -> None:
        """Write the rest, and the bad rows by system, day and kind."""
        self.flush()
        rows = [(*key, str(number)) for key, number in sorted(self.bad_rows.items()) if number]
        self._write("bad_rows", [BAD_ROWS, *rows], mode="w")

    def _write(self, name: str, rows: Sequence[tuple[str, ...]], mode: str = "a") -> None:
        with (self.folder / f"{name}.csv").open(mode, newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
