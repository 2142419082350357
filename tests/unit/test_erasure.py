"""The erasure list, who a person is in the tables, and rows taken out of them: small tables, no Spark."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from deltalake import DeltaTable, write_deltalake
from deltalake.transaction import AddAction

from jobs.changes import forget as forgetting
from jobs.engines import erasures
from jobs.engines.erasing import remove
from jobs.engines.folders import open_folder
from jobs.engines.persons import Person, person_of
from jobs.engines.purge import purge
from jobs.engines.refused_rows import OfPerson
from jobs.engines.search import Search
from jobs.engines.state_rows import state_rows
from jobs.lookups.access import held_on
from jobs.runtime import clock, releases
from jobs.runtime.commits import Written, commit
from jobs.runtime.console import Screen
from jobs.runtime.rewriting import take_out
from jobs.runtime.tables import Lakehouse
from tests.unit.released import House
from tests.unit.trusted import yaml_of
from transforms.definitions import parse, parse_yaml
from transforms.erasure import Erased, entries_of, key_name, listed
from transforms.errors import DefinitionError
from transforms.identity.stable_ids import new_ids
from transforms.privacy import Privacy
from transforms.retention import check_retention, kept_for
from transforms.schemas import OPS_ERASURE, QUARANTINE, Table
from transforms.sources.definition import Source
from transforms.tags.definition import parse_tags

OLD, NEW = "o" * 32, "n" * 32
ANN = [("email", "ann@x.org"), ("phone", "+4930123456")]


def test_a_clock_that_was_put_back_does_not_put_what_was_noted_out_of_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse, now = Lakehouse(str(tmp_path)), datetime.now(UTC)
    asked = erasures.ask(lakehouse, ["e"], {}, [OLD])
    put_back = SimpleNamespace(now=lambda _: now - timedelta(hours=2))
    monkeypatch.setattr(clock, "datetime", put_back)
    erasures.note_gone(lakehouse, asked, 7, {})
    erasures.note_proven(lakehouse, {asked.erasure: {}})
    [found] = erasures.erasures(lakehouse)
    assert found.gone and found.proven and found.asked < found.gone < found.proven


def erased_by(key: str, *keys: str) -> Erased:
    return Erased(keys, frozenset(entries_of(ANN, ["crm:1"], ["c1"], key)))


def test_an_entry_is_the_standard_keyed_hash_and_tells_of_nobody() -> None:
    mac = HMAC(OLD.encode(), hashes.SHA256())
    mac.update(b'["email", "ann@x.org"]')
    assert listed("email", "ann@x.org", OLD) == f"email {mac.finalize().hex()}"
    assert not any("ann" in entry or "4930" in entry for entry in erased_by(OLD, OLD).entries)
    assert erased_by(OLD, OLD).sources == ["crm"]


@pytest.mark.parametrize(
    ("ids", "record", "text", "is_named"),
    [
        ('{"email":["ann@x.org"]}', None, None, True),
        ('{"cookie":["a"],"phone":["+49 30","+4930123456"]}', None, None, True),
        ('{"email":["bob@x.org"]}', None, None, False),
        ('{"phone":["ann@x.org"]}', None, None, False),  # of another type it is another identifier
        (None, "crm:1", None, True),
        (None, "crm:11", None, False),
        (None, None, "7;Ann;ANN@X.org;??", True),
        (None, None, "7;+49-30-123456;??", True),
        (None, None, "7;Bob;bob@x.org", False),
        (None, None, None, False),
    ],
)
def test_a_row_is_named_by_identifier_record_or_text(
    ids: str | None, record: str | None, text: str | None, is_named: bool
) -> None:
    assert erased_by(OLD, OLD).names(ids, record, text) is is_named


def test_after_a_rotation_old_entries_count_and_new_ones_are_signed_anew() -> None:
    rotated = erased_by(OLD, NEW, OLD)
    assert rotated.holds("email", "ann@x.org")
    assert not erased_by(OLD, NEW).holds("email", "ann@x.org")
    assert erased_by(NEW, NEW, OLD).holds("email", "ann@x.org")


def test_a_rotated_customer_key_makes_other_ids_and_only_for_new_customers() -> None:
    """The first key alone mints: an id once given stands in the ledger and is never computed again."""
    nobody = pa.array([], pa.string())
    by_key = {key: new_ids(["crm:1"], nobody, keys=[key], day=date(2026, 3, 1)) for key in (OLD, NEW)}
    assert by_key[OLD] != by_key[NEW]


def test_what_is_sealed_opens_with_every_key_of_the_list_and_a_lost_key_is_named(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    person = Person(frozenset({"c1"}), frozenset({"crm:1"}), frozenset({"crm:1"}), frozenset(ANN))
    erasure = erasures.ask(lakehouse, entries_of(ANN, [], ["c1"], OLD), person.secret, [OLD])
    assert Person.of_secret(erasures.opened(erasure, [NEW, OLD])) == person
    assert erasures.erased(lakehouse, [NEW, OLD]) is not None
    with pytest.raises(DefinitionError, match=f"the key that signed 1 erasures .*{erasure.erasure}.*put it back"):
        erasures.erased(lakehouse, [NEW])
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"ann@x.org" not in stored and b"4930123456" not in stored
    erasures.note_gone(lakehouse, erasure, 2, {"silver/contact": 1})
    erasures.note_proven(lakehouse, {erasure.erasure: {"left": 0}})
    (told,) = erasures.erasures(lakehouse)
    assert (told.release, told.sealed, told.key) == (2, None, key_name(OLD))
    assert told.proven is not None and told.entries == erasure.entries
    assert (told.concerns(1), told.concerns(2), told.concerns(None)) == (True, False, True)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Ann and Bob of one household share a phone; c0 was merged into Ann's c1; a poll of Ann's gives only the phone."""
    return House(
        tmp_path / "lake",
        {
            "crm:1": ("c1", "crm_id=K1 email=ann@x.org phone=+493012"),
            "shop:9": ("c1", "email=ann@x.org"),
            'polls:{"phone":["+493099"]}': ("c1", "phone=+493099"),
            "crm:2": ("c2", "crm_id=K2 email=bob@x.org phone=+493012"),
        },
        changes=[
            {"kind": "merge", "customer_id": "c1", "from_ids": ["c0"], "cause": "tied"},
            {"kind": "split", "customer_id": "c2", "from_ids": ["c1", "c7"], "cause": "apart"},
        ],
        past=[("email=old@x.org", "c0", date(2026, 2, 1), date(2026, 2, 9))],
    ).release()


