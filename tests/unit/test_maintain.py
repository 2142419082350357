"""Maintenance without Spark: what is past its retention, what is put together, and what a second time changes."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import dataset as ds

from jobs.changes.maintain import Maintained, maintain
from jobs.engines import erasures
from jobs.engines.persons import Person
from jobs.engines.purge import purge
from jobs.engines.retention import too_old
from jobs.gold import open_release
from jobs.runtime import releases
from jobs.runtime.console import Screen
from jobs.runtime.releases import Release
from jobs.runtime.tables import Lakehouse, arrow_schema
from tests.unit.trusted import FIRST, Nights
from transforms.definitions import parse
from transforms.errors import DefinitionError, PortraitError
from transforms.privacy import Privacy
from transforms.retention import check_retention
from transforms.schemas import (
    CONTACT,
    ENRICHMENT,
    IDENTITY_CONFLICT,
    OPS_EXPORT,
    OPS_STAGE,
    SURVEY_RESPONSE,
    WEB_EVENT,
    Table,
)
from transforms.sources.definition import Source

DAY = date(2026, 3, 10)
FILES = 32
RETENTION = {"bronze": "9d", "silver.web_event": "9d", "silver.contact": "9d", "ops": "9d", "releases": "1d"}


def days_ago(days: int) -> date:
    return DAY - timedelta(days=days)


def conf_of(folder: Path, retention: Mapping[str, str] = RETENTION) -> Any:
    privacy = {
        "purposes": {"service": {"consent": "none"}}, "keys": {"customer": "c" * 32, "erasure": "e" * 32},
        "retention": retention,
    }  # fmt: skip
    return SimpleNamespace(
        lakehouse=str(folder), root=folder, exports={}, sources={},
        pipeline=SimpleNamespace(timezone="UTC", mlflow=None),
        privacy=parse(Privacy, privacy, place="conf/privacy.yml"),
    )  # fmt: skip


def write(lakehouse: Lakehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    whole = [{name: row.get(name) for name in table.names} for row in rows]
    return lakehouse.write(table, pa.Table.from_pylist(whole, arrow_schema(table)), mode="overwrite")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    """Rows of nine and of ten days ago: on the edge of what is kept, and past it. Three releases."""
    made = Lakehouse(str(tmp_path))
    landed = pa.table({"v": ["9", "10"], "_batch_date": [days_ago(9), days_ago(10)]})
    write_deltalake(made.path("bronze/crm"), landed, partition_by=["_batch_date"])
    events = [{"record_id": f"e{age}", "event_date": days_ago(age)} for age in (9, 10)]
    people = [
        {"record_id": "current", "_batch_date": days_ago(99)},
        *({"record_id": f"closed {age}", "_valid_to": days_ago(age)} for age in (9, 10)),
    ]
    versions = {
        "bronze/crm": 0, "silver/web_event": write(made, WEB_EVENT.table, events),
        "silver/contact": write(made, CONTACT.table, people),
    }  # fmt: skip
    for age in (2, 1, 0):
        releases.publish(made, run_id=f"r{age}", day=days_ago(age), cause="night", versions=versions, configuration="c")
    told = [{"run_id": str(age), "date": days_ago(age), "inputs": {}, "outputs": {}} for age in range(12)]
    made.append(OPS_STAGE, told)
    return made


def held(lakehouse: Lakehouse, table: str, column: str) -> set[str]:
    release = releases.newest(lakehouse)
    assert release is not None
    found = lakehouse.dataset(table, release.versions.get(table))
    assert found is not None
    return set(found.to_table()[column].to_pylist())


def test_rows_and_releases_past_their_retention_go_and_nothing_else(lakehouse: Lakehouse, tmp_path: Path) -> None:
    done = maintain(conf_of(tmp_path), screen=Screen(as_json=True))
    assert held(lakehouse, "bronze/crm", "v") == {"9"}
    assert held(lakehouse, "silver/web_event", "record_id") == {"e9"}
    assert held(lakehouse, "silver/contact", "record_id") == {"current", "closed 9"}
    assert done.expired == {"bronze/crm": 1, "silver/web_event": 1, "silver/contact": 1, "ops/stage": 2}
    assert [(known.release, known.cause, bool(known.expired)) for known in releases.all_releases(lakehouse)] == [
        (1, "night", True), (2, "night", False), (3, "night", False), (4, "maintenance", False),
    ]  # fmt: skip
    assert lakehouse.holds("bronze/crm", 0)  # the release of a day ago can be restored still
    again = maintain(conf_of(tmp_path), screen=Screen(as_json=True))
    assert (again.expired, again.releases, again.compacted) == ({}, [], [])
    assert releases.all_releases(lakehouse)[-1].release == 4


def test_what_a_write_left_that_died_before_its_table_was_made_goes(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """It may hold people in clear, cut off so that no search can read it. A folder of somebody else's stays."""
    left = tmp_path / "bronze/gone/_batch_date=2026-03-09/0123456789abcdef/_temporary/0/part-0.parquet"
    notes = tmp_path / "gold/notes/0123456789abcdef/read.me"
    for file in (left, notes, notes.parents[1] / "mine.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PAR1ann@example.org")
    done = maintain(conf_of(tmp_path), screen=Screen(as_json=True))
    assert not (tmp_path / "bronze/gone").exists() and notes.exists()
    assert done.purged.size >= 19


