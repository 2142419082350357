"""Mutations whose outcome is known by hand: one row, a header, a file, or its packing is not as it should be."""

import bz2
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from tests.fuzz.originals import (
    COLUMNS,
    MARKER,
    Case,
    Expect,
    Record,
    as_csv,
    as_json,
    as_orc,
    as_parquet,
    as_xml,
    key_of,
    lines,
)  # fmt: skip

AT = 20  # the row that is mutated
EVERY = frozenset(key_of(record) for record in lines())
OTHERS = EVERY - {key_of(lines()[AT])}
KEY = key_of(lines()[AT])
# a text of a number -> what silver has; None: the row is refused
NUMBERS: dict[str, str | None] = {
    "": None, "null": None, "NULL": None, "\\N": None, "NaN": None, "inf": None, "-Infinity": None, "--5": None,
    "0x10": None, "1,000": None, "1_000": None, "5 pieces": None, "9223372036854775808": None, "1e400": None,
    "1e2147483647": None, "9" * 60: None, "." * 3: None, "=1+1": None, "٥x": None, "\u200b5": None, "1e": None,
    "1e3": "1000.0000", " 5 ": "5.0000", "0." + "1" * 60: "0.1111", "+7": "7.0000", "-0": "0.0000", "1E-2": "0.0100",
    "99999999999999.9999": "99999999999999.9999", "100000000000000": None, "007": "7.0000", "1e-400": "0.0000",
}  # fmt: skip
TIMES: dict[str, str | None] = {
    "0000-00-00": None, "0000-00-00 00:00:00": None, "20205-01-01": None, "20205-01-01 10:00:00": None,
    "+20205-01-01": None,
    "-0044-03-15": None, "0001-01-01": None, "1899-12-31T23:59:59": None, "2017-02-30": None, "2017-13-01": None,
    "2017-12-01T25:00:00": None, "294247-01-10": None, "300000-01-01": None, "1512122400": None, "now": None,
    "today": None, "epoch": None, "NaN": None, "01.12.2017": None, "2017-12-01T10:00:00+99:00": None,
    "1900-01-01": "1900-01-01 00:00:00+00:00", "9999-12-31": "9999-12-31 00:00:00+00:00",
    "9999-12-31T23:59:59.999999": "9999-12-31 23:59:59.999999+00:00",
    "2017-12-01T10:00:00+02:00": "2017-12-01 08:00:00+00:00", "2016-02-29": "2016-02-29 00:00:00+00:00",
    "9999-12-31T23:00:00-02:00": None,
}  # fmt: skip
TEXTS = [
    "=cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "+1+cmd", "-2+3", "\u202eنص عربي\u202c", "👩‍👩‍👧‍👦🏳️‍🌈",
    "a\u200b\u200d\ufeffb", "'; drop table silver; --", "${jndi:ldap://x}", "{{7*7}}", "%s%n",
    "\u0000x\u0000".replace("\x00", "¤"),
    "NULL", "a\tb", "x" * 40_000, "<script>alert(1)</script>", "\\", "\\\\", "a\\", "\u2028line\u2029",
    "\x1a", "\x0b\x0c",
    "İıſß", "e\u0301", "\U0010ffff", "..", "#", ",", '"', '""', "'",
]  # fmt: skip


def changed(**values: str) -> list[Record]:
    """The lines, one of which is other."""
    rows = [dict(record) for record in lines()]
    rows[AT].update({"product": MARKER, **values})
    return rows


def by_value() -> Iterator[Case]:
    """A number, a time or a text of one row, in CSV and in JSON; in each, all other rows stay as they are."""
    writers: dict[str, Callable[[list[Record]], bytes]] = {"csv": as_csv, "json": as_json}
    for format_, write in writers.items():
        for kind, column, told, table in (
            ("number", "quantity", "quantity", NUMBERS), ("time", "sold_at", "ordered_at", TIMES),
        ):  # fmt: skip
            for text, right in table.items():
                values = {KEY: {told: right, "product_name": MARKER}} if right else {}
                expect = Expect(
                    "rows", len(lines()), EVERY - {KEY}, values, 0 if right else 1, EVERY if right else OTHERS
                )
                yield Case(
                    f"{kind} in {format_}",
                    format_,
                    {f"a.{format_}": write(changed(**{column: text}))},
                    expect,
                    note=text,
                )
        for text in TEXTS:
            expect = Expect("rows", len(lines()), OTHERS, {KEY: {"product_name": text.strip(" ")}}, 0, EVERY)
            yield Case(
                f"text in {format_}", format_, {f"a.{format_}": write(changed(product=text))}, expect, note=text[:20]
            )


