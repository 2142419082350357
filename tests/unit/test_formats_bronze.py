"""From a file to bronze and silver on real tables: names, line breaks, encodings, quiet days, what is left behind."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import bronze, silver
from jobs.runtime.night import Night
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse
from tests.bare import bare_configuration
from transforms.sources.definition import parse_source

COLUMNS = "{contact_id: ID, given_name: id, city: '`home city`', family_name: '`姓.名`'}"


class Nights:
    """Nights of bronze and silver over one source's files."""

    def __init__(
        self, spark: SparkSession, folder: Path, *, read: str, columns: str = COLUMNS, extract: str = "append"
    ):
        text = (
            f"source: people\nentity: contact\nextract: {extract}\ncolumns: {columns}\n"
            f"read: {{path: '{folder}/in/{{date}}/*', {read}}}\n"
        )
        self.source = parse_source(text, place="conf/sources/people.yml")
        self.spark, self.folder = spark, folder
        self.lakehouse = Lakehouse(str(folder / "lakehouse"))
        self.base: Release | None = None
        self.warned: list[str] = []

    def run(self, day: int, **files: bytes) -> dict[str, Any]:
        """The day's files (`a_csv` is a.csv) land and are refined; gives bronze's figures."""
        when = date(2026, 3, day)
        folder = self.folder / "in" / when.isoformat()
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name.replace("_", ".")).write_bytes(data)
        conf = bare_configuration(Path("/"), [self.source])
        at = datetime(2026, 3, day, 23, tzinfo=UTC)
        night = Night(
            conf=conf, lakehouse=self.lakehouse, day=when, run_id=f"run-{day}", started_at=at, base=self.base,
            on_warning=self.warned.append,
        )  # fmt: skip
        night.spark = self.spark  # type: ignore[misc]
        bronze.run(night)
        figures = night.stage.figures
        silver.run(night)
        number = self.base.release + 1 if self.base else 1
        self.base = Release(number, night.run_id, when, at, "night", dict(night.versions), "")
        assert not list((self.folder / "lakehouse").glob("_landing/*"))
        return figures

    def table(self, name: str) -> list[dict[str, Any]]:
        assert self.base is not None
        opened = self.lakehouse.open(name, self.base.versions[name])
        assert opened is not None
        rows: list[dict[str, Any]] = opened.to_pyarrow_table().to_pylist()
        return rows


def test_raw_names_from_the_file_to_silver(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path, read="format: csv")
    nights.run(1, a_csv="ID,id,home city,姓.名\n1,Ann,Bath,陈\n,Bob,Ely,王\n".encode())
    (person,) = nights.table("silver/contact")
    assert (person["contact_id"], person["given_name"], person["city"], person["family_name"]) == (
        "1",
        "Ann",
        "Bath",
        "陈",
    )
    (refused,) = nights.table("silver/quarantine")
    assert json.loads(refused["raw"]) == {"id": "Bob", "home city": "Ely", "姓.名": "王"}
    # a column more, whose name differs in case only, leaves the others where they are
    nights.run(2, a_csv="iD,姓.名,home city,id,ID\nx,李,Ely,Eve,2\n".encode())
    people = {person["contact_id"]: person for person in nights.table("silver/contact")}
    assert (people["2"]["given_name"], people["2"]["family_name"]) == ("Eve", "李")
    assert [row["home_city"] for row in sorted(nights.table("bronze/people"), key=lambda row: row["_batch_date"])][
        2
    ] == "Ely"
    assert nights.warned == ["source people: new columns iD: landed, not used until its YAML does"]


LATER = b"ID,id,home city,\xe5\xa7\x93.\xe5\x90\x8d\n" + b"".join(b"%d,a,b,c\n" % n for n in range(9000))


def test_line_breaks_far_into_a_file_are_noticed(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path, read="format: csv")
    figures = nights.run(1, a_csv=LATER + b'x,Ann,"1 Rue A\ny,b,c,d\nParis","z"\n')
    assert figures["landed"] == {"people": 9001}
    (found,) = [row for row in nights.table("bronze/people") if row["ID"] == "x"]
    assert found["home_city"] == "1 Rue A\ny,b,c,d\nParis"
    # a quote that nothing closes refuses the extract, unless the YAML says that a line is a record
    refused = nights.run(2, a_csv=LATER + b'x,Ann,"1 Rue A,c\n7,b,c,d\n')["refused"]["people"]
    assert "a.csv: a quote does not close as it should" in refused
    by_lines = Nights(spark, tmp_path / "lines", read="format: csv, options: {multiline: false}")
    assert by_lines.run(3, a_csv=LATER + b'x,Ann,"1 Rue A,c\ny,b,c,d\n')["landed"] == {"people": 9002}
    assert [row["raw"] for row in by_lines.table("silver/quarantine")] == ['x,Ann,"1 Rue A,c']


@pytest.mark.parametrize(("written", "read"), [("gb18030", "utf-8"), ("utf-8", "gb18030"), ("latin-1", "utf-8")])
def test_a_wrong_encoding_refuses_the_extract(spark: SparkSession, tmp_path: Path, written: str, read: str) -> None:
    nights = Nights(spark, tmp_path, read=f"format: csv, options: {{encoding: {read}}}", columns="{contact_id: id}")
    text = "id,name\n1,Zoë é\n2,Bob\n" if written == "latin-1" else "id,name\n1,陈伟中\n2,王\n"
    assert "a.csv: is not in the encoding" in nights.run(1, a_csv=text.encode(written))["refused"]["people"]


@pytest.mark.parametrize("written", ["gb18030", "utf-8"])
def test_single_bytes_that_do_not_look_like_their_encoding_are_told(
    spark: SparkSession, tmp_path: Path, written: str
) -> None:
    nights = Nights(spark, tmp_path, read="format: csv, options: {encoding: latin-1}", columns="{contact_id: id}")
    assert nights.run(1, a_csv="id,name\n1,北京市海淀区\n".encode(written))["landed"] == {"people": 1}
    assert "does not look like latin-1" in nights.warned[0]
    nights.run(2, a_csv="id,name\n3,Zoë Müller-Größe ÀÉÈ\n".encode("latin-1"))
    assert len(nights.warned) == 1


def test_quiet_days_and_empty_snapshots(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path, read="format: json", columns="{contact_id: id}")
    nights.run(1, a_json=b'{"id":1}\n')
    assert nights.run(2, a_json=b"[]")["landed"] == {"people": 0}
    assert "zero bytes" in nights.run(3, a_json=b"")["refused"]["people"]
    whole = Nights(spark, tmp_path / "whole", read="format: csv", columns="{contact_id: id}", extract="snapshot")
    assert "holds no record" in whole.run(1, a_csv=b"id\n")["refused"]["people"]
