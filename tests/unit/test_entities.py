"""The entities one by one: what the data model names, and what can be true of a record, by hand-worked rows."""

import re
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from transforms.identity.edges import LINKING
from transforms.schemas import ENTITIES, FIXED_TABLES
from transforms.sources import refine, versions
from transforms.sources.definition import Read, Source, compile_source, parse_source
from transforms.sources.rules import RULES

DAY = date(2026, 1, 31)
AS_OF = datetime(2026, 1, 31, 23, 59, 59)
# entity -> key | columns, as the data model has them; a contact's district beside them
DATA_MODEL = {
    "contact": "contact_id | full_name given_name family_name gender birth_date email phone country region city "
    "district postal_code street occupation education income marital_status household_size language registered_at "
    "updated_at",
    "transaction": "order_id line_no | ordered_at product_id product_name category brand quantity unit_price discount "
    "amount amount_local currency channel store_id payment_method coupon status",
    "web_event": "event_id | occurred_at session_id event_type url path query referrer product_id dwell_seconds ip "
    "user_agent device_type device_id os browser app_version country region status_code bytes is_bot",
    "social_activity": "activity_id | occurred_at platform handle action text language sentiment topics counts",
    "campaign_event": "event_id | occurred_at campaign_id channel event",
    "service_ticket": "ticket_id | opened_at closed_at channel category priority status satisfaction sla_met text "
    "language sentiment topics",
    "survey_response": "response_id | answered_at survey_id score comment language sentiment topics",
    "interaction": "interaction_id | occurred_at channel kind detail",
    "loyalty_account": "member_id | tier points joined_at updated_at",
    "consent": "consent_id | decided_at purpose granted",
    "enrichment": "record_id | attributes observed_at provider",
    "product": "product_id | name category brand list_price",
    "campaign": "campaign_id | name channel cost starts_on ends_on",
}


def silver(
    spark: SparkSession, entity: str, columns: str, *rows: tuple[str | None, ...], ids: str = "", **written: str
) -> DataFrame:
    """Raw rows as silver judges them. `columns`: raw and canonical ones of one name; `written`: expressions over them.

    `ids`: identifier types, each given by a raw column of that name after the others.
    """
    raw = [*columns.split(), *ids.split()]
    given = {name: name for name in columns.split() if name in ENTITIES[entity].types}
    definition = {
        "source": "s", "entity": entity, "read": {"format": "csv", "path": "x/{date}/*.csv"},
        "columns": {**given, **written}, "ids": {kind: kind for kind in ids.split()},
    }  # fmt: skip
    source = compile_source(parse_source(yaml.safe_dump(definition), place="s.yml"), dict.fromkeys(raw, "string"))
    frame = spark.createDataFrame(list(rows), ", ".join(f"{name} string" for name in raw)).withColumns(
        {
            "_batch_date": F.lit(DAY),
            "_file": F.lit("/x/2026-01-31/a.csv"),
            "_ingested_at": F.lit(AS_OF),
            "_corrupt": F.lit(None).cast("string"),
        }
    )
    return refine.parsed(frame, source, day=DAY, as_of=AS_OF).transform(
        refine.refined, ENTITIES[entity], [source], day=DAY, as_of=AS_OF, timezone="UTC", base_currency="EUR"
    )


def judged_rows(rows: DataFrame, entity: str) -> list[Row]:
    source = Source(source="s", entity=entity, read=Read(format="csv", path="x/{date}/*.csv"))
    return versions.judged_within(rows, None, ENTITIES[entity], [source]).collect()


def reasons(rows: list[Row], key: str) -> dict[str, list[str]]:
    return {row[key]: row["reasons"] for row in rows}


@pytest.mark.parametrize("name", sorted(DATA_MODEL))
def test_the_schema_is_that_of_the_data_model(name: str) -> None:
    key, _, columns = DATA_MODEL[name].partition(" | ")
    entity = ENTITIES[name]
    assert entity.key == tuple(key.split())
    assert [column.name for column in entity.columns] == [*key.split(), *columns.split()]
    table = FIXED_TABLES[f"silver/{name}"]
    assert len(set(table.names)) == len(table.names)
    assert set(table.names) >= {*columns.split(), "record_id", "ids", "event_at", "event_date", "_valid_to"}
    free = {"text", "comment", "detail", "full_name", "street", "query"}
    assert all(column.sensitivity == "personal" for column in entity.columns if column.name in free)