def many_values() -> Iterator[Case]:
    """All those numbers, times and texts at once: a row each, in one file of each format."""
    rows, values, refused = [], dict[str, dict[str, str]](), 0
    wanted: list[tuple[str, str, str, str | None]] = [
        *(("quantity", "quantity", text, right) for text, right in NUMBERS.items()),
        *(("sold_at", "ordered_at", text, right) for text, right in TIMES.items()),
        *(("product", "product_name", text, text.strip(" ")) for text in TEXTS if text.isprintable()),
    ]
    for place, (column, told, text, right) in enumerate(wanted):
        row = {**lines()[AT], "order_id": f"n{place}", "product": MARKER, column: text}
        rows.append(row)
        refused += right is None
        if right is not None:
            values[key_of(row)] = {told: right}
    every = [*lines()[:AT], *rows, *lines()[AT:]]
    expect = Expect("rows", len(every), EVERY, values, refused, EVERY | set(values))
    for format_, write in (
        ("csv", as_csv),
        ("json", as_json),
        ("parquet", as_parquet),
        ("orc", as_orc),
        ("xml", as_xml),
    ):
        mine = every
        if format_ == "xml":
            mine = [row for row in every if all(c >= " " for c in row["product"])]
        yield Case(
            f"values in {format_}", format_, {f"a.{format_}": write(mine)}, expect, _tag(format_), note=str(len(rows))
        )


def _tag(format_: str) -> dict[str, Any]:
    return {"rowTag": "row"} if format_ == "xml" else {}


def _csv(kind: str, data: bytes, expect: Expect, note: str = "", name: str = "a.csv", **options: Any) -> Case:
    return Case(kind, "csv", {name: data}, expect, options, note)


def _row(text: bytes, at: int = AT) -> bytes:
    """The CSV with one row's line written otherwise."""
    return _with_line(at + 1, text)


def _with_line(at: int, text: bytes) -> bytes:
    parts = as_csv().split(b"\n")
    return b"\n".join([*parts[:at], text, *parts[at + 1 :]])


def _line(at: int = AT) -> bytes:
    return as_csv().split(b"\n")[at + 1]


REFUSED = Expect("refused")


def _zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


def of_rows() -> Iterator[Case]:
    """A line of a CSV that is not a record of its header."""
    n, one = len(lines()), Expect("rows", len(lines()), OTHERS, {}, 1, OTHERS)
    line = _line()
    yield _csv("a field too many", _row(line + b",x"), one)
    yield _csv("a field too few", _row(line.rsplit(b",", 1)[0]), one)
    yield _csv("a field too many", _row(line + b"," * 200_000), one, "200,000")
    yield _csv("columns of a row swapped", _row(b",".join(reversed(line.split(b",")))), one)
    yield _csv("NULs", _row(b"\x00" * 50), one, "a line of them")
    yield _csv("NULs", _row(line.replace(b",", b",\x00", 3)), Expect("rows", n, OTHERS), "in values")
    yield _csv("not UTF-8", _row(b"\xff\xfe\x80" + line), Expect("either", None, OTHERS), "of 40 rows")
    yield _csv(
        "a quote never closed", _row(line.replace(lines()[AT]["product"].encode(), b'"' + MARKER.encode(), 1)), REFUSED
    )
    yield _csv(
        "a quote never closed", _row(line.replace(lines()[AT]["product"].encode(), b'"' + MARKER.encode(), 1)), one,
        "a line is a record", multiline=False,
    )  # fmt: skip
    yield _csv(
        "the header once more", _row(line + b"\n" + as_csv().split(b"\n")[0]), Expect("rows", n, EVERY, {}, 0, EVERY)
    )
    yield _csv("empty lines", _row(b"\n\n" + line + b"\n\n\n"), Expect("rows", n, EVERY, {}, 0, EVERY))
    yield _csv("blank lines", _row(b"  \n\t\n" + line), Expect("rows", n + 2, EVERY, {}, 2, EVERY))
    yield _csv("a mark of byte order in the middle", _row(b"\xef\xbb\xbf" + line), Expect("rows", n, OTHERS))
    yield _csv("a mark of byte order", b"\xef\xbb\xbf" + as_csv(), Expect("rows", n, EVERY, {}, 0, EVERY))
    two = as_csv().splitlines(keepends=True)
    yield _csv(
        "files put together", as_csv() + b"\xef\xbb\xbf" + as_csv(), Expect("rows", None, EVERY), "each with its mark"
    )
    yield _csv("truncated", as_csv()[:-9], Expect("rows", n, EVERY - {key_of(lines()[-1])}), "in the last row")
    yield _csv("truncated", b"".join(two[:9]), Expect("rows", 8, frozenset(map(key_of, lines()[:8])), {}, 0))
    yield _csv("truncated", b"order_id,line_no,so", Expect("gone"), "in the header")
    yield _csv("interleaved", _row(line[:15] + _line(3) + line[15:]), Expect("rows", n, OTHERS), "one line in another")
    yield _csv("ends of lines", as_csv().replace(b"\n", b"\r"), Expect("rows", n, EVERY, {}, 0, EVERY), "CR")
    yield _csv("ends of lines", as_csv().replace(b"\n", b"\r\n"), Expect("rows", n, EVERY, {}, 0, EVERY), "CR LF")
    mixed = b"".join(part.replace(b"\n", (b"\r", b"\n", b"\r\n")[at % 3]) for at, part in enumerate(two))
    yield _csv("ends of lines", mixed, Expect("rows", n, EVERY, {}, 0, EVERY), "mixed")
    yield _csv(
        "a line break in a value",
        as_csv(changed(product=f"{MARKER}\nb")),
        Expect("rows", n, OTHERS, {KEY: {"product_name": f"{MARKER}\nb"}}, 0, EVERY),
    )
    yield _csv(
        "a line break in a value",
        as_csv(changed(product=f"{MARKER}\r\nb\rc")),
        Expect("rows", n, OTHERS, {}, 0, EVERY),
        "CR",
    )
    yield _csv("another separator", as_csv(sep=";"), Expect("gone"), "in all")
    yield _csv("another separator", _row(line.replace(b",", b";")), one, "in a row")


