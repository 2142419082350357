"""`portrait identity audit` and `portrait show`'s way to a customer, over a release that is written row by row."""

from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from released import DAY, FIRST, House, Shown

from jobs.lookups.audit import show_audit
from jobs.lookups.audit_customer import show_ties
from jobs.lookups.whose import whose
from jobs.runtime.reader import Reader
from transforms.errors import DefinitionError
from transforms.identity.picture import IDENTIFIER, PERSON, Box, Line, draw

ANN, BEN, TIM = "a" * 32, "b" * 32, "c" * 32
BORN = date(1980, 5, 1)
EARLY = (date(2025, 1, 1), date(2025, 1, 2))


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Ann is held together by one phone, between two records and two; Ben's phone was cut; a till's phone is a hub.

    Two visitors once shared a cookie; long after, it came back as Ben's.
    """
    return House(
        tmp_path / "lakehouse",
        {
            "crm:1": (ANN, "crm_id=1 email=ann@x.org"),
            "shop:1": (ANN, "email=ann@x.org phone=+4911 phone=+4999"),
            "crm:2": (ANN, "crm_id=2 phone=+4911"),
            "shop:2": (ANN, "crm_id=2"),
            'polls:{"email":["ann@x.org"]}': (ANN, "email=ann@x.org"),
            "crm:3": (BEN, "crm_id=3 phone=+4911 phone=+4999 cookie=k"),
            'polls:{"cookie":["k"]}': (TIM, "cookie=k"),
            'polls:{"cookie":["k"],"phone":["+4977"]}': (TIM, "cookie=k phone=+4977"),
        },
        said={
            "crm:1": {"given_name": "Ann", "birth_date": BORN, "gender": "female"},
            "shop:1": {"given_name": "ANN", "birth_date": BORN},
            "crm:2": {"given_name": "Bea", "birth_date": date(1999, 1, 1), "gender": "female"},
        },
        owners={"phone=+4911": ANN, "cookie=k": BEN},
        refused={"phone=+4999": ("hub", "touches 9 stronger identifiers, at most 5")},
        seen={
            ('polls:{"cookie":["k"]}', "cookie=k"): EARLY,
            ('polls:{"cookie":["k"],"phone":["+4977"]}', "cookie=k"): EARLY,
        },
    ).release()


def audit(house: House, **options) -> Shown:
    screen = Shown()
    show_audit(house.conf, screen, rows=options.get("rows", 10), clear=options.get("clear", False))
    return screen


def ties(house: House, identifier: str, *, clear=False, picture: Path | None = None) -> Shown:
    screen = Shown()
    show_ties(house.conf, identifier, screen, clear=clear, picture=picture)
    return screen


def test_who_is_largest_and_most_suspicious_and_why(house: House):
    found = audit(house).found
    assert (found["customers"], found["known"], found["records"]) == (3, 3, 8)
    largest = found["largest"][0]
    assert [largest[name] for name in ("customer", "records", "persons", "identifiers", "ties", "sources")] == [
        ANN, 5, 4, 4, 8, 3
    ]  # fmt: skip
    # 3 for a second birth date, 1 for a second given name (written otherwise is no other), 2 for the one phone
    [suspect] = found["most_suspicious"]
    assert (suspect["customer"], suspect["points"], suspect["smaller_part"], suspect["by"]) == (ANN, 6, 2, "phone")
    assert suspect["why"] == "2 birth dates; 2 given names; held by one phone"
    assert [row["customer"] for row in found["held_by_one_tie"]] == [ANN]
    [hub] = found["refused"]["hub"]["most"]
    assert hub == {"type": "phone", "value": "***99", "records": 2, "why": "touches 9 stronger identifiers, at most 5"}


def test_how_each_record_is_tied_and_why_a_tie_does_not_hold(house: House):
    found = ties(house, "crm_id:3").found
    state = {tie["value"]: (tie["holds"], tie["why_not"]) for tie in found["ties"]}
    assert state == {
        "3***": (True, None),
        "***11": (False, f"it is customer {ANN}'s"),
        "***99": (False, "hub: touches 9 stronger identifiers, at most 5"),
        "k***": (True, None),
    }
    # the cookie's earlier life ties the two visits that shared it then, though it is Ben's now
    visits = ties(house, TIM).found["ties"]
    assert [tie["holds"] for tie in visits if tie["type"] == "cookie"] == [True, True]
    ann = ties(house, "email: ANN@x.org ").found
    assert {(tie["value"], tie["alone_holds"]) for tie in ann["ties"] if tie["alone_holds"]} == {
        ("***11", 2), ("a***@x***", 1), ("2***", 1),
    }  # fmt: skip
    assert [(row["field"], row["different"]) for row in ann["differences"]] == [("given_name", 2), ("birth_date", 2)]


def test_no_value_is_shown_unless_it_is_asked_for(house: House, tmp_path: Path):
    personal = ("ann@x", "+49", "1980", "Bea", "crm:1")
    page = tmp_path / "ann.html"
    masked = ties(house, ANN, picture=page)
    for text in (audit(house).text, str(audit(house).found), masked.text, str(masked.found), page.read_text()):
        assert not [value for value in personal if value in text]
    clear = ties(house, ANN, clear=True, picture=page).text
    assert not [value for value in personal if value not in clear + audit(house, clear=True).text]
    assert "ann@x.org" in page.read_text()


def test_the_picture_shows_every_box_and_tie_and_asks_nobody(house: House, tmp_path: Path):
    file = tmp_path / "ben.svg"
    found = ties(house, "record:crm:3", picture=file).found
    text = file.read_text()
    space = {"s": "http://www.w3.org/2000/svg"}
    drawn = ElementTree.fromstring(text)
    assert len(drawn.findall(".//s:rect", space)) == 1 + 4  # the record and its identifiers
    styles = [path.get("class") for path in drawn.findall("s:path", space)]
    assert sorted(styles) == sorted([*["refused"] * 2, *["holds"] * 2, "holds", "alone", "refused"])  # and the legend
    assert text.replace(space["s"], "").count("http") == 0
    assert len(found["ties"]) == 4


def test_a_picture_is_the_same_in_any_order_and_names_are_escaped():
    boxes = [Box(f"r{n}", PERSON, f"<{n}&") for n in range(70)] + [Box("i", IDENTIFIER, "i")]
    lines = [Line(f"r{n}", "i", "holds") for n in range(70)]
    one, other = draw("t", boxes, lines), draw("t", boxes[::-1], lines[::-1])
    assert one == other
    drawn = ElementTree.fromstring(one)
    assert len(drawn.findall(".//{*}rect")) == 61 and "(10 more)" in one


def test_a_picture_that_cannot_be_written_is_told(house: House, tmp_path: Path):
    with pytest.raises(DefinitionError, match=r"--picture .*ann\.pdf: write it as \.html or \.svg"):
        ties(house, ANN, picture=tmp_path / "ann.pdf")
    with pytest.raises(DefinitionError, match=r"--picture .*nowhere.*: cannot be written: No such file"):
        ties(house, ANN, picture=tmp_path / "nowhere" / "ann.svg")


# -- whose an identifier is


def test_matched_records_are_tied_to_each_other(tmp_path: Path):
    house = House(
        tmp_path, {"crm:1": (ANN, "email=a"), "shop:1": (ANN, "email=b")}, pairs=[("crm:1", "shop:1", "match", 0.97)]
    ).release()
    [pair] = [tie for tie in ties(house, ANN).found["ties"] if tie["type"] == "record"]
    assert (pair["rule"], pair["record"], pair["other_record"], pair["alone_holds"]) == ("match", 1, 2, 1)
    assert audit(house).found["held_by_one_tie"][0]["by"] == "match"


def test_an_identifier_is_found_as_people_write_it(tmp_path: Path):
    house = House(
        tmp_path,
        {"crm:1": (ANN, "phone=+49301234567 email=ann@x.org"), "crm:2": (BEN, "email=ben@x.org")},
        past=[("email=ann@x.org", BEN, FIRST, date(2026, 3, 5)), ("email=old@x.org", BEN, FIRST, date(2026, 3, 4))],
        changes=[
            {"kind": "merge", "customer_id": BEN, "from_ids": ["d" * 32]},
            {"kind": "retire", "customer_id": "d" * 32, "from_ids": None},
            {"kind": "retire", "customer_id": "e" * 32, "from_ids": None},
        ],
    ).release()
    reader = Reader(house.conf)

    def found(text: str):
        return whose(reader, house.conf, text)

    assert found("phone:030 1234567").customer_id == found("record:crm:1").customer_id == ANN
    assert found("email:Ann@X.org") == found("email:ann@x.org")
    assert found("email:ann@x.org").notes == (f"this email was customer {BEN}'s from 2026-03-01 until 2026-03-05",)
    assert found("d" * 32).customer_id == BEN
    assert found("d" * 32).notes == (f"customer {'d' * 32} was merged into {BEN} on {DAY}",)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("emial:ann@x.org", "emial: no type of identifier; did you mean 'email'? (one of crm_id, email,"),
        ("email:nobody@x.org", "email: no customer has this email as of 2026-03-10, and none had"),
        ("email:old@x.org", f"email: no record gives it as of 2026-03-10; until 2026-03-04 it was customer {BEN}'s"),
        ("phone:+4999", "phone: it is given, and not believed (hub: a till), so it is nobody's as of 2026-03-10"),
        ("phone:0301", f"phone: written like this it may be that of 2 customers, {ANN}, {BEN}; write it in"),
        ("record:crm:9", "record: no such record as of 2026-03-10"),
        ("e" * 32, f"{'e' * 32}: this customer ended on 2026-03-10: no record is left"),
        ("ann@x.org", "what was asked for: no such customer as of 2026-03-10; write an identifier as type:value"),
    ],
)  # fmt: skip
def test_who_it_is_not_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, told: str):
    house = House(
        tmp_path,
        {"crm:1": (ANN, "phone=+49301 phone=+4999"), "crm:2": (BEN, "phone=+41301")},
        refused={"phone=+4999": ("hub", "a till")},
        past=[("email=old@x.org", BEN, FIRST, date(2026, 3, 4))],
        changes=[{"kind": "retire", "customer_id": "e" * 32, "from_ids": None}],
    ).release()
    conf = house.conf
    conf.sources["swiss"] = type(conf.sources["crm"])(entity="contact", country="CH")
    monkeypatch.setattr(
        "transforms.sources.standard.phones.e164",
        lambda value, country: {"DE": "+49", "CH": "+41"}[country] + value[1:] if value[0] == "0" else value,
    )
    with pytest.raises(DefinitionError) as error:
        whose(Reader(conf), conf, asked)
    assert str(error.value).startswith(told)
    assert len(str(error.value).splitlines()) == 1