def conf_of(house: House) -> Any:
    conf = house.conf
    conf.sources = {
        name: SimpleNamespace(entity=source.entity, country="DE", duplicates="drop", ranks=False)
        for name, source in conf.sources.items()
    }
    return conf


def test_only_what_nobody_else_gives_is_the_persons_own(house: House) -> None:
    lakehouse = Lakehouse(str(house.folder))
    release = releases.newest(lakehouse)
    assert release is not None
    with state_rows(lakehouse, release.versions) as rows:
        person = person_of(rows, conf_of(house), "c1")
    assert person.customers == {"c0", "c1"}
    assert person.nodes == {"crm:1", "shop:9", 'polls:{"phone":["+493099"]}'}
    assert person.own == {("crm_id", "K1"), ("email", "ann@x.org"), ("phone", "+493099"), ("email", "old@x.org")}
    assert person.shared == {("phone", "+493012")}
    assert person.records == {"crm:1", "shop:9"}


def test_a_person_leaves_every_table_and_others_stay(house: House) -> None:
    lakehouse = Lakehouse(str(house.folder))
    release = releases.newest(lakehouse)
    assert release is not None
    with state_rows(lakehouse, release.versions) as rows:
        person = person_of(rows, conf_of(house), "c1")
        removed = remove(rows, person, {}, ())

    def left(table: str) -> list[dict[str, Any]]:
        found = lakehouse.dataset(table, removed.versions[table])
        assert found is not None
        rows_left: list[dict[str, Any]] = found.to_table().to_pylist(maps_as_pydicts="lossy")
        return rows_left

    assert {row["record_id"] for row in left("identity/record")} == {"crm:2"}
    assert {(row["left_value"], row["right_value"]) for row in left("identity/edge")} == {
        ("crm:2", "K2"), ("crm:2", "bob@x.org"), ("crm:2", "+493012"),
    }  # fmt: skip
    assert {row["id_value"] for row in left("identity/customer_id")} == {"K2", "bob@x.org", "+493012"}
    assert [(row["customer_id"], row["from_ids"]) for row in left("identity/change")] == [("c2", ["c7"])]
    assert {row["record_id"] for row in left("silver/contact")} == {"crm:2", "crm:old"}
    assert left("silver/survey_response") == []
    assert removed.versions["identity/conflict"] == release.versions["identity/conflict"]


