"""The demo's extracts and its truth, read back by the standard library and pandas alone."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import phonenumbers


def text(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text(encoding="utf-8")


def records(demo: Path, system: str, day: date | None = None, separator: str = ",") -> Iterator[dict[str, str]]:
    """The rows that have as many columns as the header, with the day of their file. Oldest first."""
    for file in sorted((demo / "extracts" / system).glob(f"{day or '*'}/*")):
        rows = csv.reader(text(file).splitlines(), delimiter=separator)
        header = next(rows)
        yield from (
            dict(zip(header, row, strict=True), _day=file.parent.name) for row in rows if len(row) == len(header)
        )


def objects(demo: Path, system: str) -> Iterator[dict[str, Any]]:
    """The JSON lines that can be read, with the day of their file. Oldest first."""
    for file in sorted((demo / "extracts" / system).glob("*/*")):
        for line in text(file).splitlines():
            try:
                yield {**json.loads(line), "_day": file.parent.name}
            except json.JSONDecodeError:
                continue


def truth(demo: Path, name: str = "truth") -> pd.DataFrame:
    return pd.read_csv(demo / "truth" / f"{name}.csv", dtype=str, keep_default_na=False)


def planted(demo: Path, kind: str) -> pd.DataFrame:
    found = truth(demo, "planted")
    return found[found["kind"] == kind]


def reach_of(number: str, country: str) -> str:
    parsed = phonenumbers.parse(number, country)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
