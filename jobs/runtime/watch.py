"""Tells whoever watches how a run went: webhooks, commands, and a file of figures for Prometheus.

Nothing here can fail a night: what does not get through is a warning. Nothing told is personal.
"""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

from jobs.pages.writing import write_whole
from jobs.runtime.configuration import Configuration, Hook
from jobs.runtime.console import scrubbed
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse
from transforms.errors import PortraitError
from transforms.schemas import OPS_RUN, OPS_STAGE

PATIENCE = 15  # seconds that a receiver has
_KEPT = 50  # warnings in a message; a chat takes no more
Row = dict[str, Any]
T = TypeVar("T")


@contextmanager
def watched(conf: Configuration, day: date, warn: Callable[[str], None], *, whole: bool) -> Iterator[None]:
    """Tell how the run of this block went. `whole`: does it go to the night's end? Else only a failure is told."""
    if conf.pipeline.watch.metrics is None and not conf.pipeline.watch.hooks:
        yield
        return
    began = datetime.now(UTC)
    try:
        yield
    except BaseException as error:
        _tell(conf, outcome(conf, day, since=began, error=_why(error)), warn)
        raise
    if whole:
        _tell(conf, outcome(conf, day, since=began), warn)


def outcome(conf: Configuration, day: date, *, since: datetime, error: str | None = None) -> Row:
    """How the newest run of a business date that ops knows went, as JSON-able figures.

    `since`: when this attempt began. A run that failed before it was noted (another held the lakehouse) has no stages.
    """
    lakehouse = Lakehouse(conf.lakehouse)
    runs = [row for row in _known(lambda: lakehouse.rows(OPS_RUN)) if row["date"] == day and row["at"] >= since]
    run_id = max(runs, key=lambda row: row["at"])["run_id"] if runs else None
    done = [row for row in _known(lambda: lakehouse.rows(OPS_STAGE)) if row["run_id"] == run_id]
    stages = {row["stage"]: row for row in sorted(done, key=lambda row: row["at"])}
    figures = {name: json.loads(row["figures"] or "{}") for name, row in stages.items()}
    released = next(iter(_known(lambda: all_releases(lakehouse))[::-1]), None)
    return {
        "event": "failure" if error else "success",
        "date": day.isoformat(),
        "run_id": run_id,
        "error": error,
        "warnings": [line for told in figures.values() for line in told.get("warnings", [])],
        "seconds": round(sum(row["seconds"] for row in stages.values()), 1),
        "stages": {
            name: {"status": row["status"], "seconds": row["seconds"], "rows": row["rows"]}
            for name, row in stages.items()
        },
        "release": released.release if released else None,
        "released_date": released.date.isoformat() if released else None,
        "fates": figures.get("silver", {}).get("fates", {}),
        "identity": {name: value for name, value in figures.get("identity", {}).items() if _is_number(value)},
    }


def _known(read: Callable[[], list[T]]) -> list[T]:
    """What the lakehouse tells; nothing where it cannot: that it is damaged or away may be the very failure told of."""
    try:
        return read()
    except Exception:
        return []


def _why(error: BaseException) -> str:
    """A line for whoever watches. What is not Portrait's own may name what is personal."""
    if isinstance(error, PortraitError):
        return str(error)
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {scrubbed(str(error))}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tell(conf: Configuration, told: Row, warn: Callable[[str], None]) -> None:
    watch = conf.pipeline.watch
    if watch.metrics:
        try:
            write_whole(conf.resolve(watch.metrics), metrics(told, at=datetime.now(UTC)))
        except OSError as error:
            warn(f"watch.metrics: {watch.metrics} cannot be written: {error.strerror}")
    events = {told["event"], *(["warnings"] if told["warnings"] else [])}
    for number, hook in enumerate(watch.hooks, start=1):
        if events.intersection(hook.on) and (problem := _send(hook, message(told), conf.root)):
            warn(f"watch.hooks: hook {number} ({'webhook' if hook.webhook else 'command'}): {problem}")


def message(told: Row) -> Row:
    """What hooks receive: the outcome, and `text`, the line that chat systems show."""
    what = f"night of {told['date']}"
    if told["error"]:
        text = f"Portrait: {what} failed: {told['error'].splitlines()[0]}"
    else:
        text = f"Portrait: {what} is released (release {told['release']}, {told['seconds']:.0f} s)"
    kept = told["warnings"][:_KEPT]
    return {"text": text + (f", {len(told['warnings'])} warnings" if kept else ""), **told, "warnings": kept}


def _send(hook: Hook, body: Row, root: Path) -> str | None:
    """Why the message did not get through; None: it did. The receiver's address may be a secret and is not told."""
    text = json.dumps(body, ensure_ascii=False, default=str).encode()
    try:
        if hook.command:
            done = subprocess.run(  # noqa: S603  (the configuration's own command)
                hook.command, input=text, cwd=root, timeout=PATIENCE, check=False, capture_output=True
            )
            return f"{hook.command[0]} ended with status {done.returncode}" if done.returncode else None
        request = urllib.request.Request(str(hook.webhook), text, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310
            return None
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    except (OSError, ValueError, HTTPException) as error:
        return type(error).__name__ + (f" {error.code}" if isinstance(error, urllib.request.HTTPError) else "")


def metrics(told: Mapping[str, Any], *, at: datetime) -> str:
    """The figures in Prometheus' text format (its exposition format, version 0.0.4)."""
    failed = told["event"] == "failure"
    lines = [
        *_metric("run_failed", "1 where the last run failed.", {"": int(failed)}),
        *_metric("run_finished_timestamp_seconds", "When the last run ended.", {"": at.timestamp()}),
        *_metric("night_seconds", "What the stages of the last run took.", {"": told["seconds"]}),
        *_metric("warnings", "Warnings of the last run.", {"": len(told["warnings"])}),
        *_metric("release", "The newest release.", {"": told["release"]}),
        *_metric("release_date_timestamp_seconds", "Its business date.", {"": _midnight(told["released_date"])}),
        *_metric("stage_seconds", "What a stage took.", _by("stage", told["stages"], "seconds")),
        *_metric("stage_rows", "Rows that a stage wrote.", _by("stage", told["stages"], "rows")),
        *_metric("rows", "What became of the rows of a source's extract.", {
            _label(source=source, fate=fate): count
            for source, fates in told["fates"].items() for fate, count in fates.items()
        }),
        *_metric("identity", "What the identities came to.", {
            _label(figure=name): value for name, value in told["identity"].items()
        }),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _metric(name: str, meaning: str, values: Mapping[str, float | None]) -> list[str]:
    known = [f"portrait_{name}{label} {value}" for label, value in values.items() if value is not None]
    return [f"# HELP portrait_{name} {meaning}", f"# TYPE portrait_{name} gauge", *known] if known else []


def _by(label: str, rows: Mapping[str, Mapping[str, Any]], value: str) -> dict[str, float]:
    return {_label(**{label: name}): row[value] for name, row in rows.items()}


def _label(**labels: str) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _midnight(day: str | None) -> float | None:
    return datetime.combine(date.fromisoformat(day), time(), UTC).timestamp() if day else None
