"""`portrait validate --sample`: ten rows of a source, by the night's own code, before any night."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.project.sample import newest_files, sample_rows, tell
from jobs.project.starter.project import write_project
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from transforms.errors import DataError, DefinitionError

NEW = date(2026, 2, 2)
ORDERS = """\
order_no;pos;ordered_at;customer;email;article;product_group;qty;price;total
B1;1;01.02.2026 23:30;C001;Alma.Berg@Example.com;Tea;Tea;2;1.000,50;2.001,00
B1;x;01.02.2026 23:30;C001;;Tea;Tea;2;1,00;2,00
B2;1;31.31.2026 10:00;;;Cup;Cups;-1;6,50;6,50
B3;1;01.02.2026 10:00;;;STAFF;Cups;1;0,00;0,00
"""


@dataclass(frozen=True)
class Project:
    folder: Path

    def load(self) -> Configuration:
        return load_configuration(self.folder / "conf")

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.folder / "conf" / "sources" / f"{name}.yml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("EXTRACTS", "LAKEHOUSE", "EXPORTS", "PORTRAIT_CUSTOMER_KEY", "PORTRAIT_ERASURE_KEY"):
        monkeypatch.delenv(name, raising=False)
    write_project(tmp_path / "mine", Screen(as_json=True))
    project = Project(tmp_path / "mine")
    folder = project.folder / "extracts" / "orders" / NEW.isoformat()
    folder.mkdir()
    (folder / "orders.csv").write_text(ORDERS)
    return project


def test_rows_stand_beside_what_silver_would_hold(
    project: Project, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    project.edit("orders", "checks:", "where: article <> 'STAFF'\nchecks:")
    conf = project.load()
    source, files = newest_files(conf, "orders", None)
    assert [file.file_date for file in files] == [NEW]
    rows = sample_rows(conf, source, files, spark)
    assert [row.raw["order_no"] for row in rows] == ["B1", "B1", "B2", "B3"]
    assert [row.fate for row in rows] == ["accepted", "quarantined", "quarantined", "filtered"]
    assert [row.reasons for row in rows[1:3]] == [["no_line_no"], ["no_ordered_at", "refund_above_zero"]]
    first = rows[0]
    assert first.raw["total"] == "2.001,00" and str(first.canonical["amount_local"]) == "2001.0000"
    assert str(first.canonical["ordered_at"]) == "2026-02-01 22:30:00"  # Berlin is an hour ahead of UTC
    assert first.ids == {"shop_customer": ["C001"], "email": ["alma.berg@example.com"]}
    assert not (project.folder / "lakehouse").exists()

    tell(source, files, rows, Screen())
    shown = capsys.readouterr()
    [line] = [line for line in shown.out.splitlines() if "2.001,00" in line]
    assert line.split() == ["total", "2.001,00", "amount_local", "2001.0000"]
    assert "row 2: quarantined (no_line_no)" in shown.out
    assert "4 rows as transaction: 1 accepted, 1 filtered, 2 quarantined" in shown.out

    tell(source, files, rows, Screen(as_json=True))
    told = json.loads(capsys.readouterr().out)
    assert (told["accepted"], told["filtered"], told["quarantined"]) == (1, 1, 2)
    assert told["rows"][0]["canonical"]["amount_local"] == "2001.0000"


def test_the_date_names_the_files(project: Project) -> None:
    conf = project.load()
    _, files = newest_files(conf, "orders", date(2026, 2, 1))
    assert [file.file_date for file in files] == [date(2026, 1, 31)]
    with pytest.raises(DataError, match="matches no file up to 2026-01-30"):
        newest_files(conf, "orders", date(2026, 1, 30))


def test_mistakes_are_told_in_one_line(project: Project, spark: SparkSession) -> None:
    with pytest.raises(DefinitionError, match="no such source; did you mean 'orders'"):
        newest_files(project.load(), "order", None)
    project.edit("orders", "order_id: order_no", "order_id: order_number")
    conf = project.load()
    source, files = newest_files(conf, "orders", None)
    with pytest.raises(DefinitionError, match=r"columns\.order_id: no column 'order_number'.*did you mean 'order_no'"):
        sample_rows(conf, source, files, spark)
    Path(files[0].path).write_text("")
    with pytest.raises(DataError, match="zero bytes"):
        newest_files(conf, "orders", None)
