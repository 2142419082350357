"""What people are told of tags, over the demo's nights: earlier profiles, values recomputed, what a change would do."""

import random
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import yaml
from pyspark.sql import SparkSession

from jobs.demo.extracts import DEMO_NIGHTS
from jobs.gold import open_release
from jobs.lookups.explain import explained, same
from jobs.lookups.tags_diff import difference
from jobs.pages.catalog import write_catalog
from jobs.pages.tags_diff import markdown
from jobs.runtime.catalog import released_catalog
from jobs.runtime.reader import Reader
from tests.end_to_end.conftest import Nights
from transforms.profile import NOT_TAGS
from transforms.tags.definition import parse_tags
from transforms.tags.foretold import PREDICTIONS
from transforms.tags.tag import ACROSS

CUSTOMERS = 3
# what DuckDB is not asked for
BY_MODELS = ("kmeans", "lifecycle", *PREDICTIONS)


def test_each_earlier_profile_is_rebuilt(nights: Nights) -> None:
    release = open_release(str(nights.project.folder / "lakehouse"))
    for number, day in enumerate(DEMO_NIGHTS[:-1]):
        then = open_release(str(nights.project.folder / "lakehouse"), release=number + 1).pandas("customer_profile")
        kept = then.drop(columns=[name for name in NOT_TAGS if name != "customer_id"])
        rebuilt = release.earlier_profile(day).to_pandas()[list(kept.columns)]
        frames = (frame.sort_values("customer_id", ignore_index=True) for frame in (rebuilt, kept))
        pd.testing.assert_frame_equal(*frames, check_dtype=False)
    changed = release.pandas("tag_change")
    assert set(changed["date"]) == set(DEMO_NIGHTS[1:])
    assert {"data", "time"} <= set(changed["cause"])


def test_another_engine_comes_to_the_same_values(nights: Nights) -> None:
    conf = nights.project.load()
    reader = Reader(conf)
    catalog = released_catalog(reader.lakehouse, reader.release)
    tags = parse_tags({row["place"]: row["yaml"] for row in catalog.values()})
    profile = reader.dataset("gold/customer_profile")
    assert profile is not None
    known = sorted(profile.to_table(["customer_id"])["customer_id"].to_pylist())
    told: dict[str, int] = {}
    for customer in random.Random(3).sample(known, CUSTOMERS):
        for name, row in catalog.items():
            found = explained(reader, conf, tags, customer, row, name)
            for column, value in found.recomputed.items():
                assert same(found.released[column], value), (customer, column, found.released[column], value)
                told[column] = told.get(column, 0) + 1
    # tags across entities are told by Spark alone
    across = {name for name, row in catalog.items() if row["kind"] in ACROSS}
    by_models = {column for row in catalog.values() if row["kind"] in BY_MODELS for column in row["columns"]}
    assert told == dict.fromkeys(set(profile.schema.names) - set(NOT_TAGS) - by_models - across, CUSTOMERS)


def test_what_a_changed_definition_would_do(nights: Nights, spark: SparkSession, tmp_path: Path) -> None:
    project = nights.copy(len(DEMO_NIGHTS), tmp_path / "tree")
    tags = project.folder / "tag_definitions"
    reachable, gender = tags / "basic" / "reachable_by_email.yml", tags / "basic" / "gender.yml"
    reachable.write_text(reachable.read_text().replace("email is not null", "phone is not null") + "version: 2\n")
    gender.write_text(gender.read_text().replace("zh: 性别", "zh: 客户性别"))
    reachable.write_text("\n".join(line for line in reachable.read_text().splitlines() if line != "version: 1") + "\n")
    # so few customers: seven of them move
    privacy = project.folder / "conf" / "privacy.yml"
    settings = yaml.safe_load(privacy.read_text()) | {"smallest_group": 5}
    privacy.write_text(yaml.safe_dump(settings, sort_keys=False))
    conf = project.load()
    assert conf.privacy.smallest_group == 5
    told = difference(conf, local=True, session=spark)
    # what a table of the golden records says of the same
    golden = Reader(conf).dataset("gold/customer").to_table(["customer_id", "email", "phone"]).to_pandas()  # type: ignore[union-attr]
    was, now = golden["email"].notna(), golden["phone"].notna()
    assert [(one["tag"], one["what"]) for one in told["tags"]] == [
        ("contactable", "follows"),
        ("gender", "described"),
        ("reachable_by_email", "changed"),
    ]
    column = next(one for one in told["columns"] if one["column"] == "reachable_by_email")
    assert (column["column"], column["customers"], column["changed"]) == (
        "reachable_by_email",
        len(golden),
        int((was != now).sum()),
    )
    moves = {(move["from"], move["to"]): move["customers"] for move in column["moves"]}
    assert moves.get(("true", "false"), 0) == int((was & ~now).sum()) > conf.privacy.smallest_group
    sizes = {one["audience"]: (one["joined"], one["left"]) for one in told["audiences"]}
    assert sizes["reachable"][1] > 0
    assert {one["export"] for one in told["exports"]} == {"email_platform", "warehouse"}
    assert told["problems"] == []
    assert "| reachable_by_email | another meaning |" in markdown(told)
    # nothing was written, and the tree as it was released is no other
    assert project.release == nights.project.release
    assert difference(nights.project.load(), local=True)["tags"] == []


class _Page(HTMLParser):
    """What a page loads from elsewhere, and the ids and the links in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [str(given[name]) for name in ("src", "data") if name in given and tag != "article"]
        self.ids |= {str(given["id"])} if "id" in given else set()
        self.links |= {str(given["href"])} if "href" in given else set()


def test_the_catalogue_is_a_page_of_its_own(nights: Nights) -> None:
    conf = nights.project.load()
    text = Path(write_catalog(conf)).read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.loads == [] and "http" not in text
    assert set(conf.tags) <= page.ids
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    for tag in conf.tags.values():
        assert tag.title["en"].replace("&", "&amp;") in text and tag.title["zh"] in text
