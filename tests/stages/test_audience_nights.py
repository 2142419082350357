"""Stage `audiences` over two nights of a small profile: consents, arms, and what the preview without Spark says."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from pyspark.sql import SparkSession

from jobs import audiences as stage
from jobs.engines import audience_outcomes
from jobs.lookups.audience_moves import moves
from jobs.lookups.audience_preview import Wanted, outcome_table, show_size, wanted
from jobs.runtime import releases
from jobs.runtime.clock import end_of
from jobs.runtime.night import Night
from jobs.runtime.reader import Reader
from jobs.runtime.tables import Lakehouse, arrow_schema
from tests.unit.released import Shown
from tests.unit.test_audiences import PRIVACY, TAGS, audience, named
from transforms import audience_rows
from transforms.errors import DefinitionError
from transforms.profile import profile_table
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_CUSTOMER, IDENTITY_CHANGE

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
AUDIENCES = named(
    audience("mail", where="spend >= 10", purpose="marketing", holdout=0.4),
    audience("berlin", where="city = 'Berlin'"),
    audience("both", union=["mail", "berlin"], purpose="post", holdout=0.4, **{"except": ["rich"]}),
    audience("rich", where="spend > 35 and weekday(as_of) = 6"),
)
PEOPLE = [f"c{number:03d}" for number in range(60)]


def conf(lakehouse: Path, audiences: dict[str, Any]) -> Any:
    pipeline = SimpleNamespace(timezone="UTC", spark={}, mlflow=None)
    return SimpleNamespace(
        lakehouse=str(lakehouse),
        audiences=audiences,
        tags=TAGS,
        privacy=PRIVACY,
        pipeline=pipeline,
        exports={},
        hash="h",
    )


def night(
    lakehouse: Path, day: date, audiences: dict[str, Any], who: list[str], refused: set[str], spark: SparkSession, *,
    spends: Mapping[str, int] = MappingProxyType({}), merged: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Night, dict[tuple[str, str], str]]:  # fmt: skip
    """The released night; (audience, customer) -> arm."""
    made = Night(
        conf=conf(lakehouse, audiences), lakehouse=Lakehouse(str(lakehouse)), day=day, run_id=f"run-{day}",
        started_at=datetime.now(UTC), base=releases.newest(Lakehouse(str(lakehouse))),
    )  # fmt: skip
    table, as_of = profile_table(TAGS), end_of(day, "UTC")
    profile = [
        {"customer_id": one, "spend": spends.get(one, int(one[1:])), "city": "Berlin" if one[-1] in "37" else "Ulm",
         "tickets": 0, "as_of": as_of, "run_id": "r"}
        for one in who
    ]  # fmt: skip
    golden = [{"customer_id": one, "consents": [("marketing", one not in refused)]} for one in who]
    for of, rows in ((table, profile), (GOLD_CUSTOMER, golden)):
        made.save(
            pa.Table.from_pylist([{name: row.get(name) for name in of.names} for row in rows], arrow_schema(of)), of
        )
    changes = [
        {"run_id": "r", "date": day, "kind": "merge", "customer_id": kept, "from_ids": [one]}
        for one, kept in merged.items()
    ]
    made.save(pa.Table.from_pylist(changes, arrow_schema(IDENTITY_CHANGE)), IDENTITY_CHANGE)
    made.__dict__["spark"] = spark
    stage.build(made)
    releases.publish(
        made.lakehouse, run_id=made.run_id, day=day, cause="night", versions=made.versions, configuration="h"
    )
    members = made.rows(GOLD_AUDIENCE_MEMBER)
    return made, {(row["audience"], row["customer_id"]): row["arm"] for row in members}


def test_why_they_came_and_went(spark: SparkSession, tmp_path: Path) -> None:
    _, before = night(tmp_path, FIRST, AUDIENCES, PEOPLE, {"c050"}, spark)
    changed = AUDIENCES | named(audience("berlin", where="city = 'Berlin' or spend = 11"))
    there = [one for one in PEOPLE if one not in ("c020", "c021")] + ["c900"]
    second, now = night(
        tmp_path, SECOND, changed, there, {"c012"}, spark, spends={"c030": 3, "c002": 80}, merged={"c020": "c030"}
    )
    found = moves(Reader(second.conf), second.conf, "mail", earlier(tmp_path))
    assert found.entered == {"a new customer": 1, "consent given": 1, "tag spend": 1}
    assert found.left == {
        "consent withdrawn": 1, "tag spend": 1, "merged into another customer": 1, "the customer ended": 1
    }  # fmt: skip
    assert (found.before, found.now, found.arms) == (49, 48, {})
    other = moves(Reader(second.conf), second.conf, "berlin", earlier(tmp_path))
    assert (other.entered, other.left) == ({"the definition changed": 1}, {})
    assert len([one for name, one in now if name == "mail"]) == 48 and ("mail", "c050") not in before


def earlier(lakehouse: Path) -> releases.Release:
    return releases.all_releases(Lakehouse(str(lakehouse)))[0]


def test_who_withdraws_consent_leaves_and_nobody_else_moves(spark: SparkSession, tmp_path: Path) -> None:
    first, before = night(tmp_path, FIRST, AUDIENCES, PEOPLE, set(), spark)
    assert {one for name, one in before if name == "mail"} == set(PEOPLE[10:])
    assert {"target", "holdout"} == {arm for (name, _), arm in before.items() if name == "mail"}
    gone = {"c012", "c040"}
    more = named(*AUDIENCES.values(), audience("new", where="true", holdout=0.5))
    second, now = night(tmp_path, SECOND, more, [*PEOPLE, "c900", "c901"], gone, spark)
    assert gone & {one for name, one in now if name == "mail"} == set()
    rows = {row["audience"]: row for row in second.rows(stage.GOLD_AUDIENCE) if row["date"] == SECOND}
    assert rows["mail"]["left_out"] == {"no_consent": 2} and rows["mail"]["size"] == 50
    # other customers and another audience came: of those who are in both nights nobody has another arm
    kept = before.keys() & now.keys()
    assert len([one for one in kept if one[0] == "mail"]) == 48
    assert {key: before[key] for key in kept} == {key: now[key] for key in kept}
    told = [line for line in second.stage.warnings if "new" in line]
    assert told == []  # where: 'true' says that everybody is meant
    check_previews(second, more)
    check_everybody_and_nobody(first, tmp_path)


def test_spark_finds_the_same_of_more_than_the_driver_may_hold(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = named(*(audience(f"over_{n}", where=f"spend > {n}", union=["mail"], holdout=0.3) for n in range(64)))
    nobody = named(audience("nobody", where="spend > 99"), audience("one", where="spend = 5"))
    audiences = AUDIENCES | many | nobody  # more than the bits of a number
    refused = {"c012", "c040"}
    monkeypatch.setattr(audience_rows, "AT_ONCE", 7 * len(audiences))  # nine parts
    first, held = night(tmp_path / "held", FIRST, audiences, PEOPLE, refused, spark)
    monkeypatch.setattr(audience_outcomes, "MOST_BYTES", 0)
    second, spread = night(tmp_path / "spread", FIRST, audiences, PEOPLE, refused, spark)
    assert held == spread
    assert {one for name, one in held if name == "over_3"} == set(PEOPLE[4:])
    assert first.rows(stage.GOLD_AUDIENCE) == second.rows(stage.GOLD_AUDIENCE)
    told = {row["audience"]: (row["size"], row["left_out"]) for row in first.rows(stage.GOLD_AUDIENCE)}
    assert (told["nobody"], told["one"]) == ((0, {}), (0, {"too_small": 1}))
    check_file(first, held)


def check_file(made: Night, held: dict[tuple[str, str], str]) -> None:
    """The file names members and nobody else, and Spark reads what is in it as texts."""
    (file,) = made.lakehouse.files(GOLD_AUDIENCE_MEMBER.name)
    path = f"{made.lakehouse.path(GOLD_AUDIENCE_MEMBER.name)}/{file}"
    ids = pq.read_table(path, read_dictionary=["customer_id"])["customer_id"]
    assert ids.num_chunks > 1
    assert set().union(*(chunk.dictionary.to_pylist() for chunk in ids.chunks)) == {one for _, one in held}
    rows = made.load(GOLD_AUDIENCE_MEMBER).select("audience", "customer_id", "arm").collect()
    assert {(name, one): arm for name, one, arm in rows} == held


def check_previews(made: Night, audiences: dict[str, Any]) -> None:
    """DuckDB's outcomes, audience by audience, are those of the night."""
    members = made.rows(GOLD_AUDIENCE_MEMBER)
    reader = Reader(made.conf)
    for name in audiences:
        with outcome_table(reader, made.conf, wanted(made.conf, name)) as duck:
            rows = duck.execute(f"select customer_id from outcome where \"{name}\" = 'member'").fetchall()
        assert {one for (one,) in rows} == {row["customer_id"] for row in members if row["audience"] == name}, name


