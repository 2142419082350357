"""The command line, ended by kill -9 within a stage: `python -m tests.end_to_end.killed STAGE SECONDS run --date …`.

The kill comes so long after the stage has begun to work, and at the latest when it is through and nobody has noted it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

from jobs import cli, pipeline
from jobs.runtime.night import Night


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ending(run: Callable[[Night], None], seconds: float) -> Callable[[Night], None]:
    """The stage with the kill in it."""

    def deadly(night: Night) -> None:
        assert night.spark  # the start of the session is no part of the stage
        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        run(night)
        kill()

    return deadly


def main(stage: str, seconds: float, arguments: list[str]) -> None:
    pipeline.NIGHT = tuple(
        replace(step, run=ending(step.run, seconds)) if step.name == stage else step for step in pipeline.NIGHT
    )
    cli.app(arguments)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