def test_only_the_files_that_hold_the_rows_are_written_anew(tmp_path: Path) -> None:
    lakehouse, place = Lakehouse(str(tmp_path)), str(tmp_path / "bronze" / "crm")
    for day, values in (("2026-03-01", ["a", "b", "c"]), ("2026-03-02", ["d"])):
        data = pa.table({"value": values, "_batch_date": [date.fromisoformat(day)] * len(values)})
        write_deltalake(place, data, mode="append", partition_by=["_batch_date"])
    files = {Path(file).parent.name: file for file in DeltaTable(place).file_uris()}
    version = take_out(lakehouse, "bronze/crm", 1, {files["_batch_date=2026-03-01"]: [1]})
    kept = DeltaTable(place, version=version)
    assert sorted(kept.to_pyarrow_table()["value"].to_pylist()) == ["a", "c", "d"]
    assert files["_batch_date=2026-03-02"] in kept.file_uris() and len(kept.file_uris()) == 2
    assert version == 2 and take_out(lakehouse, "bronze/crm", 2, {}) == 2
    whole = take_out(lakehouse, "bronze/crm", 2, {files["_batch_date=2026-03-02"]: None})
    assert sorted(DeltaTable(place, version=whole).to_pyarrow_table()["value"].to_pylist()) == ["a", "c"]


SHOP = """
source: shop
entity: contact
read: {format: csv, path: "shop/{date}/*.csv"}
country: DE
columns: {contact_id: No, email: lower(Mail), phone: Phone, postal_code: zip}
ids: {shop_customer: No}
"""
CRM = """
source: crm
entity: contact
read: {format: csv, path: "crm/{date}/*.csv"}
columns: {contact_id: id}
ids: {crm_id: id}
"""


@pytest.mark.parametrize(
    ("source", "raw", "is_anns"),
    [
        ("shop", {"No": "K1", "Mail": "??", "zip": "13347"}, True),
        ("shop", {"No": "13347"}, True),
        ("shop", {"No": "7", "zip": "13347", "Mail": "bob@x.org"}, False),
        ("shop", {"No": "113347", "Mail": "joann@x.org"}, False),
        ("shop", {"No": "7", "Mail": " ANN@x.org "}, True),
        ("shop", {"No": None, "Phone": "030 123456"}, True),
        ("shop", {"No": "", "zip": "13347"}, False),  # it gives nothing, and that short others' words are too
        ("shop", "13347;Ann;ann@x.org;cut", True),
        ("gone", {"anything": "ann@x.org"}, True),
        ("gone", {"anything": "joann@x.org"}, False),
    ],
)
def test_a_refused_row_is_whose_identifier_stands_in_its_cell(source: str, raw: Any, is_anns: bool) -> None:
    own = frozenset({*ANN, ("shop_customer", "13347"), ("shop_customer", "K1")})
    shop = parse(Source, parse_yaml(SHOP, place="shop.yml"), place="shop.yml")
    asked = OfPerson(Person(frozenset(), frozenset(), frozenset(), own), {"shop": shop})
    assert asked.holds(source, raw if isinstance(raw, str) else json.dumps(raw)) is is_anns


def test_a_person_is_given_their_own_refused_rows_only(house: House) -> None:
    lakehouse, conf = Lakehouse(str(house.folder)), conf_of(house)
    conf.sources = {"crm": parse(Source, parse_yaml(CRM, place="crm.yml"), place="crm.yml")}
    conf.privacy, conf.tags, conf.exports, conf.audiences = privacy(), {}, {}, {}
    raws = [{"id": "K1", "zip": "1"}, {"id": "K2", "note": "ask for K1, ann@x.org"}]
    release = releases.newest(lakehouse)
    assert release is not None
    lakehouse.append(QUARANTINE, [{"source": "crm", "raw": json.dumps(raw)} for raw in raws])
    releases.publish(
        lakehouse, run_id="r2", day=release.date, cause="night", versions={**release.versions, QUARANTINE.name: 0},
        configuration="c",
    )  # fmt: skip
    told = held_on(conf, "email:ann@x.org")["tables"][QUARANTINE.name]
    assert [json.loads(row["raw"])["id"] for row in told] == ["K1"]


