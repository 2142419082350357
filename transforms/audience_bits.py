"""What a customer's own row says of each audience, in a bit an audience.

A column an audience would be copied from step to step and sent from machine to machine: so many bits are one number.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from functools import reduce
from operator import or_

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.audiences import Audience
from transforms.expressions import Expression

A_WORD = 63  # audiences in a bigint, whose sign is left alone
HOLDOUT_STEPS = 1_000_000
FULFILS, ASIDE = "fulfils", "aside"


def bits(
    profile: DataFrame,
    *,
    audiences: Mapping[str, Audience],
    rules: Mapping[str, Expression],
    day: date,
    as_of: datetime,
) -> DataFrame:
    """customer_id, and as `words` who fulfils which rule, and whom the lot keeps aside. Grain: customer of the profile.

    `rules`: audience -> its compiled `where`. A lot is drawn for those alone who may come into question.
    """
    fulfils = {name: rule.column(day=day, as_of=as_of) for name, rule in rules.items()}
    found = profile.select("customer_id", *_packed(FULFILS, fulfils, audiences))
    aside = {
        name: _any(FULFILS, _reaching(name, audiences), audiences) & held_out(F.col("customer_id"), one)
        for name, one in audiences.items()
        if one.holdout
    }
    return found.select("*", *_packed(ASIDE, aside, audiences))


def words(what: str, audiences: Collection[str]) -> list[str]:
    """The columns of bigints that hold a bit for each of these audiences."""
    return [f"_{what}_{number}" for number in range(-(-len(audiences) // A_WORD))]


def bit(place: int) -> tuple[int, int]:
    """Of the audience at that place: which of the `words` it is in, and where in it, from the lowest bit."""
    return divmod(place, A_WORD)


def has(what: str, name: str, audiences: Collection[str]) -> SparkColumn:
    """Is the audience's bit set?"""
    return _any(what, [name], audiences)


def held_out(customer_id: SparkColumn, audience: Audience) -> SparkColumn:
    """Is the customer kept aside? By a hash of audience and customer, so that nobody else's coming or going tells.

    xxhash64 (seed 42) of the text `<audience>/<customer_id>`, in millionths: another audience draws another lot.
    """
    if not audience.holdout:
        return F.lit(False)
    lot = F.pmod(F.xxhash64(F.concat(F.lit(f"{audience.audience}/"), customer_id)), F.lit(HOLDOUT_STEPS))
    return lot < round(audience.holdout * HOLDOUT_STEPS)


def _reaching(name: str, audiences: Mapping[str, Audience]) -> list[str]:
    """The audience, and all whose members it may have by `union`."""
    found = [name]
    for current in found:
        found += [other for other in audiences[current].union if other not in found]
    return found


def _packed(what: str, flags: Mapping[str, SparkColumn], audiences: Collection[str]) -> list[SparkColumn]:
    set_in: dict[str, list[SparkColumn]] = {column: [_number(0)] for column in words(what, audiences)}
    for place, name in enumerate(audiences):
        if name in flags:
            word, at = bit(place)
            set_in[f"_{what}_{word}"].append(F.when(flags[name], _number(1 << at)).otherwise(_number(0)))
    return [reduce(SparkColumn.bitwiseOR, parts).alias(column) for column, parts in set_in.items()]


def _any(what: str, names: Collection[str], audiences: Collection[str]) -> SparkColumn:
    masks: dict[int, int] = {}
    for place, name in enumerate(audiences):
        if name in names:
            word, at = bit(place)
            masks[word] = masks.get(word, 0) | 1 << at
    tests = (F.col(f"_{what}_{word}").bitwiseAND(_number(mask)) != 0 for word, mask in masks.items())
    return reduce(or_, tests, F.lit(False))


def _number(value: int) -> SparkColumn:
    return F.lit(value).cast("bigint")
