"""What roles see of gold, by every reader that starts no Spark, and what the page on storage says is to be granted."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from jobs.cli import app
from jobs.gold import open_release
from jobs.project.storage import storage
from jobs.runtime import releases
from jobs.runtime.tables import Lakehouse, arrow_schema
from transforms.definitions import parse, parse_yaml
from transforms.errors import DefinitionError, PortraitError
from transforms.privacy import Privacy
from transforms.profile import PROFILE
from transforms.roles import check_roles
from transforms.schemas import (
    GOLD_AUDIENCE,
    GOLD_AUDIENCE_MEMBER,
    GOLD_CAMPAIGN_MEMBER,
    GOLD_CUSTOMER,
    GOLD_OVERRIDE,
    OPS_ERASURE,
    Column,
    Table,
)

ROLES = """
roles:
  analyst: {deny: [personal, sensitive]}
  support: {deny: [sensitive], mask: [personal], columns: {rich: allow, spend: deny}}
  nameless: {deny: [sensitive], columns: {audience: deny}}
  boss: {}
"""
TAGS = Table(
    PROFILE,
    (
        Column("customer_id", "string", "", required=True),
        Column("spend", "decimal(18,4)", "EUR"),
        Column("age", "bigint", "years", "personal"),
        Column("district", "string", "where they live", "personal"),
        Column("rich", "boolean", "", "sensitive"),
        Column("illness", "array<string>", "", "sensitive"),
    ),
    ("customer_id",),
)
_VIEWS = "select schema_name || '.\"' || view_name || '\"' from duckdb_views() where not internal"
FIRST, LAST = date(2026, 2, 28), date(2026, 3, 1)
CUT_BY = {
    (FIRST, "all"): None, (LAST, "all"): [], (FIRST, "vip"): ["illness", "spend"], (LAST, "vip"): ["spend"],
    (FIRST, "wealthy"): ["rich"], (LAST, "wealthy"): ["rich", "spend"], (LAST, "old"): ["age", "spend"],
    (LAST, "gone"): ["a_tag_of_then"],
}  # fmt: skip
SECRETS = ("Altona", "40417", "gout", "Ann Berg", "ann@x.org", "poor thing")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("roles")
    house = Lakehouse(str(root / "lakehouse"))
    told = {
        TAGS: [
            {"customer_id": "c1", "spend": 5, "age": 40417, "district": "Altona", "rich": False, "illness": ["gout"]},
            {"customer_id": "c2", "spend": 7},
        ],
        GOLD_CUSTOMER: [{"customer_id": "c1", "full_name": "Ann Berg", "email": "ann@x.org", "city": "Hamburg"}],
        GOLD_OVERRIDE: [
            {"id_type": "email", "id_value": "ann@x.org", "field": "rich", "value": "false", "reason": "poor thing",
             "set_by": "jo", "set_at": datetime(2026, 3, 1, tzinfo=UTC)}
        ],
        GOLD_AUDIENCE: [
            {"date": day, "audience": name, "definition": "d", "purpose": "service", "size": 1, "target": 1,
             "holdout": 0, "left_out": {}, "cut_by": cut_by}
            for (day, name), cut_by in CUT_BY.items()
        ],
        GOLD_AUDIENCE_MEMBER: [
            {"date": LAST, "audience": name, "customer_id": f"c_{name}", "arm": "target"}
            for day, name in CUT_BY if day == LAST
        ],
        GOLD_CAMPAIGN_MEMBER: [
            {"since": day, "audience": name, "campaign_id": "k", "customer_id": f"c_{name}_{day.day}", "arm": "target"}
            for day, name in [*CUT_BY, (date(2026, 2, 2), "vip")]
        ],
    }  # fmt: skip
    versions = {table.name: _write(house, table, rows) for table, rows in told.items()}
    erased = {"erasure": "e", "status": "asked", "at": datetime(2026, 3, 1, tzinfo=UTC), "sealed": "Ann Berg"}
    house.append(OPS_ERASURE, [erased])
    releases.publish(house, run_id="r", day=date(2026, 3, 1), cause="night", versions=versions, configuration="c")
    (root / "conf").mkdir()
    (root / "conf" / "pipeline.yml").write_text("lakehouse: lakehouse\n")
    # who reads by a role has no keys
    (root / "conf" / "privacy.yml").write_text(f"keys: {{customer: '${{NOT_SET_KEY}}', erasure: []}}\n{ROLES}")
    return root


def _write(house: Lakehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    full = [{name: row.get(name) for name in table.names} for row in rows]
    return house.write(table, pa.Table.from_pylist(full, arrow_schema(table)), mode="overwrite")


def every_way(project: Path, role: str) -> Iterator[str]:
    """All that each reader gives under a role, as text."""
    night = open_release(role=role, conf=project / "conf")
    for table in night.tables:
        yield night.pandas(table).to_csv()
        yield str(night.dataset(table).to_table().to_pylist())
        with pl.Config(tbl_cols=-1, fmt_str_lengths=99):
            yield str(night.polars(table).collect())
    with night.duckdb() as db:
        for (view,) in db.sql(_VIEWS).fetchall():
            yield str(db.sql(f"from {view}").fetchall())


def test_each_reader_shows_what_the_role_may_see(project: Path):
    night = open_release(role="support", conf=project / "conf")
    expected = [
        {"customer_id": "c1", "age": None, "district": "***", "rich": False},
        {"customer_id": "c2", "age": None, "district": "***", "rich": None},
    ]
    assert night.arrow("customer_profile").to_pylist() == expected
    assert night.pandas("customer_profile", ["district", "customer_id"]).values.tolist() == [
        ["***", "c1"],
        ["***", "c2"],
    ]
    assert night.polars("customer_profile").sort("customer_id").collect().to_dicts() == expected
    assert night.polars("customer_profile").collect().schema["age"] == pl.Int64
    for view in ("customer_profile", "gold.customer_profile"):
        found = night.duckdb().sql(f"from {view} order by 1")
        assert found.columns == list(expected[0])
        assert found.fetchall() == [tuple(row.values()) for row in expected]
        assert [str(kind) for kind in found.types] == ["VARCHAR", "BIGINT", "VARCHAR", "BOOLEAN"]
    assert night.dataset("customer_profile").schema.names == ["customer_id", "rich"]
    assert night.arrow("customer", ["full_name", "city"]).to_pylist() == [{"full_name": "***", "city": "Hamburg"}]
    with pytest.raises(DefinitionError, match=r"customer_profile: no column 'illnes'$"):
        night.arrow("customer_profile", ["illnes"])


def test_members_are_told_of_audiences_that_are_cut_by_what_the_role_sees(project: Path):
    everybody = {"c_all", "c_vip", "c_wealthy", "c_old", "c_gone"}
    sent = {f"c_{name}_{day.day}" for day, name in CUT_BY} | {"c_vip_2"}
    told = {
        "analyst": ({"c_all", "c_vip"}, {"c_all_1", "c_vip_1"}),
        "support": ({"c_all"}, {"c_all_1", "c_wealthy_28"}),  # spend is denied, rich is allowed
        "nameless": (set(), set()),
        "boss": (everybody, sent),
    }
    for role, both in told.items():
        night = open_release(role=role, conf=project / "conf")
        for table, known in zip(("audience_member", "campaign_member"), both, strict=True):
            with night.duckdb() as db:
                found = db.sql(f"select customer_id from gold.{table}").fetchall()
                counted = db.sql(f"select count(*) from {table} where arm = 'target'").fetchall()
            assert {one for (one,) in found} == known, (role, table)
            assert counted == [(night.dataset(table).count_rows(),)] == [(len(found),)]
            assert set(night.pandas(table)["customer_id"]) == known
            assert set(night.polars(table).select("customer_id").collect()["customer_id"]) == known
    assert open_release(role="boss", conf=project / "conf").dataset("audience_member").count_rows() == 5


def test_nothing_that_is_kept_from_a_role_is_to_be_had(project: Path):
    for role in ("analyst", "support"):
        told = "\n".join(every_way(project, role))
        assert "c2" in told and not [secret for secret in SECRETS if secret in told], role
    assert set(SECRETS) <= {secret for text in every_way(project, "boss") for secret in SECRETS if secret in text}


def test_a_role_without_personal_data_has_no_table_of_persons(project: Path):
    tables = {role: open_release(role=role, conf=project / "conf").tables for role in ("analyst", "support")}
    of_members = ("gold/audience_member", "gold/campaign_member")
    assert tables["analyst"] == ("gold/audience", *of_members, PROFILE)
    assert tables["support"] == ("gold/audience", *of_members, "gold/customer", PROFILE, "gold/override")
    with pytest.raises(DefinitionError, match="gold/customer holds personal data"):
        open_release(role="analyst", conf=project / "conf").arrow("customer")


def test_a_query_is_asked_by_a_role(project: Path, tmp_path: Path):
    def portrait(*words: str) -> tuple[int, str, str]:
        found = CliRunner().invoke(app, ["query", *words, "--conf", str(project / "conf")])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, found.stdout, found.stderr

    code, out, _ = portrait("from customer_profile order by 1 limit 1", "--role", "analyst", "--json")
    assert (code, json.loads(out)["rows"]) == (0, [{"customer_id": "c1", "spend": 5.0}])
    assert portrait("select district from customer_profile", "--role", "support", "--csv")[1] == "district\n***\n***\n"
    assert portrait("select district from customer_profile", "--role", "analyst")[0] == 2
    assert portrait("select sealed from ops.erasure", "--role", "analyst")[0] == 2
    for words, line in (
        (["--role", "analist"], "--role analist: no such role in conf/privacy.yml; did you mean 'analyst'?"),
        (["--role", "boss", "--restricted"], "--restricted shows everything, --role what that role may see; say one"),
    ):
        code, out, err = portrait("from customer_profile", *words)
        assert (code, out) == (2, "") and err.startswith(line) and len(err.splitlines()) == 1


def test_what_the_store_keeps_back_is_not_shown_and_is_told(project: Path, monkeypatch: pytest.MonkeyPatch):
    opens = Lakehouse.open

    def granted(house: Lakehouse, table: str, version: int | None = None) -> Any:
        if table in (PROFILE, OPS_ERASURE.name):
            raise OSError("Kernel error -> Generic LocalFileSystem error: Permission denied (os error 13)")
        return opens(house, table, version)

    monkeypatch.setattr(Lakehouse, "open", granted)
    night = open_release(role="analyst", conf=project / "conf")
    assert night.readable == ["gold/audience", "ops/release"]
    assert night.duckdb().sql("select count(*) from gold.audience").fetchall() == [(len(CUT_BY),)]
    with pytest.raises(PortraitError, match=f"{PROFILE}: the store does not let it be read"):
        night.pandas("customer_profile")


def test_an_earlier_comment_without_a_sensitivity_is_taken_for_sensitive(tmp_path: Path):
    house = Lakehouse(str(tmp_path / "lakehouse"))
    plain = pa.table({"customer_id": ["c1"], "spend": [1]})
    write_deltalake(house.path(PROFILE), plain)
    releases.publish(house, run_id="r", day=date(2026, 3, 1), cause="night", versions={PROFILE: 0}, configuration="c")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "pipeline.yml").write_text("lakehouse: lakehouse\n")
    (tmp_path / "conf" / "privacy.yml").write_text(ROLES)
    assert open_release(role="analyst", conf=tmp_path / "conf").dataset("customer_profile").schema.names == []


@pytest.mark.parametrize(
    ("role", "line"),
    [
        ("deny: [persnal]", "roles.r.deny.0: must be 'personal' or 'sensitive', not 'persnal'"),
        ("deny: [personal], mask: [personal]", "roles.r: personal is denied and masked; say one"),
        ("columns: {age: hide}", "roles.r.columns.age: must be 'allow', 'mask' or 'deny', not 'hide'"),
        ("columns: {distrct: mask}", "roles.r.columns: no column 'distrct' in gold; did you mean 'district'?"),
        ("columns: {customer_id: mask}", "roles.r.columns: 'customer_id' tells rows apart and nothing of a person"),
        ("denny: [personal]", "unknown key 'roles.r.denny'; did you mean 'deny'?"),
    ],
)
def test_a_role_that_cannot_be_is_a_line(role: str, line: str):
    keys = f"purposes: {{}}\nkeys: {{customer: {'c' * 32}, erasure: {'e' * 32}}}\n"
    with pytest.raises(DefinitionError) as error:
        privacy = parse(Privacy, parse_yaml(f"{keys}roles: {{r: {{{role}}}}}", place="p"), place="conf/privacy.yml")
        check_roles(privacy.roles, TAGS)
    (told,) = error.value.lines
    assert told.startswith(f"conf/privacy.yml: {line}")


def granted(page: str) -> dict[str, str]:
    """Folder -> who reads it, of a page in Markdown."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[2] for row in rows}


def test_the_page_on_storage_keeps_tables_of_persons_from_analysts():
    told = granted(storage())
    assert {folder for folder, who in told.items() if who == "analysts who may see every tag"} == {
        "gold/customer_profile", "gold/tag_change", "gold/audience_member", "gold/campaign_member",
    }  # fmt: skip
    assert told["gold/customer"] == told["gold/override"] == "the pipeline, and who must see names and addresses"
    assert {told[f"silver/{name}"] for name in ("contact", "quarantine", "web_event")} == {"the pipeline alone"}
    assert told["gold/order"] == "analysts" and told["ops/erasure"] == "the pipeline alone"
