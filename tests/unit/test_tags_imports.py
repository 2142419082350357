"""Lists from outside: what a file may hold, and whose its values are."""

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.frames import frame_of
from transforms.errors import DefinitionError
from transforms.tags.definition import Tag, parse_tags
from transforms.tags.imports import Line, as_table, imported, parse_import

TYPES = ("crm_id", "email", "phone")
HEADER = "id_type,id_value,value\n"


def tag(kind: str, more: str = "") -> Tag:
    head = "tag: vip\ntitle: {en: A}\ndescription: d\nowner: o\nstatus: online\npurposes: [marketing]\n"
    return parse_tags({"tags/vip.yml": f"{head}import: lists/*.csv\ntype: {kind}\n{more}"})["vip"]


WRONG: list[tuple[str, str, list[str]]] = [
    ("text", "id_type,value\ncrm_id,a\n", ["l.csv:1: no column id_value; the header must hold id_type,id_value,value"]),
    ("text", "", ["l.csv:1: no column id_type, id_value, value; the header must hold id_type,id_value,value"]),
    (
        "text",
        HEADER + "emial,ann@x.org,a\n",
        ["l.csv:2: id_type: 'emial' is not among the identifiers of conf/identity.yml; did you mean 'email'?"],
    ),
    ("text", HEADER + "crm_id,,a\n", ["l.csv:2: id_value: it is empty; name the identifier"]),
    ("text", HEADER + "crm_id,7,\n", ["l.csv:2: value: it is empty; write one, or remove the line"]),
    ("text", HEADER + "crm_id,7\n", ["l.csv:2: 2 values instead of 3; put quotes around a value that holds a comma"]),
    (
        "integer",
        HEADER + "crm_id,7,1.5\n\ncrm_id,8,x\n",
        ["l.csv:2: value: is not of type integer", "l.csv:4: value: is not of type integer"],
    ),
    ("number", HEADER + "crm_id,7,１２.５\n", ["l.csv:2: value: is not of type number"]),
    ("integer", HEADER + "crm_id,7,1_2\n", ["l.csv:2: value: is not of type integer"]),
    ("number", HEADER + "crm_id,7,nan\n", ["l.csv:2: value: is not of type number"]),
    ("boolean", HEADER + "crm_id,7,yes\n", ["l.csv:2: value: is not of type boolean"]),
    ("date", HEADER + "crm_id,7,31.12.2017\n", ["l.csv:2: value: is not of type date"]),
    ("enum", HEADER + "crm_id,7,c\n", ["l.csv:2: value: is not one of a, b"]),
    (
        "text",
        HEADER + "email,Ann@X.org,a\nemail,ann@x.org,b\n",
        ["l.csv:3: its identifier has another value at l.csv:2; keep one of them"],
    ),
    (
        "text",
        HEADER + "crm_id,,a\n" * 8,
        [*(f"l.csv:{n}: id_value: it is empty; name the identifier" for n in range(2, 7)),
         "tags/vip.yml: import: 3 more lines are wrong"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "lines"), WRONG)
def test_a_line_that_is_wrong_is_told_without_the_identifier(kind: str, text: str, lines: list[str]) -> None:
    with pytest.raises(DefinitionError) as wrong:
        parse_import({"l.csv": text}, tag(kind, "values: [a, b]\n" if kind == "enum" else ""), types=TYPES)
    assert list(wrong.value.lines) == lines


def test_columns_in_any_order_and_others_beside_them() -> None:
    found = parse_import({"l.csv": "VALUE,note,id_value,id_type\n3,x, 7 ,crm_id\n\n"}, tag("integer"), types=TYPES)
    assert [(line.id_type, line.id_values, line.value) for line in found] == [("crm_id", ("7",), "3")]


def test_whose_the_values_are(spark: SparkSession) -> None:
    """Two identifiers of one customer: the last line counts. Who is nobody's has no row, nor who may be another."""
    first = HEADER + "crm_id,1,first\nemail,ANN@x.org,second\nphone,030 1234567,by phone\n"
    second = HEADER + "crm_id,2,third\ncrm_id,9,nobody\n"
    files = {"b.csv": second, "a.csv": first}
    lines = parse_import(files, tag("text"), types=TYPES, countries=["DE"])
    lines += (Line("phone", ("+49307654321", "+43307654321"), "of either", "c.csv:2"),)
    ledger = spark.createDataFrame(
        [("crm_id", "1", "c1"), ("email", "ann@x.org", "c1"), ("crm_id", "2", "c2"), ("phone", "+49301234567", "c3"),
         ("phone", "+49307654321", "c4"), ("phone", "+43307654321", "c5"), ("email", "other@x.org", "c4")],
        "id_type string, id_value string, customer_id string",
    )  # fmt: skip
    found = imported(frame_of(spark, as_table(lines)), ledger=ledger).collect()
    assert {row.customer_id: (row.value, row.rows) for row in found} == {
        "c1": ("second", 1), "c2": ("third", 1), "c3": ("by phone", 1),
    }  # fmt: skip


def test_values_of_every_type_are_taken() -> None:
    texts = {"number": "-1.5e3", "integer": "-7", "boolean": "true", "date": "2017-12-31", "text": "a, b"}
    for kind, text in texts.items():
        (line,) = parse_import({"l.csv": f'{HEADER}crm_id,1,"{text}"\n'}, tag(kind), types=TYPES)
        assert line.value == text
