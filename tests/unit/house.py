"""A project whose stages only count: for how a run goes through them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from jobs import pipeline
from jobs.pipeline import NIGHT, chosen, run_night
from jobs.runtime.configuration import load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.project import KEYS, ROOT
from transforms.errors import PortraitError
from transforms.schemas import Column, Table

DAY = date(2026, 3, 2)


class House:
    """A project whose stages each append their turn to a table of their own, and fail where asked to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("conf", "tag_definitions"):
            shutil.copytree(ROOT / name, folder / name)
        for name, value in {**KEYS, "LAKEHOUSE": str(folder / "lakehouse")}.items():
            monkeypatch.setenv(name, value)
        self.conf = load_configuration(folder / "conf")
        self.lakehouse = Lakehouse(self.conf.lakehouse)
        self.ran: list[str] = []
        self.fails: str | None = None
        self.meanwhile: dict[str, Callable[[], None]] = {}
        stages = [stage if stage.name == "release" else replace(stage, run=self._stage(stage.name)) for stage in NIGHT]
        monkeypatch.setattr(pipeline, "NIGHT", tuple(stages))

    def _stage(self, name: str) -> Callable[[Night], None]:
        def run(night: Night) -> None:
            self.ran.append(name)
            self.meanwhile.get(name, lambda: None)()
            night.append(self.table(name), [{"turn": len(self.ran)}])
            if name == self.fails:
                raise PortraitError(f"{name} failed")

        return run

    def table(self, stage: str) -> Table:
        return Table(f"tag/{stage}", (Column("turn", "bigint", "", "none"),))

    def night(
        self, *, first: str | None = None, until: str | None = None, only: str | None = None, run_id: str | None = None
    ) -> list[str]:
        """Run the night; gives the stages that ran, but for the release."""
        before = len(self.ran)
        run_night(self.conf, DAY, screen=Screen(as_json=True), stages=chosen(first, until, only), run_id=run_id)
        return self.ran[before:]

    def dies_in(self, stage: str) -> list[str]:
        self.fails, before = stage, len(self.ran)
        with pytest.raises(PortraitError, match=f"{stage} failed"):
            self.night()
        self.fails = None
        return self.ran[before:]

    def turns(self, stage: str) -> list[int]:
        """What the newest release has of a stage's table."""
        version = all_releases(self.lakehouse)[-1].versions[f"tag/{stage}"]
        return [row["turn"] for row in self.lakehouse.rows(self.table(stage), version)]
