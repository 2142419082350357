"""Append, changes and snapshot over several nights: what silver shows as of each day, worked out by hand."""

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.bronze import has_new_files
from tests.stages.extracts import Extracts, day
from transforms.errors import DataError

# no line numbers
RECEIPTS = """
source: receipts
entity: transaction
read: {format: csv, path: 'extracts/receipts/{date}*.csv', lookback: 7d}
extract: append
columns: {order_id: no, ordered_at: at, product_id: what, quantity: qty, amount_local: paid, currency: "'EUR'"}
"""
CONTACTS = """
source: crm
entity: contact
read: {format: csv, path: 'extracts/crm/{date}*.csv'}
extract: snapshot
columns: {contact_id: no, city: city, household_size: size}
where: city <> 'TEST'
"""
# three values a row, and a time of its own
CONSENTS = """
source: consents
entity: consent
read: {format: csv, path: 'extracts/consents/{date}*.csv', lookback: 7d}
extract: changes
columns: {consent_id: no, decided_at: at, purpose: purpose, granted: granted}
ids: {crm_id: no}
"""
CRM_HEAD, RECEIPT_HEAD, CONSENT_HEAD = "no,city,size", "no,at,what,qty,paid", "no,at,purpose,granted"
NOON = "2026-03-01 12:00:00"


@pytest.fixture
def extracts(spark: SparkSession, tmp_path: Path) -> Extracts:
    return Extracts(spark, tmp_path, {"crm": CONTACTS, "receipts": RECEIPTS, "consents": CONSENTS})


def crm(extracts: Extracts, number: int, *rows: str, name: str = "") -> Path:
    return extracts.deliver(f"crm/{day(number)}{name}.csv", CRM_HEAD, *rows)


def receipts(extracts: Extracts, number: int, *rows: str, name: str = "") -> Path:
    return extracts.deliver(f"receipts/{day(number)}{name}.csv", RECEIPT_HEAD, *rows)


def consents(extracts: Extracts, number: int, *rows: str, name: str = "") -> Path:
    return extracts.deliver(f"consents/{day(number)}{name}.csv", CONSENT_HEAD, *rows)


def test_snapshots(extracts: Extracts) -> None:
    """Dropped and returned, in quarantine, filtered, two files of a day, late ones, and a night without any."""
    extracts.yaml = {"crm": CONTACTS}
    crm(extracts, 1, "a,Rome,1", "b,Rome,1", name="_part1")
    crm(extracts, 1, "c,Rome,1", "d,Rome,1", name="_part2")
    assert extracts.night(1) == {"crm": {"accepted": 4}}
    crm(extracts, 2, "a,Rome,1", "c,Rome,-1", "d,TEST,1")  # b is gone, c in quarantine, d not wanted any more
    assert extracts.night(2) == {"crm": {"unchanged": 1, "quarantined": 1, "filtered": 1}}
    crm(extracts, 3, "a,Bern,1", "b,Rome,1")  # b is back as it was, c gone
    assert extracts.night(3) == {"crm": {"accepted": 2}}
    crm(extracts, 2, "z,Rome,1", name="_late")
    assert extracts.night(4) == {}  # older than the newest taken
    crm(extracts, 5, "a,Bern,1")
    assert extracts.night(6) == {"crm": {"unchanged": 1}}  # late, but newer than the newest taken
    expected = {
        1: [("a", "Rome"), ("b", "Rome"), ("c", "Rome"), ("d", "Rome")],
        2: [("a", "Rome"), ("c", "Rome")],
        3: [("a", "Bern"), ("b", "Rome")],
        5: [("a", "Bern"), ("b", "Rome")],
        6: [("a", "Bern")],
    }
    assert {number: extracts.seen("contact", number, "contact_id", "city") for number in expected} == expected


