"""CSV and JSON as they land: dialects, encodings, broken rows, and what is not to be trusted. Read against pandas."""

import bz2
import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.runtime.extracts import read_extract
from jobs.runtime.files import ExtractFile
from jobs.runtime.formats import delimited
from transforms.errors import DataError, DefinitionError
from transforms.sources.definition import parse_source
from transforms.sources.names import landed_names, raw_names

DAY = date(2026, 3, 10)
Rows = list[dict[str, str | None]]
Land = Callable[..., Rows]


def source_yaml(form: str, **options: Any) -> str:
    read = json.dumps({"format": form, "path": "x/{date}/*", "options": options})
    return f"source: people\nentity: contact\nread: {read}\ncolumns: {{contact_id: id}}\n"


@pytest.fixture
def land(spark: SparkSession, tmp_path: Path) -> Land:
    """Lands files (name -> bytes) of one day; gives rows of raw names, with `_corrupt` where there is one."""

    def landed(form: str, files: dict[str, bytes], **options: Any) -> Rows:
        taken = []
        for name, data in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            taken.append(ExtractFile(str(path), name, len(data), datetime.now(UTC), DAY))
        source = parse_source(source_yaml(form, **options), place="conf/sources/people.yml")
        frame = read_extract(
            spark, source, taken, day=DAY, ingested_at=datetime(2026, 3, 11), scratch=str(tmp_path / "scratch")
        )
        names = raw_names(frame.schema)
        rows = [row.asDict() for row in frame.collect()]
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
        assert {row["_file"] for row in rows} <= {file.path for file in taken}
        return [
            {names[name]: row[name] for name in names} if row["_corrupt"] is None else {"_corrupt": row["_corrupt"]}
            for row in rows
        ]

    return landed


def by_pandas(data: bytes, **options: Any) -> Rows:
    frame = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, na_values=[""], **options)
    return [
        {name: None if pd.isna(row[name]) else row[name] for name in frame.columns} for row in frame.to_dict("records")
    ]


ROWS = [["1", "Ann, of Bath", 'says "hi"'], ["2", "", "x;y|z"], ["3", "陈伟", "O'Neil\\"]]


def written(sep: str = ",", quote: str = '"', end: str = "\n", **options: Any) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=sep, quotechar=quote, lineterminator=end, **options).writerows(
        [["id", "name", "said"], *ROWS]
    )
    return text.getvalue()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, written()),
        ({}, written(end="\r\n", quoting=csv.QUOTE_ALL)),
        ({"sep": ";"}, written(";")),
        ({"sep": "\\t"}, written("\t")),
        ({"quote": "'"}, written(quote="'")),
        ({"sep": "|", "encoding": "gb18030"}, written("|")),
        ({"encoding": "utf-16"}, written()),
        ({"encoding": "utf-8"}, "\ufeff" + written()),
        ({"multiline": True, "encoding": "gbk"}, written(end="\r\n")),
        ({"encoding": "big5"}, written().replace("陈伟", "陳偉")),
    ],
)
def test_dialects_and_encodings_read_as_pandas_reads_them(land: Land, options: dict[str, Any], text: str) -> None:
    data = text.encode(options.get("encoding", "utf-8"))
    expected = by_pandas(
        data, sep=options.get("sep", ",").replace("\\t", "\t"), quotechar=options.get("quote", '"'),
        encoding={"utf-8": "utf-8-sig"}.get(name := options.get("encoding", "utf-8"), name),
    )  # fmt: skip
    assert len(expected) == len(ROWS)
    assert land("csv", {"a.csv": data}, **options) == expected


def test_other_dialects(land: Land) -> None:
    assert land("csv", {"a.csv": b"id||name\n1||a|b\n2||\"c||d\"\n"}, sep="||") == [
        {"id": "1", "name": "a|b"}, {"id": "2", "name": "c||d"},
    ]  # fmt: skip
    escaped = b'# written by the till\nid,name\n# a remark\n1,"say \\"hi\\", Ann"\n'
    assert land("csv", {"a.csv": escaped}, escape="\\", comment="#") == [{"id": "1", "name": 'say "hi", Ann'}]
    assert land("csv", {"a.csv": b'1,5" pipe\n2,"x\n'}, header=False, quote="") == [
        {"_c0": "1", "_c1": '5" pipe'}, {"_c0": "2", "_c1": '"x'},
    ]  # fmt: skip
    assert land("csv", {"a.csv": b"1,x\n"}, header=False, columns=["id", "name"]) == [{"id": "1", "name": "x"}]


