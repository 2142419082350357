"""The way to Great Expectations: a process beside this one that is ready when a night has something to be judged."""

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transforms.errors import PortraitError

LONGEST_WAIT = 60
_PROGRAM = Path(__file__).with_name("expectations.py")
_REMEDY = "run the night again; if it stays, look whether great-expectations is installed as requirements.lock says"


class _Process:
    """One process for all nights of this one. `owed`: answers that were not fetched yet."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        self.owed = 0

    def send(self, request: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        self.owed = 2

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            self.owed = 0
            return {"error": f"the process ended with status {self.process.wait()}"}
        self.owed -= 1
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it finish what it writes."""
        if self.process.stdin and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=LONGEST_WAIT)
            except subprocess.TimeoutExpired:
                self.process.kill()


_lock = threading.Lock()
_running: list[_Process] = []


def warm_up() -> None:
    """Start the process where it does not run; it is ready some seconds later."""
    with _lock:
        if _running and _running[0].process.poll() is not None:
            _running.clear()
        if not _running:
            _running.append(_Process())
            atexit.register(_running[0].end)


def judge(request: Mapping[str, Any]) -> dict[str, bool]:
    """Id of each expectation of the request -> whether it is met. The pages are written while the night goes on.

    Raises PortraitError where Great Expectations cannot judge.
    """
    warm_up()
    pages()
    process = _running[0]
    try:
        process.send(request)
        answer = process.answer()
    except OSError as error:
        answer = {"error": str(error)}
    if "error" in answer:
        raise PortraitError(f"the quality gate cannot judge the night: {answer['error']}; {_REMEDY}")
    passed: dict[str, bool] = answer["passed"]
    return passed


def pages() -> str | None:
    """Wait for the pages of what was judged last. Gives why they could not be written, None where all is well."""
    error = None
    while _running and _running[0].owed:
        error = _running[0].answer().get("error")
    return error
