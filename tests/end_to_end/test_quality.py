"""The gate in a whole night: what must hold stops it, what need not is told, and all of it can be looked at."""

import json
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli import app
from jobs.demo.extracts import DEMO_NIGHTS
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.conftest import Nights
from transforms.errors import DataError
from transforms.schemas import OPS_QUALITY

LAST = DEMO_NIGHTS[2]
_CHECKS = """
  - {name: online, expect: channel = 'web', mostly: 0.5, on_fail: stop}
  - {unique: [channel], on_fail: stop}
"""


def test_a_night_that_fails_its_checks(nights: Nights, spark: SparkSession, tmp_path: Path) -> None:
    project = nights.copy(2, tmp_path / "demo")
    before = project.release
    till = project.conf / "sources" / "pos.yml"
    till.write_text(till.read_text().rstrip("\n") + _CHECKS)
    with pytest.raises(DataError) as error:
        project.night(LAST, spark)
    landed = nights.runs[2].figures_of("bronze")["landed"]["pos"]
    fates = nights.runs[2].figures_of("silver")["fates"]["pos"]
    online, unique = str(error.value).splitlines()
    assert re.fullmatch(
        rf"source pos: check online: \d+ of {landed:,} rows fail \(\d+\.\d%; 50\.0% may\); the night stops and nothing "
        r"is released; mend the extract, or the check in conf/sources/pos\.yml",
        online,
    )
    assert f"check unique_channel: {fates['accepted'] - 1:,} of {fates['accepted']:,} rows fail" in unique
    assert project.release == before

    till.write_text(till.read_text().replace("on_fail: stop", "on_fail: warn"))
    night = project.night(LAST, spark)
    assert project.release.run_id == night.run_id
    warned = night.finished["silver"].warnings
    assert [line.split(": ")[1] for line in warned if "online" in line or "channel" in line] == [
        "check online", "check unique_channel",
    ]  # fmt: skip

    reports = project.folder / "lakehouse" / "ops" / "reports"
    report = (reports / f"{LAST}.html").read_text()
    assert f'<a href="{LAST}_checks/index.html">' in report
    pages = list((reports / f"{LAST}_checks").glob("*.html"))
    assert {"index.html", "pos.html", "silver_transaction.html"} <= {page.name for page in pages}
    for page in (report, *(page.read_text() for page in pages)):
        assert not re.search(r"https?://|<script|<link|<img", page)

    told = json.loads(CliRunner().invoke(app, ["status", "--json", "--conf", str(project.conf)]).stdout)["quality"]
    rows = [
        row for row in Lakehouse(str(project.folder / "lakehouse")).rows(OPS_QUALITY)
        if row["run_id"] == night.run_id and row["source"] == "pos" and row["dimension"] == "uniqueness"
        and not row["check"].startswith("rows_")
    ]  # fmt: skip
    assert {row["check"] for row in rows} == {"no_duplicates", "one_version_a_record", "unique_channel"}
    score = 100 * (1 - sum(row["failed"] / row["rows"] for row in rows) / 3)
    assert told["pos"]["scores"]["uniqueness"] == pytest.approx(score)
    assert (told["pos"]["owner"], len(told["pos"]["trend"])) == ("store-systems", 3)
    assert "accuracy" not in told["pos"]["scores"]


def test_what_a_night_brought_is_kept_for_the_next(nights: Nights) -> None:
    """The figures that later nights are compared with, counted again in the tables."""
    for run in (nights.runs[0], nights.runs[2]):
        lines = nights.project.table("silver/transaction", run.release)
        tonight = lines[lines["_batch_date"] == str(run.day)]
        told = run.figures_of("silver")["measures"]["pos"]
        assert told["accepted"] == told["records"] == len(tonight)
        assert told["filled"]["coupon"] == (tonight["coupon"] != "None").sum()
        assert told["sums"]["amount_local"] == pytest.approx(tonight["amount_local"].astype(float).abs().sum())
        assert told["landed"] == run.figures_of("bronze")["landed"]["pos"]
