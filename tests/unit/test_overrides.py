"""Values set by hand: what they may be, which of several holds, what they change, and what is told of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from jobs.changes.overrides import Wish, chosen
from jobs.cli import app
from jobs.engines.overrides import tell
from jobs.gold import open_release
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from tests.unit.trusted import FIRST, Nights, yaml_of
from transforms.errors import DefinitionError
from transforms.override_values import as_text, field_of, may_be, read, value_of
from transforms.overrides import affected, held, in_force
from transforms.schemas import GOLD_MODEL, GOLD_OVERRIDE, GOLD_TAG_CHANGE, LEDGER
from transforms.tags.definition import parse_tags

BODIES = {
    "spend": "from: transaction\nselect: sum(amount)",
    "orders": "from: transaction\nselect: count(*)",
    "told": "from: customer\nselect: email is not null",
    "city": "from: customer\nselect: initcap(city)",
    "at_sea": "select: city = 'Kiel'",
    "tops": "from: transaction\npreference: {of: category}",
    "seen": "from: transaction\nselect: max(ordered_at)",
    "born": "from: customer\nselect: birth_date",
    "mail": "from: customer\nselect: email",
    "band": "type: enum\nvalues: [high, low]\ncases: [{value: high, when: spend > 10}]\ndefault: low",
    "idea": "status: draft\nselect: spend * 2",
    "group": "model: kmeans\nfeatures: [spend]",
}
TAGS = parse_tags({f"tags/{name}.yml": yaml_of(name, body) for name, body in BODIES.items()})
# field, what is written -> what is held, or the line
READ: list[tuple[str, str, str]] = [
    ("spend", " 12.50 ", "12.5"), ("spend", "-3", "-3.0"), ("orders", "7", "7"), ("told", "TRUE", "true"),
    ("city", "北京", "北京"), ("tops", "甲，乙, c", '["甲", "乙", "c"]'), ("tops", '["a,b"]', '["a,b"]'),
    ("born", "1990-02-28", "1990-02-28"), ("seen", "2018-01-01T08:00", "2018-01-01T00:00:00+00:00"),
    ("seen", "2018-01-01T08:00+02:00", "2018-01-01T06:00:00+00:00"), ("band", "high", "high"),
    ("gender", "other", "other"), ("household_size", "3", "3"),
]  # fmt: skip
REFUSED: list[tuple[str, str, str]] = [
    ("spend", "much", "spend: 'much' is not a number, such as 12.5"),
    ("spend", "nan", "spend: 'nan' is not a number, such as 12.5"),
    ("spend", "1e999", "spend: '1e999' is not a number, such as 12.5"),
    ("orders", "7.5", "orders: '7.5' is not a whole number"),
    ("orders", str(2**63), f"orders: '{2**63}' is not a whole number"),
    ("household_size", str(2**31), f"household_size: '{2**31}' is not a whole number"),
    ("told", "yes", "told: 'yes' is not true or false"),
    ("city", " ", "city: '' is not a text of 1 to 10,000 characters"),
    ("tops", "a,,b", "tops: 'a,,b' is not a list, such as a,b or [\"a\", \"b\"]"),
    ("tops", "[1]", "tops: '[1]' is not a list, such as a,b or [\"a\", \"b\"]"),
    ("born", "1990-02-30", "born: the value is not a date, such as 2026-01-31"),
    ("seen", "noon", "seen: 'noon' is not a time, such as 2026-01-31T09:30"),
    ("band", "hihg", "band: 'hihg' is not one of its values; did you mean 'high'? (one of high, low)"),
    ("gender", "m", "gender: 'm' is not female, male or other"),
    ("country", "Deutschland", "country: 'Deutschland' is not a country's two letters, such as DE"),
    ("spedn", "1", "spedn: no column of the profile and no field of the golden record; did you mean 'spend'?"),
    ("emial", "1", "emial: no column of the profile and no field of the golden record; did you mean 'email'?"),
    ("idea", "1", "idea: is draft; only an online tag has values"),
    ("group", "1", "group: has several columns; name one of group_segment, group_distance"),
    ("consents", "1", "consents: is not set by hand; a decision comes from a source of consent"),
    ("customer_id", "1", "customer_id: no column of the profile and no field of the golden record"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "written"), READ)
def test_a_value_is_held_in_one_form_that_reads_back_to_the_same(name: str, text: str, written: str) -> None:
    field = field_of(name, TAGS)
    assert read(field, text, timezone="Asia/Shanghai") == written
    assert [as_text(value_of(written, column.type)) for column in field.columns] == [written] * len(field.columns)


@pytest.mark.parametrize(("name", "text", "line"), REFUSED)
def test_a_value_that_is_none_is_one_line(name: str, text: str, line: str) -> None:
    with pytest.raises(DefinitionError) as told:
        read(field_of(name, TAGS), text, timezone="UTC")
    assert list(told.value.lines) == [line]


def test_a_value_may_be_none_by_now() -> None:
    asked = [("band", "high"), ("band", "middle"), ("spend", "1.5"), ("spend", "much"), ("city", "Ulm"), ("idea", "1")]
    assert [may_be(name, text, TAGS) for name, text in asked] == [True, False, True, False, True, False]


def test_a_segment_is_one_that_the_model_gives() -> None:
    field = field_of("group_segment", TAGS)
    assert read(field, "calm", timezone="UTC", segments=["calm", "busy"]) == "calm"
    with pytest.raises(DefinitionError, match=r"'clam' is not one of its values; did you mean 'calm'\?"):
        read(field, "clam", timezone="UTC", segments=["calm", "busy"])


def row(field: str, value: str, who: str = "ann", hour: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id_type": "email", "id_value": f"{who}@x.org", "field": field, "value": value, "reason": "in a letter",
        "set_by": "lee", "set_at": datetime(2018, 3, 1, hour, tzinfo=UTC), "until": None, "ended_at": None,
        "ended_by": None, **more,
    }  # fmt: skip


def test_whose_it_is_and_which_of_several_holds() -> None:
    """Ann and Bob become one customer and two again: the one set last holds while they are one."""
    rows = [row("spend", "1", "ann", 2), row("spend", "2", "bob", 1), row("city", "Ulm", "bob", 3)]
    ann, bob = ("email", "ann@x.org"), ("email", "bob@x.org")
    apart = held(rows, {ann: "A", bob: "B"}, FIRST)
    assert {key: [one["value"] for one in found] for key, found in apart.items()} == {
        ("A", "spend"): ["1"], ("B", "spend"): ["2"], ("B", "city"): ["Ulm"],
    }  # fmt: skip
    one = held(list(reversed(rows)), {ann: "B", bob: "B"}, FIRST)
    assert {key: [row["value"] for row in found] for key, found in one.items()} == {
        ("B", "spend"): ["1", "2"], ("B", "city"): ["Ulm"],
    }  # fmt: skip
    assert held(rows, {ann: "A"}, FIRST).keys() == {("A", "spend")}  # Bob's address is nobody's


def test_it_holds_until_the_day_that_ends_it() -> None:
    ends = row("spend", "1", until=date(2018, 3, 5))
    assert [in_force(ends, date(2018, 3, day)) for day in (4, 5, 6)] == [True, False, False]
    assert not in_force(row("spend", "1", ended_at=datetime(2018, 3, 1, tzinfo=UTC)), FIRST)


def test_what_a_value_by_hand_reaches() -> None:
    assert affected("spend", TAGS) == {"spend", "band", "group_segment", "group_distance"}
    assert affected("city", TAGS) == {"city", "at_sea"}  # the tag and the golden field that it reads
    assert affected("email", TAGS) == {"email", "told", "mail"}


# -- the table after a command


def test_setting_twice_keeps_the_first_and_unsetting_ends_all() -> None:
    now = datetime(2018, 3, 2, tzinfo=UTC)
    rows = [row("spend", "1", "ann"), row("spend", "2", "bob"), row("city", "Ulm", "ann")]
    wish = Wish("email:ann@x.org", "spend", "3", "again", "kim")
    again = chosen(rows, wish, ("email", "ann@x.org"), "3.0", now)
    assert [(one["value"], one["ended_by"]) for one in again] == [
        ("1", "kim"), ("2", None), ("Ulm", None), ("3.0", None),
    ]  # fmt: skip
    assert again[-1]["reason"] == "again" and again[0]["ended_at"] == now


# -- nights


def night_with(nights: Nights, number: int, rows: list[dict[str, Any]], profile: Any, **more: Any) -> Night:
    """A night whose state has these overrides, and a ledger in which every address is its customer's."""
    owners = more.pop("owners", {"ann@x.org": "a", "bob@x.org": "b"})
    day = FIRST + timedelta(days=number)
    ledger = [
        {"id_type": "email", "id_value": mail, "customer_id": owner, "known": True, "valid_from": FIRST}
        for mail, owner in owners.items()
    ]
    state = Night(
        conf=nights.conf(), lakehouse=nights.lakehouse, day=day, run_id="x", base=nights.base,
        started_at=datetime.now(UTC),
    )  # fmt: skip
    for table, data in ((GOLD_OVERRIDE, rows), (LEDGER, ledger)):
        whole = [{name: one.get(name) for name in table.names} for one in data]
        nights.extra[table.name] = state.save(pa.Table.from_pylist(whole, arrow_schema(table)), table).version
    return nights.run(number, profile, **more)