def test_a_snapshot_with_a_row_that_could_be_anyone_closes_nothing(extracts: Extracts) -> None:
    extracts.yaml = {"crm": CONTACTS}
    crm(extracts, 1, "a,Rome,1", "b,Rome,1")
    extracts.night(1)
    crm(extracts, 2, "a,Rome,1", ",Rome,1")
    assert extracts.night(2) == {"crm": {"unchanged": 1, "quarantined": 1}}
    assert extracts.seen("contact", 2, "contact_id") == [("a",), ("b",)]
    assert extracts.warned[-1].startswith("source crm: 1 rows in quarantine have no key that can be read")
    extracts.yaml = {"crm": CONTACTS + "when_missing: keep\n"}
    crm(extracts, 3, "a,Rome,1")
    extracts.night(3)
    assert extracts.seen("contact", 3, "contact_id") == [("a",), ("b",)]


def test_what_the_filter_does_not_want_any_more_ends(extracts: Extracts) -> None:
    """Of changes, by a row of its own: in a later extract, in the same one, and not undone by a late file."""
    accounts = CONTACTS.replace("snapshot", "changes").replace("*.csv'", "*.csv', lookback: 7d").replace("TEST", "GONE")
    extracts.yaml = {"crm": accounts.replace("household_size: size", "updated_at: at")}

    def crm(number: int, *rows: str, name: str = "") -> None:
        lines = (row.replace("at ", f"{day(1)} ") for row in rows)
        extracts.deliver(f"crm/{day(number)}{name}.csv", "no,city,at", *lines)

    crm(1, "a,Rome,at 09:00:00", "b,Rome,at 09:00:00", "c,Rome,at 09:00:00", "d,GONE,at 09:00:00", "d,Rome,at 08:00:00")
    assert extracts.night(1) == {"crm": {"accepted": 3, "filtered": 1, "superseded": 1}}
    # of a nothing else is told; b went after it had changed, c before; of two at the same time the wanted one counts
    crm(2, "a,GONE,", "b,Bern,at 10:00:00", "b,GONE,at 12:00:00", "c,GONE,at 08:00:00", "c,Rome,at 09:00:00")
    crm(2, "e,Rome,at 09:00:00", "e,GONE,at 09:00:00", name="_2")
    assert extracts.night(2) == {"crm": {"filtered": 4, "superseded": 1, "unchanged": 1, "accepted": 1}}
    crm(3, "c,GONE,at 13:00:00")
    assert extracts.night(3) == {"crm": {"filtered": 1}}
    crm(2, "c,Bern,at 14:00:00", name="_late")  # older than what night 3 told of c
    crm(1, "e,GONE,at 15:00:00", name="_late")  # older than what night 2 told of e
    assert extracts.night(4) == {"crm": {"superseded": 1, "filtered": 1}}
    crm(5, "c,Rome,at 09:00:00")
    assert extracts.night(5) == {"crm": {"accepted": 1}}
    expected = {1: ["a", "b", "c"], 2: ["c", "e"], 3: ["e"], 4: ["e"], 5: ["c", "e"]}
    assert {number: [no for (no,) in extracts.seen("contact", number, "contact_id")] for number in expected} == expected


