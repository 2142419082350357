"""How two records are compared, column by column: levels from most alike to unlike, in the SQL of DuckDB.

What a level is worth is not said here: it is estimated from the data. A level's first word names it in the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transforms.identity.matching import COLUMNS, Kind

Level = dict[str, Any]
# What one person keeps for life; a household shares the rest, and an address changes all at once.
_ADDRESS = frozenset({"postal_code", "street", "city", "district", "region", "country"})
_PERSON = frozenset({"given_name", "full_name", "birth_date", "gender", "occupation", "education"})
# Where a postcode lies in one city, and a city in one region, that they agree too says nothing more.
FINER = {
    "city": ("postal_code",), "district": ("postal_code",), "region": ("postal_code", "city"),
    "country": ("postal_code", "city", "region"),
}  # fmt: skip
_TEXT = "nullif(trim(regexp_replace(lower(strip_accents({})), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), '')"
_CODE = "nullif(regexp_replace(lower({}), '[^\\p{{L}}\\p{{N}}]+', '', 'g'), '')"
_PLAIN = "nullif(lower(trim({})), '')"
_STANDARD: dict[Kind, str] = {
    "name": _TEXT, "text": _TEXT, "postcode": _CODE, "code": _CODE, "date": "cast({} as varchar)",
    "email": _PLAIN, "phone": _PLAIN, "category": _PLAIN,
}  # fmt: skip


def group(column: str) -> str:
    """Whose a column is: P the person's, A the address's, H shared in a household otherwise."""
    if column in _PERSON or column not in COLUMNS:
        return "P"
    return "A" if column in _ADDRESS else "H"


def standardised(column: str, kind: Kind | None) -> str:
    """The column `column` as it is compared, and as blocking rules read it: always a text."""
    if kind is None:
        kind = "date" if COLUMNS.get(column) == "date" else "text"
    return _STANDARD[kind].format(f'"{column}"')


def derived(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Columns that levels need beside the standardised ones, by name."""
    found = {}
    if "given_name" in kinds:
        found["_nicknames"] = "(select any_value(groups) from nicknames where name = given_name)"
    for name, kind in kinds.items():
        if kind == "email":
            found[f"{name}_digits"] = f"nullif(regexp_replace(split_part({name}, '@', 1), '[^0-9]', '', 'g'), '')"
        if kind == "name":
            found[f"{name}_latin"] = f"regexp_matches({name}, '[a-z]')"
    return found


def comparison(column: str, kind: Kind, kinds: Mapping[str, Kind], implied_by: Sequence[str] = ()) -> dict[str, Any]:
    """The column's comparison, as Splink's settings have it.

    implied_by: where one of these columns agrees, this one is not compared.
    """
    left, right = f'"{column}_l"', f'"{column}_r"'
    implied = "".join(f" OR {finer}_l = {finer}_r" for finer in implied_by)
    # a name in two scripts (李娜, Li Na) says nothing, neither for one person nor for two
    scripts = f" OR {column}_latin_l <> {column}_latin_r" if kind == "name" else ""
    missing = {"sql_condition": f"{left} IS NULL OR {right} IS NULL{implied}{scripts}", "label_for_charts": "missing"}
    levels = [
        missing | {"is_null_level": True},
        _level("exact", f"{left} = {right}", term=column),
        *_LEVELS[kind](column, left, right, kinds),
        _level("other", "ELSE"),
    ]
    return {"output_column_name": column, "comparison_levels": levels}