def test_the_guide_tells_every_column_of_every_entity() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs/guides/entities.md").read_text()
    chapters = {chapter.split("\n", 1)[0]: chapter for chapter in guide.split("\n## ")[1:]}
    assert list(chapters) == list(ENTITIES)
    for name, entity in ENTITIES.items():
        told = re.findall(r"^\| (?:\*\*)?`(\w+)`(?:\*\*)? \| (.+?) \| (.*?) ?\|$", chapters[name], re.MULTILINE)
        assert told == [(column.name, column.type, column.comment) for column in entity.columns]


def test_every_entity_has_rules_of_its_own(spark: SparkSession) -> None:
    assert RULES.keys() == ENTITIES.keys() == DATA_MODEL.keys()
    assert [name for name, rules in RULES.items() if not rules.flaws()] == []


def test_reference_data_links_nobody_and_everything_else_may() -> None:
    assert set(DATA_MODEL) - {entity.name for entity in LINKING} == {"product", "campaign"}
    in_place = {name for name, entity in ENTITIES.items() if not entity.time and not entity.reference}
    assert in_place == {"contact", "loyalty_account", "enrichment"}


def test_tickets(spark: SparkSession) -> None:
    found = silver(
        spark, "service_ticket", "ticket_id opened_at closed_at priority status satisfaction sla_met sentiment text",
        ("whole", "2026-01-02 10:00:00", "2026-01-02 10:00:00", "High", "Waiting for Godot", "5", "true", "-1", "Hm."),
        ("open", "2026-01-02 10:00:00", None, None, "OPEN", None, None, None, None),
        ("early", "2026-01-02 10:00:00", "2026-01-02 09:59:59", None, None, "6", None, "1.5", None),
        ("never", "soon", None, None, None, "0", None, None, None),
    ).collect()  # fmt: skip
    assert reasons(found, "ticket_id") == {
        "whole": [],
        "open": [],
        "early": ["closed_before_opened", "impossible_satisfaction", "impossible_sentiment"],
        "never": ["no_opened_at", "impossible_satisfaction"],
    }
    whole = found[0]
    assert (whole["priority"], whole["status"], whole["satisfaction"]) == ("high", "waiting for godot", 5.0)
    assert (whole["sla_met"], whole["text"], whole["event_date"]) == (True, "Hm.", date(2026, 1, 2))


def test_of_two_tellings_of_a_ticket_the_closed_one_is_newer(spark: SparkSession) -> None:
    rows = silver(
        spark, "service_ticket", "ticket_id opened_at closed_at status",
        ("1", "2026-01-02 10:00:00", "2026-01-03 10:00:00", "closed"), ("1", "2026-01-02 10:00:00", None, "open"),
    )  # fmt: skip
    judged = judged_rows(rows, "service_ticket")
    assert {row["status"]: row["_fate"] for row in judged} == {"closed": "accepted", "open": "superseded"}


def test_survey_responses(spark: SparkSession) -> None:
    at = "2026-01-02 10:00:00"
    found = silver(
        spark, "survey_response", "response_id answered_at survey_id score comment",
        ("zero", at, "NPS 2026", "0", None), ("ten", at, "nps", "10", " Good. "), ("words", at, "nps", None, "Well."),
        ("stars", at, "five stars", "4.5", None), ("synapse", at, "synapses", "250", None),
        ("eleven", at, "q4-nps", "11", None), ("half", at, "nps_2026", "7.5", None), ("minus", at, None, "-1", None),
        ("nothing", at, "nps", "n/a", "  "), ("not a number", at, "stars", "NaN", None),
    ).collect()  # fmt: skip
    assert reasons(found, "response_id") == {
        "zero": [],
        "ten": [],
        "words": [],
        "stars": [],
        "synapse": [],
        "eleven": ["impossible_nps"],
        "half": ["impossible_nps"],
        "minus": ["impossible_score"],
        "nothing": ["neither_score_nor_comment"],
        "not a number": ["impossible_score"],
    }
    assert found[1]["comment"] == "Good."