def of_headers() -> Iterator[Case]:
    """The header, or all columns."""
    rows = as_csv().split(b"\n", 1)[1]
    head = b",".join(name.encode() for name in COLUMNS)
    n = len(lines())
    yield _csv("a name twice", head.replace(b"product_id", b"quantity") + b"\n" + rows, REFUSED)
    yield _csv("a column without a name", head.replace(b"product_id", b"") + b"\n" + rows, REFUSED)
    yield _csv("names in another case", head.upper() + b"\n" + rows, Expect("rows", n, EVERY, {}, 0, EVERY))
    wide = ["x" * 3 + str(at) for at in range(990)]
    more = b"".join(part + b"," * len(wide) + b"\n" for part in rows.splitlines() if b'"' not in part)
    kept = [record for record in lines() if '"' not in as_csv([record], header=False).decode()]
    expect = Expect("rows", len(kept), frozenset(map(key_of, kept)), {}, 0)
    yield _csv("many columns", head + b"," + ",".join(wide).encode() + b"\n" + more, expect, "997")
    yield _csv(
        "many columns",
        b",".join(b"c%d" % at for at in range(1_000_000)) + b"\n" + b"," * 999_999 + b"\n",
        REFUSED,
        "1,000,000",
    )
    near = (head + b",Product,PRODUCT,`q`,a.b,a b,\xe2\x80\x8b,_file,_corrupt,_batch_date", b",1,2,3,4,5,6,7,8,9")
    body = b"".join(part + near[1] + b"\n" for part in as_csv().split(b"\n")[1:-1])
    yield _csv("strange names", near[0] + b"\n" + body, Expect("rows", n, EVERY, {}, 0, EVERY))
    yield _csv("a column is gone", head.replace(b"quantity", b"pieces") + b"\n" + rows, Expect("gone"))
    yield _csv("columns swapped", _swapped(), Expect("rows", n, EVERY, {}, 0, EVERY), "with the header")
    yield _csv("nothing", b"", REFUSED)
    yield _csv("nothing", b"\n\n\n", REFUSED, "empty lines")
    yield _csv("nothing", b"\xef\xbb\xbf", REFUSED, "a mark of byte order")
    yield _csv("nothing", b"\x00" * 4096, Expect("gone"), "NULs")
    both = Case(
        "other headers",
        "csv",
        {"a.csv": as_csv(lines()[:20]), "b.csv": as_csv(lines()[20:]).replace(b"amount", b"sum")},
        REFUSED,
    )
    yield both
    two = {"a.csv": as_csv(lines()[:20]), "b.csv": as_csv(lines()[20:])}
    yield Case("two files", "csv", two, Expect("rows", n, EVERY, {}, 0, EVERY))


