"""What DuckDB leaves out before a row is looked at closely: nothing that a closer look would find. Without Spark."""

import json
import re
import sys
import unicodedata
from typing import Any

import duckdb
import pytest

from jobs.engines.landed_rows import Landed
from jobs.engines.persons import Person
from jobs.engines.refused_rows import OTHER_LETTERS, OfPerson
from transforms.definitions import parse, parse_yaml
from transforms.erasure import said
from transforms.sources.definition import Source, compile_source

OWN = frozenset(
    {("email", "annlee@gmail.com"), ("email", "bea_oz@x.org"), ("phone", "+19375550142"), ("phone", "+18003569377"),
     ("phone", "+33612345678"), ("shop_customer", "13347"), ("handle", "小明 x"), ("handle", "a|b.*c")}
)  # fmt: skip
NOBODY: frozenset[str] = frozenset()
SHOP = """
source: shop
entity: contact
read: {format: csv, path: "shop/{date}/*.csv"}
country: US
columns: {contact_id: No, email: lower(Mail), phone: Phone, country: Land}
ids: {shop_customer: No, handle: Handle}
"""


@pytest.fixture(scope="module")
def shop() -> Source:
    return parse(Source, parse_yaml(SHOP, place="shop.yml"), place="shop.yml")


def landed(shop: Source) -> Landed:
    columns = {name: name for name in ("No", "Mail", "Phone", "Handle", "Land")}
    return Landed(compile_source(shop, dict.fromkeys(columns, "string")), columns, "", frozenset(columns))


def met(condition: str, known: dict[str, str], **row: Any) -> bool:
    columns = ", ".join(f"${name} as {name}" for name in row)
    ((found,),) = duckdb.execute(
        f"select coalesce({condition}, false) from (select {columns})", {**known, **row}
    ).fetchall()
    return bool(found)


@pytest.mark.parametrize(
    "raw",
    ["7;CORP\\ann.lee-77;x", '{"login":"CORP\\\\ann.lee-77"}', '\r\n\t{"Mail":"\\u0061nnlee@gmail.com"}',
     '{"Phone":"+49 931 (5550"}', '{"Phone":"***"}'],
)  # fmt: skip
def test_nor_one_that_json_or_no_json_writes_otherwise(shop: Source, raw: str) -> None:
    own = OWN | {("login", "CORP\\ann.lee-77"), ("phone", "+49 931 (5550"), ("phone", "***")}
    asked = OfPerson(Person(NOBODY, NOBODY, NOBODY, own), {"shop": shop})
    assert asked.holds("shop", raw)
    condition, known = asked.may_hold
    assert met(condition, known, raw=raw)


@pytest.mark.parametrize("around", ["{}", "tell <{}>, please", "7;{};cut", '"{}"', "of\t{}\nand", "x={}&y"])
@pytest.mark.parametrize(
    "word",
    ["annlee@gmail.com", "Ann.Lee+shop@GoogleMail.com", "mailto:annlee@gmail.com", "ａｎｎｌｅｅ＠ｇｍａｉｌ．ｃｏｍ",
     "BEA_oz@x.org",
     "ann\u200blee@gmail.com", "+19375550142", "＋1-937-555-0142", "+1937555０１４２", "+1-800-FLOWERS", "13347",
     "小明 x", "a|b.*c"],
)  # fmt: skip
def test_no_word_that_names_the_person_is_overlooked(shop: Source, word: str, around: str) -> None:
    source = Landed(
        compile_source(shop, dict.fromkeys(("No", "Mail", "Phone", "Handle", "Land"), "string")),
        {"No": "No"},
        "",
        NOBODY,
    )
    condition, known = source.may_say(OWN)
    text = around.format(word)
    kinds = {kind for kind, _ in OWN}
    named = not OWN.isdisjoint([*said(text, kinds), *said(json.dumps({"note": text}, ensure_ascii=False), kinds)])
    assert met(condition, known, _text=text) >= named
    assert named or around != "{}"


@pytest.mark.parametrize(
    "text", ["213347", "bob@x.org joannlee@gmx.de", "10 + x", "agent +http://x.org/bot 2017", "小明"]
)
def test_few_others_are_looked_at(shop: Source, text: str) -> None:
    source = Landed(
        compile_source(shop, dict.fromkeys(("No", "Mail", "Phone", "Handle", "Land"), "string")),
        {"No": "No"},
        "",
        NOBODY,
    )
    condition, known = source.may_say(OWN - {("email", "annlee@gmail.com")})
    assert not met(condition, known, _text=text)


@pytest.mark.parametrize(
    "cells",
    [{"Mail": " Ann.Lee@gmail.com"}, {"Mail": "ann\tlee@gmail.com"}, {"Mail": "ａｎｎｌｅｅ＠gmail．com"},
     {"Phone": "(937) 555-0142"}, {"Phone": "937.555.0142 ext. 7"}, {"Phone": "1-800-FLOWERS"},
     {"Phone": "(800)FLOWERS"}, {"Phone": "(800) 3569-DPP"}, {"Phone": "937a555b0142"},
     {"Phone": "tel:0142;phone-context=+1937555"}, {"Phone": "+1 937\u00a0555\u201101.42"},
     {"Mail": "ann\u00adlee@gmail.com"},
     {"Phone": "９３７５５５０１４２"}, {"Phone": "06 12 34 56 78", "Land": "France"},
     {"No": " 13347"}, {"Handle": "小明 x"}, {"Handle": "a|b.*c"}],
)  # fmt: skip
def test_no_refused_row_of_the_persons_is_overlooked(shop: Source, cells: dict[str, str]) -> None:
    asked = OfPerson(Person(NOBODY, NOBODY, NOBODY, OWN), {"shop": shop})
    raw = json.dumps({"zip": "4", **cells}, ensure_ascii=False)
    assert asked.holds("shop", raw)
    condition, known = asked.may_hold
    assert met(condition, known, raw=raw)
    for others in (
        '{"No":"77","Mail":"bob@x.org","Phone":"937 555 0143"}',
        '{"Name":"Zoë 王","said":"\\"7\\""}',
        '10.0.0.1 - - [29/Nov/2017:20:28:22 -0500] "\\x16\\x03\\x01"',
    ):
        assert not met(condition, known, raw=others)


def test_no_letter_that_is_passed_over_stands_for_one_of_ascii() -> None:
    letters = [chr(code) for code in range(0x80, sys.maxunicode) if not re.match(OTHER_LETTERS, chr(code))]
    assert len(letters) == 23 + 7 + 23 + 8 + 20_992  # À-Ö, Ø-Þ, à-ö, ø-ÿ; 4E00-9FFF
    assert not any(form.isascii() for letter in letters for form in unicodedata.normalize("NFKC", letter).lower())
