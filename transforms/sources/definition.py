"""conf/sources/<source>.yml: where an extract lies, what it is, and how its columns become canonical ones."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from pydantic import Field, field_validator

from transforms.definitions import Definition, days, known_store, nearest, parse, parse_yaml, with_dates
from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression, names_in
from transforms.schemas import ENTITIES, IDS, Entity
from transforms.sources.checks import Check, check_problems
from transforms.sources.database import Database, read_problems
from transforms.sources.formats import FORMATS, option_problems
from transforms.sources.names import raw_names
from transforms.sources.standard.countries import country as country_of
from transforms.sources.zones import is_local
from transforms.sql.types import becomes, describe

ACCESS_LOG = (
    "host", "ident", "user", "time", "method", "url", "protocol", "status", "bytes", "referrer", "agent",
)  # fmt: skip
# A line of the common format, and what the combined one has after it, to Python and Java; the groups are ACCESS_LOG
COMMON_LINE = r'^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+)(?: ([^"\s]+))?" (\d{3}) (\d+|-)'
QUOTED_FIELD = r'"((?:[^"\\]|\\.)*)"'
COMBINED_LINE = f"{COMMON_LINE} {QUOTED_FIELD} {QUOTED_FIELD}"
# What an access log gives by itself; the YAML may set any of them otherwise.
ACCESS_LOG_COLUMNS = {
    "occurred_at": "try_to_timestamp(time, 'dd/MMM/yyyy:HH:mm:ss Z')",
    "url": "url",
    "path": "split_part(url, '?', 1)",
    "query": "nullif(substr(url, length(split_part(url, '?', 1)) + 2), '')",
    "referrer": "referrer",
    "ip": "host",
    "user_agent": "agent",
    "status_code": "status",
    "bytes": "bytes",
}


class Read(Database):
    """Where an extract lies and how it is written: files at `path`, or a table of a database."""

    format: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")
    path: str = ""
    options: dict[str, Any] = {}
    required: bool = False
    lookback: int = 0

    @field_validator("lookback", mode="before")
    @classmethod
    def _whole_days(cls, value: object) -> int:
        return days(str(value)) if value else 0

    @field_validator("format")
    @classmethod
    def _a_format(cls, value: str) -> str:
        """One of those here, or any that Spark has by a package; but a misspelt one of those here is no such."""
        if value not in FORMATS and (near := nearest(value.lower(), FORMATS)):
            raise ValueError(
                f"no format '{value}'{near} (one of {', '.join(FORMATS)}, or Spark's own name for another)"
            )
        return value

    @field_validator("path")
    @classmethod
    def _dated(cls, value: str) -> str:
        if value.count("{date}") != 1:
            raise ValueError("must hold {date} once, for the day of the extract: extracts/orders/{date}/*.csv")
        return known_store(value)


class Source(Definition):
    """One source. `place` is the file that defines it, for messages."""

    place: str = ""
    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    entity: str
    owner: str = ""
    timezone: str = "UTC"
    country: str | None = None
    read: Read
    extract: Literal["append", "changes", "snapshot"] = "append"
    when_missing: Literal["close", "keep"] = "close"
    duplicates: Literal["drop", "keep"] = "drop"
    columns: dict[str, str] = {}
    ids: dict[str, str] = {}
    where: str | None = None
    checks: list[Check] = []

    @field_validator("entity")
    @classmethod
    def _an_entity(cls, value: str) -> str:
        if value not in ENTITIES:
            raise ValueError(f"no entity '{value}'{nearest(value, ENTITIES)} (one of {', '.join(ENTITIES)})")
        return value

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        return known_zone(value)

    @field_validator("country")
    @classmethod
    def _a_country(cls, value: str) -> str:
        """Its alpha-2 code: phones are read by nothing else."""
        if (found := country_of(value) if len(value) <= 3 else None) is None:
            raise ValueError(f"no country '{value}': give its code of ISO 3166-1, such as DE")
        return found

    @property
    def table(self) -> Entity:
        return ENTITIES[self.entity]

    def with_options(self, **options: object) -> "Source":
        """The same source, its files read with these options beside its own."""
        read = self.read.model_copy(update={"options": {**self.read.options, **options}})
        return self.model_copy(update={"read": read})

    @property
    def ranks(self) -> bool:
        """Does the source leave out the part of the key that is then a row's rank within the rest of it?"""
        return self.table.ranked is not None and self.table.ranked not in self.expressions

    @property
    def whole(self) -> bool:
        """Are several of its rows restated together, rather than each record by itself?"""
        return self.ranks or self.duplicates == "keep"

    @property
    def closes_absent(self) -> bool:
        """Does a record end where the extract no longer has it?"""
        return self.extract == "snapshot" and self.when_missing == "close"

    @property
    def row_checks(self) -> list[Check]:
        """The checks that look at each row."""
        return [check for check in self.checks if check.expect is not None]

    @property
    def filled(self) -> dict[str, str]:
        """Column -> type of those that may hold something when a row is checked: of others no check would fail."""
        made = {*self.expressions, *self.table.made}
        return {name: type_ for name, type_ in self.table.types.items() if name in made}

    @property
    def expressions(self) -> dict[str, str]:
        """Canonical column -> expression, in the order in which they are computed."""
        own = ACCESS_LOG_COLUMNS if self.read.format == "access_log" else {}
        return {**own, **self.columns}


