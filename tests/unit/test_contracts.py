"""The version that a delivery is of, and the contract beside it as the standard's own schema and model read it."""

import json
from pathlib import Path
from typing import Any

import open_data_contract_standard
import pytest
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard

from transforms.contracts import Contract, agreed_version, contract_file
from transforms.destinations import Destination
from transforms.errors import DefinitionError

STANDARD = json.loads((Path(open_data_contract_standard.__file__).parent / "schema.json").read_text())


def column(name: str, type_: str = "string", form: str | None = None) -> dict[str, Any]:
    return {"name": name, "type": type_, "meaning": f"what {name} is", "sensitivity": "normal", "form": form}


OLD = [column("customer_id"), column("email", form="sha256"), column("spend", "decimal(18,4)")]
FEWER, MORE = OLD[:2], [*OLD, column("likes", "array<string>")]
RETYPED = [*OLD[:2], column("spend", "double")]
MASKED = [OLD[0], column("email", form="masked"), OLD[2]]
KEYED = [column("customer_id", form="hmac"), *OLD[1:]]
CHANGES = [OLD[0], column("change"), column("merged_into"), *OLD[1:]]


def agreed(said: str, new: list[dict[str, Any]], *, before: str = "1.2.3", follows: bool = False) -> str:
    return agreed_version(Contract(version=said), (before, OLD), new, place="conf/exports/x.yml", follows=follows)


@pytest.mark.parametrize(
    ("said", "new", "follows", "version"),
    [
        ("1.2.3", OLD, False, "1.2.3"), ("1.2.4", OLD, False, "1.2.4"), ("1.10.0", OLD, False, "1.10.0"),
        ("1.3.0", MORE, False, "1.3.0"), ("2.0.0", MORE, False, "2.0.0"),
        ("2.0.0", FEWER, False, "2.0.0"), ("10.0.0", RETYPED, False, "10.0.0"),
        # the export that holds whatever the profile has counts the minor up by itself
        ("1.0.0", MORE, True, "1.3.0"), ("1.0.0", OLD, True, "1.2.3"), ("1.5.0", MORE, True, "1.5.0"),
        ("2.0.0", FEWER, True, "2.0.0"),
    ],
)  # fmt: skip
def test_the_version_follows_what_changed(said: str, new: list[dict[str, Any]], follows: bool, version: str):
    assert agreed(said, new, follows=follows) == version
    assert agreed_version(Contract(version=said), None, new, place="x", follows=follows) == said


@pytest.mark.parametrize(
    ("said", "new", "follows", "why"),
    [
        ("1.3.0", FEWER, False, "'spend' is gone: that breaks 1.2.3, which was delivered; make it 2.0.0, or undo it"),
        ("1.9.9", RETYPED, False, "'spend' is double instead of decimal(18,4): that breaks 1.2.3"),
        ("1.2.3", MASKED, False, "'email' is masked instead of sha256: that breaks 1.2.3"),
        ("1.2.3", KEYED, False, "'customer_id' is hmac instead of clear: that breaks 1.2.3"),
        ("1.2.3", CHANGES, False, "rows are what changed instead of everything: that breaks 1.2.3"),
        ("1.2.3", [OLD[0]], False, "'email' is gone, 'spend' is gone: that breaks 1.2.3"),
        ("1.2.9", MORE, False, "'likes' is new since 1.2.3, which was delivered; make it 1.3.0"),
        ("1.2.2", OLD, False, "1.2.2 is older than 1.2.3, which was delivered; versions only go up"),
        ("1.9.0", FEWER, True, "'spend' is gone: that breaks 1.2.3"),
        ("0.9.0", FEWER, True, "'spend' is gone: that breaks 1.2.3"),
    ],
)
def test_what_breaks_a_promise_is_refused_by_name(said: str, new: list[dict[str, Any]], follows: bool, why: str):
    with pytest.raises(DefinitionError) as error:
        agreed(said, new, follows=follows)
    assert str(error.value).startswith(f"conf/exports/x.yml: contract.version: {why}")


TYPES = {
    "int": "integer", "bigint": "integer", "double": "number", "decimal(18,4)": "number", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp", "string": "string", "array<string>": "array", "array<int>": "array",
}  # fmt: skip
PLACES = [
    Destination(format="csv", path="exports/{date}/"),
    Destination(format="parquet", path="s3a://bucket/x/{date}/"),
    Destination(format="delta", path="file:///srv/x"),
    Destination(format="json", path="/srv/x/{date}"),
    Destination(format="jdbc", url="jdbc:postgresql://db.example.com:5433/crm?ssl=true", table='crm."Kunden"'),
    Destination(format="jdbc", url="jdbc:postgresql:crm", table="kunden"),
]


@pytest.mark.parametrize("to", PLACES)
@pytest.mark.parametrize("support", ["", "crm@example.org", "https://example.org/help", "#crm"])
def test_the_standards_own_schema_and_model_accept_the_contract(to: Destination, support: str):
    schema = [column("customer_id"), *(column(f"c{n}", name) for n, name in enumerate(TYPES)), column("e", form="hmac")]
    about = {
        "export": "x", "title": {"zh": "客户"} if support else {"en": "Customers"}, "audience": None,
        "purpose": "marketing", "contract": {"version": "1.2.0"},
    }  # fmt: skip
    contract = Contract(version="1.0.0", team="crm", support=support)
    text = contract_file(about, contract, to, schema, key="customer_id")
    told = yaml.safe_load(text)
    assert [error.message for error in Draft201909Validator(STANDARD).iter_errors(told)] == []
    model = OpenDataContractStandard.from_string(text)
    assert (model.version, model.status, model.kind) == ("1.2.0", "active", "DataContract")
    assert model.schema_ is not None
    properties = model.schema_[0].properties or []
    assert [one.name for one in properties] == [one["name"] for one in schema]
    assert (properties[0].primaryKey, properties[0].unique, properties[0].required) == (True, True, True)
    expected = [kind if kind != "array" or to.format != "csv" else "string" for kind in TYPES.values()]
    assert [one.logicalType for one in properties[1:-1]] == expected


def test_the_standards_schema_would_tell_a_wrong_contract():
    text = contract_file(
        {"export": "x", "title": {}, "audience": "vip", "purpose": None, "contract": {"version": "1.0.0"}},
        Contract(version="1.0.0"), PLACES[0], OLD, key="",
    )  # fmt: skip
    told = yaml.safe_load(text)
    assert list(Draft201909Validator(STANDARD).iter_errors(told)) == []
    told["schema"][0]["properties"][0]["logicalType"] = "decimal"
    assert list(Draft201909Validator(STANDARD).iter_errors(told))
