"""`make bench`: whole nights of the demo's company beside two references, measured in the same run.

    python -m tests.bench.night [--scale 1 10] [--work FOLDER] [--json FILE] [--keep]

For each scale: the extracts are written; `portrait validate`; the first night (all of the history), a normal day's
night, and that day once more with --full-refresh, each as a whole process; then (a) the floor, plain Spark that only
reads and writes (tests/bench/floor.py), and (b) a hand-written DuckDB script that computes the same profile
(tests/bench/duckdb_reference.py).
A night beside the floor is taken without the start of its process and session, which is what the floor's own start
takes. Figures are of this machine and of this hour: nothing here passes or fails.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.tables import dataset_of
from tests.bench.measure import Measured, measure, size_of

ROOT = Path(__file__).parents[2]
FIRST, NORMAL = DEMO_NIGHTS[:2]
_WRITE = """
import sys
from pathlib import Path
from jobs.demo.extracts import write_extracts
write_extracts(Path(sys.argv[1]), scale=int(sys.argv[2]))
"""
LAYERS = ("bronze", "silver", "identity", "tag", "gold", "ops")


class Bench:
    """One scale's extracts, lakehouse and outputs, all under one folder."""

    def __init__(self, folder: Path, scale: int) -> None:
        self.folder = folder
        self.scale = scale
        self.extracts = folder / "extracts"
        self.lakehouse = folder / "lakehouse"
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "EXTRACTS": str(self.extracts),
            "LAKEHOUSE": str(self.lakehouse),
            "EXPORTS": str(folder / "exports"),
            "PORTRAIT_CUSTOMER_KEY": "only for a benchmark, customer key",
            "PORTRAIT_ERASURE_KEY": "only for a benchmark, erasure key.",
        }

    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = {"scale": self.scale}
        nights = (self.first_night, self.normal_day, self.full_refresh)
        for step in (self.write, self.validate, *nights, self.floor, self.duckdb):
            found[step.__name__] = step()
            print(f"scale {self.scale}: {step.__name__}: {found[step.__name__]['seconds']:.1f} s", file=sys.stderr)
        return found

    def write(self) -> dict[str, Any]:
        measured = self._python("write", "-c", _WRITE, str(self.folder), str(self.scale))
        return _told(measured) | {"bytes": size_of(self.extracts)}

    def validate(self) -> dict[str, Any]:
        return _told(self._python("validate", "-m", "jobs.cli", "validate"))

    def first_night(self) -> dict[str, Any]:
        return self._night("first_night", FIRST)

    def normal_day(self) -> dict[str, Any]:
        return self._night("normal_day", NORMAL)

    def full_refresh(self) -> dict[str, Any]:
        """The normal day worked out whole: what it is to cost a quarter of."""
        return self._night("full_refresh", NORMAL, "--again", "--full-refresh")

    def floor(self) -> dict[str, Any]:
        target = self.folder / "floor"
        measured = self._python("floor", "-m", "tests.bench.floor", str(self.extracts), str(target), FIRST.isoformat())
        inner = json.loads(measured.output)
        return _told(measured) | {
            "without_start": inner["seconds"],
            "start": measured.seconds - inner["seconds"],
            "rows": inner["rows"],
            "bytes": inner["bytes"],
        }

    def duckdb(self) -> dict[str, Any]:
        target = self.folder / "duckdb"
        measured = self._python(
            "duckdb", "-m", "tests.bench.duckdb_reference", str(self.extracts), str(target), FIRST.isoformat()
        )
        return _told(measured) | json.loads(measured.output)

    def _night(self, name: str, day: date, *options: str) -> dict[str, Any]:
        measured = self._python(name, "-m", "jobs.cli", "run", "--date", day.isoformat(), *options)
        return _told(measured) | {
            "stages": self._stages(day),
            "bytes": {layer: size_of(self.lakehouse / layer) for layer in LAYERS},
        }

    def _stages(self, day: date) -> list[dict[str, Any]]:
        """Of the newest run of the day."""
        columns = ["stage", "seconds", "jobs", "rows", "at", "run_id", "date", "status"]
        told = dataset_of(DeltaTable(str(self.lakehouse / "ops" / "stage"))).to_table(columns=columns).to_pylist()
        done = sorted(
            (row for row in told if row["date"] == day and row["status"] == "done"), key=lambda row: row["at"]
        )
        return [{name: row[name] for name in columns[:4]} for row in done if row["run_id"] == done[-1]["run_id"]]

    def _python(self, name: str, *arguments: str) -> Measured:
        log = self.folder / "logs" / f"{name}.log"
        return measure([sys.executable, *arguments], env=self.env, cwd=ROOT, log=log)