def test_rows_are_taken_out_again_and_again_and_others_stay(tmp_path: Path) -> None:
    lakehouse, place = Lakehouse(str(tmp_path)), str(tmp_path / "gold" / "x")
    for values in (["a", "b"], ["c", "d"], ["e", "f"]):
        write_deltalake(place, pa.table({"v": values}), mode="append")

    def without(version: int, *values: str) -> int:
        with state_rows(lakehouse, {"gold/x": version}) as rows:
            places = rows.places("gold/x", f"v in {(*values, '')}")
        return take_out(lakehouse, "gold/x", version, places)

    version = without(2, "a", "c")
    assert len({Path(file).name for file in DeltaTable(place).file_uris()}) == 3
    version = without(version, "d")
    assert sorted(DeltaTable(place, version=version).to_pyarrow_table()["v"].to_pylist()) == ["b", "e", "f"]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Lakehouses have such: every file that was written anew had the same name once."""
    lakehouse, table = Lakehouse(str(tmp_path)), Table("gold/x", ())
    place = tmp_path / "gold" / "x"
    write_deltalake(str(place), pa.table({"v": ["a", "b"]}))
    of_one_name = []
    for folder, values in (("one", ["c", "d"]), ("two", ["e", "f"])):
        file = place / folder / "part-00000.parquet"
        file.parent.mkdir()
        pq.write_table(pa.table({"v": values}), file)
        of_one_name.append(
            AddAction(f"{folder}/{file.name}", file.stat().st_size, {}, 0, True, json.dumps({"numRecords": 2}))
        )
    schema = json.loads(DeltaTable(str(place)).schema().to_json())
    version = commit(str(place), table, Written(schema, tuple(of_one_name), 4), mode="append")
    version = take_out(lakehouse, "gold/x", version, {str(place / "one" / "part-00000.parquet"): [0]})
    assert sorted(DeltaTable(str(place), version=version).to_pyarrow_table()["v"].to_pylist()) == list("abdef")


def test_purging_leaves_what_releases_name_and_nothing_that_died(tmp_path: Path) -> None:
    lakehouse, place = Lakehouse(str(tmp_path)), tmp_path / "gold" / "customer"
    for number in range(4):
        write_deltalake(str(place), pa.table({"v": [f"secret {number}"]}), mode="overwrite")
    (place / "half").mkdir()
    pq.write_table(pa.table({"v": ["left by a write that died"]}), place / "half" / "part.parquet")
    write_deltalake(str(tmp_path / "gold" / "gone"), pa.table({"v": [1]}))
    for number, versions in ((1, {"gold/customer": 0, "gold/gone": 0}), (2, {"gold/customer": 2})):
        releases.publish(
            lakehouse, run_id=f"r{number}", day=date(2026, 3, number), cause="night", versions=versions,
            configuration="c",
        )  # fmt: skip
    releases.expire(lakehouse, [1])
    purged = purge(lakehouse, [release for release in releases.all_releases(lakehouse) if not release.expired])
    values = [
        pq.read_table(file)["v"].to_pylist()
        for file in sorted(place.glob("**/*.parquet"))
        if "_delta_log" not in str(file)
    ]
    assert sorted(value for (value,) in values) == ["secret 2", "secret 3"]
    assert DeltaTable(str(place), version=2).to_pyarrow_table()["v"].to_pylist() == ["secret 2"]
    assert not lakehouse.holds("gold/customer", 1)
    assert not (tmp_path / "gold" / "gone").exists() and purged.tables == 1
    assert {file.name[:20] for file in (place / "_delta_log").glob("0*.json")} == {f"{n:020d}" for n in (2, 3)}
    with pytest.raises(DefinitionError, match=r"release 1 of 2026-03-01 has expired.*oldest that can be read is 2"):
        releases.of_run(lakehouse, "r1")


@pytest.mark.parametrize("path", ["out/{date}", "out/{date}/", "out/all", "out/{date}/all", "out/day={date}/all/"])
def test_what_a_delivery_that_died_left_goes_wherever_it_lies(tmp_path: Path, path: str) -> None:
    """Other folders of such a name, beside it or a level higher or lower, are somebody else's."""
    others = [tmp_path / name for name in ("_out.staging", "out/_other.staged", "out/2026-03-01/all/_mine.staging")]
    staging = Path(open_folder(f"{tmp_path}/{path}".replace("{date}", "2026-03-01")).staging.path)
    for folder in (*others, staging):
        folder.mkdir(parents=True)
    conf: Any = SimpleNamespace(
        exports={"x": SimpleNamespace(to=SimpleNamespace(path=path))}, resolve=lambda name: f"{tmp_path}/{name}"
    )  # fmt: skip
    forgetting._forget_staging(conf, Screen(as_json=True))
    assert not staging.exists() and all(folder.exists() for folder in others)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"mail": "Ann@X.org"}'),
        ("a.log", b"GET /unsubscribe?mail=ann%40x.org HTTP/1.1"),
        ("a.html", b"<td>YXNrIGFubkB4Lm9yZyBub3c=</td>"),  # base64 of: ask ann@x.org now
        ("a.bin", "ann@x.org".encode("utf-16-le")),
    ],
)
def test_a_value_is_found_in_whichever_form(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "other.json").write_bytes(b'{"mail": "joann@x.example", "id": "AB12345"}')
    found = Search(["ann@x.org", "B1234", "K1"]).of_files([str(file) for file in tmp_path.iterdir()])
    assert list(found) == [str(tmp_path / name)]


