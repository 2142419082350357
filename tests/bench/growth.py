"""How a whole night grows with its rows: one source of order lines, the demo's tags that look at nothing else.

    python -m tests.bench.growth [thousands of lines ...; 1500 15000 100000 by default] [--work FOLDER]

A first night from the extract to the profile at each size, in a process of its own with a heap of 6 GB; the share that
each stage has of it; and the night after it, for which ten thousand lines came. A hundred million take 25 GB of disk.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from jobs.pipeline import STAGES
from tests.bench.landing import DAY, NEXT, ROOT, Landing

_PRIVACY = {
    "purposes": {"service": {"consent": "none"}, "marketing": {"consent": "none"}},
    "keys": {"customer": "${PORTRAIT_CUSTOMER_KEY}", "erasure": "${PORTRAIT_ERASURE_KEY}"},
}
NEW_LINES = 10_000


def with_tags(landing: Landing) -> int:
    """Give a project those of the demo's tags that are computed of order lines alone; how many."""
    (landing.folder / "conf" / "privacy.yml").write_text(yaml.safe_dump(_PRIVACY))
    found = [path for path in sorted((ROOT / "tag_definitions").rglob("*.yml")) if _of_lines(path)]
    for path in found:
        shutil.copy(path, landing.folder / "tag_definitions")
    return len(found)


def _of_lines(path: Path) -> bool:
    tag: dict[str, Any] = yaml.safe_load(path.read_text())
    return tag.get("from") == "transaction" and tag.get("model", "rfm") == "rfm"


def next_day(landing: Landing, extract: Path) -> None:
    """The lines of the day after: some of the first day's, under receipts of their own."""
    target = landing.folder / "extracts" / NEXT / "till.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with extract.open() as lines, target.open("w") as written:
        written.write(next(lines))
        written.writelines(f"new-{line}" for line, _ in zip(lines, range(NEW_LINES), strict=False))


def shown(night: dict[str, Any]) -> str:
    """A night's seconds, and each stage's share."""
    stages = {name: night["stages"][name]["seconds"] for name in STAGES if name in night["stages"]}
    whole = sum(stages.values())
    shares = ", ".join(f"{name} {seconds:.0f} ({seconds / whole:.0%})" for name, seconds in stages.items())
    return (
        f"{night['seconds']:.0f} s, {night['cpu']:.0f} processor seconds, "
        f"{night['peak_gb']:.1f} GB at the most: {shares}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thousands", type=int, nargs="*", default=[1500, 15_000, 100_000])
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    for thousands in chosen.thousands:
        folder = (chosen.work or Path(tempfile.mkdtemp(prefix="portrait_growth_"))).absolute() / str(thousands)
        landing = Landing(folder, thousands * 1000)
        extract = landing.write()
        tags = with_tags(landing)
        print(f"{thousands * 1000:,} lines, {extract.stat().st_size / 1e9:.2f} GB of CSV, {tags} tags", flush=True)
        print(f"  first night: {shown(landing.night(DAY, until=None))}", flush=True)
        next_day(landing, extract)
        print(f"  the day after: {shown(landing.night(NEXT, until=None))}", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
