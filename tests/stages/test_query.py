"""`portrait query`, `portrait funnel` and `open_release()` over a small release: no Spark, and nothing but reading."""

import itertools
import json
import random
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from jobs.cli import app
from jobs.gold import open_release
from jobs.lookups.funnel import Funnel, _protected, conversion
from jobs.runtime import releases
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.errors import PortraitError
from transforms.profile import PROFILE
from transforms.schemas import GOLD_CUSTOMER, GOLD_JOURNEY, Column, Table

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
# customer: (hours after the start, step) …; a, b and c were first in the shop, the others saw an e-mail
PATHS = {
    "a": [(0, "web_event:view"), (1, "web_event:cart"), (2, "transaction:purchase")],
    "b": [(0, "web_event:view"), (30, "web_event:cart"), (31, "transaction:purchase")],  # its cart is too late
    "c": [(0, "web_event:view"), (20, "web_event:view"), (30, "web_event:cart"), (40, "transaction:purchase")],
    "d": [(0, "web_event:cart"), (1, "web_event:view")],  # the wrong way round
    "e": [(0, "web_event:view"), (0, "web_event:cart")],  # at one moment: nobody knows which was first
    "f": [(-1, "campaign_event:open"), (0, "web_event:view"), (1, "web_event:cart")],
}


def profile_table(**tags: str) -> Table:
    columns = [Column(name, kind, f"about {name}") for name, kind in tags.items()]
    return Table(PROFILE, (Column("customer_id", "string", "", required=True), *columns), ("customer_id",))


