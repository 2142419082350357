"""`portrait init`: the project it writes is valid as it stands, and its night releases."""

import stat
from datetime import date
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.demo.tour import write_keys
from jobs.gold import open_release
from jobs.pipeline import run_night
from jobs.project.starter.extracts import DAY
from jobs.project.starter.project import write_project
from jobs.runtime.configuration import load_configuration
from jobs.runtime.console import Screen
from tests.unit.test_tag_definitions import check_examples
from transforms.errors import DefinitionError

QUIET = Screen(as_json=True)
SET_BY_OTHERS = ("EXTRACTS", "LAKEHOUSE", "EXPORTS", "PORTRAIT_CUSTOMER_KEY", "PORTRAIT_ERASURE_KEY")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in SET_BY_OTHERS:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "mein Laden 李"  # as folders of people are called
    write_project(folder, QUIET)
    return folder


def test_the_project_runs_as_it_is(project: Path, spark: SparkSession) -> None:
    conf = load_configuration(project / "conf")
    assert conf.warnings == ()
    assert check_examples(spark, dict(conf.tags), timezone=conf.pipeline.timezone) == []
    night = run_night(conf, date.fromisoformat(DAY), screen=QUIET, session=spark)
    assert night.release is not None
    orders = project / f"extracts/orders/{DAY}/orders.csv"
    spent = duckdb.sql(
        "select customer, sum(replace(replace(total, '.', ''), ',', '.')::decimal(18,2)) "
        f"from read_csv('{orders}', delim=';', all_varchar=true) group by 1"
    ).fetchall()
    assert len(spent) == 13  # twelve customers, and the guest
    with open_release(str(project / "lakehouse")).duckdb() as db:
        found = db.sql("select spend_90d from customer_profile where spend_90d <> 0 order by 1").fetchall()
        known = db.sql("select count(*) from customer_profile").fetchall()
    assert [round(row[0], 2) for row in found] == sorted(float(amount) for _, amount in spent)
    assert known == [(15,)]  # fourteen contacts and the guest
    [delivered] = (project / "exports/service_desk" / DAY).glob("*.csv")
    assert len(delivered.read_text().splitlines()) == 1 + 13


def test_keys_are_its_own_and_for_its_owner_alone(project: Path, tmp_path: Path) -> None:
    write_project(tmp_path / "other", QUIET)
    mine, other = ((folder / ".env").read_text() for folder in (project, tmp_path / "other"))
    assert mine != other and len(mine.splitlines()) == 2
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert ".env*" in (project / ".gitignore").read_text().splitlines()


def test_keys_whose_writing_was_cut_off_are_made_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
        write_keys(tmp_path / ".env")
    write_keys(tmp_path / ".env")
    assert len((tmp_path / ".env").read_text().splitlines()) == 2
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DefinitionError, match=r"not empty \(holds notes\.txt\)"):
        write_project(tmp_path, QUIET)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(DefinitionError, match="is a file"):
        write_project(tmp_path / "notes.txt", QUIET)
