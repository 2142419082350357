"""Segments, stages of life and recommendations as three nights of the demo leave them."""

from pathlib import Path

import duckdb
import pandas as pd
from deltalake import DeltaTable

from jobs.pages.segments import write_segments
from jobs.runtime.tables import dataset_of
from tests.end_to_end.conftest import Nights


def lake(nights: Nights) -> duckdb.DuckDBPyConnection:
    """A view a gold table of the newest release; `before`: the profile of the night before; lines of silver."""
    duck = duckdb.connect()
    last, before = nights.project.release, nights.runs[1].release
    assert before is not None
    named = [(name.removeprefix("gold/"), name, last) for name in last.versions if name.startswith("gold/")]
    named += [("before", "gold/customer_profile", before), ("lines", "silver/transaction", last)]
    named += [("owner", "identity/record", last)]
    for view, name, release in named:
        table = DeltaTable(str(nights.project.folder / "lakehouse" / name), version=release.versions[name])
        duck.register(view, dataset_of(table))
    return duck


def test_moves_are_what_two_profiles_tell(nights: Nights) -> None:
    duck = lake(nights)
    told = duck.sql("select * exclude date from segment_migration where date = '2017-12-30' order by all").df()
    customers = f"if(count(*) < {nights.project.load().privacy.smallest_group}, null, count(*))"
    expected = duck.sql(f"""
        select 'rfm_segment' as segment, b.rfm_segment as from_value, n.rfm_segment as to_value, {customers} customers
        from customer_profile n full join before b using (customer_id) group by all
        union all
        select 'lifecycle_stage', b.lifecycle_stage, n.lifecycle_stage, {customers}
        from customer_profile n full join before b using (customer_id) group by all order by all
    """).df()
    ours = told[told["segment"].isin(["rfm_segment", "lifecycle_stage"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, expected)
    assert duck.sql("select min(date), max(date) from segment_migration").fetchall()[0] != (None, None)


def test_days_in_a_stage_go_on_from_night_to_night(nights: Nights) -> None:
    wrong = (
        lake(nights)
        .sql("""
        select count(*) filter (n.lifecycle_stage = b.lifecycle_stage
                                and n.lifecycle_days_in_stage <> b.lifecycle_days_in_stage + 1),
               count(*) filter (n.lifecycle_stage <> b.lifecycle_stage
                                and (n.lifecycle_days_in_stage <> 0 or n.lifecycle_previous <> b.lifecycle_stage)),
               count(*) filter (n.lifecycle_stage = b.lifecycle_stage),
               count(*) filter (n.lifecycle_stage is null)
        from customer_profile n join before b using (customer_id)
    """)
        .fetchall()[0]
    )
    assert wrong[:2] == (0, 0)
    assert wrong[2] > 10
    assert wrong[3] == 0


def test_each_segmentation_is_judged_and_each_segment_described(nights: Nights) -> None:
    duck = lake(nights)
    judged = duck.sql("select segmentation, customers, coverage, smallest from segmentation order by all").fetchall()
    assert [row[0] for row in judged] == [
        "behaviour_segment", "life_stage", "lifecycle_stage", "market_area", "rfm_segment",
        "shopping_style", "value_segment",
    ]  # fmt: skip
    # judged on the first night, and not again: nothing was fitted or defined anew
    assert duck.sql("select distinct date from segmentation").fetchall()[0][0] == nights.runs[0].day
    first = nights.project.table("gold/customer_profile", nights.runs[0].release)
    sizes = first["lifecycle_stage"].value_counts().to_dict()
    whole = duck.sql("select segment, size from segment_profile where segmentation = 'lifecycle_stage' and tag is null")
    assert dict(whole.fetchall()) == sizes
    least = nights.project.load().privacy.smallest_group
    told, small = duck.sql(f"select count(count), count(*) filter (count < {least} and count > 0) from segment_profile "
                           "where tag is not null").fetchall()[0]  # fmt: skip
    assert told > 0 == small
    assert duck.sql(
        "select count(*) from segment_profile where sentence_en is null or sentence_zh is null"
    ).fetchall() == [(0,)]


def test_recommendations_leave_out_what_was_bought(nights: Nights) -> None:
    duck = lake(nights)
    bought = duck.sql("""
        select count(*) from recommendation r where exists (
            select 1 from lines join owner on _node = owner.record_id
            where owner.customer_id = r.customer_id and product_id = r.item and status = 'purchase'
              and _valid_to is null and event_date > date '2017-12-30' - interval 60 day)
    """).fetchall()[0][0]
    assert bought == 0
    rows = duck.sql("select customer_id, max(rank), count(*), count(distinct item) from recommendation group by 1")
    found = rows.fetchall()
    assert found and all(top == count == different for _, top, count, different in found)


def test_supports_are_those_of_the_baskets(nights: Nights) -> None:
    duck = lake(nights)
    # what the first night counted: 90 days up to it
    rules = duck.sql("select antecedent[1], consequent, baskets, support from association where len(antecedent) = 1")
    some = rules.order("baskets desc, 1, 2").limit(5).fetchall()
    day = nights.runs[0].day
    for one, other, baskets, support in some:
        both, total = duck.execute(
            """with b as (select order_id, list(distinct category) as held from lines
                          where status = 'purchase' and category is not null and _batch_date <= $day
                            and (_valid_to is null or _valid_to > $day)
                            and event_date <= $day and event_date > $day - interval 90 day group by 1)
               select count(*) filter (list_contains(held, $one) and list_contains(held, $other)), count(*) from b""",
            {"day": day, "one": one, "other": other},
        ).fetchall()[0]
        assert (baskets, round(support, 9)) == (both, round(both / total, 9))
    assert some


def test_the_page_of_segments_opens_offline(nights: Nights) -> None:
    text = Path(write_segments(nights.project.load())).read_text(encoding="utf-8")
    assert "http" not in text and "<svg" in text and "客户生命周期" in text
