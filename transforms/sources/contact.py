"""contact: a person as one source knows them."""

from datetime import date

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms import columns
from transforms.sources.standard import values as standard
from transforms.sources.standard.answers import with_answers
from transforms.sources.standard.phones import e164

_TEXTS = ("full_name", "given_name", "family_name", "region", "city", "postal_code", "street", "occupation")


def finish(rows: DataFrame, *, day: date, base_currency: str) -> DataFrame:
    """Names, addresses, e-mails, phones and birth dates in their standard forms. Grain: one row a raw record."""
    country = F.upper(F.coalesce("country", "_country"))
    return (
        rows.withColumns({name: standard.text(F.col(name)) for name in _TEXTS})
        .withColumns(
            {
                "email": columns.email(F.col("email")),
                "country": F.when(country.rlike("^[A-Z]{2}$"), country),
                "gender": standard.gender(F.col("gender")),
                "birth_date": standard.birth_date(F.col("birth_date"), today=F.lit(day)),
                "language": F.lower("language"),
            }
        )
        .transform(
            with_answers, "phone", e164, "string", F.col("phone"), F.coalesce("country", "_country"), repeated=True
        )
    )


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"negative_household_size": F.col("household_size") < 0}
