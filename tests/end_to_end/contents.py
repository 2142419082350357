"""What the files of a folder hold, as text: Parquet by pandas, the rest by their bytes."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pandas as pd


def contents(*folders: Path) -> Iterator[tuple[Path, str]]:
    """Every file of the folders, decompressed and decoded; of Parquet the bytes too, which hold footers."""
    for file in (found for folder in folders for found in sorted(folder.rglob("*")) if found.is_file()):
        raw = file.read_bytes()
        raw = gzip.decompress(raw) if file.suffix == ".gz" else raw
        cells = pd.read_parquet(file).to_csv() if file.suffix == ".parquet" else ""
        yield file, raw.decode("utf-8", errors="replace") + cells
