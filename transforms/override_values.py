"""What a value set by hand may be: the fields that there are, and texts as people write them."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.profile import online
from transforms.schemas import GOLDEN_FIELDS, Column
from transforms.tags.tag import Tag

GOLDEN = {column.name: column for column in GOLDEN_FIELDS}
_FORMS = {
    "gender": ("female|male|other", "female, male or other"),
    "country": ("[A-Z]{2}", "a country's two letters, such as DE"),
    "language": ("[a-z]{2}", "a language's two letters, such as de"),
}


@dataclass(frozen=True)
class Field:
    """What the name of an override stands for: a column of the profile, a field of the golden record, or both."""

    name: str
    tag: Tag | None
    columns: tuple[Column, ...]

    @property
    def personal(self) -> bool:
        return any(column.sensitivity in ("personal", "sensitive") for column in self.columns)


def field_of(name: str, tags: Mapping[str, Tag]) -> Field:
    """The field of that name. Raises DefinitionError where there is none, with the nearest name."""
    owners = {output.name: (tag, output) for tag in online(tags) for output in tag.outputs}
    if name in owners or name in GOLDEN:
        tag, column = owners.get(name, (None, None))
        return Field(name, tag, tuple(one for one in (column, GOLDEN.get(name)) if one))
    if name in tags and tags[name].status != "online":
        raise DefinitionError(f"{name}: is {tags[name].status}; only an online tag has values")
    if name in tags:
        several = ", ".join(output.name for output in tags[name].outputs)
        raise DefinitionError(f"{name}: has several columns; name one of {several}")
    if name in ("consents", "provenance"):
        raise DefinitionError(f"{name}: is not set by hand; a decision comes from a source of consent")
    raise DefinitionError(
        f"{name}: no column of the profile and no field of the golden record{nearest(name, [*owners, *GOLDEN])}"
    )


def read(field: Field, text: str, *, timezone: str, segments: Iterable[str] = ()) -> str:
    """A value as people write it, in the form in which gold/override holds it.

    segments: those that a model's segment column may be, where they are known. A time without an offset is of
    `timezone`. Raises DefinitionError where it is no value of the field; what is personal is not repeated.
    """
    said = "the value" if field.personal else f"'{text.strip()}'"
    written = ""
    for column in field.columns:
        try:
            value = _READ[column.type](text.strip(), timezone)
        except (ValueError, OverflowError):
            raise DefinitionError(f"{field.name}: {said} is not {_NAMED[column.type]}") from None
        written = written or as_text(value)
    allowed = [*(field.tag.values if field.tag and field.tag.type == "enum" else ()), *segments]
    if allowed and written not in allowed:
        raise DefinitionError(
            f"{field.name}: {said} is not one of its values{nearest(written, allowed)} (one of {', '.join(allowed)})"
        )
    pattern, told = _FORMS.get(field.name, ("", ""))
    if field.name in GOLDEN and pattern and not re.fullmatch(pattern, written):
        raise DefinitionError(f"{field.name}: {said} is not {told}")
    return written


def value_of(text: str, ddl: str) -> Any:
    """What gold/override holds as a value of a column's type; None where it is none (the tag has another type now)."""
    try:
        return _READ[ddl](text, "UTC")
    except (ValueError, OverflowError):
        return None


def may_be(name: str, text: str, tags: Mapping[str, Tag]) -> bool:
    """May the field still have what gold/override holds? Its tag may be of another type by now, or list others."""
    try:
        field = field_of(name, tags)
    except DefinitionError:
        return False
    values = field.tag.values if field.tag and field.tag.type == "enum" else ()
    is_listed = not values or text in values
    return is_listed and all(value_of(text, column.type) is not None for column in field.columns)


def as_text(value: Any) -> str:
    """A value as gold/override holds it: it reads back to the same."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _number(text: str, _: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _whole(text: str, _: str) -> int:
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError
    return value


def _int(text: str, _: str) -> int:
    value = int(text)
    if abs(value) >= 2**31:
        raise ValueError
    return value


def _words(text: str, _: str) -> str:
    if not text or len(text) > 10_000:
        raise ValueError
    return text


def _truth(text: str, _: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _time(text: str, timezone: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(timezone))


def _list(text: str, _: str) -> list[str]:
    items = json.loads(text) if text.startswith("[") else re.split("[,，]", text)
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise ValueError
    return [item.strip() for item in items]


_READ: dict[str, Callable[[str, str], Any]] = {
    "double": _number, "bigint": _whole, "int": _int, "string": _words, "boolean": _truth,
    "date": lambda text, _: date.fromisoformat(text), "timestamp": _time, "array<string>": _list,
}  # fmt: skip
_NAMED = {
    "double": "a number, such as 12.5", "bigint": "a whole number", "int": "a whole number",
    "string": "a text of 1 to 10,000 characters", "boolean": "true or false", "date": "a date, such as 2026-01-31",
    "timestamp": "a time, such as 2026-01-31T09:30", "array<string>": 'a list, such as a,b or ["a", "b"]',
}  # fmt: skip
