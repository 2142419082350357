"""What goes wrong. Each fault disturbs one trial, and is mended; what came of it is looked at by `judge`."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from deltalake import DeltaTable

from jobs.commands.options import of_the_store
from jobs.runtime import lease, night
from jobs.runtime.session import jvm_pid
from tests.chaos.shop import SECOND, Shop, digests
from tests.chaos.strikes import CutError, Moments, passing
from tests.chaos.world import TRIALS, Left, World
from tests.end_to_end.project import ROOT
from transforms.errors import LockedError, PortraitError

_DISK = "64m"
NIGHTS = ("run", "again", "full-refresh")
_ERRORS = (errno.EIO, errno.ECONNRESET, errno.ETIMEDOUT, errno.EACCES)


@dataclass
class Run:
    """A trial that is to be disturbed. `told`: what its user was told, if anything; `note`: what exactly was done."""

    world: World
    trial: str
    dice: random.Random
    shop: Shop
    left: Left
    told: str | None = None
    note: str = ""
    flaws: list[str] = field(default_factory=list)

    def act(self) -> None:
        """The command. What goes wrong is told, in one line for each thing, or it is a flaw."""
        try:
            TRIALS[self.trial].act(self.shop, self.world.spark)
        except PortraitError as error:
            self.told = str(error)
        except CutError:
            self.told = "cut"
        except Exception as error:
            self.told = of_the_store(error) or f"{type(error).__name__}: {error}"
            if of_the_store(error) is None:
                self.flaws.append(f"a stack trace: {self.told[:300]}")

    def moments(self, strike: Callable[[], None]) -> Moments:
        at, after = self.dice.randint(1, max(1, self.left.moments)), self.dice.random() < 0.5
        return Moments(at, after, strike)

    def struck(self, moments: Moments) -> None:
        self.note = f"{self.note} {moments.struck or 'nowhere'} ({moments.at} of {self.left.moments})".strip()


# -- the process is gone


def power(run: Run) -> None:
    """The disk as it is at a moment, whoever writes at it: what a kill or a power cut leaves."""
    cut = run.world.root / "cut"
    shutil.rmtree(cut, ignore_errors=True)

    def strike() -> None:
        snapshot(run.shop.folder, cut)
        raise CutError

    moments = run.moments(strike)
    timer = None
    if run.dice.random() < 0.5:
        moments.at, wait = 0, run.dice.uniform(0, run.left.seconds)
        run.note = f"after {wait:.2f} s of {run.left.seconds:.1f}"
        timer = threading.Timer(wait, snapshot, (run.shop.folder, cut))
        timer.start()
    with passing(moments):
        run.act()
    if timer:
        timer.join()
    else:
        run.struck(moments)
    if cut.exists():  # else it was over before that moment
        shutil.rmtree(run.shop.folder)
        cut.rename(run.shop.folder)
        _dead(run.shop)


def snapshot(folder: Path, to: Path) -> None:
    """Copy what lies there, in an order in which nothing is named that is not there: ops, logs, data."""
    files = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    for file in sorted(files, key=_order):
        target = to / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # gone meanwhile
            shutil.copy2(file, target)


def _order(file: Path) -> tuple[int, str]:
    rank = 2 if "_delta_log" not in file.parts else 1 if "ops" not in file.parts else 0
    # a manifest comes after what it names
    return (0 if file.name.startswith("manifest.json") else rank, str(file))


def _dead(shop: Shop) -> None:
    """The run that holds the lakehouse is no more, nor is its Java."""
    held = shop.folder / "lakehouse" / "_lease.json"
    if held.exists():
        told = json.loads(held.read_text())
        held.write_text(json.dumps({**told, "pid": 2**22 - 1, "jvm": None}))


def kill(run: Run) -> None:
    """kill -9 of the real command line and its Java, at a random moment."""
    wait = run.dice.uniform(1.0, 6.0 + 1.5 * run.left.seconds)
    both = run.dice.random() < 0.5
    with _child(run) as child:
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL) if both else child.kill()
        run.told = f"ended with {child.wait()}"
    run.note = f"after {wait:.1f} s{', Java too' if both else ''}: {run.told}"


def _child(run: Run, *, errors: Any = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "jobs.cli", *_WORDS[run.trial](run.shop), "--conf", str(run.shop.folder / "conf")]
    environment = {
        **run.shop.environment, "PYTHONPATH": str(ROOT), "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -Xmx512m",
    }  # fmt: skip
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=errors, text=True, start_new_session=True
    )


_WORDS: dict[str, Callable[[Shop], list[str]]] = {
    "run": lambda shop: ["run", "--date", str(SECOND)],
    "again": lambda shop: ["run", "--date", str(SECOND), "--again"],
    "full-refresh": lambda shop: ["run", "--date", str(SECOND), "--again", "--full-refresh"],
    "set": lambda shop: [
        "tags", "set", "email:alma.berg@example.com", "city", "Bonn", "--reason", "moved", "--by", "desk",
        "--until", "2027-01-01",
    ],
    "restore": lambda shop: ["restore", "--to", shop.releases()[0].run_id],
    "forget": lambda shop: ["forget", "email:clara.dahl@example.com"],
    "maintain": lambda shop: ["maintain", "--prove"],
}  # fmt: skip


# -- the store


def store(run: Run) -> None:
    """The store fails at a moment; or it does what it is asked, and its answer is lost."""
    number = run.dice.choice(_ERRORS)

    def strike() -> None:
        raise OSError(number, os.strerror(number))

    moments = run.moments(strike)
    with passing(moments):
        run.act()
    run.struck(moments)
    run.note += f": {os.strerror(number)}"


def full(run: Run) -> None:
    """The disk, a small file system, fills up at a moment. Without the right to mount: files may not grow any more."""
    if os.geteuid() == 0 and run.dice.random() < 0.7:
        with _small_disk(run) as disk, mock.patch.object(night, "LEAST_FREE_BYTES", 0):
            _filled(run, disk)
        return
    processes, limit = (os.getpid(), jvm_pid(run.world.spark)), run.dice.choice([0, 500, 5000, 50000])

    def strike() -> None:
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    moments = run.moments(strike)
    try:
        with passing(moments):
            run.act()
    finally:
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run.struck(moments)
    run.note += f": no file beyond {limit} bytes"


@contextmanager
def _small_disk(run: Run) -> Iterator[Path]:
    aside, place = run.world.root / "aside", run.shop.folder
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place)], check=True)
    try:
        shutil.copytree(aside, place, dirs_exist_ok=True)
        yield place
        shutil.rmtree(aside)
        shutil.copytree(place, aside)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()
        aside.rename(place)


def _filled(run: Run, disk: Path) -> None:
    left = run.dice.choice([0, 4096, 16384, 65536, 262144])
    filler = disk / "filler"

    def strike() -> None:
        free = shutil.disk_usage(disk).free - left
        with filler.open("wb") as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(free, 1))

    moments = run.moments(strike)
    with passing(moments):
        run.act()
    filler.unlink(missing_ok=True)
    run.struck(moments)
    run.note += f": {left} bytes free"


# -- files under the run


def extract(run: Run) -> None:
    """A file of tonight's extracts is removed or cut short while the night runs, and delivered again."""
    file = run.dice.choice(sorted((run.shop.folder / "extracts").glob(f"*/{SECOND}/*")))
    content, times = file.read_bytes(), file.stat()
    how = run.dice.choice(["removed", "cut", "emptied", "grown"])
    moments = Moments(run.dice.randint(1, 10), run.dice.random() < 0.5, lambda: _damage(file, how, run.dice))
    with passing(moments):
        run.act()
    run.struck(moments)
    run.note += f": {file.parent.parent.name} {how}"
    warned = run.told or json.dumps(_warnings(run.shop), ensure_ascii=False)
    newest = run.shop.releases()[-1]
    whole = newest.date == SECOND and digests(run.shop, newest) == run.left.digests
    if newest.date == SECOND and not whole and f"source {file.stem}" not in warned:
        run.flaws.append(f"rows of {file.name} are not in the release, and nobody was told: {warned[:200]}")
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    if newest.date == SECOND and not whole:  # without the source, and said so
        run.trial, run.left = "again", replace(run.left, start=digests(run.shop, newest))


