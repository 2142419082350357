"""Column -> Column rules for texts, genders and birth dates."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

_PLACEHOLDER_BIRTHS = ("1900-01-01", "1901-01-01", "1970-01-01", "9999-12-31")


def text(value: SparkColumn) -> SparkColumn:
    """A text without blanks around it and with single ones within; NULL where nothing is left."""
    return F.nullif(F.trim(F.regexp_replace(value, r"[\s\u00a0\u3000]+", " ")), F.lit(""))


def gender(value: SparkColumn) -> SparkColumn:
    """`female`, `male` or `other`; NULL for anything that says nothing."""
    word = F.lower(F.trim(value))
    return (
        F.when(word.isin("f", "female", "w", "weiblich", "femme", "mujer", "女"), "female")
        .when(word.isin("m", "male", "männlich", "homme", "hombre", "男"), "male")
        .when(word.isin("d", "x", "divers", "diverse", "other", "nonbinary", "non-binary"), "other")
    )


def birth_date(value: SparkColumn, *, today: SparkColumn) -> SparkColumn:
    """A birth date that a living customer can have: no placeholder, not in the future, at most 120 years ago."""
    placeholder = value.cast("string").isin(*_PLACEHOLDER_BIRTHS)
    return F.when((value <= today) & (value > F.add_months(today, -120 * 12)) & ~placeholder, value)