def _told(measured: Measured) -> dict[str, Any]:
    return {
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu,
        "peak_bytes": measured.peak,
        "peak_of": measured.peak_of,
    }


def table(results: list[dict[str, Any]]) -> str:
    """All figures as one table of text, with the ratios that the targets are about."""
    lines = [f"{'':<34}{'seconds':>10}{'of CPU':>10}{'peak GB':>10}{'jobs':>7}{'rows':>13}"]
    for one in results:
        lines.append(f"scale {one['scale']} ({one['write']['bytes'] / 1e6:,.0f} MB of extracts)")
        lines += _line("extracts written", one["write"])
        lines += _line("validate", one["validate"])
        for name in ("first_night", "normal_day", "full_refresh"):
            lines += _line(name.replace("_", " "), one[name] | _sums(one[name]["stages"]))
            lines += [line for stage in one[name]["stages"] for line in _line(f"  {stage['stage']}", stage)]
        lines += _line("floor (a)", one["floor"]) + _line("DuckDB (b)", one["duckdb"])
        lines += [f"  {text:<42}{value:>8.1f}" for text, value in ratios(one, results[0]).items()]
    return "\n".join(lines)


def ratios(one: dict[str, Any], smallest: dict[str, Any]) -> dict[str, float]:
    """A night beside the floor (starts excluded), beside DuckDB, and beside the smallest scale."""
    first, floor = one["first_night"], one["floor"]
    found = {
        "first night : floor, both without start": (first["seconds"] - floor["start"]) / floor["without_start"],
        "first night : floor, processor time": first["cpu_seconds"] / floor["cpu_seconds"],
        "first night : DuckDB": first["seconds"] / one["duckdb"]["seconds"],
    }
    if one is not smallest:
        base = smallest["first_night"]
        found[f"first night : that of scale {smallest['scale']}"] = first["seconds"] / base["seconds"]
    return found


def _sums(stages: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(stage[name] or 0 for stage in stages) for name in ("jobs", "rows")}


def _line(name: str, figures: dict[str, Any]) -> list[str]:
    peak = f"{figures['peak_bytes'] / 1e9:.1f}" if "peak_bytes" in figures else ""
    jobs, rows = (f"{figures[key]:,}" if figures.get(key) is not None else "" for key in ("jobs", "rows"))
    cpu = f"{figures['cpu_seconds']:.1f}" if "cpu_seconds" in figures else ""
    return [f"  {name:<32}{figures['seconds']:>10.1f}{cpu:>10}{peak:>10}{jobs:>7}{rows:>13}"]


def machine() -> dict[str, Any]:
    """Where the figures come from: cores and memory."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cores": os.cpu_count(), "memory_gb": round(pages / 1e9, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--work", type=Path, help="where extracts and tables go (a temporary folder)")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    parser.add_argument("--keep", action="store_true", help="do not remove what was written")
    chosen = parser.parse_args()
    work = chosen.work or Path(tempfile.mkdtemp(prefix="portrait_bench_"))
    results = []
    for scale in sorted(chosen.scale):
        folder = work / f"scale_{scale}"
        shutil.rmtree(folder, ignore_errors=True)
        results.append(Bench(folder, scale).run())
        if not chosen.keep:
            shutil.rmtree(folder)
    told = {"machine": machine(), "scales": results, "ratios": [ratios(one, results[0]) for one in results]}
    print(table(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