def test_orders_without_line_numbers(extracts: Extracts) -> None:
    """Ranked by content after equal rows are dropped, and restated as a whole by the newest file's date."""
    extracts.yaml = {"receipts": RECEIPTS}
    shown = ("order_id", "line_no", "product_id")
    receipts(extracts, 1, f"A,{NOON},tea,1,2", f"A,{NOON},jam,1,3", f"A,{NOON},tea,1,2", f"B,{NOON},egg,1,1")
    receipts(extracts, 1, f"A,{NOON},bun,1,3", f"B,{NOON},egg,x,1", name="_2")
    assert extracts.night(1) == {"receipts": {"accepted": 4, "duplicate": 1, "quarantined": 1}}
    first = [("A", "1", "bun"), ("A", "2", "jam"), ("A", "3", "tea"), ("B", "1", "egg")]
    assert extracts.seen("transaction", 1, *shown) == first
    receipts(extracts, 2, f"A,{NOON},tea,1,2", f"A,{NOON},bun,1,3")  # no jam, after all
    assert extracts.night(2) == {"receipts": {"unchanged": 1, "accepted": 1}}
    second = [("A", "1", "bun"), ("A", "2", "tea"), ("B", "1", "egg")]
    assert extracts.seen("transaction", 2, *shown) == second
    receipts(extracts, 3, f"A,{NOON},bun,1,3")  # nor tea: what stays is only repeated, by a newer file
    assert extracts.night(3) == {"receipts": {"unchanged": 1}}
    receipts(extracts, 2, f"A,{NOON},bun,1,3", f"A,{NOON},ham,1,9", name="_late")
    assert extracts.night(4) == {"receipts": {"unchanged": 1, "superseded": 1}}
    receipts(extracts, 3, f"B,{NOON},egg,1,1", f"B,{NOON},oil,1,4", f"B,{NOON},oil,1,4", name="_b")
    assert extracts.night(5) == {"receipts": {"unchanged": 1, "accepted": 1, "duplicate": 1}}
    expected = {
        1: first, 2: second, 3: [("A", "1", "bun"), ("B", "1", "egg")], 4: [("A", "1", "bun"), ("B", "1", "egg")],
        5: [("A", "1", "bun"), ("B", "1", "egg"), ("B", "2", "oil")],
    }  # fmt: skip
    assert {number: extracts.seen("transaction", number, *shown) for number in expected} == expected


def test_a_column_that_is_gone_is_not_there_for_a_late_file_that_has_it(extracts: Extracts) -> None:
    extracts.yaml = {"receipts": RECEIPTS}
    receipts(extracts, 1, f"A,{NOON},tea,1,2")
    extracts.night(1)
    receipts(extracts, 1, f"B,{NOON},tea,1,2", name="_late")
    file = extracts.deliver(f"receipts/{day(2)}.csv", "no,at,qty,paid", f"C,{NOON},1,2")
    with pytest.raises(DataError, match=rf"{file}: .*columns.product_id: no column 'what'"):
        extracts.night(2)


def test_equal_rows_that_are_kept(extracts: Extracts) -> None:
    """With line numbers of the source's own, and without; told again they are what they were."""
    keyed = RECEIPTS.replace("product_id: what", "line_no: what").replace("receipts", "tills") + "duplicates: keep\n"
    extracts.yaml = {"receipts": RECEIPTS + "duplicates: keep\n", "tills": keyed}
    rows = [f"A,{NOON},1,1,2", f"A,{NOON},1,1,2", f"A,{NOON},2,1,2", f"A,{NOON},1,1,2"]
    for number, name in ((1, ""), (2, ""), (2, "_again")):
        receipts(extracts, number, *rows, name=name)
        extracts.deliver(f"tills/{day(number)}{name}.csv", RECEIPT_HEAD, *reversed(rows))
        if name == "":
            fates = extracts.night(number)
            fate = "accepted" if number == 1 else "unchanged"
            assert fates == {"receipts": {fate: 4}, "tills": {fate: 4}}
    once = ["receipts:A:1", "receipts:A:2", "receipts:A:3", "receipts:A:4"]
    keyed_once = ["tills:A:1", "tills:A:1#2", "tills:A:1#3", "tills:A:2"]
    assert extracts.night(3) == {"receipts": {"unchanged": 4}, "tills": {"unchanged": 4}}
    assert extracts.seen("transaction", 3, "record_id") == [(record,) for record in [*once, *keyed_once]]
    receipts(extracts, 4, f"A,{NOON},1,1,2", f"A,{NOON},1,1,2")
    extracts.deliver(f"tills/{day(4)}.csv", RECEIPT_HEAD, f"A,{NOON},1,1,5", f"A,{NOON},1,1,5")
    assert extracts.night(4) == {"receipts": {"unchanged": 2}, "tills": {"accepted": 2}}
    assert extracts.seen("transaction", 4, "record_id", "amount_local") == [
        ("receipts:A:1", "2.0000"), ("receipts:A:2", "2.0000"),
        ("tills:A:1", "5.0000"), ("tills:A:1#2", "5.0000"), ("tills:A:2", "2.0000"),
    ]  # fmt: skip


