"""The demo's small company, written once for all tests that only look at its files."""

from pathlib import Path

import pytest

from jobs.demo.extracts import write_extracts

HOUSEHOLDS = 150


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small company, all days; nothing has arrived late yet."""
    folder = tmp_path_factory.mktemp("demo")
    write_extracts(folder, households=HOUSEHOLDS)
    return folder
