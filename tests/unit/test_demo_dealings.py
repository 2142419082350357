"""The demo's service desk, surveys, notes, bought facts and app: about the right people, bad as told, never early."""

import csv
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

from demo_files import objects, planted, reach_of, records, text, truth

from jobs.demo.extracts import DEMO_NIGHTS

FIRST, SECOND, THIRD = DEMO_NIGHTS
DAY = r"2017-(?!02-31)\d\d-\d\dT"
DEALINGS = {
    "service_tickets": "tickets",
    "surveys": "surveys",
    "interactions": "interactions",
    "enrichment": "enrichment",
}


def dealings(demo: Path, system: str) -> list[dict[str, str]]:
    """What a system holds of people, each record's key and the identifiers that it gives, however it is written."""
    if system == "tickets":
        return [{"key": row.get("id", ""), **row["customer"], "_day": row["_day"]} for row in objects(demo, system)]
    rows = list(records(demo, system, separator={"surveys": ";", "interactions": "\t"}.get(system, ",")))
    return [{**row, "key": next(iter(row.values()))} for row in rows]


def test_every_dealing_is_tied_to_the_person_it_is_about(demo: Path) -> None:
    persons = truth(demo).set_index(["source", "key"])["person"]
    owner = {("crm_id", key): person for key, person in persons["crm_contacts"].items()}
    owner |= {("card_no", key): person for key, person in persons["loyalty_members"].items()}
    first = [row for row in records(demo, "crm", FIRST) if " at " not in row["email"] and row["email"][-1:] != "@"]
    planted_keys = set(truth(demo, "planted")["key"])
    for row in (row for row in first if row["contact_id"] not in planted_keys):
        owner["email", row["email"].lower()] = owner["phone", reached(row)] = persons.get(
            ("crm_contacts", row["contact_id"]), ""
        )
    for source, system in DEALINGS.items():
        told = [row for row in dealings(demo, system) if row["key"]]
        said = [
            (owner[kind, row[kind]], persons[source, row["key"]])
            for row in told
            for kind in ("crm_id", "card_no", "email", "phone")
            if row.get(kind) and owner.get((kind, row[kind]))
        ]
        assert len(said) > len(told) / 2, system
        assert [pair for pair in said if pair[0] != pair[1]] == [], system


def reached(row: dict[str, str]) -> str:
    return reach_of(row["mobile"], row["country"]) if row["mobile"][-1:].isdigit() else ""


def test_nothing_new_ties_the_merges_and_splits_of_a_later_night(demo: Path) -> None:
    awaited = set(planted(demo, "merge")["person"]) | set(
        truth(demo).set_index("key")["person"][planted(demo, "split")["key"]]
    )
    known = truth(demo)
    assert len(awaited) >= 6
    assert not awaited & set(known.loc[known["source"].isin(DEALINGS), "person"])
    assert not awaited & set(planted(demo, "app_device")["person"])


def test_a_night_tells_what_is_new_and_nothing_of_the_days_to_come(demo: Path) -> None:
    tickets = [
        row for row in objects(demo, "tickets") if "id" in row and row["opened"] and "-02-31" not in row["opened"]
    ]
    for row in tickets:
        assert row["opened"][:10] <= row["_day"] and (row["closed"] or "")[:10] <= row["_day"]
        assert row["_day"] == str(FIRST) or row["_day"] in (row["opened"][:10], (row["closed"] or "")[:10])
    open_before = {row["id"] for row in tickets if row["_day"] == str(FIRST) and not row["closed"]}
    closed_later = {row["id"] for row in tickets if row["_day"] > str(FIRST) and row["closed"]}
    assert open_before and closed_later
    met = [row for row in tickets if "met" in row["sla"] and not row["closed"].startswith("2001")]
    assert all(
        row["sla"]["met"]
        == ((datetime.fromisoformat(row["closed"]) - datetime.fromisoformat(row["opened"])).total_seconds()
            <= row["sla"]["hours"] * 3600)
        for row in met
    )  # fmt: skip
    assert {row["sla"]["met"] for row in met} == {True, False}
    for system in ("surveys", "interactions", "enrichment", "app"):
        days = Counter(row["_day"] for row in (objects(demo, "app") if system == "app" else dealings(demo, system)))
        assert days[str(FIRST)] > 10 * days[str(SECOND)] > 0 < days[str(THIRD)], system
    times = [int(row["ts"]) for row in objects(demo, "app") if isinstance(row.get("ts"), int)]
    assert min(times) / 1000 > datetime(2017, 10, 2, tzinfo=UTC).timestamp()
    assert max(times) / 1000 < datetime(2017, 12, 31, 5, tzinfo=UTC).timestamp()  # midnight in New York


