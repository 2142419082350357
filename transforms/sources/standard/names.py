"""People's names: case, order, honorifics. Nothing is guessed: a part that is not certain stays NULL."""

import re
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

from transforms.sources.standard import chinese_names
from transforms.sources.standard.answers import REMEMBERED


class Name(NamedTuple):
    """A name as a whole and its parts; None where the source gives none and none is certain."""

    full: str | None
    given: str | None
    family: str | None


_LONGEST = 200
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_NOBODY = frozenset(("n/a", "n.a.", "unknown", "unbekannt", "inconnu", "anonymous", "未知", "无名"))
# nameparser's own lists are long, and find titles and degrees in real names: Prince, Dean, St; Ma, Do, Ed.
_HONORIFICS = (
    "mr", "mrs", "ms", "miss", "mx", "mister", "dr", "prof", "professor", "sir", "dame", "rev", "herr", "frau",
    "fräulein", "monsieur", "mme", "mlle", "madame", "mademoiselle", "señor", "señora", "señorita", "sra",
    "srta", "signor", "signora", "dott", "dottoressa", "dipl-ing",
)  # fmt: skip
_DEGREES = ("phd", "md", "msc", "bsc", "mba", "dds", "esq")
_GENERATION = re.compile(r"(?i)[js]r\.?|ii|iii|iv")
_PROPER = re.compile(r"[A-Z][a-z]+(?:-[A-Z][a-z]+)*")
_TWO = re.compile(rf"({_PROPER.pattern}) ({_PROPER.pattern})|({_PROPER.pattern}), ({_PROPER.pattern})")
_INITIALS = re.compile(r"(?<!\w)(?:\w\.)+")
# A name is read again while that still changes it, so often at the most.
_READINGS = 4
# Where a name in Latin letters may begin with the family name.
_FAMILY_FIRST = frozenset(("CN", "HK", "MO", "TW", "SG", "JP", "KR", "KP", "VN", "KH", "MN", "HU"))


@lru_cache(REMEMBERED)
def name(full: str | None, given: str | None, family: str | None, country: str | None) -> Name:
    """A name in its standard form. `country`: alpha-2, where the person lives, as far as it is known.

    Honorifics go, `Family, Given` is turned round, names all in capitals or all in small letters get the case that
    names have. Chinese names stand without blanks, family name first; Japanese and Korean ones as they are. A part
    that the source gives is never replaced; one that it does not give is told from the whole where that leaves no
    doubt, and the whole from its parts. A whole that is but one of its parts tells nothing of the other.
    """
    whole, first, last = _clean(full), _clean(given), _clean(family)
    told = "".join(part for part in (whole, first, last) if part)
    if chinese_names.is_chinese(told, country):
        return Name(*chinese_names.name(whole, first, last))
    if chinese_names.is_east_asian(told):
        return Name(whole, first, last)
    ordered = country not in _FAMILY_FIRST
    read = _western(whole, first, last, ordered=ordered)
    for _ in range(_READINGS):  # an honorific that was taken off may leave another, or particles, to read anew
        once_more = _western(read.full, read.given, read.family, ordered=ordered)
        if once_more == read:
            break
        read = once_more
    return read


def _clean(text: str | None) -> str | None:
    """Composed and narrow letters, single blanks; None for what names nobody."""
    if not text or len(text) > _LONGEST:
        return None
    cleaned = " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).split()).strip(",; ")
    return cleaned if any(map(str.isalpha, cleaned)) and cleaned.lower() not in _NOBODY else None


