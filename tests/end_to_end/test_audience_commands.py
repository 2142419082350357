"""`portrait audience …` over the demo's nights, against pandas over the released tables."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli import app
from jobs.gold import OpenRelease, open_release
from jobs.lookups.audience_moves import moves
from jobs.lookups.audience_preview import show_build, wanted
from jobs.runtime.reader import Reader
from jobs.runtime.releases import all_releases
from tests.end_to_end.conftest import Nights
from tests.unit.released import Shown

NAME = "reachable"


@pytest.fixture
def run(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in nights.project.environment.items():
        monkeypatch.setenv(name, value)

    def ask(*words: str, status: int = 0) -> Any:
        found = CliRunner().invoke(app, ["audience", *words, "--conf", str(nights.project.conf), "--json"])
        assert found.exit_code == status, found.output
        return json.loads(found.stdout)

    return ask


@pytest.fixture
def release(nights: Nights) -> OpenRelease:
    return open_release(str(nights.project.folder / "lakehouse"), restricted=True)


def members(release: OpenRelease, name: str = NAME) -> pd.DataFrame:
    rows = release.pandas("audience_member")
    return rows[rows["audience"] == name].set_index("customer_id")


def test_list_and_size_say_what_the_night_found(run: Any, release: OpenRelease) -> None:
    listed = {row["audience"]: row for row in run("list")["audiences"]}
    assert listed["slipping_regulars"]["exported_by"] == [] and listed[NAME]["exported_by"] == ["email_platform"]
    assert listed[NAME]["size"] == len(members(release)) > 0
    for name in (NAME, "winter_mailing", "coupon_mailings"):
        size, row = run("size", name), listed[name]
        found = size["size"], size["left_out"]
        assert found == (row["size"], row["left_out"]), name
        assert size["engine"] == "DuckDB"


def test_build_makes_the_members_that_the_night_made(
    nights: Nights, release: OpenRelease, spark: SparkSession, tmp_path: Path
) -> None:
    conf, to = nights.project.load(), tmp_path / "members.csv"
    versions = nights.project.release.versions
    show_build(conf, wanted(conf, NAME), Shown(), to=to, local=True, session=spark)
    built = pd.read_csv(to).set_index("customer_id")
    assert built["arm"].to_dict() == members(release)["arm"].to_dict()
    assert nights.project.release.versions == versions


def test_changes_add_up_and_name_their_cause(run: Any, nights: Nights, release: OpenRelease) -> None:
    conf = nights.project.load()
    first = next(one for one in all_releases(Reader(conf).lakehouse) if one.release == 1)
    told = moves(Reader(conf), conf, NAME, first)
    earlier = open_release(str(nights.project.folder / "lakehouse"), 1, restricted=True)
    before, now = members(earlier), members(release)
    assert (told.before, told.now) == (len(before), len(now))
    assert sum(told.entered.values()) == len(now.index.difference(before.index))
    assert sum(told.left.values()) == len(before.index.difference(now.index))
    new = now.index.difference(before.index).difference(earlier.pandas("customer_profile")["customer_id"])
    assert sum(n for why, n in told.entered.items() if why.startswith(("a new", "split"))) == len(new)
    assert "another reason" not in {**told.entered, **told.left}
    shown = run("changes", NAME, "--since", "1")
    least = conf.privacy.smallest_group
    assert {why: n for why, n in shown["entered"].items() if n is not None}.items() <= told.entered.items()
    assert set(shown["entered"]) == set(told.entered) and set(shown["left"]) == set(told.left)
    assert all(n is None or n >= least for key in ("entered", "left", "arms") for n in shown[key].values())


def test_overlap_is_what_sets_share(run: Any, release: OpenRelease) -> None:
    rows = release.pandas("audience_member")
    sets = rows.groupby("audience")["customer_id"].agg(set)
    told = run("overlap")["overlap"]
    assert {(row["audience"], row["other"]) for row in told} == {(a, b) for a in sets.index for b in sets.index}
    for row in told:
        one, other = sets[row["audience"]], sets[row["other"]]
        few = any(0 < len(part) < 10 for part in (one & other, one - other, other - one))
        assert row["customers"] == (None if few else len(one & other))


def test_insight_counts_the_members_and_leaves_out_what_may_not_be_told(
    run: Any, release: OpenRelease, tmp_path: Path
) -> None:
    page = tmp_path / "insight.html"
    told = run("insight", NAME, "--page", str(page))
    profile = release.pandas("customer_profile").set_index("customer_id")
    inside = profile.loc[members(release).index]
    tags = {one["column"]: one for one in told["tags"]}
    checked = 0
    for column in ("value_band", "rfm_segment", "gender"):
        for cell in tags[column]["values"]:
            mask = profile[column].isna() if cell["value"] == "(missing)" else profile[column] == cell["value"]
            assert (cell["count"], cell["base_count"]) == (mask[inside.index].sum(), mask.sum())
            checked += 1
    assert checked > 4
    assert "income_band" in told["left_out"]["sensitive"] and "income_band" not in tags
    assert (
        min(min(c["count"] or 10, c["base_count"] - c["count"] or 10) for t in tags.values() for c in t["values"]) >= 10
    )
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=|@import|url\(", text) and "income_band" in text  # named as left out
    assert not set(profile.index) & set(re.findall(r"[0-9a-f]{32}", text))
    known = run("insight", NAME, "--purpose", "service", "--role", "analyst", "--against", "everybody_else", status=2)
    assert known["error"][0].startswith("everybody_else: no such audience")


def heard_on(nights: Nights) -> pd.Series:
    """customer -> the day of the first that the tables tell of them: bought, were sent something, or registered."""
    nodes = nights.project.table("identity/record").set_index("record_id")["customer_id"]
    names = ("transaction", "campaign_event", "contact")
    orders, sent, contacts = (nights.project.table(f"silver/{name}") for name in names)
    orders = orders[orders["status"].isin(["purchase", "refund"])]
    days = [orders.set_index("_node")["event_date"], sent.set_index("_node")["event_date"]]
    days.append(contacts.set_index("_node")["registered_at"].str[:10])
    found = pd.concat(days)
    return found[found.index.isin(nodes.index)].pipe(lambda held: held.groupby(held.index.map(nodes)).min())


def test_evaluate_looks_back_where_nobody_was_kept_aside(run: Any, nights: Nights, release: OpenRelease) -> None:
    told = run("evaluate", "coupon_mailings")
    begun = nights.project.table("silver/campaign").set_index("campaign_id")["starts_on"]
    begun = begun[begun.index.isin(["8", "13", "18"]) & (begun <= str(release.date))]
    assert {row["campaign_id"] for row in told["results"]} == set(begun.index) != set()
    sent = {row["campaign_id"]: row for row in told["results"] if row["arm"] == "sent"}
    assert all("caused" not in row["claim"] or "not shown" in row["claim"] for row in sent.values())
    assert "never that the campaign is why" in told["claims"]["observational"]
    first = heard_on(nights).loc[lambda days: days.index.isin(release.pandas("customer_profile")["customer_id"])]
    by_campaign = pd.DataFrame(told["results"]).groupby("campaign_id")["customers"].sum()
    assert by_campaign.to_dict() == {campaign: (first < day).sum() for campaign, day in begun.items()}
    assert 0 < by_campaign.max() < len(release.pandas("customer_profile"))  # some were known then, some came since


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("evaluate", NAME), "campaigns: names none"),
        (("evaluate", "coupon_maling"), "did you mean 'coupon_mailings'?"),
        (("changes", "nobody_knows"), "neither release"),
        (("changes", NAME, "--since", "99"), "--since 99: no such earlier release"),
        (("overlap", "rechable"), "did you mean 'reachable'?"),
        (("insight", "--where", "spend_365d < -1"), "has no members"),
        (("insight", NAME, "--role", "analist"), "did you mean 'analyst'?"),
        (("insight", NAME, "--page", "/nowhere/at/all.html"), "no folder /nowhere/at"),
        (("size", "--where", "spend_365d >"), "--where: where: cannot be read"),
        (("build", NAME, "--to", "members.xlsx"), "write to a .csv or a .parquet file"),
    ],
)
def test_mistakes_are_told_in_a_line(run: Any, words: tuple[str, ...], line: str) -> None:
    (told,) = run(*words, status=2)["error"]
    assert line in told
