"""Churn on a real grocer's year, the Complete Journey: on held-out time, with its interval, beside the recency rule's.

Features and labels are counted by DuckDB from the lines themselves, with none of the tags' machinery.
"""

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jobs.demo.purchases import real_lines
from jobs.engines.classifiers import fit_past, recency_rule
from jobs.engines.past import Past
from transforms.models.classifier import probabilities
from transforms.tags.tag import Tag

AHEAD = 60
CUTS = (date(2017, 7, 4), date(2017, 9, 2), date(2017, 11, 1))
FEATURES = ("idle", "orders", "orders_90d", "spend_90d", "spend")
AT_A_CUT = """
    with at_cut as (
        select household_id, date_diff('day', max(day), $cut) as idle, count(distinct basket_id) as orders,
               count(distinct basket_id) filter (day > $cut - interval 90 day) as orders_90d,
               coalesce(sum(sales_value) filter (day > $cut - interval 90 day), 0) as spend_90d,
               sum(sales_value) as spend
        from lines where day <= $cut group by 1 having orders >= 2),
    later as (select distinct household_id from lines where day > $cut and day <= $cut + interval 60 day)
    select h.* exclude household_id, household_id not in (from later) as gone, hash(household_id) % 4 as fold
    from at_cut h order by household_id
"""


@pytest.fixture(scope="module")
def past() -> Past:
    duck = duckdb.connect()
    duck.register("real", real_lines(until=CUTS[-1] + timedelta(days=AHEAD)))
    duck.execute("create table lines as select *, sold_at::date as day from real")
    parts = [duck.execute(AT_A_CUT, {"cut": cut}).fetchnumpy() for cut in CUTS]
    whole = {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}
    return Past(
        days=CUTS, cut=np.repeat(np.arange(len(CUTS)), [len(part["idle"]) for part in parts]),
        raw={name: whole[name] for name in FEATURES}, label=whole["gone"] > 0, idle=whole["idle"],
        fold=whole["fold"].astype(np.int64), dropped={},
    )  # fmt: skip


def test_churn_beats_the_recency_rule_on_held_out_time(past: Past) -> None:
    tag = Tag(
        tag="churn", title={"en": "t"}, description="d", owner="o", model="churn", features=FEATURES,
        label={"event": "transaction", "within": f"{AHEAD}d", "happens": False},
    )  # fmt: skip
    parameters, quality = fit_past(past, tag)
    test = past.of(past.cut == 2)
    assert len(test.label) > 2000 and 0.02 < test.label.mean() < 0.5
    # scikit-learn's own AUC of the same scores, and of the rule alone
    score = probabilities(test.raw, parameters)
    assert quality["auc"] == pytest.approx(roc_auc_score(test.label, score), abs=1e-4)
    rule = roc_auc_score(test.label, recency_rule(test.idle, happens=False))
    assert quality["baseline"]["auc"] == pytest.approx(rule, abs=1e-4)
    assert quality["low"] > quality["baseline"]["auc"]
    assert quality["gain"]["low"] > 0.01
    assert quality["calibration_error"] < 0.05
