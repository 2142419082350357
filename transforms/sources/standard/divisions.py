"""Chinese addresses split into province, city and district, by a list of divisions that the user supplies."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from transforms.errors import DefinitionError

_CODE = re.compile(r"(\d{6})(?:0{6})?")
# What stands in the place of a city where a province has none between itself and its districts.
_NO_CITY = re.compile(r"市辖区|县|(?:省|自治区)直辖县级行政区划")
_SUFFIX = re.compile(r"(?:特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市|地区|盟)$")
_PEOPLES = re.compile(
    r"(?:朝鲜族|土家族|苗族|藏族|羌族|彝族|布依族|侗族|哈尼族|壮族|傣族|白族|景颇族|傈僳族|回族|蒙古族|蒙古|哈萨克|柯尔克孜)+自治州$"
)
# `南京西路` and `北京饭店` lie anywhere: a bare name is a place only where nothing makes it a part of another name.
_PART_OF_A_NAME = re.compile(
    r"[东西南北中一二三四五六七八九十环]{0,2}(?:路|街|大街|大道|道|巷|弄|里|胡同|高速|公路|门|桥)|"
    r"[区县市旗镇乡村]|大学|饭店|宾馆|大厦|银行"
)
_BETWEEN = re.compile(r"^[\s,，、\-－·]+")
_LONGEST_NAME = 15


class Place(NamedTuple):
    """An address in parts, each None where it is not known."""

    region: str | None
    city: str | None
    district: str | None
    street: str | None


class Divisions:
    """Provinces, cities and districts by their GB/T 2260 codes: two digits the province, four the city."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)
        found: defaultdict[str, set[str]] = defaultdict(set)
        for code, name in names.items():
            if not _NO_CITY.fullmatch(name):
                for written in {name, _short(name) if code.endswith("00") else name}:
                    found[written].add(code)
        self._codes = {name: tuple(sorted(codes)) for name, codes in found.items()}

    def place(self, region: str | None, city: str | None, district: str | None, street: str | None) -> Place:
        """The address with its divisions under their official names, and the street without them.

        What the columns say comes first; then what the street begins with, as far as it does not contradict. Levels
        above a division are known from its code. A name that several divisions have tells nothing unless what stands
        before it decides. What is in no list stays as it is.
        """
        code, unknown = "", set()
        for column, text in (("region", region), ("city", city), ("district", district)):
            told, rest = self._read(text or "", code)
            if text and rest:
                unknown.add(column)
            else:
                code = told
        found, rest = self._read(street or "", code)
        names = dict(zip(("region", "city", "district"), self._path(found), strict=True))
        given = {"region": region, "city": city, "district": district}
        parts = {column: given[column] if column in unknown else names[column] or given[column] for column in given}
        return Place(**parts, street=rest or None)

    def _read(self, text: str, within: str) -> tuple[str, str]:
        """The code of the division that a text begins with, inside `within`, and the rest of the text."""
        code, rest = within, text
        while True:
            ahead = _BETWEEN.sub("", rest if code else rest.removeprefix("中国"))
            for length in range(min(_LONGEST_NAME, len(ahead)), 1, -1):
                inside = self._inside(ahead[:length], code, ahead[length:])
                if inside is not None:
                    code, rest = inside, ahead[length:]
                    break
            else:
                return code, ahead if rest != text else text

    def _inside(self, name: str, within: str, after: str) -> str | None:
        """The one division of that name inside another, or the other itself; None where there is none or several."""
        codes = self._codes.get(name, ())
        if not codes:
            return None
        full = name in (self._names[code] for code in codes)
        if not full and _PART_OF_A_NAME.match(after):
            return None
        if any(_holds(code, within) for code in codes):  # said once more: `北京市北京市`, `济南济南市`
            return within
        found = [code for code in codes if _holds(within, code) and code != within]
        # of a province and its city of that name (吉林) the bare name means the province
        highest = min((_level(code) for code in found), default=0)
        at_top = [code for code in found if _level(code) == highest]
        return at_top[0] if len(at_top) == 1 and (full or highest < 3) else None

    def _path(self, code: str) -> tuple[str | None, str | None, str | None]:
        """Names of a division's province, city and district."""
        if not code:
            return None, None, None
        province = self._names.get(code[:2] + "0000")
        if code.endswith("0000"):
            # a city that is a province has no other city
            return province, province if self._is_one_city(code) else None, None
        own = self._names[code]
        if code.endswith("00"):
            return province, own, None
        between = self._names.get(code[:4] + "00")
        if between is None or _NO_CITY.fullmatch(between):
            return (province, province, own) if self._is_one_city(code) else (province, own, None)
        return province, between, own

    def _is_one_city(self, code: str) -> bool:
        return self._names.get(code[:2] + "0000", "").endswith("市")


def _short(name: str) -> str:
    short = _SUFFIX.sub("", _PEOPLES.sub("", name))
    return short if len(short) > 1 else name


def _level(code: str) -> int:
    """1 of a province, 2 of a city, 3 of a district."""
    return 1 if code.endswith("0000") else 2 if code.endswith("00") else 3


def _holds(outer: str, inner: str) -> bool:
    """Is `inner` the division `outer` or inside it? Everything is inside none."""
    return not outer or (bool(inner) and inner.startswith(outer[: 2 * _level(outer)]))


def parse_divisions(text: str, *, place: str) -> Divisions:
    """Divisions from CSV with the columns `code` (or `adcode`) and `name`; others are not looked at.

    Codes have six digits, or twelve of which the last six are 0. Raises DefinitionError with a line a mistake.
    """
    rows = csv.DictReader(io.StringIO(text))
    header = rows.fieldnames or []
    code = next((name for name in ("code", "adcode") if name in header), None)
    if code is None or "name" not in header:
        raise DefinitionError(f"{place}:1: no columns code and name in the header; write: code,name")
    names: dict[str, str] = {}
    problems = list(_read_divisions(rows, code, names, place))
    problems += (
        [f"{place}: no division of a province (a code that ends on 0000); add them"]
        if not problems and not any(found.endswith("0000") for found in names)
        else []
    )
    if problems:
        raise DefinitionError(*problems)
    return Divisions(names)


def _read_divisions(rows: Iterable[Mapping[str, str]], code: str, names: dict[str, str], place: str) -> Iterator[str]:
    for number, row in enumerate(rows, 2):
        match, name = _CODE.fullmatch((row[code] or "").strip()), (row["name"] or "").strip()
        if not match:
            yield f"{place}:{number}: {code}: '{row[code]}' is no GB/T 2260 code of six digits"
        elif not name:
            yield f"{place}:{number}: name: empty; give the division's name"
        elif match[1] in names:
            yield f"{place}:{number}: {code}: {match[1]} is given twice; keep one line"
        else:
            names[match[1]] = name
