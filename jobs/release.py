"""Stage `release`: what the stages wrote becomes what readers see."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("release")

from jobs.engines.erased_again import end_erasures
from jobs.runtime import releases
from jobs.runtime.night import Night


def run(night: Night, cause: releases.Cause = "night") -> None:
    """Make what the stages wrote the state that readers see: one row, so all of it or nothing."""
    if night.release is None or night.release.run_id != night.run_id:  # else it died before it had noted the stage
        night.release = releases.publish(
            night.lakehouse, run_id=night.run_id, day=night.day, cause=cause,
            versions=night.versions, configuration=night.conf.hash, holds=night.holds,
        )  # fmt: skip
    if cause == "night":
        end_erasures(night, night.release)
    night.figure("release", night.release.release)