def check_everybody_and_nobody(first: Night, lakehouse: Path) -> None:
    settings = conf(lakehouse, AUDIENCES)

    def size(where: str) -> Shown:
        screen = Shown()
        screen.warn = lambda text: screen.say(f"warning: {text}")  # type: ignore[method-assign]
        show_size(settings, wanted(settings, None, where, "service"), screen, local=True)
        return screen

    everybody, nobody, few = size("spend >= 0"), size("spend < 0"), size("spend = 5")
    assert everybody.found["size"] == 62 and "everybody is in it" in everybody.text
    assert size("true").found["note"] is None
    assert nobody.found["size"] == 0 and "warning: audience ad_hoc: nobody is in it" in nobody.text
    assert few.found["left_out"] == {"too_small": 1} and "withheld" in few.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("where: spnd > 3\npurpose: service", "new.yml: where: no column 'spnd' in the profile; did you mean 'spend'?"),
        ("where: tickets > 3\npurpose: marketing", "new.yml: where: the tag 'tickets' is not meant for marketing"),
        ("union: [mial]\npurpose: service", "new.yml: union: no audience 'mial'; did you mean 'mail'?"),
        ("union: [new]\npurpose: service", "new.yml: built on itself: new -> new; break the circle"),
        ("where: spend > 3\npurpose: marketting", "new.yml: purpose: no purpose 'marketting'"),
        ("where: [spend\npurpose: service", "new.yml:"),
    ],
)
def test_a_file_not_yet_merged_is_checked_like_any_other(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "new.yml"
    file.write_text(f"audience: new\n{text}\n", encoding="utf-8")
    with pytest.raises(DefinitionError) as error:
        wanted(conf(tmp_path, AUDIENCES), str(file))
    assert len(error.value.lines) == 1 and line in error.value.lines[0]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    settings = conf(tmp_path, AUDIENCES)
    for name, where, line in (
        ("mial", None, "mial: no such audience in conf/audiences; did you mean 'mail'?"),
        ("gone.yml", None, "gone.yml: cannot be read: No such file or directory"),
        (None, None, "say which audience"),
        ("mail", "true", "say which audience"),
    ):
        with pytest.raises(DefinitionError, match=line.replace("?", r"\?")):
            wanted(settings, name, where)
    assert isinstance(wanted(settings, "both"), Wanted) and set(wanted(settings, "both").audiences) == {
        "both", "mail", "berlin", "rich"
    }  # fmt: skip
