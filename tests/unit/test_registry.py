"""A registry that cannot be had: told in a line without its password, and nobody's scores depend on it. No Spark."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.engines.registry import registered, tell_gone
from jobs.engines.released_models import Model
from jobs.runtime.night import Night
from jobs.runtime.tables import Lakehouse

MODEL = Model("churn", "churn", 1, "d", date(2017, 6, 1), {"model": {}}, {"auc": 0.8}, "churn 1 2017-06-01 0f", 1)


def opened(root: Path, store: str | None, warned: list[str]) -> Night:
    conf: Any = SimpleNamespace(pipeline=SimpleNamespace(timezone="UTC", mlflow=store), root=root, hash="h", tags={})
    return Night(
        conf=conf, lakehouse=Lakehouse(str(root)), day=date(2017, 6, 1), run_id="r", base=None,
        started_at=datetime(2017, 6, 1, tzinfo=UTC), on_warning=warned.append,
    )  # fmt: skip


@pytest.mark.parametrize("store", ["http://someone:s3cret@127.0.0.1:9/", "nonsense://x"])
def test_a_store_that_cannot_be_had(tmp_path: Path, store: str) -> None:
    warned: list[str] = []
    night = opened(tmp_path, store, warned)
    assert registered(night, [MODEL]) == [MODEL]
    tell_gone(night, [MODEL])
    assert len(warned) == 2
    assert "tonight's models are not logged" in warned[0]
    assert "released models score as before" in warned[1]
    assert not any("s3cret" in line or "\n" in line for line in warned)


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, whatever its name says " * 50)
    warned: list[str] = []
    tell_gone(opened(tmp_path, "sqlite:///mlflow.db", warned), [MODEL])
    assert len(warned) == 1
    assert "sqlite:///mlflow.db: cannot be read (file is not a database)" in warned[0]


def test_without_a_store_nothing_is_logged(tmp_path: Path) -> None:
    warned: list[str] = []
    night = opened(tmp_path, None, warned)
    assert registered(night, [MODEL]) == [MODEL]
    tell_gone(night, [MODEL])
    assert (warned, list(tmp_path.iterdir())) == ([], [])
