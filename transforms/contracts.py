"""What an export's receivers are promised: the version that a delivery is of, and its Open Data Contract Standard file.

A delivery's schema is a list of columns as its manifest names them: name, type, meaning, sensitivity, form.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import yaml
from pydantic import Field

from transforms.definitions import Definition
from transforms.destinations import JDBC, Destination
from transforms.errors import DefinitionError

CONTRACT = "contract.odcs.yaml"
_SHOWN = 12
Schema = Sequence[Mapping[str, Any]]
Version = tuple[int, int, int]
_LOGICAL = {
    "string": "string", "int": "integer", "bigint": "integer", "double": "number", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp",
}  # fmt: skip
_POSTGRES = {
    "string": "text", "int": "integer", "bigint": "bigint", "double": "double precision", "boolean": "boolean",
    "date": "date", "timestamp": "timestamptz",
}  # fmt: skip
_URL = re.compile(r"jdbc:postgresql:(?://(?P<host>[^/:?]+)(?::(?P<port>\d+))?/)?(?P<database>[^?;]*)")
_APPLY = (
    "Rows are changes since the last delivery: delete the customers whose change is removed or merged, put those that "
    "are added or changed in by customer_id. Where the manifest says mode: full, the rows are everything there is."
)


class Contract(Definition):
    """What the receivers are promised. A breaking change needs a new major version."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    status: Literal["proposed", "draft", "active", "deprecated", "retired"] = "active"
    team: str = ""
    support: str = ""
    description: str = ""


def agreed_version(
    contract: Contract, last: tuple[str, Schema] | None, schema: Schema, *, place: str, follows: bool
) -> str:
    """The version that a delivery of this schema is of. `last`: what was delivered before, under which version.

    A column that is gone, of another type or in another form breaks what receivers built: a new major version.
    One more column asks for a new minor. `follows`: the export holds whatever the profile has; nobody edits it when a
    tag comes, so that the minor counts up by itself.
    Raises DefinitionError, naming the columns, where the version that the YAML says is not new enough.
    """
    if last is None:
        return contract.version
    before, said = _parsed(last[0]), _parsed(contract.version)
    broken, added = list(_broken(last[1], schema)), _names(schema, but=last[1])
    major, minor = f"{before[0] + 1}.0.0", f"{before[0]}.{before[1] + 1}.0"
    if broken and said[0] <= before[0]:
        _refuse(place, f"{_some(broken)}: that breaks {last[0]}, which was delivered; make it {major}, or undo it")
    if broken or said[:2] > before[:2]:
        return contract.version
    if added:
        if follows:
            return minor
        new = _some([f"'{name}'" for name in added])
        _refuse(place, f"{new} is new since {last[0]}, which was delivered; make it {minor}")
    if said < before and not follows:
        _refuse(place, f"{contract.version} is older than {last[0]}, which was delivered; versions only go up")
    return max(contract.version, last[0], key=_parsed)


def _refuse(place: str, why: str) -> None:
    raise DefinitionError(f"{place}: contract.version: {why}")