def causes(nights: Nights, number: int) -> set[tuple[str, str, str]]:
    rows = nights.lakehouse.rows(GOLD_TAG_CHANGE, nights.base.versions[GOLD_TAG_CHANGE.name])  # type: ignore[union-attr]
    return {(one["customer_id"], one["tag"], one["cause"]) for one in rows if one["run_id"] == f"run-{number}"}


def test_what_was_set_by_hand_is_a_cause_and_what_follows_a_merge_is_not(tmp_path: Path) -> None:
    bodies = {name: BODIES[name] for name in ("spend", "band", "city", "at_sea")}

    def of(spend: float, city: str = "Ulm") -> dict[str, Any]:
        return {"spend": spend, "band": "high" if spend > 10 else "low", "city": city, "at_sea": city == "Kiel"}

    nights = Nights(tmp_path, bodies)
    first = {"a": of(1.0), "b": of(2.0), "c": of(3.0)}
    nights.run(0, first)
    # Ann's spend is set, and Bob's city, which the golden record tells too; c bought something, and so did Ann
    rows = [row("spend", "99"), row("city", "Kiel", "bob")]
    second = {"a": of(99.0, "Jena"), "b": of(2.0, "Kiel"), "c": of(4.0)}
    night_with(nights, 1, rows, second, landed={"transaction": ["a", "c"], "contact": ["a"]})
    assert causes(nights, 1) == {
        ("a", "spend", "override"), ("a", "band", "override"), ("a", "city", "data"),
        ("b", "city", "override"), ("b", "at_sea", "override"), ("c", "spend", "data"),
    }  # fmt: skip
    # Ann goes into Bob: what was set for her is his, because they are one
    merged = {"b": of(99.0, "Kiel"), "c": of(4.0)}
    both = {"ann@x.org": "b", "bob@x.org": "b"}
    night_with(nights, 2, rows, merged, owners=both, identity=[("merge", "b", ["a"])])
    assert {cause for customer, _, cause in causes(nights, 2)} == {"merge"}
    # the city's override ends, and the day goes on for c
    rows[1]["until"] = FIRST + timedelta(days=3)
    night_with(nights, 3, rows, {"b": of(99.0), "c": of(1.0)}, owners=both)
    assert causes(nights, 3) == {
        ("b", "city", "override"), ("b", "at_sea", "override"), ("c", "spend", "time"),
    }  # fmt: skip
    release = open_release(str(tmp_path))
    for number, profile in enumerate((first, second, merged)):
        found = release.earlier_profile(FIRST + timedelta(days=number)).to_pylist()
        assert {one.pop("customer_id"): one for one in found} == profile