def known_zone(name: str) -> str:
    """The name of a time zone. Raises ValueError for one that the zone database does not hold."""
    if name not in _zones():
        raise ValueError(f"no time zone '{name}'{nearest(name, _zones())}")
    return name


@cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())  # which looks into every folder each time


def parse_source(text: str, *, place: str) -> Source:
    """A source's YAML. Raises DefinitionError with a line for each mistake that shows without its columns."""
    source = parse(Source, {**parse_yaml(with_dates(text), place=place), "place": place}, place=place)
    problems = [
        *_column_problems(source), *_key_problems(source), *_snapshot_problems(source), *read_problems(source),
        *check_problems(source),
        *(f"{place}: {problem}" for problem in option_problems(source.read.format, source.read.options)),
    ]  # fmt: skip
    if problems:
        raise DefinitionError(*problems)
    _check_expressions(source)
    return source


def _check_expressions(source: Source) -> None:
    """Raise DefinitionError with a line for each expression that is wrong whatever columns the extract has.

    Those of an access log are known.
    """
    texts = [*source.expressions.values(), *source.ids.values(), *([source.where] if source.where else [])]
    named = {name for text in texts for name in names_in(text)}
    if source.read.format == "access_log":
        named = {*ACCESS_LOG, *source.read.options.get("extra", [])}
    compile_source(source, dict.fromkeys(sorted(named), "string"))


def _column_problems(source: Source) -> Iterator[str]:
    for name in source.columns:
        if name not in source.table.types:
            yield (f"{source.place}: columns: no column '{name}' in {source.entity}{nearest(name, source.table.types)}")


def _key_problems(source: Source) -> Iterator[str]:
    by_itself = {"status", *({"event_id"} if source.read.format == "access_log" else ())}
    for column in source.table.columns:
        given = column.name in source.expressions or column.name in by_itself or column.name == source.table.ranked
        if column.required and not given:
            yield f"{source.place}: columns: {column.name}: a {source.entity} must have one; say where it comes from"


def _snapshot_problems(source: Source) -> Iterator[str]:
    if source.extract == "snapshot" and source.read.lookback and source.read.path:
        yield f"{source.place}: read.lookback: a snapshot is whole every night; remove lookback"


