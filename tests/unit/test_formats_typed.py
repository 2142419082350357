"""Parquet, ORC and XML as they land: each type's text, and files that are not what they should be."""

import base64
import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import orc
from pyarrow import parquet as pq
from pyspark.sql import SparkSession

from jobs.runtime.extracts import read_extract
from jobs.runtime.files import ExtractFile
from transforms.errors import DataError, DefinitionError
from transforms.sources.definition import parse_source
from transforms.sources.names import raw_names

DAY = date(2026, 3, 10)
Rows = list[dict[str, str | None]]
Land = Callable[..., Rows]


@pytest.fixture
def land(spark: SparkSession, tmp_path: Path) -> Land:
    """Lands the files at these paths, all of one day; gives rows of raw names."""

    def landed(form: str, *paths: Path, **options: Any) -> Rows:
        read = json.dumps({"format": form, "path": "x/{date}/*", "options": options})
        text = f"source: people\nentity: contact\nread: {read}\ncolumns: {{contact_id: id}}\n"
        source = parse_source(text, place="conf/sources/people.yml")
        files = [ExtractFile(str(path), path.name, path.stat().st_size, datetime.now(UTC), DAY) for path in paths]
        frame = read_extract(
            spark, source, files, day=DAY, ingested_at=datetime(2026, 3, 11), scratch=str(tmp_path / "scratch")
        )
        names = raw_names(frame.schema)
        rows = [{names[name]: row[name] for name in names} for row in frame.collect()]
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
        return rows

    return landed


NOON = datetime(2026, 7, 1, 12, 30, 0, 5)
TABLE = pa.table(
    {
        "ID": pa.array([1, -(2**63)]),
        "id": pa.array(["a", "ü,\n"]),
        "tiny": pa.array([Decimal("0.0000000001"), Decimal("-0.0000001230")], pa.decimal128(30, 10)),
        "big": pa.array([Decimal("12345678901234567890.1234567890"), Decimal("0E-10")], pa.decimal128(30, 10)),
        "local": pa.array([NOON, None], pa.timestamp("us")),
        "zoned": pa.array([NOON, None], pa.timestamp("us", tz="Europe/Berlin")),
        "raw": pa.array([b"\x00\xff" * 60, b""], pa.binary()),
        "day": pa.array([date(2026, 7, 1), date(1600, 1, 1)]),
        "yes": pa.array([True, None]),
        "part": pa.array([{"a": 1, "b": [1.5, None]}, None]),
        "a b.`c": pa.array(["x", "y"]),
    }
)


def expected(columns: pa.Table) -> Rows:
    """The same by Python alone."""
    texts: dict[type, Callable[[Any], str]] = {
        Decimal: lambda value: format(value, "f"),
        bytes: lambda value: base64.b64encode(value).decode(),
        bool: lambda value: str(value).lower(),
        dict: lambda value: json.dumps(value, separators=(",", ":")),
        datetime: lambda value: (
            value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            if value.tzinfo
            else value.strftime("%Y-%m-%dT%H:%M:%S.%f")
        ),
    }
    return [
        {name: None if value is None else texts.get(type(value), str)(value) for name, value in row.items()}
        for row in columns.to_pylist()
    ]