def test_a_line_without_quotes_is_parted_as_it_would_be_parsed(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its separators, or by the parser, which reads the rest: of lines with odd characters both say the same."""
    lines = ["1|a|b", "2||", " 3 | |\t", "4|\\|\\n", "5|\x00|é\u2028", "\x006|x|y", "7|\ufeff|#", "8|b", "9|a|b|c",
             "10|a|b|#", "|", "||", "11|'a|b'", "12|\"a|b\"|c", "13|a\"b|c", "14|x|y\x0b"]  # fmt: skip
    data = "\n".join(["id|name|said", *lines, ""]).encode() + b"15|\xff\xfe|z\n"
    parted = land("csv", {"a.csv": data}, sep="|")
    monkeypatch.setattr(delimited, "_FEW_COLUMNS", 0)
    assert land("csv", {"a.csv": data}, sep="|") == parted
    kept = [row["_corrupt"] for row in parted if "_corrupt" in row]
    assert kept == ["8|b", "9|a|b|c", "10|a|b|#", "|"]


def test_a_files_name_is_no_pattern_for_others(land: Land) -> None:
    names = {"o[12]": "9", "o1": "1", "o{3}?": "3"}
    files = {f"{name}.csv": f"id,name\n{number},x\n".encode() for name, number in names.items()}
    assert sorted(str(row["id"]) for row in land("csv", files)) == ["1", "3", "9"]
    files = {f"{name}.json": f'{{"id": {number}}}'.encode() for name, number in names.items()}
    assert sorted(str(row["id"]) for row in land("json", files)) == ["1", "3", "9"]


def test_line_breaks_in_values(land: Land) -> None:
    text = 'id,"long\nname"\n1,"Rue A\r\nParis, 2"\n2,"x\n\ny\u2028z"\n'.encode()
    assert land("csv", {"a.csv": text}) == by_pandas(text)
    short = b'id,name\n1,"a\nb"\n2,c,d\n3\n'
    assert land("csv", {"a.csv": short}) == [{"id": "1", "name": "a\nb"}, {"_corrupt": "2,c,d"}, {"_corrupt": "3"}]
    from_two = b'id,name\n1,"a\nb"\nid,name\n2,c\n'
    assert land("csv", {"a.csv": from_two}) == [{"id": "1", "name": "a\nb"}, {"id": "2", "name": "c"}]
    with pytest.raises(DataError, match=r"a.csv: a quote does not close .*multiline: false"):
        land("csv", {"a.csv": b'id,name\n1,"a\nb\n2,"c\n3,d\n'}, multiline=True)


def test_a_row_that_is_not_as_its_header_says_damages_no_other(land: Land) -> None:
    wrong = ["1", "2,a,b,c", '3,b,"open', '"5', "," * 200_000, "6," + "x" * 3_000_000 + ",y,z"]
    right = ['4,"c" d,', '7,7" pipe,x', "\x008,n\x00l,", '9,"""q""",', "10," + "x" * 3_000_000 + ",y", "\n11,,"]
    text = "\n".join(["id,name,said", *(line for pair in zip(wrong, right, strict=True) for line in pair)])
    rows = land("csv", {"a.csv": text.encode()}, multiline=False)
    assert sorted(row["_corrupt"] or "" for row in rows if "_corrupt" in row) == sorted(wrong)
    kept = {row["id"]: (row["name"], row["said"]) for row in rows if "id" in row}
    assert kept == {
        "7": ('7" pipe', "x"), "\x008": ("n\x00l", None), "9": ('"q"', None), "10": ("x" * 3_000_000, "y"),
        "11": (None, None), "4": ('"c" d', None),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        (b"id,name,id\n1,2,3\n", {}, "the header has one name for columns 1 and 3"),
        (b"id,,name\n1,2,3\n", {}, "the header has no name for column 2"),
        (b"\n\n", {}, "holds nothing, not even a header"),
        (b'id,"name\n' + b"1,2\n" * 9, {}, "a quote that does not close"),
        (b"c," * 1_000_000 + b"c\n", {}, "1000001 fields, more than the 2000"),
        (b"1,2\n", {"header": False, "columns": ["a"]}, "its first line has 2 fields, read.options.columns names 1"),
    ],
)
def test_a_header_that_is_none_refuses_the_extract(land: Land, data: bytes, options: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=rf"^source people: .*/a.csv: .*{told}"):
        land("csv", {"a.csv": data}, **options)


def test_headers_that_differ(land: Land) -> None:
    with pytest.raises(DataError, match=r"b.csv: its header differs from that of .*a.csv"):
        land("csv", {"a.csv": b"id,name\n1,a\n", "b.csv": b"name,id\nb,2\n"})
    assert land("csv", {"a.csv": b"id,name\n", "b.csv": b'"id","name"\n1,a\n'}) == [{"id": "1", "name": "a"}]


def test_any_name_lands_under_a_safe_one_of_its_own(land: Land) -> None:
    raw = ["ID", "id", "Id", "a b", "a.b", "名字", "_id", "x=(1);{2}", "`q`", "_file", "_corrupt"]
    line = ",".join(raw).encode() + b"\n" + ",".join(str(place) for place in range(len(raw))).encode()
    assert land("csv", {"a.csv": line}) == [{name: str(place) for place, name in enumerate(raw)}]
    names = landed_names(raw, {"id": "id"})
    assert (names["id"], names["a b"], names["名字"], names["_file"]) == ("id", "a_b", "名字", "file")
    assert len({name.lower() for name in names.values()}) == len(raw)
    assert not any(set(name) & set(" ,;{}()\n\t=.`") or name.startswith("_") for name in names.values())
    assert landed_names(reversed(raw), {"id": "id"}) == names


def test_json_values_keep_their_text(land: Land) -> None:
    big = {
        "id": "1",
        "n": 12345678901234567890123,
        "deep": [[[]]],
        "ok": True,
        "no": None,
        "Ü 1": {"k": ["é", {"x": 1}]},
    }
    exact = '{"id":"2","n":1.10,"ok":1E400,"deep":{"d":0.12345678901234567890, "nan":NaN},"no":NaN}'
    nested = '{"id":"3","deep":' + "[" * 200 + "1" + "]" * 200 + "}"
    rows = land("json", {"a.json": "\n".join([json.dumps(big, ensure_ascii=False), exact, "", nested]).encode()})
    by_id = {row["id"]: row for row in rows}
    assert by_id["1"]["n"] == "12345678901234567890123"
    assert (by_id["1"]["ok"], by_id["1"]["no"], by_id["1"]["deep"]) == ("true", None, "[[[]]]")
    assert json.loads(by_id["1"]["Ü 1"] or "") == big["Ü 1"]
    assert (by_id["2"]["n"], by_id["2"]["ok"], by_id["2"]["no"]) == ("1.10", "1E400", "NaN")
    assert by_id["2"]["deep"] == '{"d":0.12345678901234567890, "nan":NaN}'
    assert by_id["3"]["deep"] == "[" * 200 + "1" + "]" * 200


def test_a_line_that_is_not_one_object_is_kept_whole(land: Land) -> None:
    wrong = [
        '{"id":1,"id":2}', '{"id":1}{"id":2}', '{"id":1} x', '{"id":1},{"id":2}', '{"id":1}], [{"id":2}', "[1]", "5",
        "null", '{"id":1', "{'id':1}", '{"id":01}', '{"id":1,}', '{"id":1.10,"x":NaN', '{"id":1.10} 2',
    ]  # fmt: skip
    text = "\n".join(["{}", *wrong, '{"ID":"a","id":{"id":1}}'])
    rows = land("json", {"a.json": text.encode()}, multiline=False)
    assert sorted(row["_corrupt"] or "" for row in rows if "_corrupt" in row) == sorted(wrong)
    assert [row for row in rows if "id" in row] == [{"ID": None, "id": None}, {"ID": "a", "id": '{"id":1}'}]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('[{"id": 1.10, "a": {"b": [1]}},\n {"id": "2"}]', {}),
        (
            '\ufeff{"meta": {}, "data": {"n": 2, "items": [{"id":1.10,"a": {"b": [1]}},{"id":"2"}]}}',
            {"records": "data.items"},
        ),
    ],
)
def test_whole_documents(land: Land, text: str, options: dict[str, Any]) -> None:
    rows = land("json", {"a.json": text.encode()}, **options)
    assert sorted(rows, key=lambda row: row["id"] or "") == [
        {"a": '{"b": [1]}', "id": "1.10"}, {"a": None, "id": "2"},
    ]  # fmt: skip


def test_a_document_that_is_one_object(land: Land) -> None:
    assert land("json", {"a.json": b'{\n "id": 7\n}\n'}, multiline=True) == [{"id": "7"}]
    assert land("json", {"a.json": b" [] ", "b.json": b'[{"id":1}]'}) == [{"id": "1"}]


@pytest.mark.parametrize("text", ['[{"id":1},{"id":', '[{"id":1}] x', '[{"id":1},,{"id":2}]', "[" * 100_000])
def test_a_document_that_is_not_whole_refuses_the_extract(land: Land, text: str) -> None:
    with pytest.raises(DataError, match=r"^source people: .*/a.json: is not one whole JSON document"):
        land("json", {"a.json": text.encode()})


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data),
    "bz2": bz2.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


@pytest.mark.parametrize("kind", PACK)
def test_packed_files(land: Land, kind: str) -> None:
    lines = "".join(f"{number},{number * 7919 % 10007},{'名'}\n" for number in range(3000))
    data = PACK[kind](f"id,n,x\n{lines}".encode())
    assert land("csv", {f"a.csv.{kind}": data}) == by_pandas(f"id,n,x\n{lines}".encode())
    assert land("json", {f"a.json.{kind}": PACK[kind](b'{"id":1}\n')}) == [{"id": "1"}]
    truncated = rf"^source people: .*/t.csv.{kind}: cannot be read to its end"
    for broken in (data[: len(data) // 2], b"id,n\n1,2\n" * 20):
        with pytest.raises(DataError, match=truncated):
            land("csv", {f"t.csv.{kind}": broken})
    with pytest.raises(DataError, match="holds nothing once it is unpacked"):
        land("csv", {f"e.csv.{kind}": PACK[kind](b"")})
    assert land("json", {f"e.json.{kind}": PACK[kind](b"")}) == []  # a day on which nothing happened


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_refused(land: Land, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runtime.formats.unpacked.HARMLESS_BYTES", 10_000_000)
    bomb = PACK[kind](b"id,n\n" + b"0" * 40_000_000)
    with pytest.raises(DataError, match=r"a.csv.* bytes become more than 10000000; .*read.options.max_expansion"):
        land("csv", {f"a.csv.{kind}": bomb})


@pytest.mark.parametrize(
    ("form", "options", "told"),
    [
        ("cvs", {}, "read.format: no format 'cvs'; did you mean 'csv'?"),
        ("csv", {"sepp": ";"}, "read.options: csv has no option 'sepp'; did you mean 'sep'?"),
        ("csv", {"header": "yes"}, "read.options.header: must be true or false, not 'yes'"),
        ("csv", {"encoding": "utf-9"}, "read.options.encoding: no encoding 'utf-9'; did you mean 'utf-8'?"),
        ("csv", {"columns": ["a"]}, "read.options.columns: names the columns of files without a header"),
        ("json", {"sep": ";"}, "read.options: json has no option 'sep'"),
        ("xml", {}, "read.options.rowTag: the element that is a record must be named"),
        ("parquet", {"mergeSchema": True}, "read.options: parquet has no option 'mergeSchema'"),
    ],
)
def test_options_are_checked_without_a_file(form: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parse_source(source_yaml(form, **options), place="conf/sources/people.yml")
    assert told in str(error.value)
