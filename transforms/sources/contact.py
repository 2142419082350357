"""contact: a person as one source knows them."""

from functools import partial

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.context import Context
from transforms.sources.standard import values
from transforms.sources.standard.answers import with_answers
from transforms.sources.standard.contacts import ASKED, TOLD, Contact, contact

_TEXTS = ("region", "city", "district", "postal_code", "street", "occupation")


def finish(rows: DataFrame, *, context: Context) -> DataFrame:
    """Names, addresses, e-mails, phones and birth dates in their standard forms. Grain: one row a raw record.

    `_own_email` is the mailbox that the e-mail address reaches: the identifier.
    """
    asked = [F.col(name) for name in ASKED]
    told = rows.withColumns({name: values.text(F.col(name)) for name in _TEXTS}).transform(
        with_answers, "_told", partial(contact, context.divisions), TOLD, *asked, repeated=False
    )
    names = {"_own_email" if name == "mailbox" else name: name for name in Contact._fields}
    return told.withColumns(
        {
            **{column: F.col(f"_told.{name}") for column, name in names.items()},
            "gender": values.gender(F.col("gender")),
            "birth_date": values.birth_date(F.col("birth_date"), today=F.lit(context.day)),
            "language": values.language(F.col("language")),
        }
    ).drop("_told")


def flaws() -> dict[str, SparkColumn]:
    """Rule -> a row violates it."""
    return {"negative_household_size": F.col("household_size") < 0}