def test_a_value_is_found_in_compressed_and_nested_cells(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "ids": pa.array([[("email", ["ann@x.org"])], [("email", [])]], pa.map_(pa.string(), pa.list_(pa.string()))),
            "text": ["write to ann@x.org, please", None],
        }
    )
    pq.write_table(rows, tmp_path / "t.parquet", compression="zstd", write_statistics=False)
    pq.write_table(rows.slice(1), tmp_path / "clean.parquet", compression="zstd")
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"ann@x.org"))
    assert Search(["ann@x.org"]).of_files([str(file) for file in tmp_path.iterdir()]) == {
        str(tmp_path / "log.gz"): 1, str(tmp_path / "t.parquet"): 2,
    }  # fmt: skip


TAG = """
tag: visits
title: {en: Visits}
description: Visits over 90 days.
owner: web
status: online
type: integer
purposes: [service]
from: web_event
window: 90d
select: count(*)
default: 0
"""
PRIVACY = {"purposes": {"service": {"consent": "none"}}, "keys": {"customer": OLD, "erasure": [NEW, OLD]}}


def privacy(**more: Any) -> Privacy:
    return parse(Privacy, {**PRIVACY, **more}, place="conf/privacy.yml")


def test_a_retention_shorter_than_a_window_is_named() -> None:
    tags = parse_tags({"tag_definitions/web/visits.yml": TAG})
    check_retention(privacy(retention={"silver.web_event": "90d", "bronze": "10d"}), tags, ["crm"])
    with pytest.raises(DefinitionError) as caught:
        check_retention(privacy(retention={"silver.web_event": "89d", "silver.web_evnt": "9d"}), tags, ["crm"])
    assert caught.value.lines == (
        "conf/privacy.yml: retention.silver.web_evnt: no layer or table that expires; did you mean 'silver.web_event'?",
        "conf/privacy.yml: retention: silver.web_event is kept for 89 days, and tag_definitions/web/visits.yml looks "
        "at 90 (window); keep it for at least 90d, or shorten the window",
    )


