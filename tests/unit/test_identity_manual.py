"""Decisions by hand: what is read, what is refused with which line, and that no value is ever told."""

import shutil

import pytest

from jobs.runtime.configuration import load_configuration
from tests.end_to_end.project import KEYS, ROOT, Project
from transforms.errors import DefinitionError
from transforms.identity.manual import Decisions, check_decisions, parse_decisions

HEADER = "left_type,left_value,right_type,right_value,reason,decided_by\n"
TYPES = ["crm_id", "email", "phone"]


def read(*lines: str, place="same.csv"):
    return parse_decisions(HEADER + "\n".join(lines), place=place, types=TYPES, countries=["DE", "GB"])


def refused(*lines: str) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as error:
        read(*lines)
    assert "secret" not in str(error.value)
    return error.value.lines


def test_a_decision_is_read_in_the_forms_that_tables_hold():
    record, mail, phone = read(
        "record,crm:1,record, web:2 ,moved house,Ann",
        "email, Ann@X.org ,crm_id,7,,",
        'phone,030 1234567,phone,"+49 30 1234567",,',
    )
    assert (record.left, record.right) == (("record", ("crm:1",)), ("record", ("web:2",)))
    assert record.place == "same.csv:2"
    assert (mail.left, mail.right) == (("email", ("ann@x.org", "Ann@X.org")), ("crm_id", ("7",)))
    assert phone.left[1] == ("+49301234567", "+44301234567", "030 1234567")
    assert phone.right[1][0] == "+49301234567"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("emial,secret@x,record,crm:1,,", "same.csv:2: left_type: 'emial' is neither 'record' nor among the"),
        ("email,secret@x,record, ,,", "same.csv:2: right_value: it is empty; name a record or an identifier"),
        ("email,secret@x,record", "same.csv:2: 3 values instead of 6; put quotes around"),
        (f"email,{'secret' * 200},record,crm:1,,", "same.csv:2: left_value: longer than 1,000 characters, which no"),
        ('email,"secret"x,record,crm:1,,', "same.csv:2: not CSV: "),
    ],
)
def test_a_bad_line_is_named(line, told):
    (only,) = refused(line)
    assert only.startswith(told)


def test_every_bad_line_is_told_and_a_missing_column_is_named():
    assert len(refused("a,secret,b,secret,,", "record,crm:1,record,,,")) == 3
    with pytest.raises(DefinitionError, match=r"^same\.csv:1: no column right_value, decided_by; the header must"):
        parse_decisions("left_type,left_value,right_type,reason\n", place="same.csv", types=TYPES)
    with pytest.raises(DefinitionError, match=r"^same\.csv:1: no column left_type"):
        parse_decisions("", place="same.csv", types=TYPES)


@pytest.mark.parametrize(
    ("same", "different", "told"),
    [
        (["email,a@x.org,crm_id,1,,"], ["crm_id,1,email,A@X.org,,"], "which same.csv:2 says to be the same"),
        (
            ["record,a,record,b,,", "record,q,record,r,,", "record,c,record,b,,", "email,a@x.org,record,c,,"],
            ["record,a,email,a@x.org,,"],
            "which same.csv:2, same.csv:4, same.csv:5 together say to be the same",
        ),
        ([], ["record,a,record,a,,"], "both sides are the same"),
    ],
)
def test_contradictions_are_named_with_their_lines(same, different, told):
    decisions = Decisions(read(*same), read(*different, place="different.csv"))
    with pytest.raises(DefinitionError) as error:
        check_decisions(decisions)
    (line,) = error.value.lines
    assert line.startswith("different.csv:2: ") and told in line and "a@x.org" not in line.lower()


def test_what_is_different_from_one_of_the_same_is_no_contradiction():
    check_decisions(Decisions(read("record,a,record,b,,"), read("record,a,record,c,,", place="d")))


def test_the_project_is_read_with_its_decisions(tmp_path, monkeypatch):
    for name in ("conf", "tag_definitions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    project = Project(tmp_path)
    rules = project.conf / "identity.yml"
    rules.write_text(rules.read_text() + "manual: {same: conf/same.csv, different: conf/different.csv}\n")
    with pytest.raises(DefinitionError) as error:
        load_configuration(project.conf)
    assert error.value.lines == tuple(
        f"conf/identity.yml: manual.{key}: no file conf/{key}.csv" for key in ("same", "different")
    )
    (project.conf / "same.csv").write_text(HEADER + "email,a@x.org,phone,+49 30 1234567,asked,Ann\n")
    (project.conf / "different.csv").write_text(HEADER)
    conf = load_configuration(project.conf)
    assert [decision.place for decision in conf.decisions.same] == ["conf/same.csv:2"]
    (project.conf / "different.csv").write_text(HEADER + "phone,+49301234567,email,a@x.org,,\n")
    with pytest.raises(DefinitionError, match=r"^conf/different\.csv:2: says that two are different which conf/same"):
        load_configuration(project.conf)
