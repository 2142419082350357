import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from transforms.audience_lots import held_out, kept_aside, spelled
from transforms.audience_members import (
    OUTCOMES,
    by_outcome,
    consents,
    counted,
    members,
    outcomes,
    summaries,
)
from transforms.audience_sql import consent_sql
from transforms.audiences import Audience, check_audiences, compile_rule, levels, parse_audience
from transforms.errors import DefinitionError
from transforms.privacy import Keys, Privacy, Purpose
from transforms.profile import profile_table
from transforms.schemas import Column

DAY, AS_OF = date(2026, 3, 1), datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
PRIVACY = Privacy(
    purposes={
        "marketing": Purpose(consent="opt_in"),
        "service": Purpose(consent="none"),
        "post": Purpose(consent="opt_out"),
    },
    keys=Keys(customer=["k" * 32], erasure=["e" * 32]),
    smallest_group=2,
)


@dataclass(frozen=True)
class Given:
    """What audiences ask of a tag."""

    tag: str
    outputs: tuple[Column, ...]
    purposes: list[str] = field(default_factory=lambda: ["marketing", "service", "post"])
    status: str = "online"
    kind: str = "statistic"

    @property
    def place(self) -> str:
        return f"tag_definitions/value/{self.tag}.yml"


TAGS: dict[str, Any] = {
    tag.tag: tag
    for tag in (
        Given("spend", (Column("spend", "int", "EUR"),)),
        Given("city", (Column("city", "string", "where"),)),
        Given("tickets", (Column("tickets", "int", "open tickets"),), purposes=["service"]),
    )
}
PROFILE = profile_table(TAGS)


def audience(name: str, **keys: Any) -> Audience:
    return Audience(place=f"conf/audiences/{name}.yml", audience=name, **{"purpose": "service", **keys})


def named(*audiences: Audience) -> dict[str, Audience]:
    return {one.audience: one for one in audiences}


def problems(*audiences: Audience) -> list[str]:
    with pytest.raises(DefinitionError) as error:
        check_audiences(named(*audiences), TAGS, PROFILE, PRIVACY)
    return list(error.value.lines)


def found(
    spark: SparkSession, audiences: dict[str, Audience], people: list[tuple[Any, ...]]
) -> dict[str, dict[str, str]]:
    """Audience -> customer -> outcome; people: (customer_id, spend, city, consents)."""
    profile = spark.createDataFrame([row[:3] for row in people], "customer_id string, spend int, city string")
    customers = spark.createDataFrame(
        [(row[0], row[3]) for row in people], "customer_id string, consents map<string,boolean>"
    )
    rows = outcomes(profile, customers, **arguments(audiences)).collect()
    by_customer = {row["customer_id"]: row["outcomes"] for row in rows}
    return {
        name: {one: OUTCOMES[told[place]] for one, told in by_customer.items() if told[place] is not None}
        for place, name in enumerate(audiences)
    }


def arguments(audiences: dict[str, Audience]) -> dict[str, Any]:
    compiled = {name: compile_rule(one, PROFILE, "UTC") for name, one in audiences.items()}
    return {
        "audiences": audiences, "rules": {name: rule for name, rule in compiled.items() if rule},
        "purposes": PRIVACY.purposes, "day": DAY, "as_of": AS_OF,
    }  # fmt: skip


# -- definitions


def test_a_file_as_people_write_it():
    text = """
audience: slipping
title: {en: Slipping, zh: 流失中}
owner: retention
where: spend > 100 and city = '北京'
union: [vip]
except: [suppressed]
min_size: 50
purpose: marketing
holdout: 0.1
campaigns: [spring_2026]
"""
    one = parse_audience(text, place="conf/audiences/slipping.yml")
    assert (one.union, one.except_, one.holdout, one.title["zh"]) == (["vip"], ["suppressed"], 0.1, "流失中")
    assert one.definition_hash == one.model_copy(update={"owner": "somebody", "campaigns": []}).definition_hash
    assert one.definition_hash != one.model_copy(update={"holdout": 0.2}).definition_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("audience: a\npurpose: service\n", "a.yml: where: say who belongs to it"),
        ("audience: a\npurpose: service\nwhere: 'true'\nexpect: [b]\n", "unknown key 'expect'; did you mean 'except'?"),
        ("audience: a\nwhere: 'true'\n", "a.yml: purpose: this key is required"),
        ("audience: A b\npurpose: service\nwhere: 'true'\n", "a.yml: audience: "),
        ("audience: a\npurpose: service\nwhere: 'true'\nholdout: 1\n", "a.yml: holdout: "),
    ],
)
def test_a_wrong_file_is_told_by_key(text: str, message: str):
    with pytest.raises(DefinitionError, match=r"^a\.yml") as error:
        parse_audience(text, place="a.yml")
    assert message in str(error.value)