def _level(name: str, condition: str, *, term: str | None = None) -> Level:
    """term: the column whose value's frequency says how much an agreement at this level is worth."""
    frequency = {"tf_adjustment_column": term, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": 0.0}
    return {"sql_condition": condition, "label_for_charts": name, **(frequency if term else {})}


def _alike(left: str, right: str, least: float) -> str:
    return f"jaro_winkler_similarity({left}, {right}) >= {least}"


def _edits(left: str, right: str, most: int) -> str:
    return f"damerau_levenshtein({left}, {right}) <= {most}"


def _common_word(left: str, right: str, longer_than: int) -> str:
    words = (f"list_filter(string_split({side}, ' '), lambda w: length(w) > {longer_than})" for side in (left, right))
    return f"list_has_any({', '.join(words)})"


def _name(column: str, left: str, right: str, kinds: Mapping[str, Kind]) -> list[Level]:
    both = {"given_name", "family_name"} <= kinds.keys()
    beginning = f"starts_with({left}, {right}) OR starts_with({right}, {left})"
    if column == "given_name":
        crossed = "given_name_l = family_name_r OR family_name_l = given_name_r"
        return [
            _level("nickname", "list_has_any(_nicknames_l, _nicknames_r)"),
            _level("alike", _alike(left, right, 0.92)),
            _level("beginning", beginning),
            *([_level("crossed", crossed)] if both else []),
            _level("similar", _alike(left, right, 0.8)),
        ]
    swapped = "given_name_l = family_name_r AND given_name_r = family_name_l"
    return [
        _level("alike", _alike(left, right, 0.92)),
        *([_level("swapped", swapped)] if both and column == "family_name" else []),
        _level("word", _common_word(left, right, 1)),
        _level("similar", _alike(left, right, 0.8)),
    ]


def _date(_: str, left: str, right: str, __: Mapping[str, Kind]) -> list[Level]:
    same_year = f"left({left}, 4) = left({right}, 4)"
    swapped = f"substr({left}, 6, 2) = substr({right}, 9, 2) AND substr({left}, 9, 2) = substr({right}, 6, 2)"
    years = f"abs(cast(left({left}, 4) AS int) - cast(left({right}, 4) AS int))"
    # where only the year was known
    new_year = f"(right({left}, 5) = '01-01' OR right({right}, 5) = '01-01')"
    return [
        _level("typo", _edits(left, right, 1)),
        _level("swapped", f"{same_year} AND {swapped}"),
        _level("year_only", f"{same_year} AND {new_year}"),
        _level("typos", _edits(left, right, 2)),
        _level("year", same_year),
        _level("next_year", f"{years} <= 1"),
        _level("decade", f"{years} <= 10"),
    ]


def _postcode(_: str, left: str, right: str, __: Mapping[str, Kind]) -> list[Level]:
    sector = f"length({left}) > 3 AND left({left}, length({left}) - 2) = left({right}, length({right}) - 2)"
    return [
        _level("typo", _edits(left, right, 1)),
        _level("sector", sector),
        _level("district", f"left({left}, 3) = left({right}, 3)"),
        _level("area", f"left({left}, 2) = left({right}, 2)"),
    ]


def _email(column: str, left: str, right: str, _: Mapping[str, Kind]) -> list[Level]:
    locals_ = [f"split_part({side}, '@', 1)" for side in (left, right)]
    digits = [f"{column}_digits_{side}" for side in "lr"]
    # an address is made of its owner's name, so that namesakes' are alike but for the number that tells them apart
    no_other = f"({digits[0]} IS NULL OR {digits[1]} IS NULL OR {digits[0]} = {digits[1]})"
    return [
        _level("local", f"{locals_[0]} = {locals_[1]}"),
        _level("typos", f"{_edits(left, right, 2)} AND {no_other}"),
        # people number their addresses alike: jsmith84@, john.smith84@
        _level("digits", f"{digits[0]} = {digits[1]}", term=f"{column}_digits"),
        _level("alike", f"{_alike(left, right, 0.9)} AND {no_other}"),
        _level("local_alike", f"{_alike(locals_[0], locals_[1], 0.88)} AND {no_other}"),
    ]


def _phone(_: str, left: str, right: str, __: Mapping[str, Kind]) -> list[Level]:
    return [_level("typo", f"{_edits(left, right, 1)} OR right({left}, 7) = right({right}, 7)")]


def _code(_: str, left: str, right: str, __: Mapping[str, Kind]) -> list[Level]:
    return [_level("typo", _edits(left, right, 1)), _level("typos", _edits(left, right, 2))]


def _text(_: str, left: str, right: str, __: Mapping[str, Kind]) -> list[Level]:
    return [
        _level("alike", _alike(left, right, 0.92)),
        _level("word", _common_word(left, right, 3)),
        _level("similar", _alike(left, right, 0.8)),
    ]


def _category(_: str, __: str, ___: str, ____: Mapping[str, Kind]) -> list[Level]:
    return []


_LEVELS = {
    "name": _name, "date": _date, "text": _text, "postcode": _postcode, "email": _email, "phone": _phone,
    "code": _code, "category": _category,
}  # fmt: skip
