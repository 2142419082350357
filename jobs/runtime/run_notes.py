"""What a run notes of itself in ops, the log that it keeps, and how what goes wrong is told."""

import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobs.runtime.configuration import Configuration
from jobs.runtime.console import scrubbed
from jobs.runtime.night import Night
from jobs.runtime.recovery import OVER
from transforms.errors import LockedError, PortraitError
from transforms.schemas import OPS_LINEAGE, OPS_RUN, OPS_STAGE
from transforms.schemas.layout import LAYOUT

# What a disk or a store answers, in the words of the operating system: of nobody, and the first thing to know.
_REFUSALS = ("No space left on device", "File too large", "Disk quota exceeded", "Permission denied",
             "Read-only file system", "Input/output error", "Too many open files", "Connection refused")  # fmt: skip


def code_version() -> str:
    """What wrote a run's tables: a run that died is not gone on with by another."""
    return f"{version('portrait')}+{LAYOUT}"


@contextmanager
def noted(night: Night, options: Mapping[str, Any], over: str = OVER) -> Iterator[None]:
    """Notes in ops/run that the run of this block begins, and how it ends: `over`, or failed and why."""
    night.check_room()
    _note_run(night, "running", options)
    try:
        yield
    except LockedError:
        raise  # the lakehouse is another run's now: not even a note
    except BaseException as error:
        with suppress(BaseException):  # a full disk takes no note either, and what went wrong first is what counts
            _note_run(night, "failed", options, error=told(error, night))
        raise _shown(error, night) from error
    _note_run(night, over, options)


@contextmanager
def shown_errors(night: Night) -> Iterator[None]:
    """What goes wrong in this block is shown as a line, whoever raised it."""
    try:
        yield
    except BaseException as error:
        raise _shown(error, night) from error


def told_of(conf: Configuration) -> dict[str, str]:
    """By what a run that died is known to be the same: its configuration and its code."""
    return {"configuration": conf.hash, "code_version": code_version()}


def _note_run(night: Night, status: str, options: Mapping[str, Any], error: str | None = None) -> None:
    now = night.now()
    row = {
        "run_id": night.run_id, "date": night.day, "status": status, "at": now, "started_at": night.started_at,
        "base_release": night.base.release if night.base else None, "options": json.dumps(options, sort_keys=True),
        "seconds": (now - night.started_at).total_seconds(), "error": error,
        **told_of(night.conf),
    }  # fmt: skip
    night.lakehouse.append(OPS_RUN, [row])


def note_stage(night: Night, stage: str, status: str, seconds: float, jobs: int, error: str | None = None) -> None:
    """Append to ops/stage and ops/lineage what a stage counted, read and wrote."""
    told = night.stage
    figures = {**told.figures, **({"warnings": told.warnings} if told.warnings else {})}
    row = {
        "run_id": night.run_id, "date": night.day, "stage": stage, "status": status, "at": night.now(),
        "seconds": seconds, "jobs": jobs, "rows": told.rows, "inputs": told.inputs, "outputs": told.outputs,
        "figures": json.dumps(figures, default=str), "error": error,
    }  # fmt: skip
    if status == "done":
        night.lakehouse.append(OPS_LINEAGE, _lineage(night, stage))
    night.lakehouse.append(OPS_STAGE, [row])


def _lineage(night: Night, stage: str) -> list[dict[str, Any]]:
    return [
        {"run_id": night.run_id, "stage": stage, "output": output, "output_version": made,
         "input": read, "input_version": at}
        for output, made in night.stage.outputs.items()
        for read, at in night.stage.inputs.items()
    ]  # fmt: skip


def spark_jobs(night: Night) -> int:
    """Spark jobs run so far."""
    if not night.has_session:
        return 0
    return int(night.spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs())


def log_file(conf: Configuration, run_id: str) -> Path:
    """Where Spark and stacks of a run are logged."""
    return conf.root / "logs" / f"{run_id}.log"


def told(error: BaseException, night: Night) -> str:
    """An error for ops tables and people: Portrait's own whole, others without values that may be personal."""
    if isinstance(error, PortraitError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    try:
        night.lakehouse.check(night.versions)
    except PortraitError as damaged:  # under the run: that is why
        return str(damaged)
    whole, line = str(error), scrubbed(str(error))  # Java's causes stand lines below
    refused = next((cause for cause in _REFUSALS if cause in whole and cause not in line), None)
    return f"{type(error).__name__}: {line}{f' ({refused})' if refused else ''}"


def _shown(error: BaseException, night: Night) -> BaseException:
    """What the user gets: a PortraitError, with the stack in the log file for whoever mends it."""
    if isinstance(error, PortraitError | KeyboardInterrupt):
        return error
    line = told(error, night)
    if night.log:
        with suppress(OSError):  # it may be the disk that is full
            night.log.parent.mkdir(parents=True, exist_ok=True)
            with night.log.open("a", encoding="utf-8") as log:
                log.write("".join(traceback.format_tb(error.__traceback__)) + line + "\n")
    return PortraitError(f"{line}; the stack is in {night.log}; nothing was released, run it again")