def test_every_mistake_is_one_line_with_file_key_and_remedy():
    lines = problems(
        audience("rich", where="spnd > 3"),
        audience("most", where="spend", union=["rihc"]),
        audience("other", where="spend > 1", purpose="marketting", **{"except": ["nobody_here"]}),
    )
    assert "conf/audiences/rich.yml: where: no column 'spnd' in the profile; did you mean 'spend'?" in lines
    assert any(line.startswith("conf/audiences/most.yml: where: ") and "true or false" in line for line in lines)
    assert "conf/audiences/most.yml: union: no audience 'rihc'; did you mean 'rich'?" in lines
    assert any(line.startswith("conf/audiences/other.yml: purpose: no purpose 'marketting'") for line in lines)
    assert "conf/audiences/other.yml: except: no audience 'nobody_here'" in lines


def test_a_circle_is_told_with_its_path():
    ring = [audience("a", union=["b"]), audience("b", where="true", **{"except": ["c"]}), audience("c", union=["a"])]
    (line,) = problems(*ring)
    path = line.split("on itself: ")[1].split(";")[0].split(" -> ")
    assert path[0] == path[-1] and sorted(path[:-1]) == ["a", "b", "c"]
    assert all(step in (("a", "b"), ("b", "c"), ("c", "a")) for step in pairwise(path))
    (line,) = problems(audience("me", where="true", union=["me"]))
    assert "built on itself: me -> me" in line


def test_a_tag_of_another_purpose_is_named_also_where_it_is_used_by_way_of_another_audience():
    complained = audience("complained", where="tickets > 0")
    lines = problems(complained, audience("mail", where="spend > 0 and tickets = 0", purpose="marketing"))
    assert len(lines) == 1
    assert lines[0].startswith(
        "conf/audiences/mail.yml: where: the tag 'tickets' is not meant for marketing (its purposes: service)"
    )
    far = audience("far", where="true", purpose="marketing", union=["near"])
    (line,) = problems(complained, audience("near", union=["complained"]), far)
    assert "far.yml: built on 'complained': the tag 'tickets'" in line
    check_audiences(named(complained), TAGS, PROFILE, PRIVACY)


def test_levels_are_built_from_the_ground():
    assert levels(named(audience("c", union=["a", "b"]), audience("b", union=["a"]), audience("a", where="true"))) == [
        ["a"],
        ["b"],
        ["c"],
    ]


# -- members


def test_members_are_where_and_union_less_except(spark: SparkSession):
    audiences = named(
        audience("rich", where="spend >= 100"),
        audience("berlin", where="city = 'Berlin'"),
        audience("both", where="spend = 7", union=["rich", "berlin"]),
        audience("few", union=["both"], **{"except": ["berlin"]}),
        audience("all", where="true"),
        audience("nobody", where="false"),
    )
    people = [
        ("a", 100, "Berlin", None),
        ("b", 7, None, None),
        ("c", None, "Berlin", {}),
        ("d", 99, "Ulm", None),
        ("e", 500, "上海", None),
    ]
    got = found(spark, audiences, people)
    assert got["rich"] == {"a": "target", "e": "target"}
    assert got["both"] == dict.fromkeys("abce", "target")
    assert got["few"] == {"a": "except", "b": "target", "c": "except", "e": "target"}
    assert got["all"] == dict.fromkeys("abcde", "target")
    assert got["nobody"] == {}