def _swapped() -> bytes:
    order = list(reversed(COLUMNS))
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([order, *([r[c] for c in order] for r in lines())])
    return text.getvalue().encode()


def of_packing() -> Iterator[Case]:
    """Compressed files, and names that do not tell what is in them."""
    n, all_ = len(lines()), Expect("rows", len(lines()), EVERY, {}, 0, EVERY)
    packed = gzip.compress(as_csv())
    halves = gzip.compress(as_csv(lines()[:20])) + gzip.compress(as_csv(lines()[20:], header=False))
    yield _csv("gz", packed, all_, "whole", "a.csv.gz")
    yield _csv("gz", halves, all_, "two members", "a.csv.gz")
    yield _csv("gz", packed + b"trailing garbage", Expect("either", n, EVERY, {}, 0), "something behind", "a.csv.gz")
    yield _csv("gz", packed + b"\x00" * 512, Expect("either", n, EVERY, {}, 0), "zeros behind", "a.csv.gz")
    for part in (5, 12, len(packed) // 2, len(packed) - 9, len(packed) - 4):
        yield _csv("gz truncated", packed[:part], REFUSED, f"{part} of {len(packed)}", "a.csv.gz")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x10
    yield _csv("gz", bytes(flipped), REFUSED, "a bit flipped", "a.csv.gz")
    yield _csv("gz", gzip.compress(b""), REFUSED, "of nothing", "a.csv.gz")
    yield _csv("another name", as_csv(), REFUSED, "plain as gz", "a.csv.gz")
    yield _csv("another name", packed, Expect("gone"), "gz as plain")
    yield _csv("another name", as_parquet(), Expect("gone"), "parquet as csv")
    yield _csv("another name", as_csv(), REFUSED, "plain as zst", "a.csv.zst")
    yield _csv("bz2", bz2.compress(as_csv()), all_, "whole", "a.csv.bz2")
    yield _csv("bz2", bz2.compress(as_csv())[:-20], REFUSED, "truncated", "a.csv.bz2")
    yield _csv("gz within gz", gzip.compress(packed), Expect("gone"), "", "a.csv.gz")
    bomb = gzip.compress(as_csv()) + gzip.compress(b"\x00" * (1 << 26), 9) * 20
    yield _csv("a bomb", bomb, REFUSED, "in members", "a.csv.gz")
    yield Case("a bomb", "json", {"a.json.gz": gzip.compress(b" " * (1 << 26), 9) * 20}, REFUSED, note="of blanks")


def of_encodings() -> Iterator[Case]:
    """Texts in another encoding than they are read in, or in two."""
    n, all_ = len(lines()), Expect("rows", len(lines()), EVERY, {}, 0, EVERY)
    utf16 = as_csv().decode().encode("utf-16")
    yield _csv("encoding", utf16, all_, "UTF-16 as it is read", encoding="utf-16")
    yield _csv("encoding", utf16, Expect("gone"), "UTF-16 as UTF-8")
    yield _csv(
        "encoding",
        utf16[:-1],
        Expect("either", n, EVERY - {key_of(lines()[-1])}),
        "half a character",
        encoding="utf-16",
    )
    mixed = _row(_line().replace(lines()[AT]["product"].encode(), "Crème".encode("latin-1")))
    yield _csv("encoding", mixed, Expect("refused"), "a row of 40 in latin-1")
    yield _csv(
        "encoding",
        as_csv(changed(product="北京")).decode().encode("gb18030"),
        Expect("rows", n, OTHERS, {KEY: {"product_name": "北京"}}, 0, EVERY),
        "GB 18030",
        encoding="gb18030",
    )


def of_json() -> Iterator[Case]:
    """Lines and documents of JSON."""
    n = len(lines())
    good = as_json().decode().splitlines()
    row = lines()[AT]
    one = Expect("rows", n, OTHERS, {}, 1, OTHERS)

    def case(kind: str, text: str, expect: Expect = one, **options: Any) -> Case:
        data = "\n".join([*good[:AT], text, *good[AT + 1 :]]) + "\n"
        return Case(kind, "json", {"a.json": data.encode("utf-8", "surrogatepass")}, expect, options, text[:30])

    def with_(key: str, raw: str) -> str:
        rest = json.dumps({k: v for k, v in row.items() if k != key})
        return f'{rest[:-1]}, "{key}": {raw}}}'

    fine = Expect("rows", n, OTHERS, {}, 0, EVERY)
    yield case("a key twice", good[AT][:-1] + ', "quantity": "9"}')
    yield case("a line cut off", good[AT][:-10])
    yield case("two objects on a line", good[AT] + good[AT])
    yield case("no object", "[1, 2]")
    yield case("no object", '"text"')
    yield case("no object", "null")
    yield case("no object", "NaN")
    yield case("no object", "}{")
    yield case("no object", good[AT] + "]")
    yield case("no object", good[AT] + ',{"":"end"}')
    yield case("single quotes", good[AT].replace('"', "'"))
    yield case("a comment", "// " + good[AT])
    yield case("a comma too many", good[AT][:-1] + ",}")
    yield case("NULs", "\x00" * 40)
    yield case("NULs", with_("product", '"a\\u0000b"'), Expect("rows", n, OTHERS, {}, None, EVERY))
    yield case("nested", with_("more", "[" * 200 + "]" * 200), fine)
    yield case("nested", with_("more", '{"a":' * 200 + "1" + "}" * 200), fine)
    yield case("nested", with_("more", "[" * 100_000 + "]" * 100_000), Expect("rows", n, OTHERS))
    yield case("nested", "[" * 100_000)
    yield case("nested", '{"a":' * 100_000)
    yield case("a lone surrogate", with_("product", '"a\\ud800b"'), Expect("rows", n, OTHERS))
    yield case("a lone surrogate", with_("more", '"\ud83d"'), Expect("either", n, OTHERS))
    for number, right in (
        ("9223372036854775808", None), ("1e400", None), ("1" * 500, None), ("1e999999999", None), ("NaN", None),
        ("12.50", "12.5000"),
        ("-0.0", "0.0000"), ("1E3", "1000.0000"), ("true", None), ("[1]", None), ("{}", None),
        ("null", None), ("1.0e-7", "0.0000"),
    ):  # fmt: skip
        values = {KEY: {"quantity": right}} if right else {}
        yield case("a number", with_("quantity", number), Expect("rows", n, OTHERS, values, 0 if right else 1))
    yield case(
        "strange keys", with_("", '"x"')[:-1] + ', "a.b": 1, "Product": 2, "_file": 3, "' + "k" * 300 + '": 4}', fine
    )
    yield case("strange keys", with_("\\u0000\\ud800", '"x"'), Expect("rows", n, OTHERS))
    document = "[" + ",".join(good) + "]"
    all_ = Expect("rows", n, EVERY, {}, 0, EVERY)

    def whole(kind: str, text: str, expect: Expect, **options: Any) -> Case:
        return Case(kind, "json", {"a.json": text.encode()}, expect, options, text[-12:])

    yield whole("a document", document, all_)
    yield whole("a document", document[:-1], REFUSED)
    yield whole("a document", document + "x", REFUSED)
    yield whole("a document", document[:-1] + ",]", REFUSED)
    yield whole("a document", '{"a": {"b": ' + document + "}}", all_, records="a.b")
    yield whole("a document", '{"a": {"c": ' + document + "}}", REFUSED, records="a.b")
    yield whole("a document", "[" * 100_000, REFUSED)
    yield whole("a document", document[:-1] + ', 5, null, "x", []]', Expect("rows", n + 4, EVERY, {}, 4, EVERY))
    yield whole("ends of lines", as_json().decode().replace("\n", "\r"), all_)


def of_size() -> Iterator[Case]:
    """Records far longer and wider than any that people write."""
    n = len(lines())
    long = Expect("rows", n, OTHERS, {KEY: {"product_name": MARKER + "x" * 5_000_000}}, 0, EVERY)
    yield _csv("a long value", as_csv(changed(product=MARKER + "x" * 5_000_000)), long, "5 MB")
    yield _csv("a long value", as_csv(changed(product=MARKER + "x" * 20_000_000)), REFUSED, "20 MB")
    line = _row(b"x" * 50_000_000)
    yield _csv("a long line", line, REFUSED, "50 MB")
    yield _csv("a long line", line.replace(b"\n", b"\r"), REFUSED, "50 MB, CR")
    for suffix, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("zst", _zstd)):
        yield _csv("a long line", pack(line), REFUSED, f"50 MB in {suffix}", f"a.csv.{suffix}")
    yield _csv("a long line", line.decode().encode("utf-16"), REFUSED, "50 MB in UTF-16", encoding="utf-16")
    yield _csv("a long line", b"x" * 50_000_000, REFUSED, "50 MB and nothing else")
    quoted = _row(_line() + b',"' + (b"x" * 999 + b"\n") * 50_000)
    yield _csv("a quote never closed", quoted, REFUSED, "50 MB behind it")
    yield _csv("a quote never closed", quoted, REFUSED, "50 MB behind it", multiline=True)
    value = changed(product=MARKER + "x" * 50_000_000)
    for format_, write in (("json", as_json), ("xml", as_xml), ("parquet", as_parquet), ("orc", as_orc)):
        yield Case("a long value", format_, {f"a.{format_}": write(value)}, REFUSED, _tag(format_), "50 MB")
    document = b"[" + as_json(value).strip().replace(b"\n", b",") + b"]"
    yield Case("a long value", "json", {"a.json": document}, REFUSED, note="50 MB in a document")
    many = json.dumps({**lines()[AT], **{f"k{at}": at for at in range(10_000)}})
    yield Case("many keys", "json", {"a.json": as_json() + many.encode() + b"\n"}, REFUSED)


