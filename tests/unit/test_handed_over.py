"""What is told of a person outside the lakehouse: who may read it, and which files of the project name the person."""

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.changes.forget import _tell_of_files
from jobs.engines.persons import Person
from jobs.lookups import access
from jobs.runtime.console import Screen
from transforms.tags.imports import Line


def test_only_its_owner_reads_what_is_written_over_what_all_could_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"email": "ann@example.org", "name": '小\n"Ann"', "ids": {"a": ["1"]}, "none": None}
    told = {"customer_id": "1", "tags": [], "tables": {"gold/customer": [row], "gold/order": [row, {"n": 1.5}]}}
    monkeypatch.setattr(access, "held_on", lambda *_: told)
    monkeypatch.setattr(access, "page", lambda _: "<p>ann@example.org")
    (tmp_path / "access.json").write_text("{}")
    (tmp_path / "access.json").chmod(0o644)
    conf: Any = None
    for file in access.write_access(conf, "email:ann@example.org", tmp_path).files:
        assert "ann@example.org" in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads((tmp_path / "access.json").read_text()) == told


def test_lists_and_decisions_that_name_the_erased_are_told_of_wherever_they_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that a tag imports and decisions by hand need not lie under conf/, nor need that be its name."""
    for name in ("lists/panel.csv", "decisions/same.csv", "lists/others.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("email,ann@example.org,1\n" * 2 if "others" not in name else "email,bo@x.org,1\n")
    line = Line("email", ("ann@example.org",), "1", "lists/panel.csv:2")
    conf: Any = SimpleNamespace(
        root=tmp_path, resolve=lambda path: str(tmp_path / path), imports={"panel": (line, line)},
        pipeline=SimpleNamespace(definitions="tag_definitions"),
        identity=SimpleNamespace(manual=SimpleNamespace(same="decisions/same.csv", different=None)),
    )  # fmt: skip
    person = Person(frozenset(), frozenset(), frozenset(), frozenset({("email", "ann@example.org")}))
    _tell_of_files(conf, person, Screen())
    told = capsys.readouterr().err.splitlines()
    assert [one.partition(": names")[0] for one in told] == [
        f"warning: {tmp_path}/decisions/same.csv", f"warning: {tmp_path}/lists/panel.csv",
    ]  # fmt: skip
    assert all("in 2 places" in one and "ann@" not in one for one in told)
