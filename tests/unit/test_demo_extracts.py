"""The demo's extracts: repeatable, true to the real purchases, with everything planted that the nights are to find."""

import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from demo_files import objects, planted, reach_of, records, text, truth

from jobs.demo import reach
from jobs.demo.chance import scattered, share
from jobs.demo.duplicates import mistyped
from jobs.demo.extracts import DEMO_NIGHTS, arrive, write_extracts
from jobs.demo.people import Demographics, Person, make_people
from jobs.demo.pools import make_pools
from jobs.demo.purchases import read_package
from transforms.definitions import parse, parse_yaml
from transforms.identity.definition import Identity
from transforms.sources.definition import ACCESS_LOG, compile_source, parse_source

FIRST, SECOND, THIRD = DEMO_NIGHTS
HOUSEHOLDS = 150  # as in conftest.py
MONEY = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
LOG_LINE = re.compile(
    r'(\S+) (\S+) (\S+) \[(\d\d/\w{3}/\d{4}):[\d:]{8} -0[45]00\] "(\w+) (\S+) HTTP/1\.1" (\d{3}) (\S+)'
    r' "([^"]*)" "([^"]*)" "([^"]*)"'
)
CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def package() -> pd.DataFrame:
    """The package's lines of the small company and of the last days, by pandas alone. Its times are UTC."""
    lines = read_package("transactions").to_pandas()
    households = np.unique(lines["household_id"])[:HOUSEHOLDS]
    lines = lines[lines["household_id"].isin(households) | (lines["transaction_timestamp"] >= "2017-12-29")]
    local = lines["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    lines = lines.assign(sold_at=local.dt.strftime("%Y-%m-%d %H:%M:%S"), day=local.dt.date)
    return lines[lines["day"] <= THIRD]


@pytest.fixture(scope="module")
def lines(demo: Path) -> pd.DataFrame:
    """The small company's lines that can be read."""
    return real_lines(demo)


def real_lines(demo: Path) -> pd.DataFrame:
    """The tills' lines that are whole and can be read; of two tellings of a line the newer."""
    lines = pd.DataFrame(records(demo, "pos"))
    when = pd.to_datetime(lines["sold_at"], format="%Y-%m-%d %H:%M:%S", errors="coerce")
    good = lines["receipt_id"].ne("") & when.notna() & lines["quantity"].str.fullmatch(r"\d+")
    return lines[good].drop_duplicates(["receipt_id", "line_no"], keep="last")


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_replaces_another(demo: Path, tmp_path: Path) -> None:
    write_extracts(tmp_path, households=20, seed=8, since=THIRD)
    another = text(tmp_path / f"extracts/crm/{FIRST}/contacts.csv").splitlines()
    write_extracts(tmp_path, households=HOUSEHOLDS)
    assert digest(tmp_path) == digest(demo)
    assert not set(another[1:]) & set(text(tmp_path / f"extracts/crm/{FIRST}/contacts.csv").splitlines())


def test_every_real_line_is_there_unchanged(lines: pd.DataFrame, package: pd.DataFrame) -> None:
    real = package[package["household_id"].isin(np.unique(read_package("transactions")["household_id"])[:HOUSEHOLDS])]
    told = lines
    assert len(told) == len(real)
    both = told.astype({"receipt_id": "int64", "product_id": "int64"}).merge(
        real, left_on=["receipt_id", "product_id"], right_on=["basket_id", "product_id"], validate="one_to_one"
    )
    assert len(both) == len(real)
    assert (both["sold_at_x"] == both["sold_at_y"]).all()
    assert (both["quantity_x"].astype("int64") == both["quantity_y"]).all()
    assert (both["store_id_x"].astype("int64") == both["store_id_y"]).all()
    for name in MONEY:
        assert np.allclose(both[f"{name}_x"].astype(float), both[f"{name}_y"], atol=1e-9)
    positions = told.astype({"line_no": int}).groupby("receipt_id")["line_no"].agg(["min", "max", "count"])
    assert (positions["min"] == 1).all() and (positions["max"] == positions["count"]).all()


def test_totals_of_whole_days_equal_the_package(tmp_path: Path, package: pd.DataFrame) -> None:
    write_extracts(tmp_path, since=date(2017, 12, 29))
    told = real_lines(tmp_path)
    told = told[told["sold_at"] >= "2017-12-29"]  # some lines of the day before are sent again
    real = package[package["day"] >= date(2017, 12, 29)]
    assert len(told) == len(real)
    for name in MONEY:
        cents = int(np.round(real[name].to_numpy() * 100).sum())
        assert sum(Decimal(value) for value in told[name]) == Decimal(cents) / 100


def test_purchases_have_products_cards_and_phones(demo: Path, lines: pd.DataFrame) -> None:
    products = pd.DataFrame(records(demo, "products")).drop_duplicates("product_id").set_index("product_id")
    known = lines[lines["product_id"].isin(products.index)]
    assert (known["category"] == products.loc[known["product_id"], "product_category"].to_numpy()).all()
    assert 0.8 < lines["card_no"].ne("").mean() < 0.97
    receipts = lines.drop_duplicates("receipt_id")
    assert 0.03 < receipts["phone"].ne("").mean() < 0.2
    members = {row["card_no"] for row in records(demo, "loyalty", separator=";")}
    assert set(lines["card_no"]) - {""} <= members
    assert lines.groupby("receipt_id")["card_no"].nunique().max() == 1
    assert (lines["coupon"].eq("Y") == lines["coupon_disc"].astype(float).gt(0)).all()


def test_restated_lines_are_wrong_first_and_then_real(demo: Path) -> None:
    told = planted(demo, "restated")
    assert len(told) == 12
    lines = list(records(demo, "pos", SECOND)) + list(records(demo, "pos", THIRD))
    for key, detail in zip(told["key"], told["detail"], strict=True):
        wrong, real = detail.split(" becomes ")
        values = [row["sales_value"] for row in lines if f"{row['receipt_id']}/{row['line_no']}" == key]
        assert Decimal(wrong) - Decimal(real) == 10
        assert values[0] == wrong and values[-1] == real


def test_quiet_days_and_the_end(demo: Path) -> None:
    assert text(demo / "extracts/pos/2017-12-25/transactions.csv.gz").count("\n") == 1
    days = sorted(path.name for path in (demo / "extracts" / "pos").iterdir())
    assert (days[0], days[-1], len(days)) == ("2017-01-01", str(THIRD), 364)
    everywhere = {path.name for path in (demo / "extracts").glob("*/*")}
    assert max(everywhere) == str(THIRD)
    assert sorted(path.name for path in (demo / "extracts" / "shop").iterdir()) == [str(day) for day in DEMO_NIGHTS]


def test_bad_rows_are_those_told(demo: Path) -> None:
    told = truth(demo, "bad_rows").astype({"rows": int}).groupby(["system", "kind"])["rows"].sum()
    raw = [line for file in (demo / "extracts" / "pos").glob("*/*") for line in text(file).splitlines()[1:]]
    columns = Counter(line.count(",") + 1 for line in raw)
    short = sum(number for width, number in columns.items() if width < 18)
    assert (short, columns[20]) == (told["pos", "too_few_columns"], told["pos", "too_many_columns"])
    whole = pd.DataFrame(records(demo, "pos"))
    assert whole["receipt_id"].eq("").sum() == told["pos", "missing_key"]
    unreadable = pd.to_datetime(whole["sold_at"], format="%Y-%m-%d %H:%M:%S", errors="coerce").isna()
    assert unreadable.sum() == told["pos", "wrong_date"]
    assert (~whole["quantity"].str.fullmatch(r"\d+")).sum() == told["pos", "wrong_number"]
    assert told["pos", "sent_again"] == 20
    assert 0.01 < told["pos"].sum() / len(raw) < 0.05
    members = pd.DataFrame(records(demo, "loyalty", FIRST, separator=";"))
    assert members["joined_on"].eq("00/00/0000").sum() >= 1


def test_truth_names_every_record_once(demo: Path) -> None:
    known = truth(demo)
    assert not known.duplicated(["source", "key"]).any()
    by_source = known.groupby("source")["key"].agg(set)
    held = {
        "crm_contacts": {row["contact_id"] for row in records(demo, "crm")},
        "loyalty_members": {row["card_no"] for row in records(demo, "loyalty", separator=";")},
        "shop_accounts": {row["login"] for row in records(demo, "shop")},
        "service_tickets": {row.get("id", "") for row in objects(demo, "tickets")},
        "surveys": {row["response"] for row in records(demo, "surveys", separator=";")},
        "interactions": {row["entry"] for row in records(demo, "interactions", separator="\t")},
        "enrichment": {row["ref"] for row in records(demo, "enrichment")},
    }
    assert {source: keys - {""} for source, keys in held.items()} == by_source.to_dict()
    assert not list((demo / "extracts").rglob("truth*"))


def test_everything_is_planted(demo: Path) -> None:
    counts = truth(demo, "planted")["kind"].value_counts()
    kinds = (
        "mistyped nickname married moved two_phones nothing_shared other_email other_phone family_phone family_email "
        "till_phone placeholder logs_in_later shared_tablet merge split new_contact new_account deleted_account "
        "restated"
    )
    assert set(kinds.split()) <= set(counts.index)
    assert (counts["merge"], counts["split"], counts["deleted_account"]) == (6, 6, 1)


def test_second_records_differ_and_share_what_is_said(demo: Path) -> None:
    rows = {row["contact_id"]: row for row in records(demo, "crm", FIRST)}
    people = truth(demo).set_index("key")["person"]
    duplicates = truth(demo, "planted").query("detail.str.startswith('also C')", engine="python")
    assert len(duplicates) > 10
    for key, detail in zip(duplicates["key"], duplicates["detail"], strict=True):
        second, first = rows[key], rows[detail.split()[1].rstrip(";")]
        assert people[first["contact_id"]] == people[second["contact_id"]]
        country = first["country"]
        emails = first["email"].lower() == second["email"].lower() != ""
        phones = bool(second["mobile"]) and reach_of(first["mobile"], country) == reach_of(second["mobile"], country)
        shares = detail.split("shares ")[1]
        assert {"email": emails, "phone": phones, "name and birth date": not emails and not phones}[shares], detail


def test_a_merge_is_tied_by_the_third_night_and_not_before(demo: Path) -> None:
    contacts = {(row["contact_id"], row["_day"]): row for row in records(demo, "crm")}
    members = {row["card_no"]: row for row in records(demo, "loyalty", FIRST, separator=";")}
    pairs = planted(demo, "merge").groupby("person")["key"].agg(list)
    assert len(pairs) == 3
    for contact, card in pairs:
        before, after, member = contacts[contact, str(FIRST)], contacts[contact, str(THIRD)], members[card]
        assert (contact, str(SECOND)) not in contacts
        assert before["email"] != member["email"] == after["email"]
        assert reach_of(before["mobile"], before["country"]) != reach_of(member["phone"], member["country"])
        assert after["updated_at"].startswith(str(THIRD)) and after["updated_at"] > before["updated_at"]


def test_a_split_ends_a_wrong_tie_of_two_people(demo: Path) -> None:
    contacts = {(row["contact_id"], row["_day"]): row for row in records(demo, "crm")}
    keys = planted(demo, "split")["key"].tolist()
    people = truth(demo).set_index("key")["person"]

    def tied(one: dict[str, str], other: dict[str, str]) -> bool:
        same_phone = reach_of(one["mobile"], one["country"]) == reach_of(other["mobile"], other["country"])
        return same_phone or one["email"] == other["email"]

    for wrong, other in zip(keys[::2], keys[1::2], strict=True):
        assert people[wrong] != people[other]
        stranger = contacts[other, str(FIRST)]
        assert tied(contacts[wrong, str(FIRST)], stranger)
        assert not tied(contacts[wrong, str(THIRD)], stranger)


def test_accounts_come_whole_every_night_and_one_is_deleted(demo: Path) -> None:
    gone = planted(demo, "deleted_account")["key"].item()
    logins = [{row["login"] for row in records(demo, "shop", night)} - {""} for night in DEMO_NIGHTS]
    assert logins[0] - logins[1] == {gone} and logins[1] <= logins[2]
    new = planted(demo, "new_account")
    for night, (before, after) in zip(DEMO_NIGHTS[1:], pairwise(logins), strict=True):
        assert after - before == set(new[new["detail"] == str(night)]["key"])


def test_late_files_arrive_once(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo / "late", tmp_path / "late")
    shutil.copytree(demo / "extracts" / "web", tmp_path / "extracts" / "web")
    log = tmp_path / "extracts/web/2017-12-26/access.log.gz"
    for night in (FIRST, SECOND):
        arrive(tmp_path, night)
        assert not log.exists()
    before = digest(tmp_path / "extracts")
    arrive(tmp_path, THIRD)
    arrive(tmp_path, THIRD)
    after = digest(tmp_path / "extracts")
    assert after.keys() - before.keys() == {"web/2017-12-26/access.log.gz"}
    assert "26/Dec/2017" in text(log)


def test_the_log_has_members_strangers_robots_and_a_tablet(demo: Path) -> None:
    lines = [line for file in sorted((demo / "extracts/web").glob("*/*")) for line in text(file).splitlines()]
    hits = [match.groups() for match in map(LOG_LINE.fullmatch, lines) if match]
    assert 0.97 < len(hits) / len(lines) < 0.995
    users = defaultdict(set)
    anonymous = set()
    for hit in hits:
        users[hit[10]].add(hit[2])
    tablet = set(planted(demo, "shared_tablet")["key"])
    assert len(tablet) == 1 and len(users[tablet.pop()]) > 24
    for cookie in planted(demo, "logs_in_later")["key"]:
        anonymous.add(users[cookie] >= {"-"} and len(users[cookie]) > 1)
    assert True in anonymous
    assert sum(logins == {"-"} for cookie, logins in users.items() if cookie != "-") > 30
    logins = {row["login"] for row in records(demo, "shop")}
    assert {user for found in users.values() for user in found} - {"-"} <= logins
    agents = Counter("bot" in hit[9].lower() for hit in hits)
    assert 0.02 < agents[True] / len(hits) < 0.2
    paths = Counter(re.split(r"[/?]", hit[5])[1] for hit in hits)
    assert {"product", "category", "search", "cart", "checkout", "login"} <= set(paths)
    assert all(f"[{file.parent.name[-2:]}/" in text(file) for file in (demo / "extracts/web").glob("2017-12-*/*"))


def test_social_actions_are_nested_json_in_several_languages(demo: Path) -> None:
    lines = [line for file in (demo / "extracts/social").glob("*/*") for line in text(file).splitlines()]
    good, broken = [], 0
    for line in lines:
        try:
            good.append(json.loads(line))
        except json.JSONDecodeError:
            broken += 1
    assert 0 < broken < 0.03 * len(lines)
    handles = {f"@{row['social_handle']}" for row in records(demo, "crm") if row["social_handle"]}
    known = {action["user"]["handle"] in handles for action in good}
    assert known == {True, False}
    said = " ".join(action.get("text") or "" for action in good)
    assert re.search(r"[一-鿿]{3}", said) and "é" in said and "the" in said
    assert all(isinstance(action["counts"]["likes"], int) and action["topics"] for action in good)


def test_copies_have_the_same_purchases_and_other_people(tmp_path: Path) -> None:
    write_extracts(tmp_path, households=40, scale=2, since=SECOND)
    lines = real_lines(tmp_path)
    copy = lines["receipt_id"].astype("int64") // 10**11
    one, other = (lines[copy == number] for number in (0, 1))
    assert sorted(one["sales_value"]) == sorted(other["sales_value"]) != []
    assert not set(one["card_no"]) & set(other["card_no"]) - {""}
    assert not truth(tmp_path).duplicated(["source", "key"]).any()


@pytest.fixture(scope="module")
def people() -> list[Person]:
    demographics, pools = Demographics(), make_pools(7)
    ids = sorted(read_package("demographics")["household_id"].to_pylist())[:400] + list(range(2000, 2500))
    copies = (make_people(copy, seed=7, households=ids, demographics=demographics, pools=pools) for copy in (0, 1))
    return [person for copy in copies for person in copy]


def test_nobody_shares_an_address_or_number_by_chance(people: list[Person]) -> None:
    for values in (
        [email for person in people for email in person.emails],
        [phone for person in people for phone in person.phones],
        [person.card for person in people if person.card],
        [person.login for person in people],
        [person.handle for person in people if person.handle],
    ):
        assert len(values) == len(set(values)) > 100


def test_numbers_are_valid_and_read_back_however_written(people: list[Person]) -> None:
    for number, person in enumerate(people):
        phone, country = person.phones[0], person.pool.country
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone)), phone
        assert reach_of(reach.written(phone, country, number % 5 / 5), country) == phone
    assert reach_of(reach.written("+13805550100", "DE", 0.9), "DE") == "+13805550100"


