"""Faults one after the other, and what came of them: python -m tests.chaos --faults 200 --seed 7 [--only KIND]."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.faults import KINDS
from tests.chaos.plan import planned, suffered
from tests.chaos.world import TRIALS, World, session


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--first", type=int, default=1, help="begin with this number: --first 31 --faults 1 repeats one"
    )
    parser.add_argument("--only", choices=sorted(KINDS), help="one kind of fault")
    parser.add_argument("--trial", choices=sorted(TRIALS), nargs="+", default=[*TRIALS], help="these commands alone")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long")
    given = parser.parse_args()
    until, came, flawed = time.monotonic() + given.minutes * 60, Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        world = World(Path(folder), session(Path(folder)))
        for number in range(given.first, given.first + given.faults):
            if time.monotonic() > until:
                break
            fault = planned(given.seed, number, only=given.only, trials=given.trial)
            began = time.monotonic()
            note, flaws = suffered(world, fault)
            came[fault.kind] += 1
            flawed[fault.kind] += bool(flaws)
            print(f"{fault.told(note)} [{time.monotonic() - began:.1f} s]", flush=True)
            for flaw in flaws:
                print(f"    FLAW {flaw}", flush=True)
    for kind, count in sorted(came.items()):
        print(f"{count:5} {kind:8} {flawed[kind]} flawed")
    print(f"{came.total()} faults, seed {given.seed}: {flawed.total()} flawed")
    return int(flawed.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