def test_parquet_types_keep_their_meaning(land: Land, tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    assert land("parquet", tmp_path / "a.parquet") == expected(TABLE)


def test_orc_types_keep_their_meaning(land: Land, tmp_path: Path) -> None:
    # the type that Arrow gives ORC's zoned times, and a quote in a name, are what Spark's reader does not know
    table = TABLE.drop(["zoned"]).rename_columns([*TABLE.drop(["zoned"]).column_names[:-1], "a b.c"])
    orc.write_table(table, tmp_path / "a.orc")
    assert land("orc", tmp_path / "a.orc") == expected(table)


def test_nanoseconds_and_large_numbers(land: Land, tmp_path: Path) -> None:
    moments = [1, -1, 1_700_000_000_123_456_789, 0]
    pq.write_table(
        pa.table({"id": pa.array(moments, pa.timestamp("ns")), "u": pa.array([2**64 - 1, 0, 1, 2], pa.uint64())}),
        tmp_path / "a.parquet",
    )
    rows = land("parquet", tmp_path / "a.parquet")
    assert [row["id"] for row in rows] == [
        "1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999", "2023-11-14T22:13:20.123456789",
        "1970-01-01T00:00:00.000000000",
    ]  # fmt: skip
    assert [row["u"] for row in rows] == ["18446744073709551615", "0", "1", "2"]


def test_files_written_by_duckdb(land: Land, tmp_path: Path) -> None:
    moment = "timestamp '2026-01-01' + i * interval 1 hour as moment"
    query = f"select i as id, i * 1.1::decimal(18,4) as paid, {moment} from range(500) t(i)"
    duckdb.sql(f"copy ({query}) to '{tmp_path}/a.parquet' (format parquet, compression zstd)")
    told = duckdb.sql(
        f"select id::varchar, paid::varchar, strftime(moment, '%Y-%m-%dT%H:%M:%S.%f') from ({query})"
    ).fetchall()
    assert [tuple(row.values()) for row in land("parquet", tmp_path / "a.parquet")] == told


@pytest.mark.parametrize("form", ["parquet", "orc"])
def test_files_that_are_not_as_they_should_be(land: Land, tmp_path: Path, form: str) -> None:
    write = pq.write_table if form == "parquet" else orc.write_table
    one, other, broken = (tmp_path / f"{name}.{form}" for name in ("a", "b", "c"))
    write(pa.table({"id": [1]}), one)
    write(pa.table({"id": ["1"]}), other)
    broken.write_bytes(one.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"^source people: .*/b.{form}: its columns differ from those of .*/a.{form}"):
        land(form, one, other)
    with pytest.raises(DataError, match=rf"^source people: .*/c.{form}: is not a whole {form} file"):
        land(form, broken)


def test_a_format_without_its_package(land: Land, tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(b"Obj\x01")
    with pytest.raises(
        DefinitionError, match=r"^conf/sources/people.yml: read.format: Spark has no 'avro' here; .*jars"
    ):
        land("avro", tmp_path / "a.avro")


XML = """<?xml version="1.0" encoding="{}"?>
<people xmlns:x="urn:x"><!-- <row id="8"/> -->
<row id="1"><name>Müller &amp; <![CDATA[<row/>]]></name><x:tel kind="m">0 30</x:tel><x:tel>1</x:tel></row>
<row id="2"><name> C </name><place><city>Bath</city><no>1.10</no></place><Name>other</Name></row>
<row id="3"/></people>"""


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_xml(land: Land, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.xml").write_bytes(XML.format(encoding).encode(encoding))
    rows = {row["_id"]: row for row in land("xml", tmp_path / "a.xml", rowTag="row")}
    assert rows.keys() == {"1", "2", "3"}
    assert rows["1"]["name"] == "Müller & <row/>"
    assert json.loads(rows["1"]["x:tel"] or "") == [{"_VALUE": "0 30", "_kind": "m"}, {"_VALUE": "1"}]
    assert json.loads(rows["2"]["place"] or "") == {"city": "Bath", "no": "1.10"}
    assert (rows["2"]["name"], rows["2"]["Name"]) == (" C ", "other")
    assert {value for name, value in rows["3"].items() if name != "_id"} == {None}


def test_text_of_an_element_does_not_depend_on_other_records(land: Land, tmp_path: Path) -> None:
    alone, beside = tmp_path / "a.xml", tmp_path / "b.xml"
    record = "<row><id>1</id><tel>1</tel></row>"
    alone.write_text(f"<r>{record}</r>")
    beside.write_text(f'<r>{record}<row><id>2</id><tel k="m">2</tel><tel>3</tel></row></r>')
    assert land("xml", alone, rowTag="row") == [row for row in land("xml", beside, rowTag="row") if row["id"] == "1"]


@pytest.mark.parametrize(
    "text",
    [
        '<r><row id="1"/>', '<r><row id="1"/><row', '<r><row id="1"></r>', "<r><row>a & b</row></r>", "id,name\n1,2\n",
        "<!DOCTYPE r><r><row>&c;</row></r>",
        '<?xml version="1.0" encoding="uft-8"?><r><row id="1"/></r>',
    ],
)  # fmt: skip
def test_xml_that_is_not_well_formed_refuses_the_extract(land: Land, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    told = r"is not well-formed XML \((.*line [12]|unknown encoding: uft-8)"
    with pytest.raises(DataError, match=rf"^source people: .*/a.xml: {told}"):
        land("xml", tmp_path / "a.xml", rowTag="row")
