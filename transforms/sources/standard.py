"""Values in one standard form, whoever wrote them. Costly rules run once for each distinct value."""

import phonenumbers
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

SHORTEST_PHONE = 7
_PLACEHOLDER_BIRTHS = ("1900-01-01", "1901-01-01", "1970-01-01", "9999-12-31")


def e164(number: str | None, country: str | None) -> str | None:
    """A telephone number in E.164 by the rules of its country, or None where it cannot be one."""
    if not number or len(number) > 40:  # no written form of a number is longer; parsing gets slow on junk
        return None
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def with_phones(rows: DataFrame, column: str, *, country: SparkColumn) -> DataFrame:
    """`rows` with the phone numbers of a text column in E.164; what is none becomes NULL.

    Each distinct number is parsed once (phonenumbers), and joined back.
    """
    # as JSON a number without a country is a key too, which a join by two columns would not find
    asked = rows.withColumn(
        "_asked", F.when(F.col(column).isNotNull(), F.to_json(F.struct(F.col(column).alias("n"), country.alias("c"))))
    )
    number, region = F.get_json_object("_asked", "$.n"), F.get_json_object("_asked", "$.c")
    known = (
        asked.where(F.col("_asked").isNotNull())
        .select("_asked")
        .distinct()
        .withColumn("_phone", F.udf(e164, "string", useArrow=False)(number, region))
    )
    return asked.join(F.broadcast(known), "_asked", "left").withColumn(column, F.col("_phone")).drop("_phone", "_asked")


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