def test_a_refit_is_a_cause_of_what_is_built_on_the_model(tmp_path: Path) -> None:
    nights = Nights(
        tmp_path, {"spend": BODIES["spend"], "group": BODIES["group"], "busy": "select: group_distance > 1"}
    )

    def fit(number: int) -> None:
        day = FIRST + timedelta(days=number)
        night = Night(
            conf=nights.conf(), lakehouse=nights.lakehouse, day=day, run_id="x", base=nights.base,
            started_at=datetime.now(UTC),
        )  # fmt: skip
        model = {"tag": "group", "kind": "kmeans", "version": number + 1, "definition": "d", "fitted_on": day,
                 "parameters": "{}", "quality": "{}"}  # fmt: skip
        saved = night.save(pa.Table.from_pylist([model], arrow_schema(GOLD_MODEL)), GOLD_MODEL)
        nights.extra[GOLD_MODEL.name] = saved.version

    def of(spend: float, distance: float) -> dict[str, Any]:
        return {"spend": spend, "group_segment": "calm", "group_distance": distance, "busy": distance > 1}

    fit(0)
    nights.run(0, {"a": of(1.0, 0.5), "b": of(1.0, 0.5)})
    # the model is the one of the night before: only what a bought moves a
    nights.run(1, {"a": of(2.0, 0.7), "b": of(1.0, 0.5)}, landed={"transaction": ["a"]})
    assert causes(nights, 1) == {("a", "spend", "data"), ("a", "group_distance", "data")}
    fit(2)
    nights.run(2, {"a": of(3.0, 0.7), "b": of(1.0, 2.5)}, landed={"transaction": ["a", "b"]})
    assert causes(nights, 2) == {
        ("a", "spend", "data"), ("b", "group_distance", "refit"), ("b", "busy", "refit"),
    }  # fmt: skip