def test_a_retention_that_would_change_what_tags_look_at_is_named() -> None:
    bodies = {
        "visits": "from: web_event\nselect: count(*)",
        "came": "from: web_event\nfirst: path",
        "visits_60d": "from: web_event\nwindow: 60d\nselect: count(*)",
        "likes": "from: web_event\npreference: {of: path, half_life: 2d}",
        "bought": "sequence: [{event: web_event}, {event: transaction}]",
        "pages": "sql: select customer_id, count(*) as value from {web_event} group by customer_id",
        "lately": "sql: >-\n  select customer_id, count(*) as value from {web_event}\n"
        "  where event_date > date_sub(as_of, 9) group by customer_id",
        "worth": "model: lifetime_value\nfrom: web_event\namount: dwell_seconds",
        "idea": "status: draft\nfrom: web_event\nselect: count(*)",
        "points": "from: loyalty_account\nselect: max(points)",
        "leaving": "model: churn\nlabel: {event: web_event, within: 20d, happens: false}\nfeatures: [visits_60d]",
    }
    tags = parse_tags({f"t/{name}.yml": yaml_of(name, body) for name, body in bodies.items()})
    check_retention(privacy(retention={"silver.loyalty_account": "1d", "silver.contact": "1d"}), tags, [])
    with pytest.raises(DefinitionError) as caught:
        check_retention(privacy(retention={"silver.web_event": "59d"}), tags, [])
    told = {line.partition("and t/")[2] for line in caught.value.lines}
    windowed = "all of it; keep it for good, or give it a window of at most 59d"
    assert told == {
        f"visits.yml looks at {windowed}", f"came.yml looks at {windowed}", f"bought.yml looks at {windowed}",
        "visits_60d.yml looks at 60 (window); keep it for at least 60d, or shorten the window",
        "likes.yml looks at 82 (half_life); keep it for at least 82d, or shorten the half_life",  # 41 x 2
        "pages.yml looks at all of it; keep it for good", "worth.yml looks at all of it; keep it for good",
        "leaving.yml looks at 60 (label); keep it for at least 60d, or shorten the label",  # two cut-offs, and ahead
        "leaving.yml looks at 100 (label and window of features); keep it for at least 100d, or shorten the label and "
        "window of features",  # at the first cut-off, 40 days ago, a window of 60
    }  # fmt: skip


def test_what_nights_stand_on_does_not_expire() -> None:
    check_retention(privacy(retention={"identity.conflict": "9d", "gold.segment_migration": "9d"}), {}, [])
    with pytest.raises(DefinitionError) as caught:
        check_retention(privacy(retention={"identity.edge": "9d", "gold": "9d", "gold.tag_chnage": "9d"}), {}, [])
    assert caught.value.lines == (
        "conf/privacy.yml: retention.identity.edge: no layer or table that expires; did you mean 'identity.conflict'?",
        "conf/privacy.yml: retention.gold: no layer or table that expires",
        "conf/privacy.yml: retention.gold.tag_chnage: no layer or table that expires; did you mean 'gold.tag_change'?",
    )


def test_a_table_is_kept_as_its_layer_unless_it_has_a_line() -> None:
    assert kept_for({"silver": 5, "silver.contact": 9}, "silver/contact") == 9
    assert kept_for({"silver": 5}, "silver/consent") == 5
    assert kept_for({}, "silver/consent") is None


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"retention": {"bronze": "400"}}, "'400' is not a duration"),
        ({"retention": {"bronze": "0d"}}, "must be at least a day"),
        ({"erasure": {"proven_within": "12h"}}, "must be in whole days"),
        ({"keys": {"customer": OLD, "erasure": ["short"]}}, "a key must be at least 32 characters"),
        ({"keys": {"customer": OLD}}, "keys.erasure: this key is required"),
        ({"keys": {"customer": OLD, "erasure": []}}, "a key must be at least 32 characters"),
    ],
)
def test_bad_privacy_settings_are_one_line(more: dict[str, Any], line: str) -> None:
    with pytest.raises(DefinitionError, match=line) as caught:
        privacy(**more)
    assert len(caught.value.lines) == 1 and "short" not in str(caught.value)


def test_an_erasure_past_its_term_is_warned_of(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    now = datetime(2026, 5, 1, tzinfo=UTC)
    rows = [
        {"erasure": name, "status": "asked", "at": now - timedelta(days=age), "key": "k", "entries": []}
        for name, age in (("a", 31), ("b", 29))
    ]
    lakehouse.append(OPS_ERASURE, rows)
    (found,) = erasures.late(lakehouse, privacy(erasure={"proven_within": "30d"}).erasure.proven_within, now)
    assert found.told == "erased on 2026-03-31, not proven yet (erasure a; portrait maintain)"
