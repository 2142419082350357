"""Models over the demo's nights: what was fitted is registered and has a card; what cannot be is said, and NULL."""

import json
import sqlite3

from jobs.demo.extracts import DEMO_NIGHTS
from tests.end_to_end.conftest import Nights


def test_what_was_fitted_is_registered_and_has_a_card(nights: Nights) -> None:
    rows = nights.project.table("gold/model").set_index("tag")
    fitted = ["behaviour", "rfm"]
    with sqlite3.connect(nights.project.folder / "mlflow.db") as store:
        runs = {name for (name,) in store.execute("select name from runs")}
        versions = dict(store.execute("select name, version from model_versions"))
    assert set(rows.loc[fitted, "mlflow_run"]) <= runs
    assert {tag: versions[f"portrait.{tag}"] for tag in fitted} == {"behaviour": 1, "rfm": 1}
    cards = nights.project.folder / "lakehouse" / "ops" / "reports" / f"{DEMO_NIGHTS[-1]}_models"
    text = (cards / "rfm.md").read_text()
    assert rows.loc["rfm", "mlflow_run"] in text
    assert "RFM 价值分群" in text
    # a card a model: the segments of a clustering, and what is no tag's
    segments = json.loads(rows.loc["behaviour", "quality"])["segments"]
    assert all(f"| {one['name']} | {one['share']:.1%} |" in (cards / "behaviour.md").read_text() for one in segments)
    quality = json.loads(rows.loc["recommendations", "quality"])
    assert f"| customers | {quality['customers']} |" in (cards / "recommendations.md").read_text()
    assert f"{cards.name}/rfm.md" in (cards.parent / f"{DEMO_NIGHTS[-1]}.html").read_text()


def test_a_month_of_forty_households_teaches_nothing(nights: Nights) -> None:
    said = [line for run in nights.runs for line in run.finished["tags"].warnings if "NULL tonight" in line]
    # once each, on the first night: it is tried again at the next refit
    tags = ["churn", "lifetime_value", "next_category", "price_appeal", "purchase_intent"]
    assert sorted(line.split(":")[0] for line in said) == tags
    assert any(line.startswith("churn: it looks 60 days ahead and needs 180 days of transaction") for line in said)
    profile = nights.project.table("gold/customer_profile")
    assert set(profile["churn_risk"]) | set(profile["lifetime_value_value"]) <= {"nan", "None"}
    rows = nights.project.table("gold/model").set_index("tag")
    assert [json.loads(rows.loc[tag, "parameters"]) for tag in tags] == [{}] * 5
    card = nights.project.folder / "lakehouse" / "ops" / "reports" / f"{DEMO_NIGHTS[0]}_models" / "churn.md"
    assert "There is no released model: the tag is NULL." in card.read_text()
