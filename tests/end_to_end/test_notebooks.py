"""The notebooks run over the demo's nights, and are saved without what they print."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from jobs.gold import open_release
from jobs.lookups.funnel import Funnel, conversion
from tests.end_to_end.conftest import Nights
from tests.end_to_end.project import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 110
# What reads a lakehouse by another way than open_release().
ROUND_ABOUT = ("deltalake", "read_parquet", "read_delta", "pyspark", "silver", "restricted")


def test_there_are_five() -> None:
    assert len(NOTEBOOKS) == 5


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_is_saved_without_output(
    nights: Nights, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert not [word for word in ROUND_ABOUT for cell in cells if word in cell.source]
    nights.project.load()  # sets where the project's lakehouse is
    monkeypatch.setenv("PORTRAIT_CONF", str(nights.project.conf))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(tmp_path)}}).execute()
    release = nights.project.release
    assert cells[0].outputs[0].text == f"release {release.release} of {release.date}\n"
    assert all(cell.outputs for cell in cells)
    if file.stem.startswith("04"):  # which says that its last table is that of a command
        steps = ["campaign_event:sent", "web_event:view", "transaction:purchase"]
        gold = open_release(conf=nights.project.conf)
        told = conversion(gold, Funnel(steps, "14d"), smallest_group=1)["groups"][0]["steps"]
        shown = cells[-1].outputs[0].data["text/plain"].split()
        assert shown == ["sent", "came", "bought", "0", *(str(step["customers"]) for step in told)]
