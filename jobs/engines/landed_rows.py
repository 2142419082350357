"""Rows of bronze as DuckDB sees them: the cells that a source's identifiers, its keys and its words stand in."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from jobs.engines.state_rows import PLACE, StateRows
from jobs.runtime.configuration import Configuration
from transforms.sources import refine
from transforms.sources.definition import CompiledSource, Source, compiled_over
from transforms.sources.names import raw_names
from transforms.sources.records import LONGEST_KEY
from transforms.sources.rules import RULES
from transforms.sources.typing import as_it_stands

_PART = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)")  # of a record's name, with what is escaped in it
# What holds no match is no e-mail address, and no phone number that tells its country.
_AT, _PLUS = "[@\uff20\ufe6b]", "[+\uff0b][^0-9A-WYZa-wyz\\n]*\\pN"
_NO_LETTER = "[^a-z0-9]"
# What `said` parts words at, and the ends of cells, which stand in lines of their own.
_BETWEEN = r"""[\s\x0b\x1c-\x1f\x{85}\pZ,;|"'<>{}\[\]()=&]"""


@dataclass(frozen=True)
class Landed:
    """A source's rows in bronze. `raw`: landed column -> its raw name. `held`: the columns that some file has."""

    compiled: CompiledSource
    raw: Mapping[str, str]
    scan: str
    held: frozenset[str]

    @property
    def source(self) -> Source:
        return self.compiled.source

    @property
    def name(self) -> str:
        return self.source.source

    @property
    def table(self) -> str:
        return f"bronze/{self.name}"

    @cached_property
    def asked(self) -> list[str]:
        """The landed columns that identifiers depend on; just any where all are the same in every row."""
        told = refine.identifying(self.compiled)
        read = {name for one in (*told.columns.values(), *told.ids.values()) for name in one.columns}
        return [landed for landed, raw in self.raw.items() if raw in read] or list(self.raw)[:1]

    @property
    def values(self) -> str:
        """The values of these columns, in SQL, as one, in which what is absent is like what is absent."""
        return struct(map(self._cell, self.asked))

    def distinct(self, db: StateRows) -> pa.Table:
        """The distinct values of these columns."""
        db.db.execute(
            f"""create or replace table values_{self.name} as
            select row_number() over () - 1 as n, key from (select distinct {self.values} as key from {self.scan})"""
        )
        cells = ", ".join(f'key.k{place} as "{name}"' for place, name in enumerate(self.asked))
        return db.db.sql(f"select {cells} from values_{self.name} order by n").to_arrow_table()

    def note(self, db: StateRows, told: Sequence[str | None]) -> None:
        """Keep what was told of each of these distinct values, as the table `told_<source>` with them as `key`."""
        numbered = {"n": pa.array(range(len(told)), pa.int64()), "told": pa.array(told, pa.string())}
        db.db.register("_told", pa.table(numbered))
        db.db.execute(f"create or replace table told_{self.name} as from values_{self.name} join _told using (n)")

    def rows(self, db: StateRows, condition: str, says: str = "true", **known: str) -> pa.Table:
        """The rows that meet a condition: where they lie, and their cells under the landed names.

        `says`: what `text`, all that stands in a row, must meet besides. `known`: what that compares with.
        """
        names = [*self.raw, "_corrupt"]
        cells = ", ".join(f'{self._cell(name)} as "{name}"' for name in names)
        text = f"concat_ws(chr(10), {', '.join(map(self._cell, names))}) as _text"

        def sql(scan: str) -> str:
            return f"""
            -- or DuckDB puts the text of every row together
            with met as materialized (
                select _data_file, file_row_number, {cells}, {text} from {scan} where coalesce({condition}, false)
            )
            select * exclude (_text) from met where {says} order by _data_file, file_row_number"""

        return db.placed(self.table, sql, **known)

    def may_have_key(self, db: StateRows, records: Collection[str], made: str) -> str | None:
        """What a row meets that is one of those records, in SQL; None where its cells do not tell as they stand.

        `records`: as `record_id` names them, without a rank. `made`: what a row meets whose content may make the key
        of one of them, where the source gives none.
        """
        source, makes = self.source, RULES[self.source.entity].makes_key
        named = [record.partition(":")[2] for record in records if record.startswith(f"{self.name}:")]
        if not named:
            return "false"
        key = [part for part in source.table.key if not (source.ranks and part == source.table.ranked)]
        texts = {place: cell for place, part in enumerate(key) if (cell := self._key_cell(part))}
        if not texts:
            return made if makes in key and makes not in self.compiled.columns else None
        parts = [[re.sub(r"\\(.)", r"\1", part) for part in _PART.findall(name) if part] for name in named]
        parts = [each for each in parts if len(each) == len(key)]  # others are named by a key of another day's YAML
        table = f"key_{self.name}"
        db.values(table, **{f"k{at}": [part[place] for part in parts] for at, place in enumerate(texts)})
        keys = struct(f"k{at}" for at in range(len(texts)))
        same = f"{struct(f'trim({cell}, chr(32))' for cell in texts.values())} in (select {keys} from {table})"
        hashed = [f"length({cell}) > {LONGEST_KEY}" for cell in texts.values()]
        return " or ".join([same, *hashed, *([made] if makes in key else [])])

    def may_say(self, own: Iterable[tuple[str, str]]) -> tuple[str, dict[str, str]]:
        """What `_text` meets in which `said` may find one of these identifiers, and what that compares it with."""
        emails = [value for kind, value in own if kind == "email"]
        others = [value for kind, value in own if kind not in ("email", "phone")]
        known, met, names = {}, [], " ".join(self.raw.values())
        # a row is looked at as JSON: with its columns' names, and with backslashes before some characters
        if any(value in names or "\\" in value for value in others) or re.search("[@\uff20\ufe6b+\uff0b]", names):
            return "true", {}
        if others:
            words = "|".join(re.escape(value) for value in others)
            known["others"] = f"(?:^|{_BETWEEN})(?:{words})(?:$|{_BETWEEN})"
            met.append("regexp_matches(_text, $others)")
        if emails:
            # written in narrow letters it has them all in their order, whatever dots and blanks stand between
            known["emails"] = "|".join(re.sub(_NO_LETTER, "", value.rpartition("@")[0]) for value in emails)
            letters = f"regexp_replace(lower(_text), '{_NO_LETTER}', '', 'g')"
            wide = "strlen(_text) > length(_text)"
            met.append(f"(regexp_matches(_text, '{_AT}') and ({wide} or regexp_matches({letters}, $emails)))")
        if any(kind == "phone" for kind, _ in own):
            met.append(f"regexp_matches(_text, '{_PLUS}')")
        return " or ".join(met) or "false", known

    def _cell(self, name: str) -> str:
        """A column in SQL; one that no file has is NULL."""
        return f'"{name}"' if name.casefold() in self.held else "null::varchar"

    def _key_cell(self, part: str) -> str | None:
        """The cell that a part of the key is, if it is a text and is taken as it stands."""
        raw = as_it_stands(self.compiled, part) if self.source.table.types[part] == "string" else None
        return next((self._cell(landed) for landed, name in self.raw.items() if name == raw), None)


def landed_sources(conf: Configuration, rows: StateRows) -> Iterator[Landed]:
    """The sources that tell of people, have landed something, and that DuckDB can read with the places of rows.

    One that the configuration no longer has cannot be read.
    """
    for name, source in conf.sources.items():
        schema = None if source.table.reference else rows.schema(f"bronze/{name}")
        scan = rows.scan(f"bronze/{name}")
        names = raw_names(schema) if schema and scan else {}
        if names and PLACE not in {landed.casefold() for landed in names}:
            held = frozenset(column[0].casefold() for column in rows.db.execute(f"describe from {scan}").fetchall())
            yield Landed(compiled_over(source, schema), names, str(scan), held)


def struct(cells: Iterable[str]) -> str:
    """Several values as one, in SQL."""
    return "{" + ", ".join(f"k{number}: {cell}" for number, cell in enumerate(cells)) + "}"
