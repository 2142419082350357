"""Column -> Column rules for texts, languages, genders and birth dates."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

_PLACEHOLDER_BIRTHS = (
    "1900-01-01", "1901-01-01", "1899-12-30", "1899-12-31", "1970-01-01", "1753-01-01", "1111-11-11", "9999-12-31",
)  # fmt: skip
# Full-width letters, digits and the marks within numbers; Chinese punctuation is full-width by right.
_WIDE = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F) if chr(code).isalnum() or chr(code) in "-/.#&+@_")
_NARROW = "".join(chr(ord(char) - 0xFEE0) for char in _WIDE)
_FEMALE = (
    "f", "female", "w", "weiblich", "frau", "woman", "femme", "féminin", "feminin", "mujer", "femenino", "feminino",
    "femminile", "donna", "vrouw", "vrouwelijk", "kvinna", "kvinde", "kvinne", "nainen", "kobieta", "žena", "kadın",
    "женский", "ж", "жінка", "女", "女性", "女士", "여", "여성", "여자", "أنثى", "2",
)  # fmt: skip
_MALE = (
    "m", "male", "männlich", "mann", "herr", "man", "homme", "masculin", "hombre", "masculino", "maschile", "uomo",
    "mannelijk", "mand", "mies", "mężczyzna", "muž", "erkek", "мужской", "м", "чоловік", "男", "男性", "先生", "남",
    "남성", "남자", "ذكر", "1",
)  # fmt: skip
_OTHER = (
    "d",
    "x",
    "divers",
    "diverse",
    "other",
    "nonbinary",
    "non-binary",
    "non binary",
    "其他",
    "その他",
    "autre",
    "otro",
)


def text(value: SparkColumn) -> SparkColumn:
    """A text with narrow letters and digits, without blanks around it and with single ones within; NULL if empty."""
    single = F.regexp_replace(value, r"[\s\u00a0\u3000\u200b\ufeff]+", " ")
    return F.nullif(F.trim(F.translate(single, _WIDE, _NARROW)), F.lit(""))


def language(value: SparkColumn) -> SparkColumn:
    """A language's code in lower case, without country or script: `en-US` is `en`."""
    return F.nullif(F.regexp_replace(F.lower(F.trim(value)), "^([a-z]{2,3})[-_].*", "$1"), F.lit(""))


def gender(value: SparkColumn) -> SparkColumn:
    """`female`, `male` or `other`, by words of many languages and by ISO/IEC 5218 (1 male, 2 female).

    NULL for anything that says nothing, such as `0` and `9`: not known, not applicable.
    """
    word = F.lower(F.regexp_replace(value, r"^[\s\u3000]+|[\s\u3000.]+$", ""))
    return F.when(word.isin(*_FEMALE), "female").when(word.isin(*_MALE), "male").when(word.isin(*_OTHER), "other")


def birth_date(value: SparkColumn, *, today: SparkColumn) -> SparkColumn:
    """A birth date that a living customer can have: no placeholder, not in the future, at most 120 years ago."""
    placeholder = value.cast("string").isin(*_PLACEHOLDER_BIRTHS)
    return F.when((value <= today) & (value > F.add_months(today, -120 * 12)) & ~placeholder, value)