def test_interactions(spark: SparkSession) -> None:
    found = silver(
        spark, "interaction", "interaction_id occurred_at channel kind",
        ("call", "2026-01-02 10:00:00", "Phone", " Call"), ("visit", "2026-01-02 10:00:00", None, "visit"),
        ("what", "2026-01-02 10:00:00", " ", None), ("when", "", "phone", "call"),
    ).collect()  # fmt: skip
    assert reasons(found, "interaction_id") == {
        "call": [],
        "visit": [],
        "what": ["neither_channel_nor_kind"],
        "when": ["no_occurred_at"],
    }
    assert (found[0]["channel"], found[0]["kind"]) == ("phone", "call")


def test_enrichment_is_what_it_says_in_whatever_order(spark: SparkSession) -> None:
    rows = silver(
        spark, "enrichment", "record_id facts observed_at nth",
        ("1", '{"home": "owner", "cars": " 2 ", "pets": "", "boat": null}', "2026-01-02 00:00:00", "0", "A@x.org"),
        ("1", '{"cars": "2", "home": "owner"}', "2026-01-02 00:00:00", "1", "a@x.org"),
        ("1", '{"home": "renter"}', "2026-01-01 00:00:00", "2", "a@x.org"),
        ("a:b", '{"home": "owner", "home": "renter"}', None, "3", "b@x.org"), ("2", "{home", None, "4", "c@x.org"),
        ("3", "{}", None, "5", "not an address"), (None, "{}", None, "6", "d@x.org"),
        attributes="from_json(facts, 'map<string,string>')", ids="email",
    )  # fmt: skip
    judged = judged_rows(rows, "enrichment")
    first, other, older, twice, broken, nobody, keyless = sorted(judged, key=lambda row: row["_raw"].split("nth")[1])
    assert first["attributes"] == other["attributes"] == {"cars": "2", "home": "owner"}
    assert first["record_id"] == "s:1" and twice["record_id"] == "s:a\\:b"
    assert sorted([first["_fate"], other["_fate"]]) == ["accepted", "duplicate"]
    assert older["_fate"] == "superseded"
    assert (twice["attributes"], twice["_fate"]) == ({"home": "renter"}, "accepted")
    assert [broken["reasons"], nobody["reasons"], keyless["reasons"]] == [
        ["no_attributes"],
        ["no_identifier"],
        ["no_record_id"],
    ]
    assert {row["event_at"] for row in judged} == {None}  # overwritten in place: it has no moment of its own


def test_decisions_of_nobody_and_impossible_reference_data(spark: SparkSession) -> None:
    consents = silver(
        spark, "consent", "consent_id decided_at purpose granted",
        ("1", "2026-01-02 10:00:00", "marketing", "false", "7"),
        ("2", "2026-01-02 10:00:00", "marketing", "true", " "),
        ids="crm_id",
    ).collect()  # fmt: skip
    assert reasons(consents, "consent_id") == {"1": [], "2": ["no_identifier"]}
    products = silver(spark, "product", "product_id list_price", ("1", "0"), ("2", "-0.01"), ("3", None)).collect()
    assert reasons(products, "product_id") == {"1": [], "2": ["negative_list_price"], "3": []}
    campaigns = silver(
        spark, "campaign", "campaign_id cost starts_on ends_on",
        ("1", "0", "2026-01-02", "2026-01-02"), ("2", "-1", "2026-01-02", "2026-01-01"),
        ("3", None, "2026-01-02", None),
    ).collect()  # fmt: skip
    assert reasons(campaigns, "campaign_id") == {"1": [], "2": ["negative_cost", "ends_before_it_starts"], "3": []}


def test_app_events_are_told_apart_and_tie_a_device(spark: SparkSession) -> None:
    at = "2026-01-02 10:00:00"
    found = silver(
        spark, "web_event", "event_id occurred_at device_id event_type app_version",
        (None, at, "d1", "cart", "4.1"), (None, at, "d2", "cart", "4.1"), (None, at, "d1", "checkout", "4.1"),
        (None, at, "d1", "cart", "4.1"), ("own", at, "d1", "cart", "4.1"),
    ).collect()  # fmt: skip
    keys = [row["event_id"] for row in found]
    assert keys[0] == keys[3] and len(set(keys)) == 4 and keys[4] == "own"
    assert found[0]["ids"] == {"device": ["d1"]}
    assert found[0]["_node"] == 's:{"device":["d1"]}'
    assert (found[0]["is_bot"], found[0]["app_version"], found[0]["reasons"]) == (False, "4.1", [])