def _damage(file: Path, how: str, dice: random.Random) -> None:
    content = file.read_bytes()
    file.unlink()
    if how == "cut":
        file.write_bytes(content[: dice.randint(1, len(content) - 1)])
    elif how == "emptied":
        file.write_bytes(b"")
    elif how == "grown":
        file.write_bytes(content + content.splitlines(keepends=True)[-1].replace(b"1", b"2", 1))


def _warnings(shop: Shop) -> list[str]:
    found = DeltaTable(shop.lakehouse.path("ops/stage")).to_pyarrow_table().to_pylist()
    return [line for row in found for line in json.loads(row["figures"] or "{}").get("warnings", [])]


def table(run: Run) -> None:
    """A file of the state is removed or cut short; it comes back from a copy. Told by name, or nothing happened."""
    newest = run.shop.releases()[-1]
    name = run.dice.choice(sorted(newest.versions))
    folder = Path(run.shop.lakehouse.path(name))
    data = [folder / file for file in run.shop.lakehouse.files(name, newest.versions[name])]
    logs = sorted((folder / "_delta_log").glob("*.json"))[: newest.versions[name] + 1]
    file = run.dice.choice(data if data and run.dice.random() < 0.75 else logs)
    content, how = file.read_bytes(), run.dice.choice(["removed", "cut", "emptied"])
    moments = run.moments(lambda: _damage(file, how, run.dice) if file.exists() else None)
    if run.dice.random() < 0.6:
        moments.at, moments.struck = 0, "before it began"
        _damage(file, how, run.dice)
    with passing(moments):
        run.act()
    run.struck(moments)
    run.note += f": {file.relative_to(run.shop.folder / 'lakehouse')} {how}"
    if run.told and not any(part in run.told for part in (name, file.name)):
        run.flaws.append(f"it is not told what is damaged: {run.told[:300]}")
    if file.parent.is_dir():
        file.write_bytes(content)


