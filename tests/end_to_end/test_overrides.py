"""Values set by hand on the demo's nights: released at once, kept by the nights after, gone when they end."""

from pathlib import Path

import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.changes.overrides import Wish, set_value
from jobs.demo.extracts import DEMO_NIGHTS
from jobs.gold import open_release
from jobs.lookups.explain import explained
from jobs.lookups.set_by_hand import of_customer
from jobs.runtime.catalog import released_catalog
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.reader import Reader
from jobs.runtime.releases import publish
from jobs.runtime.tables import Lakehouse
from tests.end_to_end.conftest import Nights
from tests.end_to_end.contents import contents
from tests.end_to_end.project import Project
from transforms.overrides import affected
from transforms.profile import NOT_TAGS
from transforms.tags.definition import parse_tags

SET = "set-by-hand@example.org"
# a query over the golden record, which lies in a table of its own
WRITTEN_TO = """
tag: written_to
title: {en: Written to by hand}
description: For a test.
owner: crm
status: online
purposes: [service]
type: boolean
sql: select customer_id, count_if(email like '%by-hand@%') > 0 as value from {customer} group by customer_id
"""


def profile(project: Project) -> pd.DataFrame:
    return project.table("gold/customer_profile").set_index("customer_id").sort_index()


def moved(one: pd.DataFrame, other: pd.DataFrame) -> set[tuple[str, str]]:
    """(customer, column) where two profiles of the same customers differ."""
    assert list(one.index) == list(other.index)
    differ = (one != other[one.columns]).stack()
    return {key for key in differ[differ].index if key[1] not in NOT_TAGS}


def causes(night: Night) -> set[tuple[str, str, str]]:
    path = night.lakehouse.path("gold/tag_change")
    rows = DeltaTable(path, version=night.versions["gold/tag_change"]).to_pyarrow_table().to_pylist()
    return {(row["customer_id"], row["tag"], row["cause"]) for row in rows if row["run_id"] == night.run_id}


def test_a_value_by_hand_from_its_setting_to_its_end(nights: Nights, spark: SparkSession, tmp_path: Path) -> None:
    project = nights.copy(2, tmp_path / "hand")
    (project.folder / "tag_definitions" / "basic" / "written_to.yml").write_text(WRITTEN_TO)
    conf, screen = project.load(), Screen(as_json=True)
    # the same state under the paths of the copy, so that its configuration is that of the release
    stand = project.release
    versions = Lakehouse(conf.lakehouse).roll_back(stand.versions)
    publish(
        Lakehouse(conf.lakehouse), run_id=f"restore-{stand.run_id}", day=stand.date, cause="restore",
        versions=versions, configuration=conf.hash,
    )  # fmt: skip
    golden, was, later = project.table("gold/customer"), profile(project), profile(nights.project)
    stay = golden[(golden["email"] != "None") & golden["customer_id"].isin(later.index)].set_index("customer_id")
    buys = [c for c in stay.index if was.loc[c, "value_band"] == "low" and later.loc[c, "value_band"] == "low"]
    buyer, reader = buys[0], next(c for c in stay.index if c not in buys)
    owned = project.table("identity/customer_id").query("id_type == 'email' and valid_to == 'None'")
    mail = owned[owned["customer_id"] == buyer]["id_value"].iloc[0]

    # a tag over rows: what is built on it follows in the same release, by the rule from 1500 on; nobody else moves
    first = set_value(
        conf,
        Wish(f"email:{mail}", "spend_365d", " 1777 ", "门店消费没有记录", "李雷"),
        screen,
        local=True,
        session=spark,
    )
    now = profile(project)
    built = {(buyer, column) for column in affected("spend_365d", conf.tags)}
    assert moved(was, now) <= built and {(buyer, "spend_365d"), (buyer, "value_band")} <= moved(was, now)
    assert (now.loc[buyer, "spend_365d"], now.loc[buyer, "value_band"]) == ("1777.0", "high")
    assert causes(first) == {(customer, column, "override") for customer, column in moved(was, now)}
    assert (project.release.cause, project.release.date) == ("override", DEMO_NIGHTS[1])
    # tags over rows were not computed again: their tables are the night's
    before = nights.after[1].release.versions
    assert project.release.versions["tag/transaction"] == before["tag/transaction"]

    # a field of the golden record, of which nothing is told elsewhere; it ends with the third night
    wish = Wish(reader, "email", SET.upper(), "by letter", "ann", DEMO_NIGHTS[2])
    set_value(conf, wish, screen, local=True, session=spark)
    row = project.table("gold/customer").set_index("customer_id").loc[reader]
    assert row["email"] == SET and "('email', 'override')" in row["provenance"]
    written_to = profile(project)["written_to"]
    assert list(written_to[written_to == "True"].index) == [reader]
    told = of_customer(Reader(conf), reader)
    assert [(one["field"], one["reason"], one["set_by"], one["until"]) for one in told] == [
        ("email", "by letter", "ann", DEMO_NIGHTS[2])
    ]
    written = contents(project.folder / "logs", project.folder / "lakehouse" / "ops")
    assert not [file for file, text in written if "set-by-hand" in text.lower()]
    tables = [name for name in project.release.versions if name.split("/")[0] in ("gold", "tag", "identity")]
    held = {
        name for name in tables if project.table(name).map(lambda text: "set-by-hand" in text.lower()).any(axis=None)
    }
    assert held == {"gold/customer", "gold/override"}

    # the next night: the one still holds, the other has ended; all else is as if nothing had been set
    third = project.night(DEMO_NIGHTS[2], spark)
    pd.testing.assert_frame_equal(project.table("gold/customer"), nights.project.table("gold/customer"))
    assert (buyer, "spend_365d", "override") not in causes(third)  # it was so before
    last = profile(project)
    assert last.loc[buyer, "spend_365d"] == "1777.0"
    assert {(buyer, "spend_365d")} <= moved(later, last) <= built
    release = open_release(str(project.folder / "lakehouse"))
    rebuilt = release.earlier_profile(DEMO_NIGHTS[1]).to_pandas().set_index("customer_id")
    assert rebuilt.loc[buyer, "spend_365d"] == 1777.0 and sorted(rebuilt.index) == sorted(now.index)

    # it is told beside what the rows give
    house = Reader(project.load())
    catalog = released_catalog(house.lakehouse, house.release)
    tags = parse_tags({row["place"]: row["yaml"] for row in catalog.values()})
    found = explained(house, conf, tags, buyer, catalog["spend_365d"], "spend_365d")
    assert found.released == {"spend_365d": 1777.0}
    assert f"{found.recomputed['spend_365d']:.4f}" == f"{float(later.loc[buyer, 'spend_365d']):.4f}"
