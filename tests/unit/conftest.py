"""What several files of tests stand on: the demo's small company, and a project whose stages only count."""

from pathlib import Path

import pytest

from jobs.demo.extracts import write_extracts
from tests.unit.house import House

HOUSEHOLDS = 150


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small company, all days; nothing has arrived late yet."""
    folder = tmp_path_factory.mktemp("demo")
    write_extracts(folder, households=HOUSEHOLDS)
    return folder


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    return House(tmp_path, monkeypatch)
