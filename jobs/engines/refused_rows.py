"""Whose a row is that silver refused, as far as its cells tell: with the source's YAML, and without Spark."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from jobs.engines.persons import Person
from jobs.engines.search import SHORTEST
from transforms.erasure import said
from transforms.expressions import names_in
from transforms.identity.written import forms
from transforms.sources.definition import Source
from transforms.sources.standard.countries import country

# What may stand between a number's digits, and the letters that may stand for one (ITU-T E.161): for all of them, or
# letters mean nothing.
_BETWEEN = r' ()\[\]./~*+xX"\\-'
_LETTERS = {"2": "ABC", "3": "DEF", "4": "GHI", "5": "JKL", "6": "MNO", "7": "PQRS", "8": "TUV", "9": "WXYZ"}
# Whatever is not ASCII, but for letters that no normalisation turns into ASCII: of Western Europe without ß, and Han.
_STAY = "\u00c0-\u00d6\u00d8-\u00de\u00e0-\u00f6\u00f8-\u00ff\u4e00-\u9fff"
OTHER_LETTERS = rf"[^\x00-\x7f{_STAY}]"


class OfPerson:
    """Rows of the quarantine, asked one by one whether they are the person's."""

    def __init__(self, person: Person, sources: Mapping[str, Source]) -> None:
        self.person = person
        self.sources = sources
        self._columns = {name: dict(_identifying(source)) for name, source in sources.items()}
        self._lands = {name: _of_country(source) for name, source in sources.items()}

    def holds(self, source: str, raw: str) -> bool:
        """Is it the person's: by a cell that gives an identifier, of its type and whole?

        A row without any such cell (it could not be split, or the source has no YAML any more) by a word of it, if
        that is so long that nobody else's is like it.
        """
        cells = {name.casefold(): str(value) for name, value in _cells(raw).items() if value not in (None, "")}
        columns = self._columns.get(source, {})
        given = [(kind, cells[name]) for name, kinds in columns.items() if name in cells for kind in kinds]
        if not given:
            return any(
                len(value) >= SHORTEST and (kind, value) in self.person.own for kind, value in said(raw, self._kinds)
            )
        lands = [self.sources[source].country, *(country(cells.get(name)) for name in self._lands[source])]
        return any((kind, form) in self.person.own for kind, cell in given for form in forms(kind, cell, lands))

    @property
    def may_hold(self) -> tuple[str, dict[str, str]]:
        """What the column `raw` meets in every row that `holds` is true of, in SQL, and what that compares it with.

        To ask of every row would take longer than all else.
        """
        values = {kind: [value for of, value in self.person.own if of == kind] for kind in self._kinds}
        if not self.person.own:
            return "false", {}
        own = {value for _, value in self.person.own}
        written = own | {json.dumps(value, ensure_ascii=False)[1:-1] for value in own}
        met = [*map(re.escape, sorted(written)), *map(_last_digits, values.get("phone", []))]
        met += ["(?i:phone-context)", OTHER_LETTERS]  # RFC 3966
        # what JSON writes as a mark and a letter or number
        escaped = "(regexp_matches(raw, '^\\s*[{]') and regexp_matches(raw, '\\\\[^\"\\\\]'))"
        parts, known = ["regexp_matches(raw, $met)", escaped], {"met": "|".join(met)}
        if emails := values.get("email"):
            known["emails"] = "|".join(re.sub("[^a-z0-9]", "", value.rpartition("@")[0]) for value in emails)
            letters = "regexp_replace(lower(raw), '[^a-z0-9]', '', 'g')"
            parts.append(f"(contains(raw, '@') and regexp_matches({letters}, $emails))")
        return " or ".join(parts), known

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return frozenset(kind for kind, _ in self.person.own)


def _last_digits(phone: str) -> str:
    """A regular expression that a number meets however it is written: its last digits stay, or letters stand for them.

    Country codes have three digits at the most, so the last six are within the country.
    """
    digits = phone[-6:] if len(phone) > len("+123") + 6 else phone[-4:]
    spelled, bare = [_LETTERS.get(digit, "") for digit in digits], list(map(re.escape, digits))
    lettered = [f"[{digit}{letters}{letters.lower()}]" for digit, letters in zip(bare, spelled, strict=True)]
    return f"{f'[A-Za-z{_BETWEEN}]*'.join(bare)}|{f'[{_BETWEEN}]*'.join(lettered)}"


def _identifying(source: Source) -> Iterator[tuple[str, set[str]]]:
    """A source's raw columns, in lower case, that give an identifier -> its types."""
    told = source.expressions
    automatic = {kind: column for kind, column in source.table.automatic_ids.items() if column in told}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for kind, expression in {**automatic, **source.ids}.items():
        for name in _read(told, expression):
            found[name].add(kind)
    yield from found.items()


def _of_country(source: Source) -> set[str]:
    """The raw columns, in lower case, that tell the country by whose rules a contact's phones are read."""
    told = source.expressions
    return _read(told, told["country"]) if source.table.person and "country" in told else set()


def _read(told: Mapping[str, str], expression: str) -> set[str]:
    # an expression may read a canonical column, which is made from others
    names = names_in(expression)
    return {name.casefold() for name in names.union(*(names_in(told[name]) for name in names if name in told))}


def _cells(raw: str) -> Mapping[str, Any]:
    try:
        row = json.loads(raw)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
