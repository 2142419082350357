"""The reference pages in docs/reference/, made from the schemas, the configuration's models and the command line.

`python -m jobs.project.reference` writes them anew; a test holds them against the code.
"""

import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobs.cli import app
from jobs.pages.writing import grid
from jobs.project.storage import storage
from jobs.runtime.configuration import Pipeline
from transforms.audiences import Audience
from transforms.exports import Export
from transforms.identity.definition import Identity
from transforms.privacy import Privacy
from transforms.recommendations import Recommendations
from transforms.schemas import BRONZE_COLUMNS, FIXED_TABLES, Column, Table
from transforms.sources.definition import Source
from transforms.tags.tag import Tag

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
_MADE = "<!-- Made by `python -m jobs.project.reference`; edit the code instead. -->"
_LAYERS = {
    "silver": "Typed and checked; every version of every record. Read by the pipeline alone: personal data in clear.",
    "identity": "Who is who. Read by the pipeline alone.",
    "tag": "What the profile is put together from. Read by the pipeline alone.",
    "gold": "What people read: pseudonymous, but for `gold/customer` and `gold/override`.",
    "ops": "How the nights went. No personal data.",
}
_FILES: dict[str, type[BaseModel]] = {
    "conf/pipeline.yml": Pipeline, "conf/sources/<source>.yml": Source, "conf/identity.yml": Identity,
    "tag_definitions/…/<tag>.yml": Tag, "conf/audiences/<audience>.yml": Audience,
    "conf/exports/<export>.yml": Export, "conf/privacy.yml": Privacy,
    "conf/recommendations.yml": Recommendations,
}  # fmt: skip
_OF_THE_LOADER = ("place", "text", "category")  # fields that no YAML gives


def pages() -> dict[str, str]:
    """File name -> its text."""
    return {
        "tables.md": tables(), "configuration.md": configuration(), "commands.md": commands(), "storage.md": storage(),
    }  # fmt: skip


# -- tables


def tables() -> str:
    """Every table with a fixed schema: its columns, what they mean, how sensitive they are."""
    parts = [
        "# Tables",
        _MADE,
        "Each is a Delta table at `<lakehouse>/<name>`; the meanings stand in the tables themselves as comments. "
        "`gold/customer_profile` and `tag/*` have a column for each tag that is online: the catalogue "
        "(`portrait report --catalog`) tells of those. Columns of `tag/*` that begin with `_` are kept for the next "
        "night.",
        "## bronze",
        "What landed, unchanged: every column of the extract as text, and beside them:",
        _columns(BRONZE_COLUMNS),
    ]
    for layer, meaning in _LAYERS.items():
        parts += [f"## {layer}", meaning]
        parts += [_table(table) for name, table in sorted(FIXED_TABLES.items()) if name.startswith(f"{layer}/")]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    key = f"Key: {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    partition = f" Partitioned by {', '.join(f'`{name}`' for name in table.partition)}." if table.partition else ""
    return f"### {table.name}\n\n{(key + partition).strip()}\n\n{_columns(table.columns)}".replace("\n\n\n", "\n")


def _columns(columns: tuple[Column, ...]) -> str:
    rows = [[f"`{c.name}`", f"`{c.type}`", _cell(c.comment), c.sensitivity] for c in columns]
    return grid(["column", "type", "meaning", "sensitivity"], rows)


# -- configuration


def configuration() -> str:
    """Every YAML file's keys, with type and default, as the models that read them have them."""
    parts = ["# Configuration", _MADE, "Every key of every YAML file. Unknown keys are errors."]
    told: set[type[BaseModel]] = set()
    for file, model in _FILES.items():
        parts.append(f"## {file}")
        parts += _models(model, told, heading=None)
    return "\n\n".join(parts) + "\n"


def _models(model: type[BaseModel], told: set[type[BaseModel]], heading: str | None) -> Iterator[str]:
    """The table of a model's keys, then those of the models within it that were not told before."""
    told.add(model)
    if heading:
        yield f"### {heading}"
    yield _purpose(model)
    rows, within = [], []
    for name, field in model.model_fields.items():
        if name not in _OF_THE_LOADER:
            rows.append([f"`{field.alias or name}`", _type(field.annotation), _default(field)])
            within += [(field.alias or name, inner) for inner in _inner(field.annotation) if inner not in told]
    yield grid(["key", "type", "default"], rows)
    for key, inner in within:
        if inner not in told:
            yield from _models(inner, told, heading=f"`{key}`")


def _purpose(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in parts if part is not type(None))
    if origin in (list, tuple):
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"{_type(parts[0])} → {_type(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}
    return known.get(annotation, "any") if origin is None else _type(parts[0])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), [], {}) or isinstance(value, BaseModel):
        return ""
    return f"`{value}`"


# -- commands


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    root = typer.main.get_command(app)
    parts = ["# Commands", _MADE, "Exit status: 0 done; 1 the data failed a gate or a stage failed; 2 the "
             "configuration or the arguments are wrong; 3 another run holds the lakehouse."]  # fmt: skip
    for path, command in _walk(root, "portrait"):
        parts += [f"## {path}", (command.help or "").strip(), _parameters(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name in sorted(inner):
        yield from _walk(inner[name], f"{path} {name}")


def _parameters(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        option = parameter.param_type_name == "option"
        name = ", ".join(parameter.opts) if option else parameter.metavar or parameter.name.upper()
        rows.append([f"`{name}`", _cell(getattr(parameter, "help", "") or "")])
    return grid(["", ""], rows) if rows else ""


# -- Markdown


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