def test_people_take_after_the_demographics(people: list[Person]) -> None:
    known = Demographics().known
    described = [(person, known[person.household]) for person in people if person.household in known]
    assert len(described) > 400
    heads = {person.household: person for person, _ in reversed(described)}
    for person, about in described:
        assert person.income == about["income"]
        assert person.household_size >= int((about["household_size"] or "1").rstrip("+"))
    for household, head in heads.items():
        low = int(re.match(r"\d+", known[household]["age"] or "")[0])  # type: ignore[index]
        assert low <= 2017 - head.birth.year
    sizes = Counter(person.household for person, _ in described)
    assert all(sizes[h] >= 1 + (known[h]["household_comp"] or "").startswith("2") for h in sizes)
    chinese = [person for person in people if person.pool.language == "zh"]
    assert len(chinese) > 50
    assert all(re.fullmatch("[一-鿿]{1,4}", person.given[0] + person.family[0][:1]) for person in chinese)
    assert all(person.phones[0].startswith("+86") and person.pool.country == "CN" for person in chinese)


@pytest.mark.parametrize(
    ("where", "how", "expected"),
    [(0.0, 0.0, "Mliler"), (0.0, 0.4, "Miiller"), (0.0, 0.9, "Mller"), (0.99, 0.9, "Millr")],
)
def test_mistyped(where: float, how: float, expected: str) -> None:
    assert mistyped("Miller", where, how) == expected
    assert mistyped("王", where, how) == "王"