def test_a_record_restated_for_a_day_to_come_stays_until_then(extracts: Extracts) -> None:
    """ADR 0008, over three nights: seen as it was until the day has come, and restated once more before that."""
    extracts.yaml = {"consents": CONSENTS}
    consents(extracts, 1, "a,2026-03-01 10:00:00,mail,true", "b,2026-03-01 10:00:00,mail,true")
    extracts.night(1)
    consents(extracts, 2, "a,2026-03-05 10:00:00,mail,false", "b,2026-03-05 10:00:00,mail,false")
    assert extracts.night(2) == {"consents": {"accepted": 2}}
    ways = ("consent_id", "granted")
    seen = {number: extracts.seen("consent", number, *ways) for number in (1, 2, 4, 5)}
    both, neither = [("a", "True"), ("b", "True")], [("a", "False"), ("b", "False")]
    assert seen == {1: both, 2: both, 4: both, 5: neither}
    # of b there comes a third version before that day: neither of the other two is seen any more
    consents(extracts, 3, "a,2026-03-05 10:00:00,mail,false", "b,2026-03-03 10:00:00,sms,true")
    assert extracts.night(3) == {"consents": {"unchanged": 1, "accepted": 1}}
    expected = {
        2: [("a", "mail"), ("b", "mail")], 3: [("a", "mail"), ("b", "sms")], 5: [("a", "mail"), ("b", "sms")],
    }  # fmt: skip
    assert {number: extracts.seen("consent", number, "consent_id", "purpose") for number in expected} == expected
    assert [extracts.seen("consent", number, *ways)[0] for number in (2, 4, 5)] == [both[0], both[0], neither[0]]


def test_a_late_file_does_not_undo_what_a_newer_one_only_repeated(extracts: Extracts) -> None:
    extracts.yaml = {"consents": CONSENTS}
    consents(extracts, 1, f"a,{NOON},mail,true")
    extracts.night(1)
    consents(extracts, 3, f"a,{NOON},mail,true")
    assert extracts.night(3) == {"consents": {"unchanged": 1}}
    consents(extracts, 2, f"a,{NOON},mail,false")
    assert extracts.night(4) == {"consents": {"superseded": 1}}
    # of one date, what comes later counts
    consents(extracts, 3, f"a,{NOON},mail,false", name="_corrected_2026-03-01")
    assert extracts.night(5) == {"consents": {"accepted": 1}}
    assert [extracts.seen("consent", number, "granted") for number in (4, 5)] == [[("True",)], [("False",)]]


def test_the_latest_decision_counts_and_of_two_at_the_same_time_the_refusal(extracts: Extracts) -> None:
    """Within a file, and where a late file of the same date comes on a later night."""
    extracts.yaml = {"consents": CONSENTS}
    at_ten, at_twelve = "2026-03-01 10:00:00", "2026-03-01 12:00:00"
    changed = [(f"c{n}", f"c{n},{at_ten},mail,true", f"c{n},{at_twelve},mail,false") for n in range(8)]
    tied = [(f"t{n}", f"t{n},{at_ten},mail,true", f"t{n},{at_ten},mail,false") for n in range(8)]
    consents(extracts, 1, *(row for _, *rows in changed + tied for row in rows), f"z,{at_ten},mail,false")
    assert extracts.night(1) == {"consents": {"accepted": 17, "superseded": 16}}
    refused = [(no, "False") for no, *_ in changed + tied] + [("z", "False")]
    assert extracts.seen("consent", 1, "consent_id", "granted") == refused
    consents(extracts, 1, changed[0][1], tied[0][1], f"z,{at_twelve},mail,true", name="_late")
    assert extracts.night(2) == {"consents": {"superseded": 2, "accepted": 1}}
    assert extracts.seen("consent", 2, "consent_id", "granted") == [*refused[:-1], ("z", "True")]


