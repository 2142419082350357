"""What a customer's own row says of each audience, in a bit an audience.

A column an audience would be copied from step to step and sent from machine to machine: so many bits are one number.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.audiences import Audience
from transforms.expressions import Expression

A_WORD = 63  # audiences in a bigint, whose sign is left alone


def bits(
    profile: DataFrame,
    *,
    audiences: Mapping[str, Audience],
    rules: Mapping[str, Expression],
    day: date,
    as_of: datetime,
) -> DataFrame:
    """customer_id, and as `words` who fulfils which rule. Grain: customer of the profile.

    `rules`: audience -> its compiled `where`.
    """
    set_in = {word: [_number(0)] for word in words(audiences)}
    for place, name in enumerate(audiences):
        if name in rules:
            word, at = bit(place)
            fulfils = rules[name].column(day=day, as_of=as_of)
            set_in[word].append(F.when(fulfils, _number(1 << at)).otherwise(_number(0)))
    packed = (reduce(SparkColumn.bitwiseOR, parts).alias(word) for word, parts in set_in.items())
    return profile.select("customer_id", *packed)


def words(audiences: Collection[str]) -> list[str]:
    """The columns of bigints that hold a bit for each of these audiences."""
    return [_word(number) for number in range(-(-len(audiences) // A_WORD))]


def bit(place: int) -> tuple[str, int]:
    """Of the audience at that place: which of the `words` it is in, and where in it, from the lowest bit."""
    number, at = divmod(place, A_WORD)
    return _word(number), at


def has(name: str, audiences: Collection[str]) -> SparkColumn:
    """Is the audience's bit set?"""
    word, at = bit(list(audiences).index(name))
    return F.col(word).bitwiseAND(_number(1 << at)) != 0


def _word(number: int) -> str:
    return f"_fulfils_{number}"


def _number(value: int) -> SparkColumn:
    return F.lit(value).cast("bigint")