def test_any_web_of_audiences_is_what_sets_of_people_say(spark: SparkSession):
    dice = random.Random(11)
    people = [(f"c{n}", dice.choice([None, *range(10)]), dice.choice(["x", "y", None]), None) for n in range(60)]
    expected: dict[str, set[str]] = {}
    audiences: dict[str, Audience] = {}
    for number in range(25):
        name, border, before = f"a{number}", dice.randrange(10), list(audiences)
        union, minus = (dice.sample(before, min(len(before), dice.randrange(3))) for _ in range(2))
        own = {person[0] for person in people if person[1] is not None and person[1] < border}
        audiences[name] = audience(name, where=f"spend < {border}", union=union, **{"except": minus})
        expected[name] = own.union(*(expected[other] for other in union)).difference(
            *(expected[other] for other in minus)
        )
    got = found(spark, dict(reversed(audiences.items())), people)
    assert {name: {who for who, what in of.items() if what == "target"} for name, of in got.items()} == expected


def test_consent_is_asked_for_the_audiences_own_purpose(spark: SparkSession):
    decisions = [
        None,
        {},
        {"marketing": True},
        {"marketing": False},
        {"post": False},
        {"post": True, "marketing": None},
    ]
    people = [(str(number), 1, None, decision) for number, decision in enumerate(decisions)]
    audiences = named(
        audience("in", where="true", purpose="marketing"),
        audience("out", where="true", purpose="post"),
        audience("none", where="true", purpose="service"),
        audience("on_in", union=["in"], purpose="service"),
    )
    got = found(spark, audiences, people)
    reached = {name: "".join(sorted(who for who, what in of.items() if what == "target")) for name, of in got.items()}
    assert reached == {"in": "2", "out": "01235", "none": "012345", "on_in": "012345"}
    assert Counter(got["in"].values()) == {"no_consent": 5, "target": 1}
    assert spark.range(1).select(F.lit(None).cast("map<string,boolean>").alias("consents")).select(
        *(consents(purpose, name) for name, purpose in PRIVACY.purposes.items())
    ).first() == (False, True, True)
    refusing = spark.range(1).select(F.create_map(F.lit("post"), F.lit(False)).alias("consents"))
    assert refusing.select(consents(PRIVACY.purposes["post"], "Post")).first() == (False,)  # fmt: skip


def test_a_purpose_is_one_however_it_is_spelled() -> None:
    assert consent_sql(Purpose(consent="opt_out"), " Post") == "coalesce(consents['post'], true)"
    both = {"post": Purpose(consent="opt_out"), "Post": Purpose(consent="none")}
    with pytest.raises(ValueError, match="'post' and 'Post' are one purpose to those who decide; remove one"):
        Privacy(purposes=both, keys=PRIVACY.keys)