def test_of_deliveries_past_their_retention_the_newest_of_each_export_stays(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    """Also where two are of one day."""
    row = {"run_id": "r", "export": "crm", "mode": "full", "date": days_ago(10), "rows": 1, "counts": {}, "path": "x"}
    times = {number: datetime(2026, 2, 28, number, tzinfo=UTC) for number in (1, 2, 3)}
    for number in (2, 3, 1):
        lakehouse.append(OPS_EXPORT, [{**row, "release": number, "delivered_at": times[number]}])
    assert maintain(conf_of(tmp_path), screen=Screen(as_json=True)).expired["ops/export"] == 2
    assert [told["release"] for told in lakehouse.rows(OPS_EXPORT)] == [3]


def test_many_small_files_are_put_together(lakehouse: Lakehouse, tmp_path: Path) -> None:
    for number in range(FILES):
        write_deltalake(lakehouse.path("gold/many"), pa.table({"v": [number]}), mode="append")
    last = releases.newest(lakehouse)
    assert last is not None
    releases.publish(
        lakehouse,
        run_id="r",
        day=DAY,
        cause="night",
        versions={**last.versions, "gold/many": FILES - 1},
        configuration="c",
    )
    assert maintain(conf_of(tmp_path), screen=Screen(as_json=True)).compacted == ["gold/many"]
    assert held(lakehouse, "gold/many", "v") == set(range(FILES))
    assert len(DeltaTable(lakehouse.path("gold/many")).file_uris()) == 1


def test_nothing_that_is_named_goes_whichever_way_leads_to_the_lakehouse(tmp_path: Path) -> None:
    real = tmp_path / "a store für alle"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    lakehouse = Lakehouse(str(tmp_path / "link"))
    for value in ("before", "now"):
        write_deltalake(lakehouse.path("gold/x"), pa.table({"v": [value]}), mode="overwrite")
    version = lakehouse.version("gold/x")
    assert version is not None and lakehouse.holds("gold/x", version)
    releases.publish(
        lakehouse, run_id="r", day=DAY, cause="night", versions={"gold/x": version}, configuration="c"
    )  # fmt: skip
    assert purge(lakehouse, releases.all_releases(lakehouse)).files == 1
    assert held(lakehouse, "gold/x", "v") == {"now"}
    (named,) = real.glob("gold/x/*.parquet")
    named.rename(real / "gold" / "x" / "another.parquet")
    with pytest.raises(PortraitError, match="1 data files that a release names are not there"):
        purge(lakehouse, releases.all_releases(lakehouse))
    assert (real / "gold" / "x" / "another.parquet").exists()


def erased_from(lakehouse: Lakehouse, tables: dict[str, int]) -> Release:
    """Ann, who had a long and a short identifier, is gone since the release of these tables."""
    ann = Person(
        frozenset({"c1"}), frozenset({"crm:1"}), frozenset({"crm:1"}),
        frozenset({("email", "ann.long@x.org"), ("shop_customer", "13347")}),
    )  # fmt: skip
    erasure = erasures.ask(lakehouse, [], ann.secret, ["e" * 32])
    release = releases.publish(
        lakehouse, run_id="r", day=DAY, cause="erasure", versions=tables, configuration="c"
    )  # fmt: skip
    erasures.note_gone(lakehouse, erasure, release.release, {})
    return release


def prove(lakehouse: Lakehouse, **sources: Source) -> Maintained:
    conf = conf_of(Path(lakehouse.uri))
    conf.sources, conf.privacy = sources, conf.privacy.model_copy(update={"retention": {}})
    return maintain(conf, screen=Screen(as_json=True), prove_now=True)


def test_what_others_wrote_of_the_person_goes_and_what_is_theirs_stays(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    said = "ask Ann.Long@x.org, customer 13347"
    stranger = {"record_id": "crm:13347", "_node": "crm:13347", "contact_id": "13347", "postal_code": "13347"}
    landed = {"id": "13347", "note": said, "seen": said, "spare": said, "_batch_date": DAY}
    write_deltalake(lakehouse.path("bronze/polls"), pa.table({name: [value] for name, value in landed.items()}))
    attributes = [("friend", "ann.long@x.org"), ("ann.long@x.org", "friend")]
    tables = {
        "bronze/polls": 0,
        CONTACT.table.name: write(lakehouse, CONTACT.table, [stranger]),
        SURVEY_RESPONSE.table.name: write(
            lakehouse, SURVEY_RESPONSE.table, [{"comment": said, "topics": ["ann.long@x.org", "price"]}]
        ),
        ENRICHMENT.table.name: write(lakehouse, ENRICHMENT.table, [{"attributes": attributes}]),
    }
    erased_from(lakehouse, tables)
    polls = parse(
        Source,
        {
            "source": "polls", "entity": "survey_response", "read": {"format": "csv", "path": "polls/{date}/*.csv"},
            "columns": {"response_id": "id", "answered_at": "to_timestamp(seen)", "comment": "note"},
        },
        place="conf/sources/polls.yml",
    )  # fmt: skip
    first = prove(lakehouse, polls=polls)
    assert len(first.blotted) == 1 and not first.proven
    release = releases.newest(lakehouse)
    assert release is not None and release.versions[CONTACT.table.name] == tables[CONTACT.table.name]
    told = lakehouse.rows(SURVEY_RESPONSE.table, release.versions[SURVEY_RESPONSE.table.name])
    assert [(row["comment"], row["topics"]) for row in told] == [
        ("ask [erased], customer 13347", ["[erased]", "price"])
    ]  # fmt: skip
    facts = lakehouse.dataset(ENRICHMENT.table.name, release.versions[ENRICHMENT.table.name])
    assert facts is not None
    assert facts.to_table()["attributes"].to_pylist() == [[("friend", "[erased]"), ("[erased]", "friend")]]
    (row,) = DeltaTable(lakehouse.path("bronze/polls")).to_pyarrow_table().to_pylist()
    assert (row["id"], row["note"], row["spare"], row["seen"]) == (
        "13347", "ask [erased], customer 13347", "ask [erased], customer 13347", said,
    )  # fmt: skip


def test_a_value_that_others_have_by_chance_is_told_and_stays(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    rows = [{"record_id": "crm:13347", "_node": "crm:13347", "contact_id": "13347", "postal_code": "13347"}]
    release = erased_from(lakehouse, {CONTACT.table.name: write(lakehouse, CONTACT.table, rows)})
    done = prove(lakehouse)
    assert len(done.proven) == 1 and done.left == {} and releases.newest(lakehouse) == release
    ((name, places),) = done.alike.items()
    assert [name] == done.proven and sum(places.values()) == 4
    (kept,) = lakehouse.rows(CONTACT.table, release.versions[CONTACT.table.name])
    assert (kept["record_id"], kept["postal_code"]) == ("crm:13347", "13347")


def test_what_cannot_be_blotted_out_is_told_each_time_and_released_never(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    rows = [{"record_id": "crm:2", "_node": "crm:2", "contact_id": "2", "street": "care of ann.long@x.org"}]
    release = erased_from(lakehouse, {CONTACT.table.name: write(lakehouse, CONTACT.table, rows)})
    for _ in range(2):
        done = prove(lakehouse)
        assert len(done.left) == 1 and done.blotted == [] and done.proven == []
        assert releases.newest(lakehouse) == release
    assert [one.release for one in erasures.erasures(lakehouse)] == [release.release]


def test_what_is_too_old_depends_on_what_a_row_tells_of() -> None:
    kept = {"silver": 9}
    assert too_old(kept, "silver/transaction", DAY) == "event_date < date '2026-03-01'"
    assert too_old(kept, "silver/loyalty_account", DAY) == "_valid_to < date '2026-03-01'"
    assert too_old(kept, "silver/quarantine", DAY) == "_batch_date < date '2026-03-01'"
    assert too_old(kept, "gold/customer", DAY) is None
    assert too_old({"ops": 9}, "ops/file", DAY) is None  # it tells what need not be taken again
    assert too_old({"gold.tag_change": 9}, "gold/tag_catalog", DAY) == "date < date '2026-02-28'"


def test_what_tells_of_nights_expires_and_no_more_can_be_rebuilt_than_is_told(tmp_path: Path) -> None:
    nights = Nights(tmp_path, {"spend": "from: transaction\nselect: sum(amount)"})
    kinds = [{"kind": "hub", "id_type": "phone", "id_value": "1", "members": 9, "detail": "why"}]
    for number in range(6):
        said = [{**row, "date": FIRST + timedelta(days=day)} for row in kinds for day in range(number + 1)]
        nights.extra[IDENTITY_CONFLICT.name] = write(nights.lakehouse, IDENTITY_CONFLICT, said)
        nights.run(number, {"a": {"spend": float(number)}, "b": {"spend": 1.0}})
    retention = {"identity.conflict": "1d", "gold.tag_change": "2d"}
    check_retention(conf_of(tmp_path, retention).privacy, {}, [])
    done = maintain(conf_of(tmp_path, retention), screen=Screen(as_json=True))
    # of the nights 0 to 5: 1 and 2 told of changes; those from 3 on lead back to night 2, which the catalogue keeps
    assert done.expired == {"identity/conflict": 4, "gold/tag_change": 2, "gold/tag_catalog": 2}
    assert held(nights.lakehouse, "identity/conflict", "date") == {FIRST + timedelta(days=day) for day in (4, 5)}
    release = open_release(str(tmp_path))
    for number in (2, 3, 4, 5):
        found = release.earlier_profile(FIRST + timedelta(days=number)).to_pylist()
        assert {row["customer_id"]: row["spend"] for row in found} == {"a": float(number), "b": 1.0}
    with pytest.raises(DefinitionError, match=r"^2018-03-02: .*; there are 2018-03-03, .* \(older ones may"):
        release.earlier_profile(FIRST + timedelta(days=1))


def test_of_conflicts_the_files_of_one_date_are_read_alone(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path))
    for day in (1, 2, 3):
        row = {"date": days_ago(day), "kind": "hub", "id_type": "phone", "id_value": "1", "members": 9, "detail": "why"}
        lakehouse.append(IDENTITY_CONFLICT, [row])
    dataset, opened = lakehouse.dataset(IDENTITY_CONFLICT.name), lakehouse.open(IDENTITY_CONFLICT.name)
    assert dataset is not None and opened is not None
    assert len(list(dataset.get_fragments(filter=ds.field("date") == pa.scalar(days_ago(2))))) == 1
    told = pa.table(opened.get_add_actions(flatten=True)).column_names
    assert [name for name in told if name.startswith("min.")] == ["min.date"]  # and of nobody's identifiers


def test_without_a_release_there_is_nothing_to_keep_in_order(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no night is released yet"):
        maintain(conf_of(tmp_path / "empty"), screen=Screen(as_json=True))
