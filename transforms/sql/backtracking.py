"""Regular expressions that try too many ways: several repetitions in a row that can take the same letters.

Each of them multiplies the steps by the length of the text: over a thousand letters `a*a*a*a*b` takes hours. See
Weideman et al., Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers (2016).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from re import _parser as parser  # type: ignore[attr-defined]  # Python's own reading, which has no other name
from typing import Any

# So many in a row are refused. Two are what people write (`.*shop.*2017`), and end.
MOST = 3
# A repetition with a larger bound is as good as one without.
_MANY = 30
# What letters stand for their kind, beside those of the pattern itself.
_LETTERS = frozenset(map(chr, range(32, 127))) | set("\t\n\réß中１\u00a0")
_REPEATS = (parser.MAX_REPEAT, parser.MIN_REPEAT)
_ASSERTIONS = (parser.ASSERT, parser.ASSERT_NOT)
Letters = frozenset[str]


@dataclass(frozen=True)
class _Chain:
    """So many repetitions in a row that can all take the letters `common`; what must stand between can do with them."""

    common: Letters
    between: frozenset[Letters]
    length: int


@dataclass
class Backtracking:
    """A regular expression that Python reads. `too_much`: on some texts it tries so many ways that it never ends."""

    text: str
    too_much: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        items = list(parser.parse(self.text))
        self.letters = _LETTERS | set(self.text)
        self.any_case = "(?i)" in self.text
        if len(items) > 1 and items[-1] == (parser.AT, parser.AT_END) and _is_anything(items[-2]):
            items.pop()  # after .* it always holds
        self._sequence(items, set())

    def _sequence(self, items: Iterable[Any], chains: set[_Chain]) -> set[_Chain]:
        for kind, value in items:
            chains = self._item(kind, value, chains)
        return chains

    def _item(self, kind: Any, value: Any, chains: set[_Chain]) -> set[_Chain]:
        if kind in _REPEATS:
            least, most, items = value
            return self._repeat(least, most, items, chains)
        if kind is parser.SUBPATTERN:
            return self._sequence(value[-1], chains)
        if kind is parser.BRANCH:
            return set[_Chain]().union(*(self._sequence(one, chains) for one in value[1]))
        if kind in _ASSERTIONS or kind is parser.AT:
            self._may_fail(chains)
            if kind in _ASSERTIONS:
                self._sequence(value[1], set())
            return chains
        return self._must(self._taken(kind, value), chains)

    def _may_fail(self, chains: set[_Chain]) -> None:
        self.too_much = self.too_much or any(chain.length >= MOST for chain in chains)

    def _must(self, taken: Letters, chains: set[_Chain]) -> set[_Chain]:
        """Past a letter that must come: only what can take that letter too goes on."""
        self._may_fail(chains)
        return {_Chain(c.common, c.between | {taken}, c.length) for c in chains if c.common & taken}

    def _repeat(self, least: int, most: int, items: Any, chains: set[_Chain]) -> set[_Chain]:
        if most <= _MANY:
            found = set(chains) if least == 0 else set[_Chain]()
            for _ in range(min(most, MOST + 1)):
                chains = self._sequence(items, chains)
                found |= chains
            return found
        taken = self._all_of(items)
        found = {_Chain(taken, frozenset(), 1)} | (self._must(taken, chains) if least else chains)
        for chain in chains:
            common = chain.common & taken
            if common and all(common & between for between in chain.between):
                found.add(_Chain(common, chain.between, min(chain.length + 1, MOST)))
        return found

    def _all_of(self, items: Any) -> Letters:
        """The letters of all that is repeated."""
        found: set[str] = set()
        for kind, value in items:
            if kind in _REPEATS or kind is parser.SUBPATTERN:
                found |= self._all_of(value[-1])
            elif kind is parser.BRANCH:
                found |= set[str]().union(*map(self._all_of, value[1]))
            elif kind not in _ASSERTIONS and kind is not parser.AT:
                found |= self._taken(kind, value)
        return frozenset(found)

    def _taken(self, kind: Any, value: Any) -> Letters:
        """Which letters a place for one letter takes."""
        if kind is parser.LITERAL:
            found = {chr(value)}
        elif kind is parser.RANGE:
            found = {letter for letter in self.letters if value[0] <= ord(letter) <= value[1]}
        elif kind is parser.CATEGORY:
            found = {letter for letter in self.letters if _is_of(value, letter)}
        elif kind is parser.IN:
            parts = [self._taken(*one) for one in value if one[0] is not parser.NEGATE]
            found = set[str]().union(*parts)
            if value[0][0] is parser.NEGATE:
                return self.letters - found
        else:  # any, or any but one
            return self.letters - {chr(value) if kind is parser.NOT_LITERAL else "\n"}
        return frozenset(found | {letter.swapcase() for letter in found} if self.any_case else found)


def _is_anything(item: Any) -> bool:
    kind, value = item
    return kind in _REPEATS and value[1] > _MANY and list(value[2]) == [(parser.ANY, None)]


_CATEGORIES = {
    parser.CATEGORY_DIGIT: r"\d", parser.CATEGORY_NOT_DIGIT: r"\D", parser.CATEGORY_SPACE: r"\s",
    parser.CATEGORY_NOT_SPACE: r"\S", parser.CATEGORY_WORD: r"\w", parser.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _is_of(category: Any, letter: str) -> bool:
    return re.fullmatch(_CATEGORIES[category], letter, re.ASCII) is not None  # as Java reads them
