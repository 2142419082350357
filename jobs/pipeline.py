"""The whole night on one screen: every stage with what it reads and writes, and how a run goes through them."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from jobs import (
    audiences,
    bronze,
    catalog,
    exports,
    identity,
    journeys,
    profile,
    recommendations,
    release,
    report,
    segments,
    silver,
    tags,
)
from jobs.engines import gate
from jobs.engines.erased_again import bring_to
from jobs.runtime.catalog import released_catalog
from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.lease import Lease
from jobs.runtime.night import Ledger, Night
from jobs.runtime.recovery import OVER, Begin, begin
from jobs.runtime.run_notes import log_file, note_stage, noted, spark_jobs, told, told_of
from jobs.runtime.session import jvm_pid
from jobs.runtime.tables import Lakehouse
from jobs.runtime.watch import watched
from transforms.errors import DefinitionError, LockedError
from transforms.tags.life_cycle import check_life_cycle


@dataclass(frozen=True)
class Stage:
    """A step of the night. It reads tables of the stages before it and writes only its own."""

    name: str
    run: Callable[[Night], None]
    reads: str
    writes: str


NIGHT = (
    Stage("bronze", bronze.run, reads="extracts", writes="bronze/<source>, ops/file"),
    Stage("silver", silver.run, reads="bronze", writes="silver/<entity>, silver/quarantine"),
    Stage("identity", identity.run, reads="silver, identity", writes="identity/*, gold/customer, gold/model"),
    Stage("tags", tags.run, reads="silver, identity, gold/customer, gold/model", writes="tag/*, gold/model"),
    Stage("profile", profile.run, reads="gold/customer, tag", writes="gold/customer_profile"),
    Stage("journeys", journeys.run, reads="silver, identity", writes="gold/order, gold/session, gold/journey"),
    Stage("catalog", catalog.run, reads="gold, the last release", writes="gold/tag_catalog, gold/tag_change"),
    Stage("segments", segments.run, reads="gold, silver", writes="gold/segmentation, gold/segment_*"),
    Stage("recommendations", recommendations.run, reads="silver", writes="gold/association, gold/recommendation"),
    Stage("audiences", audiences.run, reads="gold, silver", writes="gold/audience, gold/campaign_result, …"),
    Stage("release", release.run, reads="every table's version", writes="ops/release"),
    Stage("exports", exports.run, reads="the release", writes="files, ops/export"),
    Stage("report", report.run, reads="ops", writes="report.html"),
)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}")
STAGES = tuple(stage.name for stage in NIGHT)


def chosen(first: str | None, until: str | None, only: str | None) -> tuple[str, ...]:
    """The stages of --from, --until and --only. Raises DefinitionError for an unknown one or an empty choice."""
    for option, name in (("--from", first), ("--until", until), ("--only", only)):
        if name is not None and name not in STAGES:
            raise DefinitionError(f"{option} {name}: no such stage (one of {', '.join(STAGES)})")
    if only:
        return (only,)
    start = STAGES.index(first) if first else 0
    end = STAGES.index(until) if until else len(STAGES) - 1
    if start > end:
        raise DefinitionError(f"--from {first} --until {until}: nothing lies between them")
    return STAGES[start : end + 1]


def check_run_id(run_id: str | None) -> None:
    """Raise DefinitionError for a name that no run may have: it names a log file, too."""
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        raise DefinitionError(f"--run-id {run_id!r}: letters, digits and . _ : + - alone, at most 100, no sign first")


def run_night(
    conf: Configuration,
    day: date,
    *,
    screen: Screen,
    stages: Sequence[str] = STAGES,
    run_id: str | None = None,
    again: bool = False,
    full_refresh: bool = False,
    refit: bool = False,
    local: bool = True,
    session: Any = None,
) -> Night:
    """Run the night of `day`, from where a run that died left off.

    `session`: a Spark session to use instead of starting one. Gives the night, with what each stage counted.
    Raises PortraitError where a stage fails; nothing is released then, and what readers see is unchanged.
    """
    check_run_id(run_id)
    lakehouse = Lakehouse(conf.lakehouse)
    options = {"again": again, "full_refresh": full_refresh, "refit": refit}
    whole = stages[-1] == STAGES[-1]
    with (
        watched(conf, day, screen.warn, whole=whole),
        Lease(conf.lakehouse, run_id or f"of {day} (process {os.getpid()})") as lease,
    ):
        start = begin(lakehouse, day, options=options, run_id=run_id, **told_of(conf))
        lease.names_run(start.run_id)
        check_life_cycle(conf.tags, released_catalog(lakehouse, start.base))
        night = opened(
            conf, day, start, screen=screen, lease=lease, local=local, session=session,
            refit=refit, full_refresh=full_refresh,
        )  # fmt: skip
        with noted(night, options, OVER if whole else "stopped"):
            _go(night, start, stages, screen, lease.check)
        return night


def opened(
    conf: Configuration, day: date, start: Begin, *, screen: Screen, lease: Lease | None, local: bool, session: Any,
    refit: bool = False, full_refresh: bool = False,
) -> Night:  # fmt: skip
    """The run of that start, with its log and its session. `lease`: what it holds; None: it only reads."""

    def names_jvm(spark: Any) -> None:
        if lease:
            lease.names_jvm(jvm_pid(spark))

    night = Night(
        conf=conf, lakehouse=Lakehouse(conf.lakehouse), day=day, run_id=start.run_id, started_at=start.started_at,
        base=start.base, refit=refit, full_refresh=full_refresh, log=log_file(conf, start.run_id),
        on_warning=screen.warn, on_session=names_jvm, holds=lease.check if lease else lambda: None,
        noted=start.noted, local=local,
    )  # fmt: skip
    if session is not None:
        night.__dict__["spark"] = session
        names_jvm(session)
    return night


def _go(night: Night, start: Begin, stages: Sequence[str], screen: Screen, holds: Callable[[], None]) -> None:
    """The chosen stages that are not done. `holds` raises where the run has lost its lease."""
    finished = {row["stage"]: row for row in start.finished}
    if start.release is None and "bronze" in finished and "bronze" in stages:
        finished = {} if bronze.has_new_files(night, finished["bronze"]["figures"]) else finished
    released = STAGES[: STAGES.index("release")] if start.release else ()
    before = STAGES if len(stages) == len(STAGES) else STAGES[: STAGES.index(stages[0])]
    done = [name for name in STAGES if name in released or (name in finished and name in before)]
    _check_order(done, stages)
    if "silver" in stages and "silver" not in done:
        gate.warm_up()
    kept = [finished[name] for name in done if name in finished]
    night.release = start.release or start.base
    state = replace(start, finished=kept).versions
    bring_to(night, state, start.release or start.base)
    night.finished = {row["stage"]: _ledger(row) for row in kept}
    if done:
        screen.progress(f"run {night.run_id} goes on after {done[-1]}")
    chosen_ones = [stage for stage in NIGHT if stage.name in stages and stage.name not in done]
    run_stages(night, chosen_ones, screen, holds)


def run_stages(night: Night, stages: Sequence[Stage], screen: Screen, holds: Callable[[], None]) -> None:
    """Stage by stage, each noted in ops/stage. `holds` raises where the run has lost its lease."""
    for stage in stages:
        holds()
        _run_stage(night, stage, screen)


def _ledger(row: Mapping[str, Any]) -> Ledger:
    """What a finished stage of an earlier attempt counted, and what it warned of."""
    figures = dict(row["figures"])
    warnings = figures.pop("warnings", [])
    return Ledger(row["inputs"], row["outputs"], row["rows"], figures, warnings)


def _check_order(done: Sequence[str], stages: Sequence[str]) -> None:
    missing = [name for name in STAGES[: STAGES.index(stages[0])] if name not in done]
    if missing:
        raise DefinitionError(
            f"--from {stages[0]}: {missing[0]} has not run for this night; run it first (--only {missing[0]})"
        )


def _run_stage(night: Night, stage: Stage, screen: Screen) -> None:
    night.stage = Ledger()
    began, jobs = time.monotonic(), spark_jobs(night)

    def spent() -> tuple[float, int]:
        return time.monotonic() - began, spark_jobs(night) - jobs

    try:
        with screen.working(stage.name):
            stage.run(night)
    except LockedError:
        raise  # the lakehouse is another run's now: not even a note
    except BaseException as error:
        with suppress(BaseException):
            note_stage(night, stage.name, "failed", *spent(), told(error, night))
        raise
    if night.has_session:
        night.spark.catalog.clearCache()
    night.finished[stage.name] = night.stage
    night.holds()
    seconds, _ = took = spent()
    note_stage(night, stage.name, "done", *took)
    screen.progress(f"{stage.name:<10} {seconds:>7.1f} s {night.stage.rows:>12,} rows")