def _western(whole: str | None, first: str | None, last: str | None, *, ordered: bool) -> Name:
    alone = whole and whole.casefold() in {part.casefold() for part in (first, last) if part}
    first, last = _part(first), _part(last)
    if alone and not (first and last):
        return Name(first or last, first, last)
    if whole and (plain := _plain(whole)) and ordered:
        return Name(" ".join(plain), first or plain[0], last or plain[1])
    if not whole:
        certain = first and last and ordered and "," not in first + last
        joined = f"{first} {last}" if certain else None
        # particles alone ('van', 'van') would be read otherwise as a whole
        stays = joined is not None and _western(joined, first, last, ordered=ordered).full == joined
        return Name(joined if stays else None, first, last)
    if whole.count(",") > 1:  # a list of something
        return Name(whole, first, last)
    read, comma = _read(whole), "," in whole
    if not (read.first or read.last):
        return Name(whole, first, last)
    middle = [read.middle] if read.middle else []
    generation = [word for word in read.suffix_list if _GENERATION.fullmatch(word)]
    written = " ".join(part for part in (read.first, *middle, read.last, *generation) if part)
    if comma and not read.first:  # not family and given name: left as it is
        return Name(whole, first, last)
    if written.islower():  # particles alone, after an honorific
        written = written[0].upper() + written[1:]
    named = comma or (ordered and not middle and _is_one(read.last) and not _is_family(whole))
    certain = bool(read.first and read.last) and named
    return Name(
        written, first or (_part(read.first) if certain else None), last or (_part(read.last) if certain else None)
    )


def _plain(whole: str) -> tuple[str, str] | None:
    """Given and family name of `Ann Lee` and `Lee, Ann`: most names, told twenty times faster than by the library."""
    match = _TWO.fullmatch(whole)
    if not match:
        return None
    first, last = (match[1], match[2]) if match[1] else (match[4], match[3])
    return None if {first.lower(), last.lower()} & _special() else (first, last)


def _is_family(whole: str) -> bool:
    """Does it begin with a particle, small or before nothing but others? `von Humboldt` has no given name."""
    words = [word for word in whole.split() if word.lower().rstrip(".") not in _HONORIFICS]
    particles = [word.lower() in _known().prefixes for word in words]
    written_small = bool(words) and words[0].islower() and not whole.islower()
    return bool(words) and particles[0] and (written_small or all(particles))


def _is_one(family: str) -> bool:
    """Is it one word, but for particles before it? Of two, one may be a second given name."""
    return all(word.lower() in _known().prefixes for word in family.split()[:-1])


def _part(part: str | None) -> str | None:
    """A given or family name alone: no honorific before it, in the case that names have."""
    if part is None or (_PROPER.fullmatch(part) and part.lower() not in _HONORIFICS):
        return part
    words = part.split()
    while words and words[0].lower().rstrip(".") in _HONORIFICS:
        del words[0]
    kept = " ".join(words) or None
    if kept is None or not (kept.isupper() or kept.islower()):
        return kept
    from nameparser import HumanName

    # particles are small before another word only
    alone = HumanName(**{"last" if " " in kept else "first": kept}, constants=_known())
    alone.capitalize(force=False)
    return _with_initials(alone.last or alone.first) or kept


@lru_cache(1)
def _known() -> Any:
    from nameparser.config import Constants

    known = Constants()
    return Constants(
        titles=_HONORIFICS,
        suffix_acronyms=_DEGREES,
        first_name_titles=("sir", "dame"),
        prefixes=known.prefixes - {"st", "ste", "san", "santa", "do", "mac", "mc", "bar", "bat", "bon"},
        # Mac is Machado's and Macey's too
        regexes={**dict(known.regexes), "mac": re.compile(r"^(mc)(\w{2,})", re.IGNORECASE)},
    )


@lru_cache(1)
def _special() -> frozenset[str]:
    """Words that nameparser takes for something else than a name."""
    known = _known()
    kinds = (
        known.titles, known.prefixes, known.suffix_acronyms, known.suffix_not_acronyms, known.conjunctions,
        known.bound_first_names, known.non_first_name_prefixes,
    )  # fmt: skip
    return frozenset(word for kind in kinds for word in kind)


def _read(whole: str) -> Any:
    from nameparser import HumanName

    read = HumanName(whole, constants=_known())
    bare = f"{read.first} {read.middle} {read.last}"
    if bare.isupper() or bare.islower():  # `Dr. ANN LEE` too
        read.capitalize(force=True)
    for part in ("first", "middle", "last"):
        setattr(read, part, _with_initials(getattr(read, part)))
    return read


def _with_initials(text: str) -> str:
    return _INITIALS.sub(lambda match: match[0].upper(), text)
