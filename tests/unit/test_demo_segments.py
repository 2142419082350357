"""The demo's segmentations as they are defined: RFM's usual eleven, and every kind of segment by tags. No Spark."""

from itertools import product
from pathlib import Path

import duckdb
import pytest

from transforms.tags.definition import parse_tags
from transforms.tags.segmentations import segmentations, traits
from transforms.tags.tag import Tag

ROOT = Path(__file__).parents[2] / "tag_definitions"
# Champions down to lost, as the trade names them.
ELEVEN = {
    "champions", "loyal", "potential_loyalist", "new_customers", "promising", "need_attention", "about_to_sleep",
    "at_risk", "cannot_lose_them", "hibernating", "lost",
}  # fmt: skip


@pytest.fixture(scope="module")
def tags() -> dict[str, Tag]:
    files = sorted(ROOT.rglob("*.yml"))
    return parse_tags({str(file.relative_to(ROOT.parent)): file.read_text(encoding="utf-8") for file in files})


def test_each_of_the_125_scores_has_one_of_the_eleven_names(tags: dict[str, Tag]) -> None:
    cases = " ".join(f"when {case.when} then '{case.value}'" for case in tags["rfm"].cases)
    duck = duckdb.connect()
    duck.execute("create table s as select * from range(1, 6) t(r), range(1, 6) u(f), range(1, 6) v(m)")
    named = {(r, f, m): name for r, f, m, name in duck.execute(f"select r, f, m, case {cases} end from s").fetchall()}
    assert named.keys() == set(product(range(1, 6), repeat=3))
    assert set(named.values()) == ELEVEN
    # the corners, whatever the rules between them
    assert (named[5, 5, 5], named[1, 1, 1], named[1, 5, 5], named[5, 1, 1]) == (
        "champions", "lost", "cannot_lose_them", "new_customers",
    )  # fmt: skip
    # who was here more lately is never worse off: nobody with r of 4 or 5 is asleep or gone
    gone = {"lost", "hibernating", "about_to_sleep", "at_risk", "cannot_lose_them"}
    assert not gone & {name for (r, _, _), name in named.items() if r >= 4}
    assert gone >= {name for (r, _, _), name in named.items() if r <= 2}


def test_every_kind_of_segment_is_there(tags: dict[str, Tag]) -> None:
    kinds = {one.column: (one.tag.kind, set(one.tag.depends_on)) for one in segmentations(tags, smallest_group=10)}
    assert {kinds[name][0] for name in ("rfm_segment", "behaviour_segment", "lifecycle_stage", "market_area")} == {
        "rfm", "kmeans", "lifecycle", "rule",
    }  # fmt: skip
    built_on = {
        "market_area": {"country", "region"},  # geographic
        "life_stage": {"age", "household_size"},  # demographic
        "shopping_style": {"average_order", "orders_365d"},  # behavioural
        "value_segment": {"value_band", "life_stage", "price_sensitivity"},  # hybrid
    }
    for name, needs in built_on.items():
        assert needs <= kinds[name][1], name
    # psychographic, from surveys and enrichment: sensitive, so that it is a tag and nothing of it is published
    attitude = tags["attitude"]
    assert attitude.segmentation and attitude.sensitivity == "sensitive" and "attitude" not in kinds
    assert {"last_nps", "lifestyle_interests"} <= set(attitude.depends_on)
    assert (tags["last_nps"].from_, tags["price_appeal"].kind) == ("survey_response", "purchase_intent")
    life = {stage.value: stage for stage in tags["lifecycle"].stages}
    assert set(life) == {"prospect", "new", "developing", "loyal", "at risk", "lapsed", "won back", "lost"}
    assert life["won back"].after == ("lapsed", "lost") and life["won back"].until


def test_segments_are_described_by_what_may_be_told_of_customers(tags: dict[str, Tag]) -> None:
    told = traits(tags)
    assert {"churn_risk", "churn_band", "city", "rfm_segment"} <= set(told)
    assert not {"income_band", "children", "attitude", "churn_drivers", "price_appeal_drivers", "customer_id"} & set(
        told
    )