def compile_source(source: Source, raw: Mapping[str, str], landed: Mapping[str, str] | None = None) -> "CompiledSource":
    """The source's expressions over the raw columns that are really there (name -> DDL type).

    `landed`: raw name -> the name of its column in bronze, where that is another. In SQL a raw column is
    `raw_column(its name in bronze)`, so that no canonical column of the same name, or one that differs in case only,
    is ever taken for it.
    Raises DefinitionError with a line for each expression that is wrong, such as a column that is gone.
    """
    problems: list[str] = []
    held = {name: raw_column((landed or {}).get(name, name)) for name in raw}

    def compiled(
        text: str, key: str, columns: Mapping[str, str], what: str, held: Mapping[str, str]
    ) -> Expression | None:
        place = f"{source.place}: {key}"
        try:
            return compile_expression(text, place=place, columns=columns, timezone="UTC", what=what, held=held)
        except DefinitionError as error:
            problems.extend(error.lines)
            return None

    known = dict(raw)
    columns: dict[str, Expression | None] = {}
    types = source.table.types
    for name, text in source.expressions.items():
        # a time that is by the clocks of its source may be made from others, which are in UTC by then
        local = types[name] == "timestamp" and is_local(text, source.timezone)
        times = {above: local_time(above) for above in columns if local and types[above] == "timestamp"}
        columns[name] = compiled(text, f"columns.{name}", known, f"the extract of {source.source}", held | times)
        problems.extend(_misfits(source, name, columns[name]))
        known[name] = types[name]
        held.pop(name, None)
    # a column of the entity that `columns` does not fill is none: it would be NULL, and hide a raw one of its name
    what = f"the extract or the columns of {source.source}"
    ids = {name: compiled(text, f"ids.{name}", known, what, held) for name, text in source.ids.items()}
    where = compiled(source.where, "where", known, what, held) if source.where else None
    checked, what = {**source.filled, "ids": IDS}, f"the columns of {source.source}"
    checks = {
        check.name: compiled(check.expect, f"checks.{check.name}", checked, what, {})
        for check in source.row_checks
        if check.expect is not None
    }
    if problems:
        raise DefinitionError(*problems)
    return CompiledSource(
        source=source,
        columns={name: expression for name, expression in columns.items() if expression},
        ids={name: expression for name, expression in ids.items() if expression},
        where=where,
        checks={name: expression for name, expression in checks.items() if expression},
    )


def _misfits(source: Source, name: str, expression: Expression | None) -> Iterator[str]:
    """A line where what the expression gives can never be what the column is."""
    target = source.table.types[name]
    if expression is None or becomes(expression.type, target):
        return
    told = f"is {describe(expression.type)}, and {name} is {describe(target)}"
    hint = f"; write from_json({expression.text}, '{target}')" if expression.type == "string" else ""
    yield f"{source.place}: columns.{name}: {told}{hint}"


def local_time(column: str) -> str:
    """What a time of the entity, in UTC, is called while a source's rows are typed, by the clocks of the source."""
    return f"_local_{column}"


def raw_column(landed: str) -> str:
    """What a raw column is called while a source's rows are typed; `landed`: its name in bronze."""
    return f"_raw_{landed}"


def compiled_over(source: Source, schema: Any) -> "CompiledSource":
    """The source compiled over a frame of bronze, whose schema tells the raw names. Raises as `compile_source` does."""
    landed = {raw: name for name, raw in raw_names(schema).items()}
    return compile_source(source, dict.fromkeys(landed, "string"), landed)


class CompiledSource(Definition):
    """A source with every expression checked against the extract's columns."""

    model_config = {"arbitrary_types_allowed": True, "frozen": True}

    source: Source
    columns: dict[str, Any]
    ids: dict[str, Any]
    where: Any = None
    checks: dict[str, Any] = {}

    def reads_locally(self, column: str) -> bool:
        """Is a column of the entity made from this one as it is by the clocks of the source?"""
        return any(f"`{local_time(column)}`" in expression.sql for expression in self.columns.values())
