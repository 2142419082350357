"""A night's settings for few rows, and for many among them."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

from jobs.runtime.night import FEW_ROWS, Night
from jobs.runtime.tables import Lakehouse

WHOLE, FACTORY = "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode"


def test_what_is_over_many_rows_is_compiled_within_what_is_over_few() -> None:
    settings = {WHOLE: "true", FACTORY: "FALLBACK"}
    conf: Any = SimpleNamespace(pipeline=SimpleNamespace(timezone="UTC"))
    night = Night(
        conf=conf, lakehouse=Lakehouse("nowhere"), day=date(2026, 3, 2), run_id="r", started_at=datetime.now(UTC),
        base=None,
    )  # fmt: skip
    spark: Any = SimpleNamespace(conf=SimpleNamespace(get=settings.__getitem__, set=settings.__setitem__))
    night.__dict__["spark"] = spark
    with night.for_rows(FEW_ROWS):
        assert settings == {WHOLE: "false", FACTORY: "NO_CODEGEN"}
        with night.for_rows(1), night.as_usual():
            assert settings == {WHOLE: "true", FACTORY: "FALLBACK"}
        assert settings == {WHOLE: "false", FACTORY: "NO_CODEGEN"}
    assert settings == {WHOLE: "true", FACTORY: "FALLBACK"}
    with night.for_rows(FEW_ROWS + 1), night.as_usual():
        assert settings == {WHOLE: "true", FACTORY: "FALLBACK"}
