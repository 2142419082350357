"""What may become of a released tag: the moves that are refused, each with its line."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.runtime.catalog import released_catalog
from tests.unit.trusted import Nights, yaml_of
from transforms.errors import DefinitionError
from transforms.tags.definition import parse_tags
from transforms.tags.life_cycle import check_life_cycle

SPEND = "from: transaction\nselect: sum(amount)\n"
PLACE = "tags/spend.yml: "
OTHER = "version: its meaning is another than that of version 1, which is released; write version: 2"
# released -> tonight -> the line; None: it may be
CASES: list[tuple[str, str, str | None]] = [
    (SPEND, SPEND + "window: 30d", OTHER),
    (SPEND, SPEND + "window: 30d\nversion: 2", None),
    (SPEND, SPEND + "version: 2", None),
    (SPEND, SPEND.replace("amount", "quantity"), OTHER),
    (SPEND, SPEND + "unit: EUR", OTHER),
    (SPEND, SPEND + "checks: [{expect: value > 0}]\ndefault: null\nper: null", None),
    (SPEND + "version: 3", SPEND + "window: 30d\nversion: 2", OTHER.replace("1", "3").replace("2", "4")),
    (SPEND, SPEND + "window: 30d\nstatus: offline", OTHER),
    ("status: draft\n" + SPEND, "status: draft\nwindow: 30d\n" + SPEND, None),
    ("status: draft\n" + SPEND, "window: 30d\n" + SPEND, None),
    ("status: draft\n" + SPEND, "status: offline\n" + SPEND,
     "status: offline, but it is released as draft, which may become online"),
    ("status: draft\n" + SPEND, "status: retired\n" + SPEND,
     "status: retired, but it is released as draft, which may become online"),
    (SPEND, "status: draft\n" + SPEND, "status: draft, but it is released as online, which may become offline"),
    (SPEND, "status: retired\n" + SPEND, "status: retired, but it is released as online, which may become offline"),
    (SPEND, "status: offline\n" + SPEND, None),
    ("status: offline\n" + SPEND, SPEND, None),
    ("status: offline\n" + SPEND, "status: retired\n" + SPEND, None),
    ("status: offline\n" + SPEND, "status: draft\n" + SPEND,
     "status: draft, but it is released as offline, which may become online or retired"),
    ("status: retired\n" + SPEND, "version: 9\n" + SPEND,
     "tag: the name 'spend' is that of a retired tag and is never used again; take another"),
]  # fmt: skip


def row_of(body: str) -> dict[str, Any]:
    tag = parse_tags({"tags/spend.yml": yaml_of("spend", body)})["spend"]
    return {"status": tag.status, "version": tag.version, "definition": tag.definition_hash}


@pytest.mark.parametrize(("was", "now", "line"), CASES)
def test_moves(was: str, now: str, line: str | None) -> None:
    tags = parse_tags({"tags/spend.yml": yaml_of("spend", now)})
    if line is None:
        check_life_cycle(tags, {"spend": row_of(was)})
        return
    with pytest.raises(DefinitionError) as told:
        check_life_cycle(tags, {"spend": row_of(was)})
    assert list(told.value.lines) == [PLACE + line]


PIPELINE = "lakehouse: lakehouse\ndefinitions: tags\n"
PRIVACY = (
    "purposes: {marketing: {consent: none}}\n"
    f"keys: {{customer: {'c' * 40}, erasure: {'e' * 40}}}\nroles: {{}}\n"
)  # fmt: skip
IDENTITY = "known_by: [crm_id]\nidentifiers: {crm_id: {priority: 1}}\n"


def test_validate_holds_the_files_against_the_last_release(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "lakehouse", {"spend": SPEND, "big": "select: spend > 10", "few": "select: spend < 1"})
    nights.run(0, {"a": {"spend": 1.0, "big": False, "few": False}})
    assert set(released_catalog(nights.lakehouse, nights.base)) == {"spend", "big", "few"}
    (tmp_path / "conf").mkdir()
    for name, text in (("pipeline", PIPELINE), ("privacy", PRIVACY), ("identity", IDENTITY)):
        (tmp_path / "conf" / f"{name}.yml").write_text(text)
    (tmp_path / "tags").mkdir()
    for name, body in nights.bodies.items():
        (tmp_path / "tags" / f"{name}.yml").write_text(yaml_of(name, body))

    def validated() -> tuple[int, str]:
        told = CliRunner().invoke(app, ["validate", "--conf", str(tmp_path / "conf")])
        lines = told.output.splitlines(keepends=True)
        return told.exit_code, "".join(line for line in lines if not line.startswith("warning"))

    assert validated()[0] == 0, validated()
    (tmp_path / "tags" / "spend.yml").write_text(yaml_of("spend", SPEND + "window: 9d"))
    assert validated() == (2, PLACE + OTHER + "\n")
    # gone while others need it: that is told first, before what each of them misses
    (tmp_path / "tags" / "spend.yml").unlink()
    code, output = validated()
    assert code == 2
    assert output.splitlines()[0] == (
        "tags/spend.yml: is gone, but 'spend' is still needed by tag big, tag few; bring it back or change them first"
    )
    for name in ("big", "few"):
        (tmp_path / "tags" / f"{name}.yml").unlink()
    assert validated()[0] == 0