def test_scattering_is_a_bijection_and_shares_are_even() -> None:
    assert len({scattered(number, 10_000) for number in range(10_000)}) == 10_000
    drawn = share(np.arange(100_000), salt=3)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert np.abs(np.histogram(drawn, bins=10, range=(0, 1))[0] - 10_000).max() < 500
    assert abs(np.corrcoef(drawn, share(np.arange(100_000), salt=4))[0, 1]) < 0.02


SYSTEM_OF = {
    "pos": "pos", "products": "products", "campaigns": "campaigns", "campaign_events": "campaign_events",
    "crm_contacts": "crm", "crm_consents": "crm", "loyalty_members": "loyalty", "loyalty_accounts": "loyalty",
    "shop_accounts": "shop", "web_log": "web", "social": "social", "service_tickets": "tickets", "surveys": "surveys",
    "interactions": "interactions", "enrichment": "enrichment", "app_events": "app",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SYSTEM_OF))
def test_the_sources_fit_the_extracts(name: str, demo: Path) -> None:
    place = CONF / "sources" / f"{name}.yml"
    source = parse_source(place.read_text(encoding="utf-8"), place=place.name)
    assert f"/{SYSTEM_OF[name]}/{{date}}/" in source.read.path
    file = next(path for path in sorted((demo / "extracts" / SYSTEM_OF[name]).glob("*/*")))
    first = text(file).splitlines()[0]
    if source.read.format == "json":
        columns = sorted({key for row in objects(demo, SYSTEM_OF[name]) for key in row})
    elif source.read.format == "access_log":
        columns = [*ACCESS_LOG, *source.read.options["extra"]]
    else:
        columns = first.split(source.read.options.get("sep", ","))
    compiled = compile_source(source, dict.fromkeys(columns, "string"))
    assert compiled.columns.keys() == source.expressions.keys()


def test_the_identifiers_fit_the_sources() -> None:
    text_ = (CONF / "identity.yml").read_text(encoding="utf-8")
    identity = parse(Identity, parse_yaml(text_, place="identity.yml"), place="identity.yml")
    assert set(identity.trust) <= set(SYSTEM_OF)
    blocked = [re.compile(pattern) for pattern in identity.identifiers["email"].blocked]
    assert all(any(pattern.search(address) for pattern in blocked) for address in reach.PLACEHOLDER_EMAILS)
