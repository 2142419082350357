"""Files that go away while a night is at them: their source is refused by name, the others land."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import bronze
from jobs.engines import landing
from tests.stages.extracts import Extracts

READ = "source: {name}\nentity: contact\nread: {{format: {form}, path: 'extracts/{name}/{{date}}_*'}}\n"
FORMS = {
    "csv": "contact_id,city\n1,Bath\n",
    "json": '{"contact_id": "1", "city": "Bath"}\n',
    "access_log": '1.2.3.4 - - [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"\n',
    "xml": "<rows><row><contact_id>1</contact_id><city>Bath</city></row></rows>",
}


def definition(name: str, form: str) -> str:
    text = READ.format(name=name, form=form) + "columns: {contact_id: contact_id, city: city}\n"
    if form == "access_log":
        text = text.replace("entity: contact", "entity: web_event")
        text = text.replace("contact_id: contact_id, city: city", "event_type: \"'view'\"")
    return text.replace("path:", "options: {rowTag: row}, path:") if form == "xml" else text


def night(spark: SparkSession, folder: Path) -> tuple[Extracts, dict[str, Path]]:
    """A source of each form whose file is to go, beside one that stays."""
    forms = {**{f"gone_{form}": form for form in FORMS}, "stays": "csv"}
    extracts = Extracts(spark, folder, {name: definition(name, form) for name, form in forms.items()})
    files = {name: extracts.deliver(f"{name}/2026-03-01_a.{form}", FORMS[form].strip()) for name, form in forms.items()}
    return extracts, {name: file for name, file in files.items() if name != "stays"}


def check_refused(extracts: Extracts, files: dict[str, Path]) -> None:
    assert extracts.night(1) == {"stays": {"accepted": 1}}
    assert extracts.last
    refused = extracts.last.figures_of("bronze")["refused"]
    assert refused.keys() == files.keys()
    for name, file in files.items():
        assert refused[name].startswith(f"source {name}: {file}: ")
        assert "\n" not in refused[name]


def test_gone_between_listing_and_reading(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extracts, files = night(spark, tmp_path)
    land = bronze.land_files

    def landed(_night: Any, source: Any, *rest: Any) -> int:
        if file := files.get(source.source):
            file.unlink()
        return land(_night, source, *rest)

    monkeypatch.setattr(bronze, "land_files", landed)
    check_refused(extracts, files)


def test_gone_between_looking_at_it_and_reading_its_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracts, files = night(spark, tmp_path)
    check = landing._check_columns

    def checked(_night: Any, source: Any, *rest: Any) -> None:
        if file := files.get(source.source):
            file.unlink()
        check(_night, source, *rest)

    monkeypatch.setattr(landing, "_check_columns", checked)
    check_refused(extracts, files)


def test_written_while_it_is_read(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What landed is neither what was delivered nor what lies there: taken back, and told."""
    extracts, files = night(spark, tmp_path)
    changed = {"gone_csv": files["gone_csv"], "gone_json": files["gone_json"]}
    for name in files.keys() - changed.keys():
        del extracts.yaml[name]
    check = landing._check_columns

    def checked(_night: Any, source: Any, *rest: Any) -> None:
        if file := changed.get(source.source):
            file.write_text(file.read_text() * 2)
        check(_night, source, *rest)

    monkeypatch.setattr(landing, "_check_columns", checked)
    check_refused(extracts, changed)
    assert extracts.base and extracts.base.versions.keys().isdisjoint(f"bronze/{name}" for name in changed)
    monkeypatch.undo()
    assert set(extracts.night(2)) == changed.keys()  # late, and whole