def test_a_purpose_is_known_however_it_is_spelled_and_what_is_not_known_is_told(extracts: Extracts) -> None:
    extracts.yaml = {"consents": CONSENTS}
    spelled = ["Mail", " MAIL ", "mail", "Newsletter", "newsletter", "Fax", "ann@x.org"]
    consents(extracts, 1, *(f"{no},{NOON},{purpose},true" for no, purpose in enumerate(spelled)))
    assert extracts.night(1) == {"consents": {"accepted": 7}}
    assert [purpose for (purpose,) in extracts.seen("consent", 1, "purpose")].count("mail") == 3
    assert extracts.warned == [
        "source consents: 4 decisions count for nothing, for conf/privacy.yml does not name their purposes: "
        "newsletter (2), aaa@a.aaa (1), fax (1); name them there, or mend columns.purpose of the source"
    ]


def test_a_file_that_changed_after_it_was_taken_is_named(extracts: Extracts) -> None:
    """By its bytes: neither a copy of the extracts, nor its new time, is a change."""
    extracts.yaml = {"consents": CONSENTS}
    first = consents(extracts, 1, f"a,{NOON},mail,true")
    extracts.night(1)
    copied = extracts.folder / "copied"
    shutil.copytree(extracts.folder / "extracts", copied, copy_function=shutil.copyfile)
    shutil.rmtree(extracts.folder / "extracts")
    copied.rename(extracts.folder / "extracts")
    consents(extracts, 2, f"b,{NOON},mail,true")
    assert extracts.night(2) == {"consents": {"accepted": 1}}
    assert extracts.warned == []
    first.write_text(first.read_text().replace("true", "trux"))
    assert extracts.night(3) == {}
    assert [line for line in extracts.warned if "changed after it was taken" in line] == [
        f"source consents: {first} changed after it was taken; it is not taken again "
        "(deliver what it holds now under another name)"
    ]


def test_a_file_that_ends_within_its_last_line_is_named(extracts: Extracts) -> None:
    """Where most of its kind do not. Whether its last values are whole cannot be told."""
    extracts.yaml = {"receipts": RECEIPTS}
    rows = [f"r{number},{NOON},milk,1,5" for number in range(3)]

    def deliver(night: int, *, left_out: int = 0, name: str = "") -> Path:
        lines = (row.replace("r", f"{name}{night}-") for row in rows)
        file = receipts(extracts, night, *lines, name=name)
        file.write_text(file.read_text()[: -left_out or None])
        return file

    deliver(1, left_out=1)  # no other to hold it against
    deliver(2, left_out=1, name="_till")
    extracts.night(2)
    deliver(3)
    deliver(3, left_out=1, name="_till")  # as it is every night
    extracts.night(3)
    deliver(4)
    extracts.night(4)
    assert extracts.warned == []
    cut = [deliver(night, left_out=3) for night in (5, 6)]
    assert extracts.night(5) == {"receipts": {"accepted": 2, "quarantined": 1}}
    deliver(6, name="_part1")
    deliver(6, name="_part2")
    extracts.night(6)
    assert extracts.warned == [
        f"source receipts: {file}: its last line has no end, as others of its kind have: is it cut short? It landed as "
        "it is; if rows are missing, deliver the whole extract again under another name"
        for file in cut[:1]
    ]


HITS = """
source: site
entity: web_event
read: {format: csv, path: 'extracts/site/{date}*.csv', lookback: 7d}
columns: {event_id: no, occurred_at: at, url: "'/'", ip: ip, user_agent: "'Firefox/1'"}
ids: {cookie: cookie, account: login}
"""