def of_markup() -> Iterator[Case]:
    """XML that is not whole, or that asks for more than is in it."""
    n, text = len(lines()), as_xml().decode()
    all_ = Expect("rows", n, EVERY, {}, 0, EVERY)

    def case(kind: str, written: str, expect: Expect) -> Case:
        return Case(kind, "xml", {"a.xml": written.encode()}, expect, {"rowTag": "row"})

    laughs = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
    product = f"<product>{lines()[AT]['product']}</product>"

    def doctype(inner: str, value: str) -> str:
        return text.replace("?>", f"?><!DOCTYPE rows [{inner}]>", 1).replace(product, f"<product>{value}</product>", 1)

    yield case("an entity bomb", doctype(f'<!ENTITY l0 "lol">{laughs}', "&l9;"), REFUSED)
    yield case("an external entity", doctype('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"), REFUSED)
    yield case(
        "an external document type",
        text.replace("?>", '?><!DOCTYPE rows SYSTEM "http://127.0.0.1:9/x.dtd">', 1),
        Expect("either", n, EVERY),
    )
    yield case("truncated", text[:-9], REFUSED)
    yield case("truncated", text[: len(text) // 2], REFUSED)
    yield case("not well-formed", text.replace("</product>", "</produce>", 1), REFUSED)
    yield case("not well-formed", text.replace("<product>", "<product>\x00", 1), REFUSED)
    yield case("not well-formed", text + text, REFUSED)
    yield case("nested", text.replace("</row>", "<more>" + "<a>" * 200 + "</a>" * 200 + "</more></row>", 1), all_)
    yield case(
        "CDATA",
        text.replace(product, f"<product><![CDATA[{MARKER} <&>]]></product>", 1),
        Expect("rows", n, frozenset(), {}, 0, EVERY),
    )
    yield case("a comment", text.replace("<row>", "<!-- <row> --><row>", 1), Expect("rows", n, EVERY))
    yield case("another root", text.replace("row>", "line>"), REFUSED)
    yield case("no record", "<rows></rows>", REFUSED)


def of_columnar() -> Iterator[Case]:
    """Parquet and ORC that are cut off, flipped, or something else."""
    all_ = Expect("rows", len(lines()), EVERY, {}, 0, EVERY)
    for format_, data in (("parquet", as_parquet()), ("orc", as_orc())):
        name = f"a.{format_}"
        yield Case("columnar", format_, {name: data}, all_, note="whole")
        for part in (0, 3, len(data) // 2, len(data) - 1, len(data) - 8):
            yield Case("columnar truncated", format_, {name: data[:part]}, REFUSED, note=str(part))
        yield Case("columnar", format_, {name: as_csv()}, REFUSED, note="a csv")
        yield Case(
            "columnar", format_, {name: as_orc() if format_ == "parquet" else as_parquet()}, REFUSED, note="the other"
        )
        for at in range(10, len(data), len(data) // 8):
            flipped = bytearray(data)
            flipped[at] ^= 0xFF
            yield Case("columnar flipped", format_, {name: bytes(flipped)}, Expect("either"), note=str(at))


ALL = (
    of_rows, of_headers, of_packing, of_encodings, of_json, of_size, of_markup, of_columnar, many_values, by_value,
)  # fmt: skip