def _some(told: Sequence[str]) -> str:
    """All of them, or so many as a line holds."""
    more = len(told) - _SHOWN
    return ", ".join(told[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _parsed(version: str) -> Version:
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def _names(schema: Schema, *, but: Schema) -> list[str]:
    known = {column["name"] for column in but}
    return [column["name"] for column in schema if column["name"] not in known]


def _broken(old: Schema, new: Schema) -> Iterator[str]:
    yield from (f"'{name}' is gone" for name in _names(old, but=new))
    if "change" in _names(new, but=old):
        yield "rows are what changed instead of everything"
    now = {column["name"]: column for column in new}
    for column in old:
        then, later = column, now.get(column["name"], column)
        if then["type"] != later["type"]:
            yield f"'{column['name']}' is {later['type']} instead of {then['type']}"
        if (then["form"] or "clear") != (later["form"] or "clear"):
            yield f"'{column['name']}' is {later['form'] or 'clear'} instead of {then['form'] or 'clear'}"


def postgres_type(ddl: str) -> str:
    """PostgreSQL's type for a Spark DDL type."""
    if match := re.fullmatch(r"array<(.+)>", ddl):
        return f"{postgres_type(match[1])}[]"
    return _POSTGRES.get(ddl) or (ddl.replace("decimal", "numeric") if ddl.startswith("decimal") else "text")


def contract_file(about: Mapping[str, Any], contract: Contract, to: Destination, schema: Schema, *, key: str) -> str:
    """The contract as YAML of the Open Data Contract Standard 3.1; nothing of a night is in it.

    `about`: the delivery's manifest. `key`: the column that tells one row from another, where it does so.
    """
    changes = any(column["name"] == "change" for column in schema)
    title = about["title"].get("en") or about["export"]
    told: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"urn:portrait:export:{about['export']}",
        "name": title,
        "version": about["contract"]["version"],
        "status": contract.status,
        "description": {
            "purpose": contract.description or title,
            "usage": _APPLY if changes else "One row a customer, as of the release that the manifest names.",
            "limitations": f"To be used for {about['purpose']} alone." if about["purpose"] else "No purpose is named.",
        },
        "servers": [_server(to)],
        "schema": [
            {
                "name": about["export"],
                "physicalName": to.parts[-1] if to.format == JDBC else about["export"],
                "physicalType": "table" if to.kept else "file",
                "logicalType": "object",
                "dataGranularityDescription": "one row a customer",
                "properties": [_property(column, to, unique=column["name"] == key) for column in schema],
            }
        ],
        "team": {"name": contract.team} if contract.team else None,
        "support": [_support(contract.support)] if contract.support else None,
        "customProperties": [
            {"property": name, "value": about[name]} for name in ("purpose", "audience") if about[name]
        ],
    }
    given = {name: value for name, value in told.items() if value}
    return yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=120)


def _property(column: Mapping[str, Any], to: Destination, *, unique: bool) -> dict[str, Any]:
    ddl = str(column["type"])
    # in CSV a list is a JSON text
    listed = ddl.startswith("array<") and to.format != "csv"
    logical = "array" if listed else "number" if ddl.startswith("decimal") else _LOGICAL.get(ddl, "string")
    told = {
        "name": column["name"],
        "logicalType": logical,
        "physicalType": postgres_type(ddl) if to.format == JDBC else "string" if to.format == "csv" else ddl,
        "description": column["meaning"],
        "required": unique or column["name"] == "change",
        "classification": column["sensitivity"],
    }
    if unique:
        told |= {"unique": True, "primaryKey": True, "primaryKeyPosition": 1}
    if listed:
        told["items"] = {"logicalType": _LOGICAL.get(ddl[len("array<") : -1], "string")}
    if column["form"]:
        told["customProperties"] = [{"property": "identifierForm", "value": column["form"]}]
    return told


def _server(to: Destination) -> dict[str, Any]:
    if to.format == JDBC:
        match = re.match(
            r"jdbc:postgresql:(?://(?P<host>[^/:?]+)(?::(?P<port>\d+))?/)?(?P<database>[^?;]*)", str(to.url)
        )
        named = match.groupdict() if match else {}
        schema = to.parts[-2].strip('"') if len(to.parts) > 1 else "public"
        return {
            "server": "database", "type": "postgresql", "host": named.get("host") or "localhost",
            "port": int(named.get("port") or 5432), "database": named.get("database") or "", "schema": schema,
        }  # fmt: skip
    if to.path.startswith(("s3://", "s3a://")):
        return {"server": "files", "type": "s3", "location": to.path.replace("s3a://", "s3://", 1), "format": to.format}
    kind = "custom" if "://" in to.path else "local"
    return {"server": "files", "type": kind, "path": to.path, "format": to.format}


def _support(channel: str) -> dict[str, Any]:
    if channel.startswith(("http://", "https://")):
        return {"channel": channel, "url": channel}
    return {"channel": channel, "tool": "email", "url": f"mailto:{channel}"} if "@" in channel else {"channel": channel}