# -- two at once


def stall(run: Run) -> None:
    """The run stands still for longer than its lease; another machine does the work; then it goes on, and must lose."""
    after: list[int] = []

    def strike() -> None:
        held = run.shop.folder / "lakehouse" / "_lease.json"
        if not held.exists():
            return
        held.write_text(json.dumps({**json.loads(held.read_text()), "expires": 0}))
        with mock.patch("socket.gethostname", lambda: "elsewhere"):
            other = Run(run.world, run.trial, run.dice, run.shop, run.left)
            other.act()
        run.flaws.extend(other.flaws)
        if other.told and "cannot" not in other.told:
            run.note += f" (the other: {other.told[:80]})"
        after.append(len(run.shop.releases()))

    moments = run.moments(strike)
    with passing(moments):
        run.act()
    run.struck(moments)
    if after and len(run.shop.releases()) > after[0]:
        run.flaws.append(f"a run that had lost its lease released all the same: {run.told}")


def race(run: Run) -> None:
    """Another run is started meanwhile: it must be told who holds the lakehouse."""
    ended: list[subprocess.CompletedProcess[str]] = []
    trial = run.dice.choice(sorted(_WORDS))

    def strike() -> None:
        if not (run.shop.folder / "lakehouse" / "_lease.json").exists():
            return
        other = Run(run.world, trial, run.dice, run.shop, run.left)
        with _child(other, errors=subprocess.PIPE) as child:
            _, errors = child.communicate(timeout=120)
            ended.append(subprocess.CompletedProcess([], child.returncode, "", errors))

    moments = run.moments(strike)
    with passing(moments):
        run.act()
    run.struck(moments)
    run.note += f": {trial}"
    for other in ended:
        if other.returncode != LockedError.exit_status or "holds the lakehouse" not in other.stderr:
            run.flaws.append(f"the second ended with {other.returncode}: {other.stderr[-300:]}")


# -- the clock


def clock(run: Run) -> None:
    """The clock is moved at a moment, the run fails at a later one, and the clock is moved once more."""
    far = [timedelta(minutes=-5), timedelta(hours=-2), timedelta(days=-3), timedelta(hours=3), timedelta(days=40)]
    shifts = [run.dice.choice(far), run.dice.choice(far)]
    with moved_clock() as clock_of:
        first = run.moments(lambda: clock_of.__setitem__(0, shifts[0]))

        def fail() -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        second = run.moments(fail)
        with passing(first), passing(second):
            run.act()
        run.struck(first)
        run.note += f": by {shifts[0]}, failed {second.struck or 'nowhere'}, then by {shifts[1]}"
        clock_of[0] = shifts[1]
        if run.told:
            again(run)


@contextmanager
def moved_clock() -> Iterator[list[timedelta]]:
    """The product's clock, off by what is in the list."""
    off = [timedelta()]

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + off[0]

    told = SimpleNamespace(**{**vars(time), "time": lambda: time.time() + off[0].total_seconds()})
    modules = [module for name, module in sys.modules.items() if name.startswith("jobs.")]
    places = [module for module in modules if getattr(module, "datetime", None) is datetime]
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(mock.patch.object(place, "datetime", Moved))
        stack.enter_context(mock.patch.object(lease, "time", told))
        yield off


# -- and again


def again(run: Run) -> None:
    """The same command once more, unless what it was for is there already."""
    releases = run.shop.releases()
    if run.trial not in NIGHTS and releases and digests(run.shop, releases[-1]) == run.left.digests:
        return
    run.told = None
    run.act()
    if run.told and not any(done in run.told for done in ("released already", "is erased", "erased on")):
        run.flaws.append(f"run again: {run.told[:300]}")


KINDS: dict[str, Callable[[Run], None]] = {
    "kill": kill, "power": power, "store": store, "full": full, "extract": extract, "table": table, "stall": stall,
    "race": race, "clock": clock,
}  # fmt: skip
# what a kind of fault can disturb; the others all
OF_KIND = {"extract": ("run",), "kill": tuple(_WORDS)}
