"""Run a command as a whole process, and see how long it takes and how much memory its processes hold at the most.

Linux only: the process tree is read from /proc, ten times a second. Resident memory is summed over the tree, so that
pages shared by two processes count twice: the figure errs on the high side.
"""

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """A process from its start to its end.

    cpu: processor seconds of the tree, which other work on the machine hardly moves. peak: bytes resident in the
    whole tree at its fullest, and `peak_of` which programs held them. output: what it printed.
    """

    seconds: float
    cpu: float
    peak: int
    peak_of: dict[str, int]
    output: str


def measure(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Measured:
    """Run to the end. Raises SystemExit with the end of its log where it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, env=dict(env), cwd=cwd, stdout=subprocess.PIPE, stderr=errors, text=True)
        watch = _Watch(process.pid)
        output, _ = process.communicate()
        seconds = time.monotonic() - began
        watch.stop()
    if process.returncode:
        tail = "\n".join((output + log.read_text(errors="replace")).splitlines()[-15:])
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}; {log}:\n{tail}")
    return Measured(seconds, sum(watch.cpu.values()), sum(watch.peak.values()), dict(watch.peak), output)


@dataclass(frozen=True)
class Process:
    """One process as /proc shows it: `size` and `resident` in bytes, `cpu` in seconds."""

    pid: int
    parent: int
    command: bytes
    size: int
    resident: int
    cpu: float

    @property
    def program(self) -> str:
        return Path(self.command.split(b"\0")[0].decode(errors="replace")).name

    def shares_memory_with(self, parent: "Process | None") -> bool:
        """Just forked and about to run another program: what it seems to hold is its parent's."""
        return parent is not None and (self.command, self.size) == (parent.command, parent.size)


class _Watch:
    """A tree of processes, watched until told to stop."""

    def __init__(self, root: int) -> None:
        self.peak: Counter[str] = Counter()
        self.cpu: dict[int, float] = {}
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        held: Counter[str] = Counter()
        found = tree(self._root)
        for process in found.values():
            self.cpu[process.pid] = max(process.cpu, self.cpu.get(process.pid, 0.0))
            if not process.shares_memory_with(found.get(process.parent)):
                held[process.program] += process.resident
        if held.total() > self.peak.total():
            self.peak = held

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def tree(root: int) -> dict[int, Process]:
    """A process and everything it started, however far down."""
    seen = [_process(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    alive = {process.pid: process for process in seen if process}
    found: dict[int, Process] = {root: alive[root]} if root in alive else {}
    before = -1
    while len(found) > before:
        before = len(found)
        found |= {pid: process for pid, process in alive.items() if process.parent in found}
    return found


def processor_seconds() -> float:
    """Of this process and all that it started: the JVM and Python's workers."""
    return sum(process.cpu for process in tree(os.getpid()).values())


def _process(entry: Path) -> Process | None:
    try:
        # the name, in parentheses, may hold blanks
        stat = (entry / "stat").read_text().rpartition(")")[2].split()
        size, resident = (int(pages) * _PAGE for pages in (entry / "statm").read_text().split()[:2])
        command = (entry / "cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    ticks = int(stat[11]) + int(stat[12])
    return Process(int(entry.name), int(stat[1]), command, size, resident, ticks / _TICK)


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