def xxhash64(data: bytes, seed: int) -> int:
    """The published algorithm for texts under 32 bytes (github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    p1, p2, p3, p4, p5 = (
        11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261,
    )  # fmt: skip
    full = (1 << 64) - 1

    def turn(value: int, by: int) -> int:
        return ((value << by) | (value >> (64 - by))) & full

    state = (seed + p5 + len(data)) & full
    while len(data) >= 8:
        lane = turn(int.from_bytes(data[:8], "little") * p2 & full, 31) * p1 & full
        state, data = (turn(state ^ lane, 27) * p1 + p4) & full, data[8:]
    if len(data) >= 4:
        state, data = (turn(state ^ int.from_bytes(data[:4], "little") * p1 & full, 23) * p2 + p3) & full, data[4:]
    for byte in data:
        state = turn(state ^ byte * p5 & full, 11) * p1 & full
    state = (state ^ state >> 33) * p2 & full
    state = (state ^ state >> 29) * p3 & full
    return state ^ state >> 32


def test_the_holdout_is_a_lot_drawn_by_a_hash_that_others_can_compute(spark: SparkSession):
    assert xxhash64(b"", 0) == 0xEF46DB3751D8E999  # the specification's own example
    aside = audience("vip", where="true", holdout=0.1)
    ids = [f"c{number:07d}" for number in range(3000)]
    people = spark.createDataFrame([(one,) for one in ids], "customer_id string")
    drawn = {row[0] for row in people.where(held_out(F.col("customer_id"), aside)).collect()}

    def lot(one: str) -> int:
        value = xxhash64(f"vip/{one}".encode(), 42)
        return (value - (1 << 64) if value >> 63 else value) % 1_000_000  # Spark's bigint is signed

    assert drawn == {one for one in ids if lot(one) < 100_000}
    assert 240 < len(drawn) < 360  # 300 expected, sd 16
    more = people.where(held_out(F.col("customer_id"), aside.model_copy(update={"holdout": 0.3})))
    assert drawn < {row[0] for row in more.collect()}
    other = people.where(held_out(F.col("customer_id"), aside.model_copy(update={"audience": "post"})))
    assert 10 < len(drawn & {row[0] for row in other.collect()}) < 60  # 30 expected: drawn anew
    assert people.where(held_out(F.col("customer_id"), aside.model_copy(update={"holdout": 0.0}))).isEmpty()


def test_the_driver_draws_the_lots_that_spark_draws(spark: SparkSession):
    chance = random.Random(5)
    ids = ["".join(chance.choices("0123456789abcdef米", k=number % 77)) for number in range(1500)]
    several = [audience("a" * length, where="true", holdout=0.5) for length in (1, 3, 8, 30, 33, 61)]
    rows = spark.createDataFrame(list(enumerate(ids)), "place int, id string")
    drawn = rows.select("place", *(held_out(F.col("id"), one) for one in several)).sort("place").toArrow()
    asked = np.array([number % 3 > 0 for number in range(1499)])
    spelled_out = spelled(pa.array(ids).slice(1))
    for one, theirs in zip(several, drawn.columns[1:], strict=True):
        ours = kept_aside(spelled_out, one, asked)
        assert 400 < ours.sum() < 600  # 500 expected, sd 16
        assert ours.tolist() == (theirs.to_numpy()[1:] & asked).tolist()
    assert not kept_aside(spelled_out, audience("none", where="true"), asked).any()
    assert spelled(pa.array([], pa.string())) == []


def test_small_audiences_are_withheld_and_everybody_left_out_is_counted(spark: SparkSession):
    audiences = named(
        audience("big", where="spend >= 2", purpose="marketing", **{"except": ["berlin"]}),
        audience("berlin", where="city = 'Berlin'", min_size=3),
        audience("one", where="spend = 1"),
        audience("nobody", where="spend > 99"),
    )
    yes, people = {"marketing": True}, []
    people += [("a", 1, None, yes), ("b", 2, None, yes), ("c", 3, None, yes), ("d", 4, None, None)]
    people += [("e", 5, "Berlin", yes), ("f", 0, "Berlin", None)]
    profile = spark.createDataFrame([row[:3] for row in people], "customer_id string, spend int, city string")
    customers = spark.createDataFrame(
        [(row[0], row[3]) for row in people], "customer_id string, consents map<string,boolean>"
    )
    kept = outcomes(profile, customers, **arguments(audiences)).cache()
    rows = summaries(
        by_outcome(counted(kept).collect(), list(audiences)),
        audiences=audiences,
        day=DAY,
        smallest_group=PRIVACY.smallest_group,
    )
    told = {row["audience"]: (row["size"], row["target"], row["holdout"], row["left_out"]) for row in rows}
    assert told == {
        "big": (2, 2, 0, {"no_consent": 1, "except": 1}),
        "berlin": (0, 0, 0, {"too_small": 2}),
        "one": (0, 0, 0, {"too_small": 1}),
        "nobody": (0, 0, 0, {}),
    }
    names = list(audiences)
    got = members(kept, audiences=names, shown=[row["audience"] for row in rows if row["size"]], day=DAY)
    assert sorted(tuple(row) for row in got.collect()) == [(DAY, "big", "b", "target"), (DAY, "big", "c", "target")]
    assert members(kept, audiences=names, shown=[], day=DAY).isEmpty()
    kept.unpersist()