def write(house: Lakehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    full = [{name: row.get(name) for name in table.names} for row in rows]
    return house.write(table, pa.Table.from_pylist(full, arrow_schema(table)), mode="overwrite")


def released(house: Lakehouse, versions: dict[str, int], day: int = 1) -> None:
    releases.publish(
        house, run_id=f"r{day}", day=date(2026, 3, day), cause="night", versions=versions, configuration="c"
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two nights. Between them a tag was added, one got another type by a new version, one was retired."""
    root = tmp_path_factory.mktemp("query")
    house = Lakehouse(str(root / "lakehouse"))
    steps = [
        {"customer_id": who, "at": START + timedelta(hours=hours), "event_date": START.date(), "channel": "web",
         "step": step}
        for who, path in PATHS.items() for hours, step in path
    ]  # fmt: skip
    versions = {
        GOLD_JOURNEY.name: write(house, GOLD_JOURNEY, steps),
        GOLD_CUSTOMER.name: write(house, GOLD_CUSTOMER, [{"customer_id": "a", "email": "ann@x.org"}]),
    }
    old = [{"customer_id": who, "band": "high" if who < "d" else "low", "score": 7, "gone": True} for who in PATHS]
    old_table = profile_table(band="string", score="bigint", gone="boolean")
    released(house, {**versions, PROFILE: write(house, old_table, old)})
    new = [{**row, "score": "seven", "words": ["x", "北京"]} for row in old]
    new_table = profile_table(band="string", score="string", words="array<string>")
    released(house, {**versions, PROFILE: write(house, new_table, new)}, day=2)
    (root / "conf").mkdir()
    (root / "conf" / "pipeline.yml").write_text("lakehouse: lakehouse\n")
    (root / "conf" / "privacy.yml").write_text(
        f"purposes: {{}}\nsmallest_group: 3\nkeys: {{customer: {'k' * 32}, erasure: {'e' * 32}}}\n"
    )
    (root / "conf" / "identity.yml").write_text("known_by: [email]\nidentifiers: {email: {priority: 1}}\n")
    (root / "conf" / "sources").mkdir()
    (root / "conf" / "sources" / "crm.yml").write_text(
        "source: crm\nentity: contact\nread: {format: csv, path: 'x/{date}.csv'}\nextract: snapshot\n"
        "columns: {contact_id: id, email: mail}\n"
    )
    return root


def portrait(project: Path, *arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [*arguments, "--conf", str(project / "conf")])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


def test_rows_come_as_a_table_as_csv_and_as_json(project: Path):
    sql = "select customer_id, words, score from gold.customer_profile where customer_id < 'c' order by 1"
    code, out, _ = portrait(project, "query", sql, "--json")
    assert code == 0
    assert json.loads(out) == {
        "release": 2, "date": "2026-03-02", "columns": ["customer_id", "words", "score"],
        "rows": [{"customer_id": who, "words": ["x", "北京"], "score": "seven"} for who in "ab"],
    }  # fmt: skip
    assert portrait(project, "query", sql, "--csv")[1].splitlines()[1] == 'a,"[""x"", ""北京""]",seven'
    shown = portrait(project, "query", "from customer_profile", "--rows", "2")[1]
    assert "release 2 of 2026-03-02" in shown and "the first 2 rows" in shown
    odd = portrait(project, "query", "select 'nan'::double as x, null as n, 0.5::decimal(3,2) as d", "--json")[1]
    assert json.loads(odd)["rows"] == [{"x": None, "n": None, "d": 0.5}]
    assert json.loads(portrait(project, "query", "select 1 as a where false", "--json")[1])["rows"] == []
    old = portrait(project, "query", "select sum(score) as s from customer_profile", "--release", "1", "--csv")[1]
    assert old == "s\n42\n"
    assert "gone" in portrait(project, "query", "describe customer_profile", "--release", "1")[1]
    assert portrait(project, "query", "select max(release) as n from ops.release", "--csv")[1] == "n\n2\n"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selec 1", 'the query: syntax error at or near "selec"'),
        ("", "the query: one select"),
        ("select 1; select 2", "the query: one select"),
        ("from custmer_profile", "no table 'custmer_profile' in release 2; did you mean 'gold/customer_profile'?"),
        ("select bnd from customer_profile", "the query: no column 'bnd'; did you mean 'band'?"),
        ("select p.bnd from customer_profile p", "the query: no column 'bnd'; did you mean 'band'?"),
        ("select * from gold.customer", "gold/customer holds personal data; ask for it: --restricted"),
        ("select cast(band as int) from customer_profile", "the query: Could not convert string 'high' to INT32"),
        ("from read_csv('/etc/passwd')", "the query: Cannot access file"),
        ("from read_text('/etc/passwd')", "the query: Cannot access file"),
        ("from glob('/*')", "the query: Cannot access file"),
        ("from '/etc/passwd'", "no table '/etc/passwd'"),
        ("select getenv('HOME')", "the query: Scalar Function with name getenv does not exist"),
        ("from gold", "no table 'gold'"),  # a variable of Python's is no table
        ("copy customer_profile to 'x.csv'", "the query: one select"),
        ("attach 'x.db'", "the query: one select"),
        ("install httpfs", "the query: one select"),
        ("set enable_external_access = true", "the query: one select"),
        ("pragma database_list", "the query: one select"),
        ("create table x as select 1", "the query: one select"),
        ("explain analyze copy customer_profile to 'x.csv'", "the query: "),
        ("from query('copy customer_profile to ''x.csv''')", "the query: Expected a single SELECT statement"),
    ],
)  # fmt: skip
def test_what_is_no_query_that_reads_is_refused_in_a_line(
    project: Path, sql: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    code, out, err = portrait(project, "query", sql)
    assert (code, out) == (2, "") and err.startswith(told) and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_personal_data_is_there_for_who_asks_for_it(project: Path):
    sql = "select email from gold.customer"
    assert portrait(project, "query", sql, "--restricted", "--csv")[1] == "email\nann@x.org\n"


def test_many_rows_go_out_as_they_come_and_head_ends_it_quietly(project: Path):
    """A thousand million rows would neither fit nor end."""
    sql = "from range(1000000000)"
    command = [sys.executable, "-m", "jobs.cli", "query", sql, "--csv", "--conf", str(project / "conf")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as asked:
        assert asked.stdout and asked.stderr
        first = list(itertools.islice(asked.stdout, 3))
        asked.stdout.close()
        assert (first, asked.stderr.read(), asked.wait()) == (["range\n", "0\n", "1\n"], "", 0)


# -- the funnel


def told(project: Path, **options: Any) -> dict[str, Any]:
    steps = ["web_event:view", "web_event:cart", "transaction:purchase"]
    gold = open_release(str(project / "lakehouse"))
    return conversion(gold, Funnel(**({"steps": steps, "within": "24h"} | options)), smallest_group=1)


def test_a_funnel_counts_who_took_each_step_in_time_and_in_order(project: Path):
    (whole,) = told(project)["groups"]
    # all six looked; a, c (from its second look) and f put into the cart; c bought 20 hours after that look
    assert [(row["customers"], row["of_first"], row["of_previous"]) for row in whole["steps"]] == [
        (6, 100.0, 100.0), (3, 50.0, 50.0), (2, 33.33, 66.67),
    ]  # fmt: skip
    # a bought 2 hours after it began, c 20: the median is 11 hours
    assert whole["steps"][2]["days"] == round(11 / 24, 2)
    assert [row["customers"] for row in told(project, within="31h")["groups"][0]["steps"]] == [6, 4, 3]
    again = told(project, steps=["web_event:view", "web_event:view"])["groups"][0]["steps"]
    assert [row["customers"] for row in again] == [6, 1]


def test_a_funnel_by_a_tag_withholds_small_groups(project: Path):
    groups = {
        group["value"]: [row["customers"] for row in group["steps"]] for group in told(project, by="band")["groups"]
    }
    assert groups == {"high": [3, 2, 2], "low": [3, 1, 0]}
    gold = open_release(str(project / "lakehouse"))
    kept = conversion(gold, Funnel(["web_event:view", "web_event:cart"], "24h", by="band"), smallest_group=2)
    assert [row["customers"] for row in kept["groups"][1]["steps"]] == [3, None]
    none = conversion(gold, Funnel(["web_event:view", "web_event:cart"], "24h", by="band"), smallest_group=4)
    assert none["groups"] == [] and none["withheld"] == 2


def test_what_a_funnel_withholds_cannot_be_worked_out_from_the_funnel_of_all(project: Path):
    gold, steps = open_release(str(project / "lakehouse")), ["web_event:view", "web_event:cart"]
    by_band, whole = (conversion(gold, Funnel(steps, "24h", by=by), smallest_group=2) for by in ("band", None))
    assert [row["customers"] for row in whole["groups"][0]["steps"]] == [6, 3]
    # 2 of high and 1 of low put something into the cart: the 2 would tell the 1
    told = {group["value"]: [row["customers"] for row in group["steps"]] for group in by_band["groups"]}
    assert told == {"high": [3, None], "low": [3, None]}
    # of three who put something into the cart one drops out: that two buy would tell it
    three = conversion(gold, Funnel([*steps, "transaction:purchase"], "24h"), smallest_group=2)
    assert [row["customers"] for row in three["groups"][0]["steps"]] == [6, 3, None]


def test_what_a_funnel_tells_leaves_every_withheld_part_at_least_as_large_as_the_smallest_group():
    """Of any counts: the parts that can be worked out are sums of step counts that are shown."""
    chance = random.Random(5)
    for _ in range(200):
        counts = [sorted((chance.choice([0, 1, 2, 5, 12, 30]) for _ in range(3)), reverse=True) for _ in range(4)]
        groups = [{"value": str(n), "steps": [{"customers": c} for c in row]} for n, row in enumerate(counts)]
        kept, hidden = _protected(groups, 5, by=True)
        shown = {
            (int(group["value"]), place): group["steps"][place]["customers"]
            for group, places in zip(kept, hidden, strict=True) for place in range(3) if place not in places
        }  # fmt: skip
        for place in range(3):  # the funnel of all less what is shown at this step
            rest = sum(row[place] for row in counts) - sum(c for (_, at), c in shown.items() if at == place)
            assert rest == 0 or rest >= 5 or all((n, place) not in shown for n in range(4)), (counts, shown)
        for (number, place), count in shown.items():  # and who dropped out between two steps that are shown
            after = next((shown[number, at] for at in range(place + 1, 3) if (number, at) in shown), 0)
            assert count == after or count - after >= 5, (counts, shown)


def test_a_funnel_is_not_told_by_a_sensitive_tag(tmp_path: Path):
    house = Lakehouse(str(tmp_path / "lakehouse"))
    table = Table(PROFILE, (Column("customer_id", "string", ""), Column("income", "string", "band", "sensitive")))
    steps = [{"customer_id": "a", "at": START, "step": step} for step in ("web_event:view", "web_event:cart")]
    profile = [{"customer_id": "a", "income": "low"}]
    released(house, {GOLD_JOURNEY.name: write(house, GOLD_JOURNEY, steps), PROFILE: write(house, table, profile)})
    with pytest.raises(PortraitError, match="--by income: is sensitive; no funnel is told by it"):
        conversion(
            open_release(str(tmp_path / "lakehouse")), Funnel(["web_event:view", "web_event:cart"], "1d", by="income"),
            smallest_group=1,
        )  # fmt: skip


def test_first_and_last_touch_are_what_came_before_the_last_step(project: Path):
    steps = ["web_event:view", "web_event:cart"]
    touches = {
        touch: {row["step"]: row["customers"] for row in told(project, steps=steps, touch=touch)["touches"]}
        for touch in ("first", "last")
    }
    # of a, c and f, f had opened a message first; c looked 10 hours before, so did nothing else within the day
    assert touches == {
        "first": {"web_event:view": 2, "campaign_event:open": 1}, "last": {"web_event:view": 3},
    }  # fmt: skip


def test_a_touch_of_few_takes_the_next_with_it_for_their_sum_is_told(project: Path):
    few = {
        touch: conversion(
            open_release(str(project / "lakehouse")), Funnel(["web_event:view", "web_event:cart"], "1d", touch=touch),
            smallest_group=2,
        )["touches"]
        for touch in ("first", "last")
    }  # fmt: skip
    # two looked first and one opened a message: of three in all, which the funnel tells
    assert few["first"] == []
    assert [(row["step"], row["customers"]) for row in few["last"]] == [("web_event:view", 3)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["web_event:veiw", "web_event:cart"],
            "no step 'web_event:veiw' in gold/journey of release 2; did you mean 'web_event:view'?",
        ),
        (["web_event:view"], "a funnel has 2 to 10 steps, not 1"),
        (["web_event:view", "web_event:cart", "--within", "7"], "--within: '7' is not a duration"),
        (["web_event:view", "web_event:cart", "--touch", "middle"], "--touch middle: first or last"),
        (
            ["web_event:view", "web_event:cart", "--by", "bnd"],
            "--by bnd: no such column in gold/customer_profile; did you mean 'band'?",
        ),
        (["web_event:view", "web_event:cart", "--audience", "x"], "no table 'gold/audience_member' in release 2"),
    ],
)  # fmt: skip
def test_what_a_funnel_cannot_be_told_by_is_said_in_a_line(project: Path, arguments: list[str], line: str):
    within = [] if "--within" in arguments else ["--within", "1d"]
    code, _, err = portrait(project, "funnel", *arguments, *within)
    assert code == 2 and err.startswith(line) and len(err.splitlines()) == 1


def test_a_funnel_from_the_shell_withholds_by_the_privacy_of_the_project(project: Path):
    code, out, err = portrait(project, "funnel", "web_event:view", "web_event:cart", "--within", "1d", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["release"] == 2 and [row["customers"] for row in found["groups"][0]["steps"]] == [6, 3]
    steps = ["web_event:view", "web_event:cart", "transaction:purchase"]
    assert "withheld" in portrait(project, "funnel", *steps, "--within", "1d")[1]  # 2 bought, fewer than 3


# -- readers


def test_every_reader_sees_tags_added_retyped_and_retired(project: Path):
    house = str(project / "lakehouse")
    for number, columns, score in (
        (1, ["customer_id", "band", "score", "gone"], 7), (2, ["customer_id", "band", "score", "words"], "seven"),
    ):  # fmt: skip
        gold = open_release(house, number)
        assert gold.pandas("customer_profile").columns.tolist() == columns
        assert gold.polars("customer_profile").collect_schema().names() == columns
        assert gold.duckdb().sql("from gold.customer_profile").columns == columns
        by_hand = DeltaTable(f"{house}/{PROFILE}", version=gold.named.versions[PROFILE])
        assert [field.name for field in by_hand.schema().fields] == columns
        assert by_hand.schema().fields[1].metadata == {"comment": "about band; sensitivity: normal"}
        for found in (
            gold.pandas("customer_profile")["score"][0],
            gold.polars("customer_profile").select("score").head(1).collect().item(),
            gold.duckdb().sql("select score from customer_profile limit 1").fetchall()[0][0],
            pl.read_delta(f"{house}/{PROFILE}", version=gold.named.versions[PROFILE])["score"][0],
        ):
            assert found == score


def test_a_release_that_is_gone_says_which_can_be_read(project: Path, tmp_path: Path):
    shutil.copytree(project, tmp_path / "copy")
    house = tmp_path / "copy" / "lakehouse"
    DeltaTable(str(house / PROFILE)).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(
        PortraitError, match=r"release 1 of 2026-03-01 can no longer be read.*; releases that can be: 2"
    ):
        open_release(str(house), 1).arrow("customer_profile")
    assert len(open_release(str(house), 1).pandas("journey")) == 17
    code, _, err = portrait(tmp_path / "copy", "query", "from customer_profile", "--release", "1")
    assert code == 1 and "can no longer be read" in err and len(err.splitlines()) == 1
    assert portrait(tmp_path / "copy", "query", "from customer_profile", "--release", "9")[2].startswith(
        f"{house}: no release 9; there are 1 to 2"
    )
