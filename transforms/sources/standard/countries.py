"""Countries as ISO 3166-1 alpha-2, whatever they are called."""

import re
import unicodedata
from collections import defaultdict
from functools import cache, lru_cache

# Languages in which customers write countries. Babel (CLDR) knows the names in each.
_LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "da", "sv", "nb", "fi", "is", "pl", "cs", "sk", "hu", "ro", "bg",
    "hr", "sl", "sr", "el", "tr", "ru", "uk", "ar", "he", "fa", "hi", "th", "vi", "id", "ms", "ja", "ko", "zh",
    "zh_Hant",
)  # fmt: skip
_ALSO = {
    "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "great britain": "GB",
    "britain": "GB", "grossbritannien": "GB",
    "grande bretagne": "GB", "el": "GR", "us of a": "US",
    "america": "US", "holland": "NL", "prc": "CN", "p r china": "CN",
    "中国大陆": "CN", "中华人民共和国": "CN", "英格兰": "GB", "russia": "RU", "south korea": "KR", "north korea": "KP",
    "brd": "DE", "oesterreich": "AT", "eire": "IE", "turkey": "TR", "burma": "MM", "swaziland": "SZ",
    "macedonia": "MK", "cape verde": "CV", "ivory coast": "CI", "elfenbeinkuste": "CI", "韩国": "KR", "朝鲜": "KP",
    "kosovo": "XK", "xk": "XK", "xkx": "XK",
}  # fmt: skip


@lru_cache(1 << 12)
def country(text: str | None) -> str | None:
    """The alpha-2 code of a country told by its code (alpha-2, alpha-3) or its name; None where none is meant."""
    if not text or len(text) > 100:
        return None
    key = _key(text)
    return _codes().get(key) or (None if len(key) <= 3 and key.isascii() else _names().get(key))


def _key(text: str) -> str:
    """Letters alone, without case and accents: `U.S.A.` and `usa`, `Côte d'Ivoire` and `cote divoire` are one."""
    bare = unicodedata.normalize("NFKD", text).casefold()
    letters = re.sub(r"[^\w\s-]|_", "", "".join(char for char in bare if not unicodedata.combining(char)))
    return unicodedata.normalize("NFKC", " ".join(letters.replace("-", " ").split()).removeprefix("the "))


@cache
def _codes() -> dict[str, str]:
    import pycountry

    codes = {item.alpha_3.lower(): item.alpha_2 for item in pycountry.countries}
    return codes | {item.alpha_2.lower(): item.alpha_2 for item in pycountry.countries} | _ALSO


@cache
def _names() -> dict[str, str]:
    """Name -> code, of the names that mean one country in every language."""
    import pycountry
    from babel import Locale

    meant: defaultdict[str, set[str]] = defaultdict(set)
    for item in pycountry.countries:
        for name in (item.name, getattr(item, "official_name", ""), getattr(item, "common_name", "")):
            meant[_key(name)].add(item.alpha_2)
    codes = {item.alpha_2 for item in pycountry.countries}
    for language in _LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if code in codes:
                meant[_key(name)].add(code)
    return {name: next(iter(found)) for name, found in meant.items() if name and len(found) == 1}
