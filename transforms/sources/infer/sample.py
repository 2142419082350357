"""What an inference looks at: some rows of an extract, as texts by column."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from transforms.errors import DefinitionError
from transforms.expressions import compile_expression

MOST_ROWS = 20_000
LINE = "value"  # what Spark calls a line of a text file
_MOST_LOOKED_AT = 2_000
_DEEPEST = 3


@dataclass(frozen=True)
class Field:
    """A raw column, or a value inside a nested one: its name, the expression that reads it, and its texts.

    What says nothing (NULL, blanks) is None. The texts are in the order of the rows. `column`: the raw column.
    """

    name: str
    reference: str
    texts: tuple[str | None, ...]
    column: str

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The texts that say something."""
        return tuple(text for text in self.texts if text is not None)

    @cached_property
    def distinct(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.given))

    @property
    def looked_at(self) -> tuple[str, ...]:
        """So many texts, from all over the sample, as tell what kind of values they are."""
        return self.given[:: len(self.given) // _MOST_LOOKED_AT + 1]


@dataclass(frozen=True)
class Sample:
    """Some rows of an extract. `columns`: raw column -> texts, all of one length.

    `format` and `options` are what `read` needs; `doubts`: key of `options` (or `format`) -> why it is not sure.
    `whole`: these are all the rows there are. `padded`: columns whose texts have blanks around them.
    `parts`: the names of what a line of text, its only column, is parted into by blanks; `where`: which rows are meant.
    """

    format: str
    columns: dict[str, list[str | None]]
    options: dict[str, Any] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    whole: bool = True
    padded: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()
    where: str = ""

    @property
    def rows(self) -> int:
        return max((len(texts) for texts in self.columns.values()), default=0)

    @cached_property
    def distinct_rows(self) -> list[int]:
        """The rows but for those that repeat an earlier one whole: what is delivered twice is one record."""
        rows = list(zip(*self.columns.values(), strict=True))
        return list({row: place for place, row in reversed(list(enumerate(rows)))}.values())

    @cached_property
    def fields(self) -> list[Field]:
        """All columns, and for each that holds JSON objects the values within; or the parts of lines of text."""
        if self.parts:
            return [_part(self.columns[LINE], place, name) for place, name in enumerate(self.parts)]
        readable = ((name, texts) for name, texts in self.columns.items() if quoted(name))
        found = (field for name, texts in readable for field in _within(name, "", texts))
        return [replace(f, reference=f"trim({f.reference})") if f.column in self.padded else f for f in found]

    @property
    def unreadable(self) -> list[str]:
        """The columns that no expression can read."""
        return [name for name in self.columns if not quoted(name)]

    @cached_property
    def whole_fields(self) -> dict[str, Field]:
        """The columns as they are."""
        return {name: _field(name, "", name, texts) for name, texts in self.columns.items() if quoted(name)}


def _part(lines: Sequence[str | None], place: int, name: str) -> Field:
    """What stands at a place of lines that blanks part."""
    parts = [(line or "").split() for line in lines]
    texts = tuple(said(found[place]) if place < len(found) else None for found in parts)
    return Field(name, f"split(trim({LINE}), ' +')[{place}]", texts, LINE)


@cache
def quoted(name: str) -> str | None:
    """A column's name as an expression reads it; None for one that it cannot read (`as_of`, the night's clock)."""
    backquoted = f"`{name.replace('`', '``')}`"
    forms = (name, backquoted) if name.isascii() else (backquoted,)
    return next((text for text in forms if _reads(text, name)), None)


def _reads(text: str, name: str) -> bool:
    try:
        return compile_expression(text, place="", columns={name: "string"}).columns == {name}
    except DefinitionError:
        return False


def said(text: object) -> str | None:
    """A value as text; None where it says nothing."""
    if text is None:
        return None
    stripped = str(text).strip().strip("\u00a0\u3000\ufeff")
    return stripped or None


def _within(column: str, path: str, texts: Sequence[str | None], depth: int = 1) -> Iterator[Field]:
    """A column itself, or where it holds objects, what is in them. `path`: where in the column (`.user.name`)."""
    objects = _objects(texts) if depth <= _DEEPEST else None
    if objects is None:
        yield _field(column, path, f"{column}{path}", texts)
        return
    for key in dict.fromkeys(key for found in objects if found for key in found):
        if key and not any(sign in key for sign in ".[]'*\"\\"):
            inner = [as_text(found[key]) if found and key in found else None for found in objects]
            yield from _within(column, f"{path}.{key}", inner, depth + 1)


def _field(column: str, path: str, name: str, texts: Sequence[str | None]) -> Field:
    name_read = quoted(column) or column
    reference = f"get_json_object({name_read}, '${path}')" if path else name_read
    return Field(name, reference, tuple(said(text) for text in texts), column)


def _objects(texts: Sequence[str | None]) -> list[dict[str, Any] | None] | None:
    """The texts as JSON objects, or None where one of them is something else."""
    found: list[dict[str, Any] | None] = []
    for text in texts:
        if text is None or not text.strip():
            found.append(None)
            continue
        if not text.startswith("{"):
            return None
        try:
            value = json.loads(text)
        except ValueError:
            return None
        found.append(value if isinstance(value, dict) else None)
    return found if any(found) else None


def as_text(value: object) -> str | None:
    """A value of a nested format as bronze holds it: texts as they are, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