def test_people_are_told_what_to_look_at_without_values(tmp_path: Path) -> None:
    nights = Nights(tmp_path, {name: BODIES[name] for name in ("spend", "band")})
    rows = [
        row("band", "middle", "bob"),
        row("spend", "1", "ann"), row("spend", "2", "bob"), row("spend", "3", "gone"), row("gone_tag", "4", "ann"),
        row("spend", "5", "ann", until=FIRST),
    ]  # fmt: skip
    owners = {"ann@x.org": "a", "bob@x.org": "a"}
    night = night_with(nights, 0, rows, {"a": {"spend": 2.0, "band": "low"}}, owners=owners)
    assert night.stage.figures["overrides"] == {"in_force": 5, "past": 1, "several": 1, "nobodys": 1}
    assert nights.warned == [
        "overrides: 1 customers have several of one field (spend); the one set last holds, portrait show tells which",
        "overrides: 1 are tied to an identifier that is nobody's tonight; they change nothing",
        "overrides: 1 of 'band' are no values that it can have by now; they change nothing",
        "overrides: 'gone_tag' is neither a tag that is online nor a golden field; they change nothing",
    ]
    before = list(night.stage.warnings)
    tell(night)
    assert night.stage.warnings == before * 2


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--reason", " "], "--reason: has 0 characters; say why in 1 to 1,000"),
        (["--reason", "x" * 1001], "--reason: has 1,001 characters; say why in 1 to 1,000"),
        (["--reason", "x", "--by", " "], "--by: nobody is named; say who does it"),
        (["--reason", "x", "--until", "soon"], "--until soon: not a date; write it as 2026-01-31"),
    ],
)
def test_options_that_cannot_be(options: list[str], line: str) -> None:
    told = CliRunner().invoke(app, ["tags", "set", "email:ann@x.org", "spend", "-1", *options])
    assert (told.exit_code, told.output.strip()) == (2, line)
