"""Run a command as a whole process, and see how long it takes and how much memory its processes hold at the most.

Linux only: the process tree is read from /proc. Resident memory is summed over the tree, so that pages shared by two
processes count twice: the figure errs on the high side.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """A process from its start to its end. `peak`: bytes resident in the whole tree; `output`: what it printed."""

    seconds: float
    peak: int
    output: str


def measure(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Measured:
    """Run to the end. Raises SystemExit with the end of its log where it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, env=dict(env), cwd=cwd, stdout=subprocess.PIPE, stderr=errors, text=True)
        peak = _Peak(process.pid)
        output, _ = process.communicate()
        seconds = time.monotonic() - began
        peak.stop()
    if process.returncode:
        tail = "\n".join((output + log.read_text(errors="replace")).splitlines()[-15:])
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}; {log}:\n{tail}")
    return Measured(seconds, peak.bytes, output)


class _Peak:
    """The most that a tree of processes held while it was watched."""

    def __init__(self, root: int) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(root,), daemon=True)
        self._thread.start()

    def _watch(self, root: int) -> None:
        while not self._over.wait(EVERY):
            self.bytes = max(self.bytes, sum(_resident(pid) for pid in tree(root)))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def tree(root: int) -> set[int]:
    """A process and everything it started, however far down."""
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found, before = {root}, 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def _parent(entry: Path) -> int:
    try:
        # the name, in parentheses, may hold blanks
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