def test_bad_rows_of_the_newer_systems_are_those_told(demo: Path) -> None:
    told = truth(demo, "bad_rows").astype({"rows": int}).groupby(["system", "kind"])["rows"].sum()
    for system, separator, width in (("surveys", ";", 7), ("interactions", "\t", 8), ("enrichment", ",", 9)):
        raw = [line for file in (demo / "extracts" / system).glob("*/*") for line in text(file).splitlines()[1:]]
        widths = Counter(len(next(csv.reader([line], delimiter=separator))) for line in raw)
        assert sum(number for found, number in widths.items() if found < width) == told.get(
            (system, "too_few_columns"), 0
        )
        assert widths[width + 2] == told.get((system, "too_many_columns"), 0)
        whole = dealings(demo, system)
        assert sum(not row["key"] for row in whole) == told.get((system, "missing_key"), 0)
        nobody = sum(not (row.get("email") or row.get("phone") or row.get("card_no")) for row in whole)
        assert nobody == told.get((system, "no_identifier"), 0)
    for system in ("tickets", "app"):
        lines = [line for file in (demo / "extracts" / system).glob("*/*") for line in text(file).splitlines()]
        assert len(lines) - len(list(objects(demo, system))) == told[system, "broken_line"] > 0
    negative = [row for row in records(demo, "surveys", separator=";") if row["score"].startswith("-")]
    assert len(negative) == told.get(("surveys", "impossible_score"), 0)
    early = [row for row in objects(demo, "tickets") if row["closed"] and row["closed"].startswith("2001")]
    assert len(early) == told.get(("tickets", "closed_before_opened"), 0)


def test_answers_agree_with_their_words_in_several_languages(demo: Path) -> None:
    answers = [row for row in records(demo, "surveys", separator=";") if not row["score"].startswith("-")]
    nps = [int(row["score"]) for row in answers if row["survey"] == "nps_2017"]
    assert set(nps) >= {0, 6, 8, 10} and max(nps) == 10
    assert {int(row["score"]) for row in answers if row["survey"] == "delivery_2017"} == {1, 2, 3, 4, 5}
    said = " ".join(row["comment"] for row in answers)
    assert re.search(r"[一-鿿]{3}", said) and re.search(r"\bthe\b", said)
    pleased = {row["comment"] for row in answers if row["survey"] == "nps_2017" and int(row["score"]) >= 9}
    angry = {row["comment"] for row in answers if row["survey"] == "nps_2017" and int(row["score"]) <= 6}
    assert pleased & angry == {""}


def test_app_devices_are_their_owners_and_some_say_no_name(demo: Path) -> None:
    devices = planted(demo, "app_device").set_index("key")
    people = truth(demo).set_index(["source", "key"])["person"]["shop_accounts"]
    logins = defaultdict(set)
    for row in objects(demo, "app"):
        logins[row["device"]["id"]].add(row.get("login", ""))
    assert set(logins) <= set(devices.index)
    assert all(found == {devices["detail"][device]} for device, found in logins.items())
    named = {device: login for device, found in logins.items() for login in found if login}
    assert 0 < len(named) < len(logins)
    assert all(people[login] == devices["person"][device] for device, login in named.items())
