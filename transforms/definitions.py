"""What every YAML definition shares: strict parsing, and errors of one line that name file, key and remedy."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from transforms.errors import DefinitionError

_REACHED = re.compile(r"(?:s3a?://|file:///)[^/]")
_BARE_DATE = re.compile(r"(\bpath:[ \t]*)([^\s'\",{}]*\{date\}[^\s'\",{}]*)")
_DURATION = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


class Definition(BaseModel):
    """A part of a YAML file: immutable, and refusing keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


_A_NAME = "^[a-z]["  # how the pattern of a name begins
D = TypeVar("D", bound=Definition)


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML 1.1 as PyYAML reads it, but a key given twice is an error instead of a silent last-one-wins."""


def _mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' is given twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
# `on:`, `yes` and `no` are words in an analyst's file, not booleans: keep only true and false.
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tTfF":
    _UniqueKeyLoader.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"))
    )


def parse_yaml(text: str, *, place: str) -> dict[str, Any]:
    """The one mapping that a YAML file holds.

    Raises DefinitionError naming `place` and the line where the text is not YAML, holds several
    documents, a key twice, or something other than a mapping.
    """
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        if "\\t" in problem or "tab character" in problem:
            problem = "a tab cannot indent YAML; use spaces"
        elif "but found another document" in problem or "single document" in str(error):
            problem = "one file holds one definition; remove the '---' and what follows"
        raise DefinitionError(f"{place}{line}: {problem}") from None
    if data is None:
        raise DefinitionError(f"{place}: the file is empty; see docs/ for what belongs in it")
    if not isinstance(data, dict):
        raise DefinitionError(f"{place}: must hold keys and values, but holds a {type(data).__name__}")
    return data


def parse(model: type[D], data: Mapping[str, Any], *, place: str) -> D:
    """`data` as a `model`. Raises DefinitionError with one line for each thing that is wrong."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise DefinitionError(*dict.fromkeys(_line(model, item, place) for item in error.errors())) from None


def _line(model: type[BaseModel], item: Any, place: str) -> str:
    path = [str(part) for part in item["loc"] if not str(part).startswith("function-")]
    key = ".".join(path)
    match item["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key '{key}'{nearest(path[-1], _keys_beside(model, path))}"
        case "missing":
            return f"{place}: {key}: this key is required"
        case "value_error":
            message = str(item["ctx"]["error"])
            return f"{place}: {key}: {message}" if key else f"{place}: {message}"
        case "literal_error":
            return f"{place}: {key}: must be {item['ctx']['expected']}, not {item['input']!r}"
        case "string_pattern_mismatch" if item["ctx"]["pattern"].startswith(_A_NAME):
            how = "write it in a to z, 0 to 9 and _, a letter first"
            most = ", at most 63" if "62" in item["ctx"]["pattern"] else ""
            return f"{place}: {key}: {item['input']!r} is no name; {how}{most}"
        case _:
            message = item["msg"].removeprefix("Input ")
            return f"{place}: {key}: {message[0].lower() + message[1:]}, not {item['input']!r}"


def _keys_beside(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that would have been allowed where the last part of `path` stands."""
    for part in path[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        inner = _models_in(field.annotation) if field else []
        if inner:
            model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a misspelt name, or an empty text where nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def seconds(duration: str) -> int:
    """`30m`, `7d`, `12h`, `45s` in seconds. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(str(duration))
    if not match:
        raise ValueError(f"'{duration}' is not a duration; write a number and a unit: 30d, 12h, 30m or 45s")
    return int(match[1]) * _SECONDS[match[2]]


def days(duration: str) -> int:
    """`180d` in whole days. Raises ValueError where the unit is not `d`."""
    total = seconds(duration)
    if not str(duration).endswith("d"):
        raise ValueError(f"'{duration}' must be in whole days, such as 30d")
    return total // _SECONDS["d"]


def with_dates(text: str) -> str:
    """YAML in which {date} is a part of a path, as people mean it: between the braces of `read: {path: in/{date}/}`
    YAML itself would take it for a mapping."""
    return _BARE_DATE.sub(r"\1'\2'", text)


def known_store(path: str) -> str:
    """A path or URI as it is. Raises ValueError for a store that is neither a disk nor S3, which are those that are
    reached: Arrow would look for some of the others for a quarter of an hour."""
    if "://" in path and not _REACHED.match(path):
        raise ValueError(f"{path}: is not reached; name a folder of this machine or s3a://BUCKET/FOLDER")
    return path


def fail(place: str, key: str, message: str) -> NoReturn:
    """Raise the DefinitionError `place: key: message`."""
    raise DefinitionError(f"{place}: {key}: {message}")