def test_a_visit_goes_on_in_the_next_extract(extracts: Extracts) -> None:
    """With pauses of up to 30 minutes, whichever extract a hit comes in, and whether or not it is late; e logs in."""
    extracts.yaml = {"site": HITS}

    def hits(number: int, *rows: str, name: str = "") -> None:
        whole = (row + "," * (4 - row.count(",")) for row in rows)
        extracts.deliver(f"site/{day(number)}{name}.csv", "no,at,ip,cookie,login", *whole)

    hits(
        1,
        "a1,2026-03-01 23:30:00,1",
        "a2,2026-03-01 23:50:00,1",
        "b1,2026-03-01 23:59:00,2",
        "c1,2026-03-01 09:00:00,3",
        "e1,2026-03-01 23:40:00,5,k1",
        "e2,2026-03-01 23:50:00,6,k1,eve",
    )
    extracts.night(1)
    hits(
        2,
        "a3,2026-03-02 00:20:00,1",
        "a4,2026-03-02 00:21:00,1",
        "a5,2026-03-02 00:51:01,1",
        "b2,2026-03-02 00:30:00,2",
        "d1,9999-12-31 23:59:59,4",
        "e3,2026-03-02 00:05:00,5,k1,eve",
        "e4,2026-03-02 00:05:00,5,,eve",
    )
    extracts.night(2)
    # late: before the first hit of a visit that is held, and between two visits that are held
    hits(1, "a0,2026-03-01 23:10:00,1", "b9,2026-03-02 00:10:00,2", "c2,2026-03-01 09:31:00,3", name="_late")
    extracts.night(3)
    expected = [
        ("a0", "a1", "1200"), ("a1", "a1", "1200"), ("a2", "a1", "nan"), ("a3", "a1", "60"), ("a4", "a1", "nan"),
        ("a5", "a5", "nan"), ("b1", "b1", "nan"), ("b2", "b2", "nan"), ("b9", "b1", "1200"), ("c1", "c1", "nan"),
        ("c2", "c2", "nan"), ("e1", "e1", "600"), ("e2", "e1", "nan"), ("e3", "e1", "nan"), ("e4", "e4", "nan"),
    ]  # fmt: skip
    whole = [(no, visit, dwell.removesuffix(".0")) for no, visit, dwell in extracts.seen("web_event", 3, *SHOWN)]
    assert whole == expected
    extracts.night(3, full_refresh=True)
    assert [
        (no, visit, dwell.removesuffix(".0")) for no, visit, dwell in extracts.seen("web_event", 3, *SHOWN)
    ] == whole


SHOWN = ("event_id", "session_id", "dwell_seconds")


def test_a_file_delivered_anew_after_a_failed_night_would_be_taken(extracts: Extracts) -> None:
    extracts.yaml = {"consents": CONSENTS}
    file = consents(extracts, 1, f"a,{NOON},mail,true")
    extracts.night(1)
    assert extracts.last
    failed, told = extracts.last, extracts.last.figures_of("bronze")
    failed.versions = {}  # as it was before the night
    assert not has_new_files(failed, told)
    file.write_text(file.read_text() + f"b,{NOON},mail,true\n")
    assert has_new_files(failed, told)
    assert not has_new_files(failed, {})  # of a run that did not tell yet


def test_a_refused_file_delivered_again_is_a_late_one(extracts: Extracts) -> None:
    extracts.yaml = {"consents": CONSENTS}
    consents(extracts, 1, f"a,{NOON},mail,true")
    extracts.night(1)
    file = extracts.deliver(f"consents/{day(2)}.csv")  # nothing at all
    assert extracts.night(2) == {}
    assert any(f"{file}: the file has zero bytes" in line for line in extracts.warned)
    consents(extracts, 2, f"b,{NOON},mail,true")
    too_late = consents(extracts, -9, f"z,{NOON},mail,true")
    assert extracts.night(3) == {"consents": {"accepted": 1}}
    assert f"source consents: {too_late} came too late: it is of {day(-9)}" in extracts.warned[-2]
    assert extracts.seen("consent", 3, "consent_id") == [("a",), ("b",)]
